"""Whole builds through the command line, into a real results file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from harness.store import Store
from tests.train_cft.conftest import (
    RUN,
    Response,
    TrainCft,
    read_jsonl,
    sums,
    write_jsonl,
    write_run,
)

LONG = (
    "A farmer has seven red hens and eight blue geese in nine small green barns; "
    "how many birds has he?"
)


def _criticised(count: int, *, wrongly: int = 0) -> list[dict[str, str]]:
    """Make rows with critiques of which the first ``wrongly`` conclude the wrong way."""
    rows = []
    for number, row in enumerate(sums(count), start=1):
        right = number % 2 == 0
        said = "right" if right != (number <= wrongly) else "wrong"
        rows.append(row | {"critique": f"I added it up.\n\nConclusion: {said} [END]"})
    return rows


def _queue(results: Path) -> list[dict[str, Any]]:
    with Store(results).read() as connection:
        cursor = connection.execute("SELECT * FROM critique ORDER BY reason, question")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_a_build_leaves(train_cft: TrainCft, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", _criticised(6))
    out = tmp_path / "out"
    done = train_cft("build", "--data", data, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json["examples"] == 6 and done.json["right"] == 3
    rows = read_jsonl(out / "train.jsonl")
    assert set(rows[0]) == {"instruction", "input", "output"}
    assert parquet.read_table(out / "train.parquet").to_pylist() == rows
    messages = read_jsonl(out / "messages.jsonl")
    assert parquet.read_table(out / "messages.parquet").to_pylist() == messages
    for row, turns in zip(rows, messages, strict=True):
        assert turns["prompt"] == [
            {"role": "user", "content": f"{row['instruction']}\n{row['input']}"}
        ]
        assert turns["completion"] == [{"role": "assistant", "content": row["output"]}]
    for line in (out / "SHA256SUMS").read_text().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == sha256
    assert (
        json.loads((out / "build.json").read_text())["data_sha256"]
        in (out / "data_card.md").read_text()
    )
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_the_same_inputs_and_seed_give_the_same_bytes(train_cft: TrainCft, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", _criticised(12))
    arguments = ("build", "--data", data, "--right-share", "0.5", "--limit", "8")
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        done = train_cft(*arguments, "--seed", seed, "--out", tmp_path / name)
        assert done.code == 0, done.err
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert _bytes(tmp_path / "a")["train.jsonl"] != _bytes(tmp_path / "c")["train.jsonl"]


@pytest.mark.parametrize(("policy", "kept", "flagged"), [("drop", 15, 0), ("flag", 20, 5)])
def test_planted_errors_are_found_and_counted(
    train_cft: TrainCft, tmp_path: Path, results: Path, policy: str, kept: int, flagged: int
) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", _criticised(20, wrongly=5))
    out = tmp_path / "out"
    arguments = ("--on-conflict", policy, "--audit", "3", "--json")
    done = train_cft("build", "--data", data, "--out", out, *arguments)
    assert done.code == 0, done.err
    error = done.json["critic_error"]
    # Wilson's upper end for 5 of 20, and the exact test's lower one, which is lower still.
    assert error["value"] == 0.25
    assert (round(error["low"], 3), round(error["high"], 3)) == (0.104, 0.469)
    assert (done.json["examples"], done.json["flagged"]) == (kept, flagged)
    queue = _queue(results)
    assert [row["reason"] for row in queue] == ["audit"] * 3 + ["conflict"] * 5
    assert {row["outcome"] for row in queue[3:]} == {"flagged" if flagged else "dropped"}
    assert all(row["concludes_right"] != row["graded_right"] for row in queue[3:])
    assert all(row["human_right"] is None for row in queue)
    known = parquet.read_table(out / "examples.parquet").to_pylist()
    assert sum(row["flagged"] for row in known) == flagged


def test_benchmark_items_are_removed_and_counted(
    train_cft: TrainCft, tmp_path: Path, own_tasks: Path, results: Path
) -> None:
    rows = _criticised(4)
    rows[0]["question"] = "What is the CAPITAL   number?"
    rows[1]["response"] += " Now, " + LONG
    data = write_jsonl(tmp_path / "d.jsonl", rows)
    out = tmp_path / "out"
    arguments = ("--tasks-dir", own_tasks, "--json")
    done = train_cft("build", "--data", data, "--out", out, *arguments)
    assert done.code == 0, done.err
    assert done.json["contaminated"] == {"own": {"exact": 1, "stretch": 1}}
    assert done.json["examples"] == 2 and done.json["left_out"] == {"repeats a benchmark": 2}
    assert {"gsm8k", "math500"} <= set(done.json["not_checked"])
    card = (out / "data_card.md").read_text()
    assert "| own | 2 | both | 1 | 1 |" in card and str(tmp_path) not in card
    assert not any("hens" in content.decode(errors="ignore") for content in _bytes(out).values())
    assert not any("CAPITAL" in row["question"] for row in _queue(results))


def test_a_run_gives_right_and_wrong_responses(
    train_cft: TrainCft, tmp_path: Path, results: Path
) -> None:
    step = "Well, 3 + 4 = 8 and the answer is \\boxed{5}."
    good = "Well, 2 + 2 = 4 and the answer is \\boxed{4}."
    responses = [
        *(Response(f"Question {n}?", f"{n}: {step}", correct=False) for n in range(6)),
        *(Response(f"Question {n}?", f"{n}: {good}", correct=True) for n in range(4)),
        Response("Question 0?", step, correct=False, truncated=True),
        Response("Question 0?", step * 2, correct=False, loop=True),
        Response("Question 0?", " ", correct=False),
        Response("Question 0?", step * 3, correct=False, status="timeout"),
        Response("Question 0?", "Just \\boxed{5}.", correct=False),
    ]
    write_run(results, responses)
    out = tmp_path / "out"
    arguments = ("--critic", "reference", "--right-share", "0.5", "--json", "--out", out)
    done = train_cft("build", "--from-run", RUN[:6], *arguments)
    assert done.code == 0, done.err
    (source,) = done.json["sources"]
    assert source["left_out"] == {"truncated": 1, "loops": 1, "empty": 1, "not judged": 1}
    assert (done.json["right"], done.json["wrong"]) == (4, 4)
    assert done.json["left_out"]["no critique: neither a reference solution nor a step that can "
                                 "be checked"] == 1  # fmt: skip
    assert done.json["critic_error"] is None
    known = parquet.read_table(out / "examples.parquet").to_pylist()
    assert {(row["run_id"], row["task"], row["critic"]) for row in known} == {
        (RUN, "own", "reference")
    }
    assert any("`3 + 4 = 8` is wrong: `3 + 4` is 7" in row["critique"] for row in known)
    assert {row["reason"] for row in _queue(results)} == {"audit"}


def test_a_restricted_run_is_never_written_down(
    train_cft: TrainCft, tmp_path: Path, results: Path
) -> None:
    write_run(results, [Response("Secret?", "x", True)], task="gpqa_diamond", restricted=True)
    done = train_cft("build", "--from-run", RUN, "--critic", "reference", "--out", tmp_path / "out")
    assert done.code == 2 and "must not be written" in done.err
    assert not (tmp_path / "out").exists()


def test_the_build_split_is_exempt_by_name_and_the_rest_is_not(
    train_cft: TrainCft, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train_cft.data import splits

    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    build, select = splits.BUILD.items(), splits.SELECT.items()
    rows = [
        {"question": item.question, "response": f"{n}: \\boxed{{?}}", "critique": f"No {n}."}
        for n, item in enumerate([*build[:30], *select[:10]])
    ]
    for row in rows:
        row["critique"] += "\n\nConclusion: wrong [END]"
    data = write_jsonl(tmp_path / "d.jsonl", rows)
    out = tmp_path / "out"
    done = train_cft("build", "--data", data, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json["contaminated"]["math500_validation"]["exact"] == 10
    exempt = done.json["exempt"]["math500_validation"]
    assert len(exempt) == done.json["examples"] >= 20
    assert set(exempt) <= {item.id for item in build}
    assert "gsm8k" not in done.json["not_checked"]
    # What GPQA asks stays where it is.
    from harness.registry import load_task

    written = "".join(content.decode(errors="ignore") for content in _bytes(out).values())
    assert not any(item.question in written for item in load_task("gpqa_diamond").items())


def test_fresh_seeds_of_training_and_testing_share_no_item(
    train_cft: TrainCft, tmp_path: Path, results: Path
) -> None:
    from harness.registry import load_task

    tested = load_task("fresh:chain_sum").items()
    trained = load_task("fresh:chain_sum@7").items()
    assert {item.question for item in tested} != {item.question for item in trained}
    step = "We get 2 + 2 = 5. The answer is \\boxed{0}."
    responses = [
        Response(item.question, f"{item.id}: {step}", correct=False, gold=item.gold)
        for item in [*trained[:8], *tested[:3]]
    ]
    write_run(results, responses, task="fresh:chain_sum@7")
    out = tmp_path / "out"
    done = train_cft("build", "--from-run", RUN, "--critic", "reference", "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json["contaminated"] == {"fresh:chain_sum": {"exact": 3, "stretch": 0}}
    known = parquet.read_table(out / "examples.parquet").to_pylist()
    assert not {row["question"] for row in known} & {item.question for item in tested}


def test_what_repeats_itself_is_kept_once(train_cft: TrainCft, tmp_path: Path) -> None:
    rows = _criticised(3)
    near = rows[0] | {"response": rows[0]["response"] + "!"}
    data = write_jsonl(tmp_path / "d.jsonl", [*rows, rows[1], near])
    done = train_cft("build", "--data", data, "--out", tmp_path / "out", "--json")
    assert done.json["examples"] == 3
    assert done.json["left_out"] == {"the same question and response": 1, "near-duplicates": 1}


def test_the_lengths_are_counted_by_the_base_models_tokenizer(
    train_cft: TrainCft, tmp_path: Path, model_folder: Path
) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", _criticised(3))
    out = tmp_path / "out"
    done = train_cft("build", "--data", data, "--out", out, "--tokenizer", model_folder)
    assert done.code == 0, done.err
    assert f"in tokens of {model_folder.name}" in (out / "data_card.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "There is nothing to build from"),
        (("--data", "nowhere.jsonl"), "--data nowhere.jsonl is neither"),
        (("--data", "d.jsonl", "--critic", "openia", "--teacher", "x"), "Did you mean openai"),
        (("--data", "d.jsonl", "--critic", "openai"), "No model is named for --critic openai"),
        (("--data", "d.jsonl", "--teacher", "x"), "--critic source asks no model"),
        (("--data", "d.jsonl", "--on-conflict", "retry"), "asks a teacher again"),
        (("--data", "d.jsonl", "--on-conflict", "keep"), "--on-conflict 'keep' is not known"),
        (("--data", "d.jsonl", "--right-share", "1.5"), "outside [0, 1]"),
        (("--data", "d.jsonl", "--right-share", "1", "--limit", "0"), "--limit 0"),
        (("--data", "d.jsonl", "--against", "nothing"), "There is no task 'nothing'"),
        (("--from-run", "x"), "A run has no critiques of its own"),
        (("--from-run", "x", "--critic", "reference"), "There is no results file"),
        (("--data", "d.jsonl", "--critic", "reference"), "Nothing is left to train on"),
        (("--data", "d.jsonl", "--tokenizer", "nothing"), "There is no model 'nothing'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    train_cft: TrainCft,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"question": "What?", "response": "This.", "critique": "So.\nConclusion: right [END]"}
    write_jsonl(tmp_path / "d.jsonl", [row])
    done = train_cft("build", "--out", "out", *arguments)
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".out*"))


def test_an_existing_folder_is_kept_unless_it_is_ours(train_cft: TrainCft, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", _criticised(2))
    out = tmp_path / "out"
    arguments = ("build", "--data", data, "--out", out)
    assert train_cft(*arguments).code == 0
    done = train_cft(*arguments)
    assert done.code == 2 and "Add --replace" in done.err
    assert train_cft(*arguments, "--replace", "--limit", "1").code == 0
    assert len(read_jsonl(out / "train.jsonl")) == 1
    (tmp_path / "mine").mkdir()
    done = train_cft("build", "--data", data, "--out", tmp_path / "mine", "--replace")
    assert done.code == 2 and "is not a folder" in done.err


def test_a_disk_that_fills_up_leaves_the_last_build_whole(
    train_cft: TrainCft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    data = write_jsonl(tmp_path / "d.jsonl", _criticised(2))
    out = tmp_path / "out"
    assert train_cft("build", "--data", data, "--out", out).code == 0
    before = _bytes(out)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    from train_cft.build import data_card

    monkeypatch.setattr(data_card, "write", full)
    done = train_cft("build", "--data", data, "--out", out, "--replace")
    assert done.code == 2 and "No space left on device" in done.err
    assert _bytes(out) == before and not list(tmp_path.glob(".out*"))

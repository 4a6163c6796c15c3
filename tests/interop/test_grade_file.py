"""Judging answers without a model: files, imported responses, and grades side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import Finished

Harness = Callable[..., Finished]


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_is_judged_and_held_against_its_labels(harness: Harness, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "gold": "1/2", "pred": "0.5", "label": True},
        {"id": "b", "gold": "7", "pred": "8", "label": True},
        {"id": "c", "gold": "7", "pred": "7", "label": False},
        {"id": "d", "gold": "7", "pred": "so \\boxed{7}", "pred_is_full_response": True},
    ]
    file = _write(tmp_path / "answers.jsonl", rows)
    done = harness("grade", file, "--out", tmp_path / "out.jsonl", "--json")
    assert done.code == 0, done.err
    report = done.json
    assert (report["pairs"], report["labelled"]) == (4, 3)
    assert (report["false_positives"], report["false_negatives"]) == (["c"], ["b"])
    assert report["accuracy"] == pytest.approx(1 / 3)
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in written] == ["a", "b", "c", "d"]
    assert [row["correct"] for row in written] == [True, False, True, True]
    assert set(written[0]) == {"id", "correct", "status", "method", "extracted", "seconds"}
    assert written[3]["extracted"] == "7"


@pytest.mark.parametrize(
    "line", ["not json", '{"gold": "7"}', "[1]", '{"gold": 1, "pred": 1, "answer_type": "x"}']
)
def test_a_line_that_cannot_be_judged_is_named(harness: Harness, tmp_path: Path, line: str) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"gold": "1", "pred": "1"}\n' + line + "\n")
    done = harness("grade", file)
    assert (done.code, done.out) == (2, "")
    assert "Line 2" in done.err and "Traceback" not in done.err


def test_an_unknown_profile_gets_the_nearest(harness: Harness, tmp_path: Path) -> None:
    file = _write(tmp_path / "answers.jsonl", [{"gold": "1", "pred": "1"}])
    done = harness("grade", file, "--profile", "strikt")
    assert done.code == 2 and "strict" in done.err


ROWS = [
    {"idx": 0, "question": "half of 1?", "gt": "\\frac{1}{2}", "level": "Level 1",
     "code": ["\\boxed{0.5}", "it is \\boxed{1/2}", "\\boxed{2}"], "score": [True, True, False]},
    {"idx": 1, "question": "1 + 1?", "gt": "2", "level": "Level 1",
     "code": ["\\boxed{3}", "\\boxed{6/2}", "\\boxed{2}"], "score": [False, False, False]},
]  # fmt: skip


@pytest.fixture
def imported(harness: Harness, tmp_path: Path) -> tuple[Path, str]:
    file = _write(tmp_path / "outputs.jsonl", ROWS)
    results = tmp_path / "results.duckdb"
    done = harness(
        "import",
        "qwen_math",
        file,
        "--model",
        "m",
        "--task",
        "math",
        "--results",
        results,
        "--json",
    )
    assert done.code == 0, done.err
    return results, done.json["run"]["id"]


def test_imported_responses_are_a_run_judged_by_us_beside_the_sources_judgement(
    harness: Harness, imported: tuple[Path, str]
) -> None:
    results, run = imported
    (summary,) = harness("runs", "--results", results, "--json").json
    assert summary["score"]["value"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert (summary["items"], summary["samples"], summary["complete"]) == (2, 3, True)
    differing = harness(
        "show", run, "--disagree", "strict,source", "--results", results, "--json"
    ).json
    assert [(row["item_id"], row["sample_index"]) for row in differing] == [("1", 2)]


def test_importing_the_same_file_twice_changes_nothing(
    harness: Harness, imported: tuple[Path, str], tmp_path: Path
) -> None:
    results, run = imported
    again = harness(
        "import", "qwen_math", tmp_path / "outputs.jsonl", "--model", "m", "--task", "math",
        "--results", results, "--json",
    )  # fmt: skip
    assert again.json["run"]["id"] == run
    with duckdb.connect(str(results), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM generation").fetchone() == (6,)


def test_the_doctor_finds_a_run_shown_as_other_than_its_rows_and_mends_it(
    harness: Harness, imported: tuple[Path, str]
) -> None:
    results, run = imported
    with duckdb.connect(str(results)) as connection:
        connection.execute("UPDATE run_tally SET mean = 1")

    def wrong_summaries(*more: str) -> list[dict[str, str]]:
        findings = harness("doctor", *more, "--results", results, "--json").json
        return [finding for finding in findings if finding["what"] == "run summaries"]

    (found,) = wrong_summaries()
    assert found["level"] == "broken" and run in found["found"]
    assert f"`harness doctor --recount --results {results}`" in found["remedy"]
    assert wrong_summaries("--recount") == [] and wrong_summaries() == []
    (summary,) = harness("runs", "--results", results, "--json").json
    assert summary["score"]["value"] == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_a_vote_counts_answers_that_are_equal_and_not_strings(
    harness: Harness, imported: tuple[Path, str]
) -> None:
    """Item 0: 0.5 and 1/2 are two votes for one answer. Item 1: 3 and 6/2 outvote the right 2."""
    results, run = imported
    voted = harness("score", run, "--reducer", "maj@3", "--results", results, "--json").json
    assert (voted["value"], voted["items"]) == (0.5, 2)
    best = harness("score", run, "--reducer", "pass@3", "--results", results, "--json").json
    assert best["value"] == 1
    short = harness("score", run, "--reducer", "pass@4", "--results", results)
    assert short.code == 2 and "--n 4" in short.err


def test_another_profile_stands_beside_the_first(
    harness: Harness, imported: tuple[Path, str]
) -> None:
    results, run = imported
    missing = harness("show", run, "--disagree", "strict,math-verify", "--results", results)
    assert missing.code == 2 and "harness regrade" in missing.err
    done = harness("regrade", run, "--profile", "math-verify", "--results", results, "--json")
    assert done.json["judged"] == 6
    again = harness("regrade", run, "--profile", "math-verify", "--results", results, "--json")
    assert again.json["judged"] == 0
    with duckdb.connect(str(results), read_only=True) as connection:
        profiles = connection.execute(
            "SELECT profile, count(*) FROM grade GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert profiles == [("math-verify", 6), ("source", 6), ("strict", 6)]


def test_plain_rows_are_read_by_a_map_of_columns(harness: Harness, tmp_path: Path) -> None:
    rows = [{"n": 5, "q": "1 + 1?", "ref": "2", "out": ["2", "\\boxed{2}"]}]
    done = harness(
        "import", "jsonl", _write(tmp_path / "rows.jsonl", rows), "--model", "m", "--task", "mine",
        "--map", "id=n", "--map", "question=q", "--map", "gold=ref", "--map", "response=out",
        "--results", tmp_path / "r.duckdb", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (done.json["run"]["samples"], done.json["run"]["score"]["value"]) == (2, 1)


def test_several_lines_of_one_id_are_samples_of_one_item(harness: Harness, tmp_path: Path) -> None:
    rows = [
        {"id": n, "question": f"{n} + {n}?", "gold": str(2 * n), "response": said}
        for n, said in [(1, "2"), (2, "5"), (1, "\\boxed{7}"), (1, "\\boxed{2}"), (2, "4")]
    ]
    results = tmp_path / "r.duckdb"
    done = harness(
        "import", "jsonl", _write(tmp_path / "rows.jsonl", rows), "--model", "m", "--task", "mine",
        "--results", results, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["items"], run["samples"], run["graded"]) == (2, 3, 5)
    with duckdb.connect(str(results), read_only=True) as connection:
        found = connection.execute(
            "SELECT item_id, sample_index, answer, correct FROM sample ORDER BY ALL"
        ).fetchall()
    assert found == [
        ("1", 0, "2", True), ("1", 1, "\\boxed{7}", False), ("1", 2, "\\boxed{2}", True),
        ("2", 0, "5", False), ("2", 1, "4", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("second", "remedy"),
    [
        ({"question": "1 + 1?", "gold": "2", "n": 0}, "sample_index=COLUMN"),
        ({"question": "2 + 2?", "gold": "4", "n": 1}, "id=COLUMN"),
        ({"question": "1 + 1?", "gold": "3", "n": 1}, "id=COLUMN"),
    ],
)
def test_responses_that_a_file_does_not_tell_apart_are_refused(
    harness: Harness, tmp_path: Path, second: dict[str, Any], remedy: str
) -> None:
    first = {"id": "a-1", "question": "1 + 1?", "gold": "2", "response": "2", "n": 0}
    rows = [first, first | second | {"response": "4"}]
    results = tmp_path / "r.duckdb"
    done = harness(
        "import", "jsonl", _write(tmp_path / "rows.jsonl", rows), "--model", "m", "--task", "mine",
        "--map", "sample_index=n", "--results", results,
    )  # fmt: skip
    assert done.code == 2 and "'a-1'" in done.err and remedy in done.err
    assert not results.exists()


def test_other_columns_of_one_file_are_another_run_or_another_judgement(
    harness: Harness, tmp_path: Path
) -> None:
    row = {"id": 1, "question": "1 + 1?", "gold": "2", "one": "2", "two": "3", "ja": 1, "nein": 0}
    file, results = _write(tmp_path / "rows.jsonl", [row]), tmp_path / "r.duckdb"

    def take(response: str, correct: str) -> Any:
        done = harness(
            "import", "jsonl", file, "--model", "m", "--task", "mine", "--results", results,
            "--map", f"response={response}", "--map", f"correct={correct}", "--json",
        )  # fmt: skip
        assert done.code == 0, done.err
        return done.json

    first, judged, other = take("one", "ja"), take("one", "nein"), take("two", "nein")
    assert first["run"]["id"] == judged["run"]["id"] != other["run"]["id"]
    assert other["run"]["score"]["value"] == 0
    assert (first["agreement"]["share"], judged["agreement"]["share"]) == (1, 0)
    assert first["notes"] == judged["notes"] == []
    (note,) = take("one", "ja")["notes"]
    assert "nein" in note, "the newer judgement stays the one that is shown, and that is said"


def test_a_column_that_is_not_there_is_named(harness: Harness, tmp_path: Path) -> None:
    file = _write(tmp_path / "rows.jsonl", [{"question": "?", "gold": "2", "output": "2"}])
    done = harness(
        "import", "jsonl", file, "--model", "m", "--task", "t", "--results", tmp_path / "r.duckdb"
    )
    assert done.code == 2 and "'response'" in done.err and "--map" in done.err


def test_responses_are_matched_to_our_items_by_question(
    harness: Harness, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    from harness.registry import load_task

    first, _ = load_task("gsm8k").items()[:2]
    shouted = f"  {first.question.upper()}\n"
    rows = [
        {"id": 1, "question": shouted, "gold": "wrong", "response": first.gold},
        {"id": 2, "question": "none of ours", "gold": "1", "response": "1"},
    ]
    done = harness(
        "import", "jsonl", _write(tmp_path / "rows.jsonl", rows), "--model", "m", "--task", "gsm8k",
        "--match", "--results", tmp_path / "r.duckdb", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["unmatched"] == ["none of ours"]
    assert done.json["run"]["score"]["value"] == 1, "our gold counts, not the file's"


def test_two_rows_of_one_question_are_matched_to_two_items(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sums.py").write_text(
        OWN_TASK
    )  # asks "1 + 1?" twice, with reference answers 2 and 3
    rows = [{"id": n, "question": "1 + 1?", "gold": "?", "response": "2"} for n in range(3)]
    done = harness(
        "import", "jsonl", _write(tmp_path / "rows.jsonl", rows), "--model", "m", "--task", "sums",
        "--tasks-dir", tmp_path, "--match", "--results", tmp_path / "r.duckdb", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["unmatched"] == ["1 + 1?"]
    assert (done.json["run"]["graded"], done.json["run"]["complete"]) == (2, True)


def test_a_restricted_benchmarks_own_text_is_not_taken_from_a_file(
    harness: Harness, tmp_path: Path
) -> None:
    rows = [{"id": 1, "question": "kept to itself", "gold": "A", "response": "A"}]
    done = harness(
        "import", "jsonl", _write(tmp_path / "rows.jsonl", rows), "--model", "m",
        "--task", "gpqa_diamond", "--results", tmp_path / "r.duckdb",
    )  # fmt: skip
    assert done.code == 2 and "--match" in done.err
    assert not (tmp_path / "r.duckdb").exists()


OWN_TASK = '''
"""Sums."""
from harness.task import Task
from harness.types import AnswerType, Item

def load():
    yield Item("a", "1 + 1?", "2", AnswerType.INTEGER)
    yield Item("b", "1  +  1?", "3", AnswerType.INTEGER)
    yield Item("c", "2 + 2?", "four", AnswerType.INTEGER, note="no digits")

def prompt(item):
    return [{"role": "user", "content": item.question}]

TASK = Task("sums", "1", load, prompt)
'''


def test_a_folder_of_own_tasks_is_listed_and_checked(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(OWN_TASK)
    listed = harness("tasks", "--tasks-dir", tmp_path, "--json").json
    assert {"name": "sums", "summary": "Sums."} in listed["tasks"]
    checked = harness("tasks", "check", "sums", "--tasks-dir", tmp_path, "--json")
    (found,) = checked.json
    assert found["duplicates"] == found["conflicting"] == [["a", "b"]]
    assert found["noted"] == {"no digits": ["c"]}


def test_a_task_of_an_installed_package_is_found_by_its_entry_point(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sums_package.py").write_text(OWN_TASK)
    about = tmp_path / "sums_package-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sums-package\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[harness.tasks]\nsums = sums_package:TASK\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from harness import registry

    registry._entry_points.cache_clear()
    try:
        (found,) = harness("tasks", "check", "sums", "--json").json
    finally:
        registry._entry_points.cache_clear()
    assert (found["task"], found["items"]) == ("sums", 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [("x = 1", "no TASK"), ("1 / 0", "ZeroDivisionError"), ("def (", "SyntaxError")],
)
def test_an_own_task_that_is_broken_is_named(
    harness: Harness, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "broken.py").write_text(content)
    done = harness("tasks", "check", "broken", "--tasks-dir", tmp_path)
    assert done.code == 2 and said in done.err


def test_a_tasks_folder_that_is_none_is_named(harness: Harness, tmp_path: Path) -> None:
    done = harness("tasks", "--tasks-dir", tmp_path / "none")
    assert done.code == 2 and "not a folder" in done.err

"""Plain rows: which columns are needed, how answers and judgements are read, what matches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.interop.imported import short_gold
from tests.interop.logs import APPLES, PEARS, SUMS, Harness, rows_of, take_in

ROW: dict[str, Any] = {"question": APPLES, "gold": "5", "response": "5"}


def _write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def _take(
    harness: Harness, tmp_path: Path, *rows: dict[str, Any], more: tuple[str, ...] = ()
) -> Any:
    file = _write(tmp_path, *rows)
    return take_in(harness, tmp_path, "jsonl", file, "--model", "m", "--task", "t", *more)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("She makes 9 * 2 = $<<9*2=18>>18.\n#### 18", "18"),
        ("#### 1,234,567", "1234567"),
        ("He has 2<<1+1=2>>2\n#### $1,000", "$1000"),
        ("2/2=<<2/2=1>>1\nA: 3", "3"),
        ("Two and two.\nAnswer: 1,004", "1004"),
        ("Two and two.\nThe answer is 4", "4"),
        ("Which fruit?\nApples", "Which fruit?\nApples"),
        ("All of\nA) one\nAnd B", "All of\nA) one\nAnd B"),
        ("18", "18"),
        ("A: 3", "A: 3"),
        ("(1,234)", "(1,234)"),
        ("####", "####"),
        ("x \\ll y", "x \\ll y"),
        ("a << b >> c", "a << b >> c"),
    ],
)
def test_a_gold_that_is_a_solution_is_cut_to_its_answer(gold: str, answer: str) -> None:
    assert short_gold(gold) == answer


def test_a_files_own_solutions_are_judged_by_their_answers(
    harness: Harness, tmp_path: Path
) -> None:
    gold = "Two and three are <<2+3=5>>5 apples.\n#### 5"
    done = _take(harness, tmp_path, ROW | {"gold": gold})
    assert done.json["run"]["score"]["value"] == 1 and done.json["notes"] == []
    done = _take(harness, tmp_path, ROW | {"gold": "First two,\nthen three: 5"})
    assert any("several lines" in note for note in done.json["notes"])
    line = {"id": 1, "gold": gold, "pred": "5"}
    assert harness("grade", _write(tmp_path, line), "--json").json["correct"] == 1


def test_without_an_id_rows_of_one_question_are_its_samples(
    harness: Harness, tmp_path: Path
) -> None:
    other = {"question": PEARS, "gold": "9", "response": "8"}
    done = _take(harness, tmp_path, ROW, other, ROW | {"response": "6"})
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["items"], run["samples"], run["graded"]) == (2, 2, 3)
    nameless = [{"gold": "1", "response": "1"}, {"gold": "1", "response": "2"}]
    done = _take(harness, tmp_path, *nameless)
    assert done.json["run"]["items"] == 2


def test_columns_are_named_by_pairs_with_commas_and_within_each_other(
    harness: Harness, tmp_path: Path
) -> None:
    row = {"q": APPLES, "a,b": "5", "model": {"one": {"text": "5"}, "two.x": "4"}, "yes": "TRUE"}
    mapped = "question=q,gold=a,b, response=model.one.text,correct=yes"
    done = _take(harness, tmp_path, row, more=("--map", mapped))
    assert done.code == 0, done.err
    assert done.json["agreement"]["both_right"] == 1
    done = _take(
        harness, tmp_path, row, more=("--map", "gold=a,b", "--map", "response=model.two.x")
    )
    assert done.code == 0 and done.json["run"]["score"]["value"] == 0


@pytest.mark.parametrize(
    ("form", "mapped", "said"),
    [
        ("jsonl", "gold=x", "no column 'x'"),
        ("jsonl", "response=model.one", "no column 'model.one'"),
        ("jsonl", "gold", "not ours=theirs"),
        ("jsonl", "answer=gold", "Ours are id, question, gold"),
        ("qwen_math", "gold=x", "--map names the columns of the format jsonl"),
    ],
)
def test_a_map_that_cannot_be_is_refused_with_what_can(
    harness: Harness, tmp_path: Path, form: str, mapped: str, said: str
) -> None:
    file = _write(tmp_path, ROW)
    done = take_in(harness, tmp_path, form, file, "--model", "m", "--task", "t", "--map", mapped)
    assert done.code == 2 and said in done.err and "--format" not in done.err


@pytest.mark.parametrize(
    ("written", "right"),
    [("false", False), ("False", False), ("true", True), ("no", False), ("yes", True), (0, False),
     (1.0, True), ("0", False), (True, True), (None, None), ("", None)],
)  # fmt: skip
def test_a_judgement_is_read_as_it_is_written(
    written: object, right: bool | None, harness: Harness, tmp_path: Path
) -> None:
    from harness.interop.importers import qwen_math
    from harness.interop.jsonl import column_reader

    (sample,) = column_reader({"correct": "correct"})(ROW | {"correct": written}, 0)
    outputs = {"question": "?", "gt": "5", "code": ["5"], "score": [written]}
    (other,) = qwen_math.read(outputs, 0)
    assert sample.correct is right and other.correct is right
    line = {"gold": "5", "pred": "5", "label": written}
    from harness.interop.grade_file import read_pairs

    assert read_pairs(_write(tmp_path, line))[0].label is right


@pytest.mark.parametrize("written", ["maybe", 2, 0.5, [True]])
def test_a_judgement_that_is_none_is_refused_by_its_row(
    harness: Harness, tmp_path: Path, written: object
) -> None:
    if not isinstance(written, list):  # a list is of several samples
        done = _take(harness, tmp_path, ROW, ROW | {"ok": written}, more=("--map", "correct=ok"))
        assert done.code == 2 and "Line 1" in done.err
        done = _take(
            harness, tmp_path, ROW | {"ok": 1}, ROW | {"ok": written}, more=("--map", "correct=ok")
        )
        assert done.code == 2 and "Line 2" in done.err and "neither true nor false" in done.err
    for column in ("label", "pred_is_full_response"):
        good = {"gold": "5", "pred": "5"}
        done = harness("grade", _write(tmp_path, good, good | {column: written}))
        assert done.code == 2 and "Line 2" in done.err and "neither true nor false" in done.err


def test_a_file_of_another_task_is_refused_unless_a_part_is_meant(
    harness: Harness, tmp_path: Path
) -> None:
    (tmp_path / "my_sums.py").write_text(SUMS)
    asked = [f"A question number {number}\nof another task, {'long ' * 40}" for number in range(8)]
    rows = [ROW, *({"question": text, "gold": "1", "response": "1"} for text in asked)]
    file = _write(tmp_path, *rows)
    order = ("import", "jsonl", file, "--model", "m", "--task", "my_sums", "--match",
             "--tasks-dir", tmp_path, "--results", tmp_path / "r.duckdb")  # fmt: skip
    done = harness(*order)
    assert done.code == 2 and "Only 1 of the file's 9 responses" in done.err
    assert "nothing was imported" in done.err and "--partial" in done.err
    assert not (tmp_path / "r.duckdb").exists()
    done = harness(*order, "--partial")
    assert done.code == 0, done.err
    lines = [line.strip() for line in done.out.split("\n")]
    assert "1 of 9 responses answer items of the task" in lines
    shown = [line for line in lines if line.startswith("A question number")]
    assert len(shown) == 5 and max(map(len, shown)) <= 80
    assert "and 3 more, which --json lists" in lines


def test_a_response_that_repeats_itself_is_a_loop(harness: Harness, tmp_path: Path) -> None:
    again = "so it is 5, " * 40
    done = _take(
        harness,
        tmp_path,
        ROW | {"response": again},
        {"question": PEARS, "gold": "9", "response": "9"},
    )
    assert done.json["run"]["loops"] == 0.5
    assert rows_of(tmp_path, "SELECT loop, status FROM sample ORDER BY length(answer)") == [
        (False, "ok"),
        (True, "truncated"),  # nobody says that it ended: its last number is no answer
    ]

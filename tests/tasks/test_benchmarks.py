"""Every benchmark with a copy at hand: size, types, reference answers, and what is odd about it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.grading import grade
from harness.registry import load_task
from harness.task import Source, Task, data_sha256
from harness.types import AnswerType, Item, Tolerance
from tasks._gold import decimal_tolerance, last_boxed

Row = dict[str, Any]

SIZES = {
    "gsm8k": 1319,
    "math500": 500,
    "math500_validation": 500,
    "minerva_math": 272,
    "olympiadbench": 675,
    "aime24": 30,
    "aime25": 30,
    "amc23": 40,
    "theoremqa": 800,
    "gpqa_diamond": 198,
}
# The official answer keys, problem 1 to 15.
AIME = {
    ("aime24", "I"): "204 25 809 116 104 294 540 197 480 113 371 385 110 104 721",
    ("aime24", "II"): "73 236 45 33 80 55 699 127 902 468 601 23 321 211 315",
    ("aime25", "I"): "70 588 16 117 279 504 821 77 62 81 259 510 204 60 735",
    ("aime25", "II"): "468 49 82 106 336 293 237 610 149 907 113 19 248 104 240",
}


@pytest.fixture(autouse=True)
def _local_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))


def local_rows(data_dir: Path, file: str) -> list[Row]:
    path = data_dir / file
    if not path.is_file():
        pytest.skip(f"{file} is not in the folder of benchmark files")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def task_of(name: str) -> Task:
    task, folder = load_task(name), Path(os.environ["HARNESS_DATA_DIR"])
    if task.source is not None and not (folder / task.source.file).is_file():
        pytest.skip(f"{task.source.file} is not in the folder of benchmark files")
    return task


def items_of(name: str) -> dict[str, Item]:
    return {item.id: item for item in task_of(name).items()}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_all_items_are_there_and_are_the_ones_that_are_meant(name: str, size: int) -> None:
    task = task_of(name)
    assert task.data_sha256 is not None
    assert len({item.id for item in task.items()}) == size


@pytest.mark.parametrize(("paper", "exam"), AIME)
def test_aime_golds_are_the_official_keys(paper: str, exam: str) -> None:
    items = items_of(paper)
    references = [items[f"{exam}-{number:02d}"].gold for number in range(1, 16)]
    assert references == AIME[paper, exam].split()


def test_amc_answers_are_whole_numbers() -> None:
    items = items_of("amc23")
    assert all(str(int(item.gold)) == item.gold for item in items.values())
    assert Counter(item.subject for item in items.values()) == {"12A": 22, "12B": 18}


@pytest.mark.parametrize("name", ["aime24", "aime25", "amc23"])
def test_small_benchmarks_are_asked_many_times_with_temperature(name: str) -> None:
    task = load_task(name)
    assert task.samples == 32 and task.temperature == 0.6
    assert {item.answer_type for item in task.items()} == {AnswerType.INTEGER}


def test_theoremqa_grades_each_answer_as_the_type_it_declares(data_dir: Path) -> None:
    declared = Counter(row["Answer_type"] for row in local_rows(data_dir, "theoremqa.jsonl"))
    types = Counter(item.answer_type for item in items_of("theoremqa").values())
    assert declared["list of integer"] == 61 and declared["list of float"] == 12
    assert types == {
        AnswerType.NUMBER: declared["float"],
        AnswerType.INTEGER: declared["integer"],
        AnswerType.BOOLEAN: declared["bool"],
        AnswerType.CHOICE: declared["option"],
        AnswerType.LIST: 73,
    }
    assert (types[AnswerType.NUMBER], types[AnswerType.INTEGER]) == (377, 216)
    assert (types[AnswerType.BOOLEAN], types[AnswerType.CHOICE]) == (116, 18)


def test_theoremqa_keeps_the_items_whose_picture_is_missing_and_marks_them() -> None:
    items = items_of("theoremqa").values()
    assert sum(bool(item.note) for item in items) == 53
    questions = Counter(item.question for item in items)
    twice = [item for item in items if questions[item.question] == 2]
    assert len(twice) == 2 and twice[0].gold != twice[1].gold


def test_theoremqa_says_how_to_answer_questions_of_type_bool() -> None:
    task = load_task("theoremqa")
    for item in task.items():
        hinted = task.prompt(item)[-1]["content"].endswith("(True or False)")
        assert hinted >= (item.answer_type is AnswerType.BOOLEAN)


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        ("0.10", Tolerance(relative=0.04)),
        ("6e33", Tolerance(relative=0.04)),
        ("1.42", Tolerance(absolute=0.005, relative=1e-7)),
        ("1.70e4", Tolerance(absolute=50, relative=1e-7)),
        ("345", Tolerance(absolute=0.5, relative=1e-7)),
    ],
)
def test_a_decimal_gold_is_a_rounded_value(gold: str, expected: Tolerance) -> None:
    assert decimal_tolerance(gold, stated=0.04) == expected


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        ("6.2831852", "2\\pi", True),
        ("6.2831852", "6.28", False),
        ("3.1415926", "\\pi", True),
        ("3.1415926", "3.142", True),
        ("0.01234567", "0.012", True),
        ("0.01234567", "0.01", False),
        ("-0.166", "-\\frac{1}{6}", True),
        ("7.853", "\\frac{5\\pi}{2}", True),
        ("63.4", "63.43", True),
        ("63.4", "63.5", False),
        ("0.02", "0.0205", True),
    ],
)
def test_theoremqa_golds_are_as_good_as_they_were_written(
    gold: str, answer: str, correct: bool
) -> None:
    items = [item for item in items_of("theoremqa").values() if item.gold == gold]
    assert items
    for item in items:
        verdict = grade(
            gold=gold, answer=answer, answer_type=item.answer_type, tolerance=item.tolerance
        )
        assert verdict.correct is correct


@pytest.mark.parametrize("name", ["minerva_math", "theoremqa", "olympiadbench"])
def test_zero_and_a_gold_off_by_a_fifth_are_wrong(name: str) -> None:
    numbers = (AnswerType.NUMBER, AnswerType.INTEGER)
    for item in load_task(name).items():
        if item.answer_type not in numbers:
            continue
        try:
            value = float(item.gold)
        except ValueError:
            continue
        for answer in ("0", repr(value * 1.2)):
            if value == 0:
                continue
            verdict = grade(
                gold=item.gold,
                answer=answer,
                answer_type=item.answer_type,
                tolerance=item.tolerance,
            )
            assert not verdict.correct, (item.id, answer)


def test_minerva_golds_are_typed_by_how_they_are_written() -> None:
    items = items_of("minerva_math")
    types = Counter(item.answer_type for item in items.values())
    assert types[AnswerType.NUMBER] + types[AnswerType.INTEGER] == 188
    assert items["005"].gold == "\\arcsin(10/13)" and items["038"].gold == "-1/3"
    assert items["001"].tolerance == Tolerance(relative=0.01)
    assert items["003"].tolerance == Tolerance(absolute=0.005, relative=1e-7)


def test_olympiadbench_types_follow_the_source(data_dir: Path) -> None:
    rows = local_rows(data_dir, "olympiadbench.jsonl")
    assert Counter(row["answer_type"] for row in rows) == {
        "Numerical": 572,
        "Expression": 64,
        "Tuple": 33,
        "Interval": 6,
    }
    assert sum(row["is_multiple_answer"] for row in rows) == 94
    items = items_of("olympiadbench")
    assert Counter(item.answer_type for item in items.values()) == {
        AnswerType.INTEGER: 366,
        AnswerType.NUMBER: 140,
        AnswerType.SET: 88,
        AnswerType.EXPRESSION: 59,
        AnswerType.TUPLE: 15,
        AnswerType.INTERVAL: 6,
        AnswerType.AUTO: 1,
    }
    assert items["1664"].gold == "69, 84"
    assert [i.id for i in items.values() if i.tolerance] == ["2592"]
    assert not any("$" in item.gold for item in items.values())


@pytest.mark.parametrize(
    ("identity", "answer", "correct"),
    [
        ("1664", "84, 69", True),
        ("1664", "6984", False),
        ("2472", "19, 0, 1", True),
        ("2472", "1, 0, 19", False),
        ("2592", "4.25", True),
        ("2592", "4.4", False),
        ("2253", "45 minutes", True),
    ],
)
def test_olympiadbench_rules_hold_in_the_grader(identity: str, answer: str, correct: bool) -> None:
    item = items_of("olympiadbench")[identity]
    verdict = grade(
        gold=item.gold, answer=answer, answer_type=item.answer_type, tolerance=item.tolerance
    )
    assert verdict.correct is correct


def test_another_number_of_olympiadbench_rows_is_another_benchmark(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    rows = local_rows(data_dir, "olympiadbench.jsonl")[:-1]
    monkeypatch.setattr(Source, "rows", lambda self: iter(rows))
    with pytest.raises(HarnessError, match="674 rows here"):
        load_task("olympiadbench").items()


@pytest.mark.parametrize("name", ["math500", "math500_validation"])
def test_the_last_box_of_a_solution_is_its_answer(name: str, data_dir: Path) -> None:
    for row in local_rows(data_dir, f"{name}.jsonl"):
        assert last_boxed(row["solution"]) == row["answer"].strip(), row["unique_id"]


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so $\\boxed{\\frac{1}{2}}$, not \\boxed{3", "\\frac{1}{2}"),
        ("$\\boxed 5$.", "5"),
        ("\\fbox{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("nothing", ""),
    ],
)
def test_a_box_is_read_to_its_own_brace(solution: str, answer: str) -> None:
    assert last_boxed(solution) == answer


def test_validation_and_math500_share_no_problem() -> None:
    questions = [
        {item.question for item in items_of(name).values()}
        for name in ("math500", "math500_validation")
    ]
    assert not questions[0] & questions[1]


# What the hub has instead of the local columns.
HUB: dict[str, Callable[[Row], Row]] = {
    "gsm8k": lambda row: {"question": row["question"], "answer": row["answer"]},
    "minerva_math": lambda row: {
        "question": row["problem"],
        "answer": last_boxed(row["solution"]),
    },
    "olympiadbench": lambda row: row,
    "aime24": lambda row: {
        "id": row["id"],
        "problem": row["problem"],
        "solution": f"\\boxed{{{int(row['answer'])}}}",
        "url": row["url"],
    },
    "aime25": lambda row: {key: row[key] for key in ("problem", "answer", "id")},
    "amc23": lambda row: {key: row[key] for key in ("id", "question", "answer", "url")},
    "theoremqa": lambda row: {
        "Question": row["Question"],
        "Answer": str(row["Answer"]),
        "Answer_type": row["Answer_type"],
        "Picture": row["Picture"],
    },
}
ANY_ORDER = ("olympiadbench", "theoremqa")


@pytest.mark.parametrize("name", HUB)
def test_the_hub_and_the_local_file_give_equal_items(
    name: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task(name)
    local = task.items()
    rows = [HUB[name](row) for row in local_rows(data_dir, f"{name}.jsonl")]
    if name in ANY_ORDER:
        rows.reverse()
    monkeypatch.setattr(Source, "rows", lambda self: iter(rows))
    hub = task.items()
    assert data_sha256(hub) == task.data_sha256
    # The hub has no subjects for some.
    assert [replace(item, subject="") for item in hub] == [
        replace(item, subject="") for item in local
    ]


@pytest.fixture
def math_rows(data_dir: Path) -> list[Row]:
    """Rows as the hub's MATH has them, made from the validation problems."""
    return [
        {
            "problem": row["problem"],
            "level": row["level"],
            "type": row["subject"],
            "solution": row["solution"],
        }
        for row in local_rows(data_dir, "math500_validation.jsonl")
    ]


def test_math_is_the_same_from_one_file_and_from_seven_subjects(
    math_rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    math_rows.append(math_rows[0])
    (tmp_path / "math.jsonl").write_text("\n".join(map(json.dumps, math_rows)))
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    task = load_task("math")
    from_file = task.items()
    assert len({item.id for item in from_file}) == 501

    def subject_rows(self: Source) -> Iterator[Row]:
        for row in math_rows:
            if row["type"].lower().replace(" & ", "_and_").replace(" ", "_") == self.hub_config:
                yield row

    monkeypatch.delenv("HARNESS_DATA_DIR")
    monkeypatch.setattr(Source, "_hub_rows", subject_rows)
    assert task.items() == from_file


def test_math500_validation_says_that_it_needs_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA_DIR")
    with pytest.raises(HarnessError, match="not on the hub"):
        load_task("math500_validation").items()


def test_mmlu_pro_letters_follow_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "question_id": 7,
        "question": "Which number is even?",
        "options": ["1", " 2", "3"],
        "answer": "B",
        "answer_index": 1,
        "category": "math",
        "src": "made up",
    }
    (tmp_path / "mmlu_pro.jsonl").write_text(json.dumps(row))
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    task = load_task("mmlu_pro")
    [item] = task.items()
    assert item == Item(
        "7",
        "Which number is even?\nOptions:\nA. 1\nB. 2\nC. 3",
        "B",
        AnswerType.CHOICE,
        subject="math",
    )
    assert "about math." in task.prompt(item)[0]["content"]
    (tmp_path / "mmlu_pro.jsonl").write_text(json.dumps(row | {"answer": "C"}))
    with pytest.raises(HarnessError, match="two different right answers"):
        task.items()

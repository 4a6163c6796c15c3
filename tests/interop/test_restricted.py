"""A question of GPQA is kept back wherever it turns up, whatever the file or the task is called.

Assertions see counts and booleans only: a failing one prints what it compared.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.registry import load_task
from harness.run import restricted
from tasks._gpqa import FILE, unzip
from tests.interop.logs import APPLES, Harness, rows_of, take_in


@pytest.fixture
def questions(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    path = data_dir / FILE
    if not path.is_file():
        pytest.skip(f"{FILE} is not in the folder of benchmark files")
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    return [row["Question"] for row in unzip("diamond", path.read_bytes())]


def test_each_question_is_recognised_alone_and_within_a_prompt(questions: list[str]) -> None:
    ways = (
        "{}", "What is the correct answer to this question: {}\n\nChoices:\n(A) 1",
        "### **{}**", "Q:  {}  A:",
    )  # fmt: skip
    for way in ways:
        found = sum(restricted.is_restricted([way.format(text)]) for text in questions)
        assert found == len(questions) == 198
    spaced = sum(restricted.is_restricted([" \n".join(text.upper().split())]) for text in questions)
    assert spaced == len(questions)


def test_no_question_of_another_benchmark_is_taken_for_one(questions: list[str]) -> None:
    for name in ("gsm8k", "math500", "olympiadbench", "theoremqa", "minerva_math", "aime24"):
        assert not restricted.is_restricted(item.question for item in load_task(name).items())


def test_the_hashes_hold_no_text() -> None:
    lines = restricted.HASHES.read_text(encoding="ascii").split("\n")
    assert all(len(line) == 16 and int(line, 16) >= 0 for line in lines[:-1])


@pytest.mark.parametrize("place", ["question", "prompt", "response"])
def test_a_file_that_quotes_one_is_refused_without_a_word_of_it(
    harness: Harness, tmp_path: Path, questions: list[str], place: str
) -> None:
    asked, file = (
        f"Answer this: {questions[7]}",
        tmp_path / "samples_quiz_2026-01-01T00-00-00.jsonl",
    )
    row = {"doc_id": 0, "doc": {"question": APPLES}, "target": "A", "resps": [["A"]],
           "exact_match": 1.0}  # fmt: skip
    if place == "prompt":
        row["arguments"] = {"gen_args_0": {"arg_0": asked}}
    elif place == "question":
        row["doc"] = {"question": asked}
    else:
        row |= {"doc": {}, "resps": [[asked]]}
    file.write_text(json.dumps(row))
    done = take_in(harness, tmp_path, "lm-eval", file, "--model", "m")
    quoted = " ".join(questions[7].split()[:3]) in done.out + done.err
    refused = done.code == 2 and "asks that its text is kept to itself" in done.err
    stored = (tmp_path / "r.duckdb").exists()
    assert (refused, quoted, stored) == (True, False, False)


def test_a_task_of_ones_own_that_asks_one_is_restricted(
    harness: Harness, tmp_path: Path, questions: list[str]
) -> None:
    """Neither its import nor a plan of it stores a question, a gold or an open generation."""
    (tmp_path / "rows.json").write_text(json.dumps(questions[3:6]))
    (tmp_path / "quiz.py").write_text(
        '"""A quiz."""\nimport json, pathlib\nfrom harness.task import Task\n'
        "from harness.types import AnswerType, Item\n\ndef load():\n"
        "    rows = json.loads((pathlib.Path(__file__).parent / 'rows.json').read_text())\n"
        "    for number, row in enumerate(rows):\n"
        "        yield Item(f'quiz-{number}', row, 'A', AnswerType.CHOICE)\n\n"
        "def prompt(item):\n    return [{'role': 'user', 'content': item.question}]\n\n"
        "TASK = Task('quiz', '1', load, prompt)\n"
    )
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"id": "quiz-1", "gold": "A", "response": "\\boxed{A}"}))
    done = take_in(
        harness, tmp_path, "jsonl", log, "--model", "m", "--task", "quiz", "--match",
        "--tasks-dir", tmp_path,
    )  # fmt: skip
    outcome = (done.code, done.json["run"]["restricted"] if done.code == 0 else done.err)
    assert outcome == (0, True)
    stored = rows_of(tmp_path, "SELECT count(question), count(gold) FROM item")
    assert stored == [(0, 0)]
    assert rows_of(tmp_path, "SELECT restricted FROM generation") == [(True,)]


def test_an_answer_file_that_quotes_one_gives_nothing_of_it_back(
    harness: Harness, tmp_path: Path, questions: list[str]
) -> None:
    file, out = tmp_path / "answers.jsonl", tmp_path / "verdicts.jsonl"
    row = {"id": questions[0], "gold": "A", "pred": questions[0], "label": True}
    file.write_text(json.dumps(row) + "\n" + json.dumps({"id": "x", "gold": "1", "pred": "1"}))
    done = harness("grade", file, "--out", out)
    verdicts = [json.loads(line) for line in out.read_text().split("\n") if line]
    kept = [(verdict["id"], verdict["extracted"]) for verdict in verdicts]
    quoted = " ".join(questions[0].split()[:3]) in done.out + done.err
    assert (done.code, quoted, kept) == (0, False, [("1", ""), ("x", "1")])

"""Solutions by a teacher behind a real HTTP server: judged, counted, marked, gone on with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from harness.registry import load_task
from harness.store import Store
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion, refusal
from tests.conftest import Finished
from tests.train_cft.conftest import (
    RUN,
    Response,
    TrainCft,
    sums,
    write_jsonl,
    write_run,
)
from tests.train_cft.test_build import LONG, _bytes
from train_cft.train.objectives import collect, read_data

Build = Callable[..., Finished]
ROWS = 12


def _rows() -> list[dict[str, str]]:
    """Make questions with critiques; the first two come with solutions of their own."""
    rows = []
    for number, row in enumerate(sums(ROWS), start=1):
        said = "wrong" if number % 2 else "right"
        rows.append(row | {"critique": f"I added it up.\n\nConclusion: {said} [END]"})
    for row in rows[:2]:
        row["solution"] = f"It is {row['gold']}, as one sees."
    return rows


def _solution(body: dict[str, Any], *, mistaken: bool = False) -> str:
    first, second = map(int, re.findall(r"\d+", body["messages"][-1]["content"])[:2])
    total = first + second + mistaken
    return f"We add {first} and {second}.\nThe answer is \\boxed{{{total}}}."


def _errs(body: dict[str, Any]) -> bool:
    """Say whether the planted teacher errs: on three of the ten questions that it is asked."""
    return int(re.findall(r"\d+", body["messages"][-1]["content"])[0]) // 37 <= 5


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer().running() as server:
        server.answer = lambda body, number: completion(_solution(body))
        yield server


@pytest.fixture
def build(train_cft: TrainCft, server: FakeServer, tmp_path: Path) -> Build:
    """Build from twelve criticised responses, asking the server for solutions."""
    data = write_jsonl(tmp_path / "d.jsonl", _rows())

    def call(*arguments: object, out: str = "out", source: Path | None = data) -> Finished:
        given = [*(("--data", source) if source else ()), "--out", tmp_path / out, "--json"]
        given += ["--solutions", "openai", "--teacher", MODEL, "--base-url", server.url]
        return train_cft("build", *given, *arguments)

    return call


def _known(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(folder / "examples.parquet").to_pylist()
    return rows


def test_only_what_is_missing_is_asked_for_and_only_what_is_right_is_learnt(
    build: Build, server: FakeServer, tmp_path: Path
) -> None:
    server.answer = lambda body, number: completion(_solution(body, mistaken=_errs(body)))
    done = build()
    assert done.code == 0, done.err
    assert done.json["solutions"] == {
        "source": 2,
        "teacher": 7,
        "asked": 10,
        "found": {"right": 7, "wrong": 3},
    }
    assert len(server.bodies) == 10
    for body in server.bodies:
        first, second = map(int, re.findall(r"\d+", body["messages"][-1]["content"]))
        assert str(first + second) not in str(body["messages"]), "the gold answer is not shown"
    out = tmp_path / "out"
    rows = _known(out)
    assert Counter(row["solution_by"] for row in rows) == {"source": 2, "teacher": 7, "": 3}
    for row in rows:
        assert bool(row["solution"]) == bool(row["solution_by"])
        if row["solution_by"] == "teacher":
            assert f"\\boxed{{{row['gold']}}}" in row["solution"]
    learnt = collect(read_data(out), {"sft-reference": 1.0}, seed=0)
    assert len(learnt.samples) == 9
    assert learnt.left_out == Counter({"sft-reference: no reference solution": 3})
    card = (out / "data_card.md").read_text()
    assert "| right | 7 |" in card and "| wrong | 3 |" in card
    assert "2 questions come with a reference solution of their source." in card
    # The same again asks nobody, and leaves the same bytes.
    again = build(out="again")
    assert again.code == 0 and len(server.bodies) == 10
    assert _bytes(out) == _bytes(tmp_path / "again")


def test_without_a_teacher_the_data_are_the_same_but_for_the_solutions(
    build: Build, train_cft: TrainCft, tmp_path: Path
) -> None:
    with_teacher = build().json
    own = train_cft(
        "build", "--data", tmp_path / "d.jsonl", "--out", tmp_path / "own", "--json"
    ).json
    assert own["solutions"] == {"source": 2, "teacher": 0, "asked": 0, "found": {}}
    written = [(tmp_path / name / "train.jsonl").read_bytes() for name in ("own", "out")]
    assert written[0] == written[1]
    assert own["data_sha256"] != with_teacher["data_sha256"], "other things can be learnt"
    assert {row["solution_by"] for row in _known(tmp_path / "own")} == {"source", ""}


def test_a_teacher_that_stops_answering_is_resumed(
    build: Build, server: FakeServer, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        return refusal(401, "no more") if number > 4 else completion(_solution(body))

    server.answer = answer
    done = build("--max-concurrency", "1")
    assert done.code == 2 and done.err.count("error:") == 1 and "no more" in done.err
    assert not (tmp_path / "out").exists()
    server.answer = lambda body, number: completion(_solution(body))
    server.bodies.clear()
    done = build("--max-concurrency", "1")
    assert done.code == 0, done.err
    assert len(server.bodies) == 10 - 4 and done.json["solutions"]["teacher"] == 10


def test_what_is_cut_off_empty_or_of_a_benchmark_is_not_used(
    build: Build, server: FakeServer, tmp_path: Path, own_tasks: Path
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        text = _solution(body)
        turn = int(re.findall(r"\d+", body["messages"][-1]["content"])[0]) // 37
        if turn == 3:
            return completion(text, finish_reason="length", usage={"completion_tokens": 3200})
        if turn == 4:
            return completion(" ")
        return completion(f"{LONG} But here: {text}" if turn == 5 else text)

    server.answer = answer
    done = build("--tasks-dir", own_tasks)
    assert done.code == 0, done.err
    found = done.json["solutions"]["found"]
    assert found == {"cut off": 1, "empty": 1, "repeats a benchmark": 1, "right": 7}
    assert not any("hens" in content.decode(errors="ignore") for content in
                   _bytes(tmp_path / "out").values())  # fmt: skip


def test_without_a_gold_answer_a_solution_is_unchecked(
    build: Build, server: FakeServer, tmp_path: Path
) -> None:
    rows = [{name: row[name] for name in row if name != "gold"} for row in _rows()]
    done = build(source=write_jsonl(tmp_path / "bare.jsonl", rows))
    assert done.code == 0, done.err
    assert done.json["solutions"]["found"] == {"unchecked": 10}
    assert done.json["solutions"]["teacher"] == 10


def test_one_teacher_criticises_and_solves(
    build: Build, server: FakeServer, tmp_path: Path, results: Path
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        text = body["messages"][-1]["content"]
        if not text.startswith("Question:\n"):
            return completion(_solution(body))
        first, second, said = map(int, re.findall(r"add: (\d+) \+ (\d+) = (\d+)", text)[0])
        right = "right" if first + second == said else "wrong"
        return completion(f"I get {first + second}.\n\nConclusion: {right} [END]")

    server.answer = answer
    done = build("--critic", "openai")
    assert done.code == 0, done.err
    assert len(server.bodies) == ROWS + 10
    assert done.json["critiques"] == {"agrees": ROWS}
    assert done.json["solutions"]["found"] == {"right": 10}
    with Store(results).read() as connection:
        runs = connection.execute("SELECT task, items FROM run ORDER BY task").fetchall()
    assert runs == [("critique", ROWS), ("solution", 10)]


def test_a_generated_question_is_judged_by_its_generators_own_scorer(
    build: Build, server: FakeServer, results: Path
) -> None:
    items = load_task("fresh:chain_sum@7").items()[:6]
    gold = {item.question: item.gold for item in items}
    wrong = items[0].question

    def answer(body: dict[str, Any], number: int) -> Answer:
        question = body["messages"][-1]["content"]
        said = "0.5" if question == wrong else gold[question]
        return completion(f"We add up.\nThe answer is \\boxed{{{said}}}.")

    server.answer = answer
    step = "We get 2 + 2 = 5. The answer is \\boxed{0.5}."
    write_run(
        results,
        [
            Response(item.question, f"{n}: {step}", correct=False, gold=item.gold)
            for n, item in enumerate(items)
        ],
        task="fresh:chain_sum@7",
        ids=[item.id for item in items],
    )
    done = build("--from-run", RUN, "--critic", "reference", source=None)
    assert done.code == 0, done.err
    assert done.json["solutions"]["found"] == {"wrong": 1, "right": 5}
    with Store(results).read() as connection:
        scorers = connection.execute(
            "SELECT DISTINCT scorer FROM item WHERE task = 'solution'"
        ).fetchall()
        (run_id,) = connection.execute("SELECT id FROM run WHERE task = 'solution'").fetchone()
    assert scorers == [("tasks._fresh_scorer:score",)]
    refused = build("--from-run", run_id, "--critic", "reference", source=None, out="b")
    assert refused.code == 2 and "holds what a teacher wrote for a build" in refused.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--critic", "vllm"), "--critic vllm and --solutions openai are two teachers"),
        (("--solutions", "openia"), "Did you mean openai"),
        (("--temperature", "-1"), "--temperature -1"),
    ],
)
def test_what_cannot_be_asked_is_told(build: Build, arguments: tuple[str, ...], said: str) -> None:
    done = build(*arguments)
    assert done.code == 2 and said in done.err


def test_a_teacher_needs_a_name(train_cft: TrainCft, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", _rows())
    done = train_cft("build", "--data", data, "--out", tmp_path / "o", "--solutions", "openai")
    assert done.code == 2 and "No model is named for --solutions openai" in done.err

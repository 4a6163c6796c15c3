"""Results files of earlier versions open, go on and compare: what is stored keeps its names.

``made_by_2e908a7.duckdb.xz`` was made by that commit (schema 6, grader 3), against a server like
the one below. All 12 requests of served-a came back, 8 of served-b before the server gave up, whose
run was graded by math-verify as well; twelve responses were imported.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.store import Store, queries
from tests.backends.fake_server import Answer, FakeServer, completion
from tests.conftest import Finished

Harness = Callable[..., Finished]

MADE = Path(__file__).with_name("made_by_2e908a7.duckdb.xz")
SERVED_A, SERVED_B, IMPORTED = "3f236f3b89e4", "2c4c8a029804", "93aceedc47e9"
ADDRESS = "http://served.test"
TASK = '''
"""Sums of two numbers."""
from harness.task import Task
from harness.types import AnswerType, Item

def load():
    for number in range(12):
        yield Item(f"sum-{number}", f"What is {number} + 7?", str(number + 7), AnswerType.INTEGER)

def prompt(item):
    return [{"role": "user", "content": item.question}]

TASK = Task("small_sums", "1", load, prompt)
'''


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The old file, and the folder of its task."""
    (tmp_path / "small_sums.py").write_text(TASK)
    monkeypatch.setenv("HARNESS_TASKS_DIR", str(tmp_path))
    results = tmp_path / "results.duckdb"
    results.write_bytes(lzma.decompress(MADE.read_bytes()))
    return results


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Answer for the address in the old file, as its proxy."""
    served = [{"id": name, "max_model_len": 4096} for name in ("served-a", "served-b", "served-c")]

    def answer(body: dict[str, Any], number: int) -> Answer:
        asked = re.search(r"What is (\d+) \+ 7", body["messages"][-1]["content"])
        assert asked
        first = int(asked[1])
        right = body["model"] != "served-b" or first % 3
        return completion(f"The answer is \\boxed{{{first + 7 if right else first}}}.")

    server = FakeServer()
    server.pages[f"{ADDRESS}/v1/models"] = Answer(body={"data": served})
    server.answer = answer
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with server.running():
        monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
        yield server


def _eval(harness: Harness, results: Path, model: str) -> Any:
    done = harness(
        *("eval", "--backend", "openai", "--base-url", f"{ADDRESS}/v1", "--max-concurrency", "1"),
        *("--model", model, "--tasks", "small_sums", "--max-tokens", "64"),
        *("--results", results, "--json"),
    )
    assert done.code == 0, done.err
    return done.json


def _keys(results: Path, table: str) -> set[Any]:
    with duckdb.connect(str(results), read_only=True) as connection:
        return set(connection.execute(f"SELECT CAST(key AS VARCHAR) FROM {table}").fetchall())


def test_the_same_commands_go_on_with_a_file_of_an_earlier_version(
    results: Path, server: FakeServer, harness: Harness
) -> None:
    asked, generated = _keys(results, "request"), _keys(results, "generation")
    assert (len(asked), len(generated)) == (36, 32)

    complete = _eval(harness, results, "served-a")
    assert (complete["stored"], complete["generated"], server.bodies) == (12, 0, [])
    assert complete["runs"][0]["id"] == SERVED_A
    assert complete["runs"][0]["score"]["value"] == 1

    resumed = _eval(harness, results, "served-b")
    assert (resumed["stored"], resumed["generated"], len(server.bodies)) == (8, 4, 4)
    assert resumed["runs"][0]["id"] == SERVED_B
    assert resumed["runs"][0]["score"]["value"] == pytest.approx(8 / 12)

    rows = [
        {
            "id": f"sum-{number}",
            "question": f"What is {number} + 7?",
            "gold": str(number + 7),
            "response": f"It is \\boxed{{{number + 7 if number % 4 else number}}}.",
            "correct": bool(number % 4),
        }
        for number in range(12)
    ]
    responses = results.with_name("responses.jsonl")
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported = harness(
        *("import", "jsonl", responses, "--model", "elsewhere", "--task", "small_sums"),
        *("--match", "--results", results, "--json"),
    )
    assert imported.code == 0, imported.err
    assert imported.json["run"]["id"] == IMPORTED
    assert imported.json["run"]["score"]["value"] == 0.75

    assert _keys(results, "request") == asked
    assert _keys(results, "generation") == asked > generated
    assert {run.id for run in queries.runs(Store(results))} == {SERVED_A, SERVED_B, IMPORTED}


def test_a_file_of_an_earlier_version_compares_with_a_run_made_now_and_is_graded_again(
    results: Path, server: FakeServer, harness: Harness
) -> None:
    _eval(harness, results, "served-c")
    (resumed,) = _eval(harness, results, "served-b")["runs"]
    compared = harness("compare", "served-c", "served-b", "--results", results, "--json")
    assert compared.code == 0, compared.err
    (task,) = compared.json["tasks"]
    assert (task["items"], task["paired"]["worse"], task["paired"]["better"]) == (12, 4, 0)
    assert task["differences"]["refused"] == []

    for profile in ("strict", "math-verify"):
        done = harness("regrade", "all", "--profile", profile, "--results", results, "--json")
        assert done.code == 0, done.err
        for run in queries.runs(Store(results), profile=profile):
            assert run.complete and len(run.grader_versions) == 1, run
    (again,) = [run for run in queries.runs(Store(results)) if run.id == SERVED_B]
    assert again.score and again.score.value == resumed["score"]["value"]

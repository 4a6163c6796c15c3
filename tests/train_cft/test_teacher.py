"""A teacher behind a real HTTP server: checked, asked again, gone on with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backends.fake_server import MODEL, Answer, FakeServer, completion, refusal
from tests.conftest import Finished
from tests.train_cft.conftest import TrainCft, read_jsonl, sums, write_jsonl
from tests.train_cft.test_build import _bytes, _queue

Build = Callable[..., Finished]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer().running() as server:
        server.answer = lambda body, number: completion(_critique(body))
        yield server


@pytest.fixture
def build(train_cft: TrainCft, server: FakeServer, tmp_path: Path) -> Build:
    """Build from twelve responses, six of them right, with the server's teacher."""
    data = write_jsonl(tmp_path / "d.jsonl", sums(12))

    def call(*arguments: object, out: str = "out") -> Finished:
        given = ("--data", data, "--out", tmp_path / out, "--critic", "openai", "--json")
        return train_cft("build", *given, "--teacher", MODEL, "--base-url", server.url, *arguments)

    return call


def _sum(body: dict[str, Any]) -> tuple[int, int, int]:
    """Return the two numbers of a response, and what it says they come to."""
    text = body["messages"][-1]["content"]
    first, second, said = re.findall(r"add: (\d+) \+ (\d+) = (\d+)", text)[0]
    return int(first), int(second), int(said)


def _critique(body: dict[str, Any], *, mistaken: bool = False) -> str:
    first, second, said = _sum(body)
    right = (first + second == said) != mistaken
    return f"I get {first + second}.\n\n**Conclusion:** {'right' if right else 'wrong'} [END]"


def _errs(body: dict[str, Any]) -> bool:
    """Say whether the planted teacher errs on a response: on a quarter of them."""
    return _sum(body)[0] // 37 <= 3


def test_a_teacher_criticises_without_the_gold_and_is_cached(
    build: Build, server: FakeServer, tmp_path: Path
) -> None:
    done = build()
    assert done.code == 0, done.err
    assert (done.json["examples"], done.json["critic_error"]["value"]) == (12, 0.0)
    body = server.bodies[0]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.3, 0.95, 3200)
    assert body["messages"][-1]["content"].startswith("Question:\n")
    outputs = [row["output"] for row in read_jsonl(tmp_path / "out" / "train.jsonl")]
    assert all(re.search(r"\n\nConclusion: (right|wrong) \[END\]$", text) for text in outputs)
    assert not any("**" in text for text in outputs)
    # The same again asks nobody, and leaves the same bytes.
    again = build(out="again")
    assert again.code == 0 and len(server.bodies) == 12
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "again")


@pytest.mark.parametrize(("policy", "kept"), [("drop", 9), ("flag", 12)])
def test_planted_errors_of_a_teacher(
    build: Build, server: FakeServer, policy: str, kept: int
) -> None:
    server.answer = lambda body, number: completion(_critique(body, mistaken=_errs(body)))
    done = build("--on-conflict", policy)
    assert done.code == 0, done.err
    assert done.json["critic_error"]["value"] == 0.25
    assert done.json["critiques"] == {"agrees": 9, "conflict": 3}
    assert done.json["examples"] == kept


def test_a_conflict_is_sent_again_and_only_that(
    build: Build, server: FakeServer, results: Path
) -> None:
    asked: Counter[str] = Counter()

    def answer(body: dict[str, Any], number: int) -> Answer:
        question = body["messages"][-1]["content"]
        asked[question] += 1
        # One is put right at the second try, one at the third, one never.
        tries = _sum(body)[0] // 37
        return completion(_critique(body, mistaken=_errs(body) and asked[question] <= tries))

    server.answer = answer
    done = build("--on-conflict", "retry", "--retries", "2", "--audit", "0")
    assert done.code == 0, done.err
    assert sorted(asked.values()) == [1] * 9 + [2, 3, 3]
    assert done.json["critic_error"]["value"] == 0.25, "the rate is of first critiques"
    assert (done.json["examples"], done.json["replaced"]) == (11, 2)
    assert done.json["left_out"] == {"critique: conflict": 1}
    outcomes = Counter((row["reason"], row["outcome"]) for row in _queue(results))
    assert outcomes == {("conflict", "replaced"): 2, ("conflict", "dropped"): 1}
    assert all(row["run_id"] for row in _queue(results))
    seeds = {body["seed"] for body in server.bodies}
    assert len(seeds) == len(server.bodies), "another try is another draw"


def test_what_cannot_be_read_is_dropped_and_counted(
    build: Build, server: FakeServer, results: Path
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        if _errs(body):
            return completion(("I cannot say.", "Conclusion: right [END]")[_sum(body)[0] // 37 % 2])
        return completion(_critique(body))

    server.answer = answer
    done = build()
    assert done.code == 0, done.err
    assert done.json["critiques"] == {"agrees": 9, "unreadable": 1, "bare": 2}
    assert done.json["left_out"] == {"critique: bare": 2, "critique: unreadable": 1}
    assert {"bare", "unreadable"} < {row["reason"] for row in _queue(results)}


def test_a_teacher_of_nonsense_is_refused(build: Build, server: FakeServer, tmp_path: Path) -> None:
    server.answer = lambda body, number: completion("Lovely weather today.")
    done = build()
    assert done.code == 2 and "12 of 12 critiques" in done.err
    assert not (tmp_path / "out").exists()


def test_a_teacher_that_stops_answering_is_resumed(
    build: Build, server: FakeServer, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        return refusal(401, "no more") if number > 5 else completion(_critique(body))

    server.answer = answer
    done = build("--max-concurrency", "1")
    assert done.code == 2 and not (tmp_path / "out").exists()
    answered = 5
    server.answer = lambda body, number: completion(_critique(body))
    server.bodies.clear()
    done = build("--max-concurrency", "1")
    assert done.code == 0, done.err
    assert len(server.bodies) == 12 - answered and done.json["examples"] == 12


def test_greedy_retries_are_refused(build: Build) -> None:
    done = build("--on-conflict", "retry", "--temperature", "0")
    assert done.code == 2 and "Asking again without chance" in done.err

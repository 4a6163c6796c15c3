"""Votes of several samples: by answers that are equal to the grader, under each profile."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from harness.analysis.answer_classes import answer_classes
from harness.grading import GraderPool
from harness.store.samples import Sample
from tests.conftest import Finished

Harness = Callable[..., Finished]


def _import(harness: Harness, tmp_path: Path, code: list[str], gold: str) -> tuple[Path, str]:
    row = {"idx": 0, "question": "?", "gt": gold, "code": code, "score": [True] * len(code)}
    results = tmp_path / "voted.duckdb"
    file = tmp_path / "votes.jsonl"
    file.write_text(json.dumps(row) + "\n")
    named = ("--model", "m", "--task", "voted", "--results", results, "--json")
    done = harness("import", "qwen_math", file, *named)
    assert done.code == 0, done.err
    return results, done.json["run"]["id"]


@pytest.mark.parametrize("profile", ["strict", "math-verify", "cft-paper"])
def test_votes_are_of_answers_whatever_else_a_response_says(
    harness: Harness, tmp_path: Path, profile: str
) -> None:
    said = [f"Try {n}. So \\boxed{{{5 if n < 3 else '7.0' if n < 6 else 7}}}." for n in range(8)]
    results, run = _import(harness, tmp_path, said, "5")
    if profile != "strict":
        harness("regrade", run, "--profile", profile, "--results", results)

    def score(k: int) -> float:
        asked = ("--reducer", f"maj@{k}", "--profile", profile, "--results", results, "--json")
        value: float = harness("score", run, *asked).json["value"]
        return value

    assert (score(8), score(5)) == (0, 1)
    shown = harness("show", run, "--profile", profile, "--results", results, "--json").json
    assert {row["extracted"] for row in shown} == {"5", "7.0", "7"}


def test_votes_without_answers_or_by_two_graders_are_refused(
    harness: Harness, tmp_path: Path
) -> None:
    results, run = _import(harness, tmp_path, ["\\boxed{5}"] * 8, "5")

    def score(reducer: str, profile: str) -> Finished:
        return harness(
            "score", run, "--reducer", reducer, "--profile", profile, "--results", results
        )

    unsaid = score("maj@8", "source")
    assert unsaid.code == 2 and "8 of the 8 grades do not say" in unsaid.err
    assert score("mean", "source").code == 0
    with duckdb.connect(str(results)) as connection:
        connection.execute("UPDATE grade SET grader_version = '1' WHERE profile = 'strict'")
    older = score("maj@8", "strict")
    assert older.code == 2 and "version 1" in older.err and f"regrade {run}" in older.err
    assert score("pass@8", "strict").code == 0
    harness("regrade", run, "--results", results)
    assert score("maj@8", "strict").out.split()[2:3] == ["100.0"]


def test_the_order_of_the_samples_changes_no_class_of_answers() -> None:
    """A bare 5 is 5 hours, which are 300 minutes; what the grader failed on is its own text."""
    said = {"0.5": "ok", "1/2": "ok", "5 hours": "ok", "300 minutes": "ok", "5": "ok"}
    answers = [
        *said.items(),
        ("8", "timeout"),
        ("8.0", "ok"),
        ("8", "timeout"),
        ("", "no_answer"),
        ("", "truncated"),
    ]
    samples = [_sample(text, status) for text, status in answers]
    samples += [_sample("3", "ok", correct=True), _sample("3", "timeout")]
    expected = None
    for seed in range(3):
        order = random.Random(seed).sample(range(len(samples)), len(samples))
        with GraderPool(workers=1) as pool:
            classes = answer_classes([samples[at] for at in order], pool)
        groups = {
            frozenset(at for at, other in zip(order, classes, strict=True) if other == name)
            for name in set(classes) - {None}
        }
        expected = expected or groups
        assert groups == expected
    assert expected == {
        frozenset({0, 1}), frozenset({2, 3, 4}), frozenset({5, 7}), frozenset({6}),
        frozenset({10, 11}),
    }  # fmt: skip


def _sample(extracted: str, status: str, *, correct: bool = False) -> Sample:
    unknown = dict.fromkeys(Sample.__dataclass_fields__)
    known = {"answer_type": "auto", "extracted": extracted, "status": status, "correct": correct}
    return Sample(**unknown | known)  # type: ignore[arg-type]

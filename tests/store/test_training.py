"""Trainings, choices and the review queue in a real results file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.store import Journal, Store
from harness.store.reviews import review_critique
from harness.store.training import (
    BASE_STEP,
    choose,
    critiques_to_review,
    training_checkpoints,
    training_choices,
    training_steps,
    trainings,
)
from tests.store.rows import NOW


def training(name: str = "one", **others: Any) -> dict[str, Any]:
    return {
        "id": f"id of {name}",
        "name": name,
        "objective": "cft",
        "base": "fingerprint of tiny",
        "base_name": "tiny",
        "data_sha256": "d" * 64,
        "recipe": {"optimizer": {"lr": 5e-6}},
        "seed": 0,
        "output": f"/somewhere/{name}",
        "planned_steps": 4,
        "libraries": {"trl": "1"},
        "machine": {"cpu": "made up"},
        "started_at": NOW,
    } | others


def step(number: int, **others: Any) -> dict[str, Any]:
    return {
        "training_id": "id of one",
        "step": number,
        "loss": 2.0 / number,
        "learning_rate": 5e-6,
        "grad_norm": 1.0,
        "tokens": 100 * number,
        "seconds": 1.5 * number,
        "recorded_at": NOW,
    } | others


def checkpoint(number: int, name: str = "one") -> dict[str, Any]:
    return {
        "training_id": f"id of {name}",
        "step": number,
        "fingerprint": f"fingerprint of {name} at {number}",
        "path": f"/somewhere/{name}/step-{number}",
        "saved_at": NOW,
    }


def critique(number: int, *, reason: str = "audit", **others: Any) -> dict[str, Any]:
    return {
        "id": f"{number:032x}",
        "queued_at": NOW,
        "reason": reason,
        "outcome": "kept",
        "source": "a file",
        "critic": "a teacher",
        "question": f"question {number}",
        "response": "The answer is 4.",
        "critique": "Right.",
        "concludes_right": True,
        "graded_right": True,
        "grader_version": "1",
    } | others


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results.duckdb")
    with Journal(made) as journal:
        journal.append("training", training())
        journal.append("training", training("later", started_at="2026-02-01T00:00:00+00:00"))
        for number in (2, 1):
            journal.append("training_step", step(number))
        for number in (10, 2):
            journal.append("training_checkpoint", checkpoint(number))
        for number in range(5):
            reason = "conflict" if number == 3 else "audit"
            journal.append("critique", critique(number, reason=reason))
    return made


def test_a_training_is_read_with_its_steps_and_checkpoints(store: Store) -> None:
    later, one = trainings(store)
    assert (later.name, later.last_step, later.checkpoints) == ("later", 0, 0)
    assert (one.last_step, one.checkpoints, one.recipe) == (2, 2, {"optimizer": {"lr": 5e-6}})
    assert [found.loss for found in training_steps(store, one.id)] == [2.0, 1.0]
    assert [found.step for found in training_checkpoints(store, one.id)] == [2, 10]
    assert training_checkpoints(store, later.id) == []
    assert len(training_checkpoints(store)) == 2


def test_the_newest_choice_by_a_rule_takes_the_place_of_the_one_before(store: Store) -> None:
    def chosen(rule: str, step: int) -> None:
        runs = {BASE_STEP: "run 0", 2: "run 2", 10: "run 10"}
        choose(store, "id of one", task="t", rule=rule, step=step, runs=runs, warnings=["w"])

    chosen("best", 10)
    chosen("earliest", 10)
    chosen("earliest", 2)
    newest, best = training_choices(store, "id of one")
    assert (newest.rule, newest.step, newest.warnings) == ("earliest", 2, ["w"])
    assert newest.runs == {BASE_STEP: "run 0", 2: "run 2", 10: "run 10"}
    assert (best.rule, best.step) == ("best", 10)
    assert training_choices(store, "id of later") == []


def test_the_queue_comes_in_pages_and_by_reason(store: Store) -> None:
    first, total = critiques_to_review(store, limit=2)
    rest, _ = critiques_to_review(store, offset=2, limit=None)
    assert total == 5
    assert [row.question for row in first + rest] == [f"question {n}" for n in range(5)]
    conflicts, total = critiques_to_review(store, reason="conflict")
    assert (total, conflicts[0].question) == (1, "question 3")


def test_what_a_human_says_is_kept_and_can_be_said_again(store: Store) -> None:
    (row, *_), _ = critiques_to_review(store)
    review_critique(store, row.id, right=True, sound=None, note="", reviewer="a")
    review_critique(store, row.id, right=False, sound=False, note="no", reviewer="b")
    _, waiting = critiques_to_review(store)
    (said,), reviewed = critiques_to_review(store, reviewed=True)
    assert (waiting, reviewed) == (4, 1)
    assert (said.human_right, said.human_sound, said.human_note) == (False, False, "no")
    assert (said.id, said.reviewed_by) == (row.id, "b")
    assert said.reviewed_at is not None
    _, everything = critiques_to_review(store, reviewed=None)
    assert everything == 5


@pytest.mark.parametrize("name", ["f" * 32, "nonsense"])
def test_a_critique_that_is_not_there_is_named(store: Store, name: str) -> None:
    with pytest.raises(HarnessError, match=f"no critique {name}"):
        review_critique(store, name, right=True, sound=True, note="", reviewer="a")

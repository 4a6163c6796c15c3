"""Trainings and critiques for the leaderboard's tests; every value is made up."""

from __future__ import annotations

from typing import Any

from harness.store import Journal
from harness.types import Sampling
from tests.leaderboard.made_store import HOSTILE, HOSTILE_NAME, MadeRun, simple_samples, write

TASK = "math500_select"
STEPS = (20, 40, 60)
_RIGHT = {20: 12, 40: 21, 60: 18}
_NOW = "2030-01-02T03:04:05+00:00"


def checkpoint_run(step: int) -> MadeRun:
    """Return the run of a checkpoint, or of the base, on the selection task."""
    right = _RIGHT.get(step, 9)
    name = f"cft-step-{step}" if step else "made-up-base"
    return MadeRun(name, TASK, simple_samples(right, 30), sampling=Sampling(max_tokens=512))


def training_row(training_id: str, name: str, objective: str, **others: Any) -> dict[str, Any]:
    """Return a row of ``training``."""
    return {
        "id": training_id,
        "name": name,
        "objective": objective,
        "base": checkpoint_run(0).fingerprint,
        "base_name": "made-up-base",
        "data_sha256": "d" * 64,
        "recipe": {"learning_rate": 5e-6, "note": HOSTILE},
        "seed": 3,
        "output": "/somewhere/out",
        "planned_steps": 60,
        "libraries": {"trl": "1.2.3"},
        "machine": {"cpu": "made up"},
        "started_at": _NOW,
    } | others


def step_row(training_id: str, step: int, **others: Any) -> dict[str, Any]:
    """Return a row of ``training_step``."""
    return {
        "training_id": training_id,
        "step": step,
        "loss": 2.0 - step / 100,
        "learning_rate": 5e-6 * min(1.0, step / 10),
        "grad_norm": 1.5,
        "tokens": 1000 * step,
        "seconds": 4.0 * step,
        "recorded_at": _NOW,
    } | others


def critique_row(number: int, reason: str = "audit", **others: Any) -> dict[str, Any]:
    """Return a row of ``critique``; the queue is in the order of the numbers."""
    return {
        "id": f"{number:032x}",
        "queued_at": _NOW,
        "reason": reason,
        "outcome": "kept",
        "source": "a made-up file",
        "critic": "made-up-critic",
        "question": f"Question {number}: what is {number} + {number}?",
        "response": f"Response {number}: the answer is {2 * number}.",
        "critique": f"Critique {number}: every step is right.",
        "concludes_right": True,
        "graded_right": True,
        "gold": str(2 * number),
        "extracted": str(2 * number),
        "grader_version": "1",
    } | others


def hostile_critique(number: int) -> dict[str, Any]:
    """Return a critique in which every text tries to be more than text."""
    names = ("question", "response", "critique", "gold", "extracted")
    return critique_row(number, "conflict", **dict.fromkeys(names, HOSTILE)) | {
        "critic": HOSTILE_NAME,
        "source": HOSTILE_NAME,
    }


def write_trainings(journal: Journal) -> None:
    """Append a CFT training with a choice and checkpoints, and an SFT one without."""
    journal.append("training", training_row("t-cft", "made-up-cft", "cft"))
    other = training_row("t-sft", HOSTILE_NAME, "sft", started_at="2030-01-01T00:00:00+00:00")
    journal.append("training", other | {"recipe": {"learning_rate": 1e-5, "note": HOSTILE}})
    for step in range(1, 61):
        journal.append("training_step", step_row("t-cft", step))
        journal.append("training_step", step_row("t-sft", step, loss=1.9, grad_norm=None))
    for step in (0, *STEPS):
        write(journal, checkpoint_run(step))
    for step in STEPS:
        run = checkpoint_run(step)
        row = {"training_id": "t-cft", "step": step, "fingerprint": run.fingerprint}
        journal.append("training_checkpoint", row | {"path": f"/out/{step}", "saved_at": _NOW})
    choice = {
        "training_id": "t-cft",
        "task": TASK,
        "rule": "earliest",
        "step": 40,
        "runs": {str(step): checkpoint_run(step).id for step in (0, *STEPS)},
        "warnings": ["A made-up warning."],
        "chosen_at": _NOW,
    }
    journal.append("training_choice", choice)

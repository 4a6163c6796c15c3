"""Decisions of the gate and sessions for the leaderboard's tests; every value is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.gate.config import GateConfig
from harness.store import Journal
from harness.types import digest

_GUARDS = ("truncation", "no_answer", "loop", "grader_failure")


def made_config() -> GateConfig:
    """Return a configuration with something said about a task."""
    defaults = GateConfig().defaults
    return GateConfig(
        tasks=("sums", "products"),
        by_task={"products": type(defaults)(margin=8.0, samples=16)},
        order_seed=7,
        system='He said "no"\n✓',
    )


def task_row(
    name: str, outcome: str = "pass", *, read: int = 60, drop: float = 0.01, **others: Any
) -> dict[str, Any]:
    """Return one task of a decision; the interval narrows while items are read."""
    low = [max(-1.0, drop - 2.0 / (n + 1)) for n in range(read)]
    high = [min(1.0, drop + 2.0 / (n + 1)) for n in range(read)]
    row = {
        "task": name, "outcome": outcome, "margin": 0.05, "alpha_fail": 0.02, "alpha_pass": 0.05,
        "drop": drop, "least": low[-1], "most": high[-1], "read": read, "items": 200,
        "decided_at": read if outcome != "undecided" else None,
        "baseline_run": f"base-{name}", "candidate_run": f"cand-{name}",
        "baseline_samples": 4, "candidate_samples": 1,
        "baseline_score": 0.6, "candidate_score": 0.6 - drop,
        "square": 0.2, "worse": 9, "better": 5, "most_lost": ["item-1", "item-2"],
        "guards": [guard_row(guard) for guard in _GUARDS],
        "would_take": None, "tokens": 6000, "low": low, "high": high,
    }  # fmt: skip
    return row | others


def guard_row(
    name: str, *, candidate: float = 0.02, breached: bool = False, **others: object
) -> dict[str, Any]:
    """Return how one failure rate stood; upper bounds are not in rows of earlier versions."""
    row = {
        "name": name, "baseline": 0.01, "candidate": candidate, "tolerance": 0.02,
        "at_least": candidate - 0.05, "breached": breached,
    }  # fmt: skip
    return row | others


def decision_row(
    decision_id: str,
    outcome: str,
    candidate: str,
    tasks: Sequence[Mapping[str, Any]],
    *,
    decided_at: str = "2030-01-02T03:04:05+00:00",
    **others: Any,
) -> dict[str, Any]:
    """Return a row of ``gate_decision``; models are named as in :func:`model_row`."""
    return {
        "id": decision_id,
        "decided_at": decided_at,
        "outcome": outcome,
        "exit_code": {"pass": 0, "fail": 1, "undecided": 3, "error": 4}[outcome],
        "reason": f"Made-up reason of {decision_id}.",
        "candidate": digest(["made up", candidate]),
        "baseline": digest(["made up", "the anchor"]),
        "aa": False,
        "config": made_config().as_dict(),
        "tasks": list(tasks),
        "suite": None,
        "warnings": ["A made-up warning."],
        "tokens_spent": 2500,
        "tokens_aborted": 100,
        "tokens_stored": 0,
        "tokens_full": 10_000,
        "seconds": 12.3,
        "grader_version": "1",
        "libraries": {"made-up-library": "1.2.3"},
    } | others


def model_row(name: str, source: str = "") -> dict[str, Any]:
    """Return a row of ``model``."""
    return {
        "fingerprint": digest(["made up", name]),
        "name": name,
        "source": source or f"/models/{name}",
        "architecture": "MadeUpForCausalLM",
        "parameters": 123_000_000,
        "added_at": "2030-01-01T00:00:00+00:00",
    }


def write_gate(
    journal: Journal, decisions: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> None:
    """Append decisions and the models they are about."""
    for name in (*names, "the anchor"):
        journal.append("model", model_row(name))
    for decision in decisions:
        journal.append("gate_decision", decision)


def session_rows(
    session_id: str, run_ids: Sequence[str], *, started_at: str, **others: Any
) -> list[dict[str, Any]]:
    """Return the rows of one session: one a run, all with the counts of the whole session."""
    row = {
        "id": session_id,
        "started_at": started_at,
        "ended_at": "2030-01-09T00:00:00+00:00",
        "outcome": "finished",
        "engine_settings": {"max_model_len": 1234},
        "generated": 90,
        "completion_tokens": 5000,
        "start_seconds": 12.0,
        "generate_seconds": 10.0,
        "grade_seconds": 0.5,
        "usage": {"engine_starts": 1},
    } | others
    return [row | {"run_id": run_id} for run_id in run_ids]

"""Decisions of the gate, as stored."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.store.sample_scan import literals
from harness.store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_JSON = ("config", "tasks", "suite", "warnings", "libraries", "budget")
_BY_RUN = """
SELECT id, decided_at, unnest(json_extract_string(tasks, '$[*].candidate_run')) AS run_id
FROM gate_decision
"""


@dataclass(frozen=True, slots=True)
class GateDecision:
    """One verdict of the gate with all that went into it; see ``schema.sql``.

    ``candidate`` and ``baseline`` are fingerprints; ``candidate_name`` and ``baseline_name`` what
    the store calls them, ``candidate_source`` where the candidate came from.
    """

    id: str
    decided_at: datetime
    outcome: str
    exit_code: int
    reason: str
    candidate: str
    baseline: str
    candidate_name: str
    baseline_name: str
    candidate_source: str
    aa: bool
    config: dict[str, Any]
    tasks: list[dict[str, Any]]
    suite: dict[str, Any] | None
    warnings: list[str]
    tokens_spent: int
    tokens_aborted: int
    tokens_stored: int
    tokens_full: int | None
    seconds: float
    grader_version: str
    libraries: dict[str, str]
    budget: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PastGate:
    """What a later gate needs to know of an earlier one.

    Attributes:
        id: Of the decision.
        decided_at: When it was made.
        seconds: How long it had taken.
        outcome: What it said.
        candidate: Fingerprint.
        baseline: Fingerprint.
        aa: The two are one model, sampled again.
        config: Its configuration.
        runs: By task, the ids of the baseline's run and the candidate's.
        best_of: Number of models that its baseline was the best of.
    """

    id: str
    decided_at: datetime
    seconds: float
    outcome: str
    candidate: str
    baseline: str
    aa: bool
    config: dict[str, Any]
    runs: dict[str, tuple[str, str]]
    best_of: int


def past_gates(store: Store) -> list[PastGate]:
    """Return all decisions without their evidence, the oldest first."""
    with store.read() as connection:
        cursor = connection.execute(
            "SELECT id, decided_at, seconds, outcome, candidate, baseline, aa, config,"
            " json_extract_string(tasks, '$[*].task') AS tasks,"
            " json_extract_string(tasks, '$[*].baseline_run') AS was,"
            " json_extract_string(tasks, '$[*].candidate_run') AS now,"
            " coalesce(TRY_CAST(json_extract_string(budget, '$.best_of') AS INTEGER), 1) AS best_of"
            " FROM gate_decision ORDER BY decided_at, id"
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        runs = zip(row.pop("was"), row.pop("now"), strict=True)
        row["runs"] = dict(zip(row.pop("tasks"), runs, strict=True))
        row["config"] = json.loads(row["config"])
    return [PastGate(**row) for row in rows]


def gate_decisions(
    store: Store, *, decision_id: str | None = None, limit: int | None = None
) -> list[GateDecision]:
    """Return the gate's verdicts, or the one of this id, the newest first."""
    most = "" if limit is None else f" LIMIT {int(limit)}"
    with store.read() as connection:
        cursor = connection.execute(
            "SELECT d.*, coalesce(c.name, '') AS candidate_name,"
            " coalesce(b.name, '') AS baseline_name,"
            " coalesce(c.source, '') AS candidate_source FROM gate_decision d"
            " LEFT JOIN model c ON c.fingerprint = d.candidate"
            " LEFT JOIN model b ON b.fingerprint = d.baseline"
            f" WHERE d.id = coalesce(?, d.id) ORDER BY d.decided_at DESC{most}",
            [decision_id],
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row |= {name: None if row[name] is None else json.loads(row[name]) for name in _JSON}
    return [GateDecision(**row) for row in rows]


def decided(store: Store) -> dict[str, datetime]:
    """Return, by run of a candidate, when the gate last decided on it and asked for no more."""
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT run_id, max(decided_at) FROM ({_BY_RUN}) GROUP BY run_id"
        ).fetchall()
    return dict(rows)


def gates_of(
    connection: DuckDBPyConnection, run_ids: Collection[str], candidates: Collection[str]
) -> dict[str, str]:
    """Return, by run, the newest decision of the gate on it; runs without one are left out.

    Args:
        connection: Of :meth:`Store.read`.
        run_ids: The runs of candidates.
        candidates: Fingerprints of their models.
    """
    rows = connection.execute(
        f"SELECT run_id, arg_max(id, decided_at) FROM ({_BY_RUN} WHERE candidate IN"
        f" ({literals(candidates)})) WHERE run_id IN ({literals(run_ids)}) GROUP BY run_id"
    ).fetchall()
    return dict(rows)

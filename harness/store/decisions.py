"""What the gate has said, for the page that shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.store.store import Store

_JSON = ("config", "tasks", "suite", "warnings", "libraries")


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
            "SELECT run_id, max(decided_at) FROM (SELECT decided_at,"
            " unnest(json_extract_string(tasks, '$[*].candidate_run')) AS run_id"
            " FROM gate_decision) GROUP BY run_id"
        ).fetchall()
    return dict(rows)

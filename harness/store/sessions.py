"""Sessions: an engine's work from its start until it is stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.store.store import Store
from harness.types import without_credentials

_ENGINE = "r.backend || ' ' || r.engine_version"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session. It may serve several runs, of which each has a row in ``run_session``.

    Attributes:
        id: Of the session.
        started_at: When.
        ended_at: When it was over.
        outcome: ``finished``, ``interrupted`` or ``failed``.
        engine: Backend and version.
        device: What it ran on.
        model: The model it served.
        runs: Ids of the runs, in the order of their tasks.
        tasks: Their tasks.
        settings: What the engine was started with.
        usage: What the backend counted since it was made; a sweep's later sessions hold what the
            earlier ones counted.
        machine: Where it ran.
        generated: Generations it made.
        completion_tokens: Their new tokens.
        start_seconds: Until the engine was there.
        generate_seconds: Until the last generation was back.
        grade_seconds: What was left of grading then.
    """

    id: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    engine: str
    device: str
    model: str
    runs: list[str]
    tasks: list[str]
    settings: dict[str, Any]
    usage: dict[str, Any]
    machine: dict[str, Any]
    generated: int
    completion_tokens: int
    start_seconds: float
    generate_seconds: float
    grade_seconds: float

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens per second of generation."""
        if not self.generate_seconds:
            return None
        return self.completion_tokens / self.generate_seconds


@dataclass(frozen=True, slots=True)
class SessionFacets:
    """What sessions can be narrowed to, and how many there are in all."""

    engines: list[str]
    devices: list[str]
    models: list[str]
    total: int


def sessions(
    store: Store,
    *,
    engine: str | None = None,
    device: str | None = None,
    model: str | None = None,
    session_id: str | None = None,
    limit: int = 50,
) -> tuple[list[SessionRow], int]:
    """Return the newest sessions, and how many there are in all, under the same conditions.

    Args:
        store: The results file.
        engine: Only of this backend and version, as in ``SessionRow.engine``.
        device: Only on this device.
        model: Only of the models that go by this name.
        session_id: Only this one.
        limit: At most so many.
    """
    joined = "FROM run_session s JOIN run r ON r.id = s.run_id JOIN model m"
    found = (
        f"{joined} ON m.fingerprint = r.model WHERE {_ENGINE} = coalesce($engine, {_ENGINE})"
        " AND r.device = coalesce($device, r.device) AND m.name = coalesce($model, m.name)"
        " AND s.id = coalesce($id, s.id)"
    )
    asked = {"engine": engine, "device": device, "model": model, "id": session_id}
    with store.read() as connection:
        total = connection.execute(f"SELECT count(DISTINCT s.id) {found}", asked).fetchone()
        cursor = connection.execute(
            "SELECT s.id, min(s.started_at) AS started_at, max(s.ended_at) AS ended_at,"
            f" min(s.outcome) AS outcome, min({_ENGINE}) AS engine, min(r.device) AS device,"
            " min(m.name) AS model, list(r.id ORDER BY r.task, r.id) AS runs,"
            " list(r.task ORDER BY r.task, r.id) AS tasks,"
            " any_value(s.engine_settings) AS settings, any_value(s.usage) AS usage,"
            " any_value(r.machine) AS machine, max(s.generated) AS generated,"
            " max(s.completion_tokens) AS completion_tokens, max(s.start_seconds) AS start_seconds,"
            " max(s.generate_seconds) AS generate_seconds, max(s.grade_seconds) AS grade_seconds"
            f" {found} GROUP BY s.id ORDER BY started_at DESC, s.id LIMIT {int(limit)}",
            asked,
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row |= {name: json.loads(row[name] or "{}") for name in ("settings", "usage", "machine")}
        row["settings"] = without_credentials(row["settings"])
    return [SessionRow(**row) for row in rows], total[0] if total else 0


def session_facets(store: Store) -> SessionFacets:
    """Return the engines, devices and models that sessions can be narrowed to."""
    with store.read() as connection:
        row = connection.execute(
            f"SELECT list_sort(list(DISTINCT {_ENGINE})), list_sort(list(DISTINCT r.device)),"
            " list_sort(list(DISTINCT m.name)), count(DISTINCT s.id)"
            " FROM run_session s JOIN run r ON r.id = s.run_id JOIN model m"
            " ON m.fingerprint = r.model"
        ).fetchone()
    engines, devices, models, total = row or ([], [], [], 0)
    return SessionFacets(engines or [], devices or [], models or [], total)

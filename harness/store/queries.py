"""Queries about runs, models and what is still to be generated or graded."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import HarnessError
from harness.statistics import intervals
from harness.statistics.intervals import Estimate
from harness.store import gate_decisions, summaries
from harness.store.sample_scan import literals, quoted, sample_cte
from harness.store.store import Store
from harness.text import harness_command
from harness.types import (
    DEFAULT_PROFILE,
    RESOLVED_DTYPE,
    AnswerType,
    Item,
    Tolerance,
    without_credentials,
)

if TYPE_CHECKING:
    from harness.statistics.betting import Floats


class Judged(NamedTuple):
    """One judged sample."""

    run_id: str
    item_id: str
    correct: bool


class Ungraded(NamedTuple):
    """One generation without a grade of the profile and version asked for.

    The item is as stored: without its question, for a restricted run without its gold, and without
    the scorer of a benchmark that has its own: code is named by the loaded task, never by a row.

    Attributes:
        run_id: The run.
        key: The generation.
        answer: What is judged.
        truncated: It ran out of budget.
        item: What it is judged by.
        gold_id: Which gold the grade is for.
        complete: The stored item is all that judging takes.
    """

    run_id: str
    key: str
    answer: str
    truncated: bool
    item: Item
    gold_id: str
    complete: bool


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What a run was made with, apart from its protocol.

    Attributes:
        architecture: The model class its config names, or ``unknown``.
        chat_template_sha256: ``None`` where the model has no chat template, or none is known.
        chat: What the template was asked for, as in :class:`harness.types.Chat`, and as
            ``template_fault`` why it gives no turns, where it gives none.
        output_args: Engine arguments that affect the output, as they were given.
        libraries: Versions by name.
        machine: As :func:`harness.environment.machine` describes it.
        dtype: What was computed in, resolved; empty where that was not stored.
    """

    architecture: str = "unknown"
    chat_template_sha256: str | None = None
    chat: Mapping[str, Any] = field(default_factory=dict)
    output_args: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class PartialScore:
    """The score so far of an incomplete run, over its judged samples.

    It has no interval, and nothing is compared with it: these samples are not drawn at random from
    the run's. What is missing is what takes longest, long answers are more often wrong, and a gate
    stops when the answers so far have convinced it.

    Attributes:
        value: Mean over the judged items, in [0, 1].
        items: How many items have a judged sample.
    """

    value: float
    items: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row a run, as ``harness runs`` and the leaderboard show it.

    ``truncated`` and ``loops`` are shares of what was generated, ``no_answer`` of what was graded,
    in [0, 1]. ``score`` is ``None`` until the run is complete, and ``so_far`` is what an incomplete
    one comes to; ``stopped_by`` is the id of the newest gate that ended with the run incomplete.
    ``bounds`` are the score if every sample the grader's infrastructure
    failed on were wrong or right. ``item_set`` names the judged items with what they were judged
    by: runs of which it is equal can be compared item by item. ``finished_at`` and ``graded_at``
    are when the last generation and the last grade came.
    """

    id: str
    model: str
    fingerprint: str
    parameters: int | None
    task: str
    protocol: dict[str, Any]
    protocol_sha256: str
    data_sha256: str
    samples: int
    seed: int
    replicate: int
    items: int
    requests: int
    engine: str
    device: str
    restricted: bool
    created_at: datetime
    generated: int
    graded: int
    score: Estimate | None
    bounds: tuple[float, float] | None
    truncated: float
    no_answer: float
    loops: float
    completion_tokens: int
    generate_seconds: float
    start_seconds: float
    grade_seconds: float
    session_tokens: int
    made_with: MadeWith = MadeWith()
    grader_versions: tuple[str, ...] = ()
    item_set: str | None = None
    finished_at: datetime | None = None
    graded_at: datetime | None = None
    so_far: PartialScore | None = None
    stopped_by: str | None = None

    @property
    def complete(self) -> bool:
        """Every request has come back and been judged: only then the run samples its items."""
        return self.graded == self.requests

    @property
    def computed_by(self) -> str:
        """Engine, device and dtype; the dtype is not known of runs stored as ``auto``."""
        dtype = self.made_with.dtype or str(self.made_with.output_args.get("dtype", ""))
        known = [] if dtype in ("", "auto") else [dtype]
        return ", ".join([self.engine, self.device, *known])

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens per second of generation, over all sessions."""
        if not self.generate_seconds:
            return None
        return self.session_tokens / self.generate_seconds


_SUMMARY = """
WITH summary AS (
    SELECT * FROM run_tally WHERE profile = '{profile}' UNION ALL BY NAME SELECT * FROM counted
)
SELECT r.id, m.name AS model, r.model AS fingerprint, m.parameters, r.task, r.protocol,
       r.protocol_sha256, r.data_sha256, r.samples, r.seed, r.replicate, r.items, r.requests,
       r.backend || ' ' || r.engine_version AS engine, r.device, r.restricted, r.created_at,
       coalesce(s.samples, 0) AS graded, coalesce(s.generated, 0) AS generated,
       s.items AS graded_items, s.mean, s.variance, s.upper_mean, s.correct,
       coalesce(s.truncated, 0) AS truncated,
       coalesce(s.no_answer, 0) AS no_answer, coalesce(s.loops, 0) AS loops,
       coalesce(s.completion_tokens, 0) AS completion_tokens, s.most_samples,
       coalesce(w.generate_seconds, 0) AS generate_seconds,
       coalesce(w.start_seconds, 0) AS start_seconds,
       coalesce(w.grade_seconds, 0) AS grade_seconds,
       coalesce(w.session_tokens, 0) AS session_tokens,
       m.architecture, m.chat_template_sha256, r.chat, r.output_args, r.libraries, r.machine,
       coalesce(s.grader_versions, []) AS grader_versions, s.item_set,
       s.last_finished_at AS finished_at, s.last_graded_at AS graded_at
FROM run r
JOIN model m ON m.fingerprint = r.model
LEFT JOIN summary s ON s.run_id = r.id
LEFT JOIN (
    SELECT run_id, sum(generate_seconds) AS generate_seconds, sum(start_seconds) AS start_seconds,
           sum(grade_seconds) AS grade_seconds, sum(completion_tokens) AS session_tokens
    FROM run_session GROUP BY run_id) w ON w.run_id = r.id
"""


def missing_keys(store: Store, run_ids: Sequence[str]) -> set[str]:
    """Return the keys of these runs for which there is no generation."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT replace(CAST(q.key AS VARCHAR), '-', '') FROM request q"
            " ANTI JOIN generation g ON g.key = q.key WHERE q.run_id IN (SELECT unnest(?))",
            [list(run_ids)],
        ).fetchall()
    return {row[0] for row in rows}


def ungraded(
    store: Store, run_ids: Sequence[str], profile: str, grader_version: str
) -> list[Ungraded]:
    """Return the generations of these runs that this profile and version has not judged."""
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, run_ids, profile)}"
            "SELECT run_id, replace(CAST(key AS VARCHAR), '-', ''), answer, truncated, item_id,"
            " coalesce(gold, ''), answer_type, tolerance_absolute, tolerance_relative,"
            " replace(CAST(s.gold_id AS VARCHAR), '-', ''),"
            " coalesce(gold, '') <> '' AND scorer = ''"
            " FROM sample s ANTI JOIN (SELECT key, gold_id FROM grade WHERE profile = ? AND"
            " grader_version = ? AND key IN (SELECT key FROM asked)) d"
            " ON d.key = s.key AND d.gold_id = s.gold_id WHERE s.finish_reason IS NOT NULL",
            [profile, grader_version],
        ).fetchall()
    return [
        Ungraded(run_id, key, answer, truncated, _judged_item(*judged), gold_id, complete)
        for run_id, key, answer, truncated, *judged, gold_id, complete in rows
    ]


def grader_versions(
    store: Store, run_ids: Sequence[str], profile: str
) -> dict[str, tuple[str, ...]]:
    """Return, by run, the versions of the grader that its newest grades of this profile are of."""
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, run_ids, profile)}"
            "SELECT run_id, list_sort(list(DISTINCT grader_version)) FROM sample"
            " WHERE correct IS NOT NULL GROUP BY run_id"
        ).fetchall()
    return dict.fromkeys(run_ids, ()) | {run_id: tuple(found) for run_id, found in rows}


def judged(store: Store, run_ids: Sequence[str], grader_version: str) -> list[Judged]:
    """Return the samples of these runs that this version of the grader has judged."""
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, run_ids, DEFAULT_PROFILE)}"
            "SELECT run_id, item_id, correct FROM sample WHERE correct IS NOT NULL"
            " AND grader_version = ?",
            [grader_version],
        ).fetchall()
    return [Judged(*row) for row in rows]


def runs(
    store: Store, run_ids: Sequence[str] | None = None, *, profile: str = DEFAULT_PROFILE
) -> list[RunSummary]:
    """Return a summary of these runs, or of all, the newest first."""
    where = "" if run_ids is None else f" WHERE r.id IN ({literals(run_ids)})"
    with store.read() as connection:
        summaries.compute_missing(connection, profile, where)
        cursor = connection.execute(
            _SUMMARY.format(profile=quoted(profile)) + where + " ORDER BY r.created_at DESC, r.id"
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        waiting = [row for row in rows if row["generated"] < row["requests"]]
        gates = gate_decisions.gates_of(
            connection, {row["id"] for row in waiting}, {row["fingerprint"] for row in waiting}
        )
    try:
        return [_summary(row | {"stopped_by": gates.get(row["id"])}) for row in rows]
    except ValueError as error:
        raise HarnessError(
            f"{store.path} is not read: {error}.",
            "The harness writes no such run; name another file with --results.",
        ) from error


def item_scores(
    store: Store, run_ids: Sequence[str], *, profile: str = DEFAULT_PROFILE
) -> dict[str, Floats]:
    """Return, by run, the share of right samples of each judged item.

    The order is the same for all runs of which :attr:`RunSummary.item_set` is equal.
    """
    import numpy as np

    where = f" WHERE r.id IN ({literals(run_ids)})"
    with store.read() as connection:
        summaries.compute_missing(connection, profile, where)
        connection.execute(
            "CREATE TEMP TABLE wanted AS SELECT run_id, item_correct, item_samples FROM ("
            f"SELECT * FROM run_tally WHERE profile = '{quoted(profile)}'"
            " UNION ALL BY NAME SELECT * FROM counted)"
            f" WHERE run_id IN ({literals(run_ids)})"
        )
        runs = connection.execute("SELECT run_id, len(item_correct) FROM wanted").fetchall()
        scores = connection.execute(
            "SELECT correct / samples AS score FROM (SELECT"
            " unnest(item_correct) AS correct, unnest(item_samples) AS samples FROM wanted)"
        ).fetchnumpy()["score"]
    ends = np.cumsum([items for _, items in runs])
    parts = np.split(np.asarray(scores, dtype=float), ends[:-1])
    return {run_id: part for (run_id, _), part in zip(runs, parts, strict=True)}


def item_ids(store: Store, run_id: str) -> frozenset[str]:
    """Return the items that a run asks."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT item_id FROM request WHERE run_id = ?", [run_id]
        ).fetchall()
    return frozenset(item for (item,) in rows)


def has_run_on(store: Store, task: str, data_sha256: str, items: Collection[str]) -> bool:
    """Say whether there is a run of a task that asks these very items."""
    with store.read() as connection:
        found = connection.execute(
            "SELECT 1 FROM request WHERE run_id IN"
            " (SELECT id FROM run WHERE task = ? AND data_sha256 = ? AND items = ?)"
            " GROUP BY run_id HAVING count(DISTINCT item_id) = ?"
            " AND bool_and(item_id IN (SELECT unnest(?))) LIMIT 1",
            [task, data_sha256, len(items), len(items), list(items)],
        ).fetchone()
    return found is not None


def find_run(store: Store, prefix: str) -> RunSummary:
    """Return the one run whose id begins with ``prefix``.

    Raises:
        HarnessError: There is none, or more than one.
    """
    with store.read() as connection:
        rows = connection.execute(
            "SELECT id FROM run WHERE starts_with(id, ?) ORDER BY id", [prefix]
        ).fetchall()
    if len(rows) != 1:
        problem = "No run" if not rows else f"{len(rows)} runs"
        raise HarnessError(
            f"{problem} in {store.path.name} begin{'s' if not rows else ''} with {prefix!r}.",
            f"`{harness_command('runs', results=store.path)}` lists them.",
        )
    return runs(store, [rows[0][0]])[0]


def models(store: Store) -> list[tuple[str, str, str, str]]:
    """Return name, source, a description and the fingerprint of each measured model.

    Name and source are those that it was first measured under; :func:`aliases` has all.
    """
    with store.read() as connection:
        rows = connection.execute(
            "SELECT name, source, architecture, parameters, fingerprint FROM model ORDER BY name"
        ).fetchall()
    return [
        (name, source, _described(architecture, parameters), fingerprint)
        for name, source, architecture, parameters, fingerprint in rows
    ]


def aliases(store: Store) -> list[tuple[str, str, str]]:
    """Return fingerprint, name and source for all that measured models were called, in time."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT fingerprint, name, source FROM model_alias ORDER BY added_at, name, source"
        ).fetchall()
    return [(fingerprint, name, source) for fingerprint, name, source in rows]


def fingerprints(store: Store) -> set[str]:
    """Return the fingerprints of all models that were measured, trained or trained from."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT fingerprint FROM model UNION SELECT base FROM training"
            " UNION SELECT fingerprint FROM training_checkpoint"
        ).fetchall()
    return {fingerprint for (fingerprint,) in rows}


def _described(architecture: str, parameters: int | None) -> str:
    if parameters is None:
        return architecture
    return f"{architecture}, {parameters / 1e6:,.0f}M parameters"


def _judged_item(
    item_id: str,
    gold: str,
    answer_type: str,
    absolute: float | None,
    relative: float | None,
) -> Item:
    return Item(
        id=item_id,
        question="",
        gold=gold,
        answer_type=AnswerType(answer_type),
        tolerance=None if absolute is None else Tolerance(absolute, relative or 0.0),
    )


def _summary(row: dict[str, Any]) -> RunSummary:
    for name in ("created_at", "finished_at", "graded_at"):
        # DuckDB's times go further than Python's; what does not fit comes as a text.
        if isinstance(row[name], str):
            raise ValueError(f"the run {row['id']} is of {row[name]}")
    graded = int(row["graded"])
    estimate = bounds = so_far = None
    if graded and graded != row["requests"]:
        so_far = PartialScore(row["mean"], row["graded_items"])
    elif graded:
        estimate = intervals.score(
            mean=row["mean"],
            variance=row["variance"],
            items=row["graded_items"],
            samples_per_item=row["most_samples"],
            correct=row["correct"],
        )
        bounds = (estimate.value, max(estimate.value, row["upper_mean"]))
    for name in ("graded_items", "mean", "variance", "upper_mean", "correct", "most_samples"):
        del row[name]
    generated = int(row["generated"])
    shares = {name: row[name] / generated if generated else 0.0 for name in _SHARES}
    shares["no_answer"] = row["no_answer"] / graded if graded else 0.0
    made_with = {name: row.pop(name) for name in MadeWith.__dataclass_fields__ if name != "dtype"}
    for name in ("chat", "output_args", "libraries", "machine"):
        made_with[name] = _parsed(made_with[name] or "{}")
    made_with["output_args"] = without_credentials(made_with["output_args"])
    made_with["dtype"] = str(made_with["output_args"].pop(RESOLVED_DTYPE, ""))
    made = {
        "score": estimate,
        "bounds": bounds,
        "so_far": so_far,
        "made_with": MadeWith(**made_with),
        "protocol": _parsed(row["protocol"]),
        "grader_versions": tuple(row["grader_versions"]),
    }
    return RunSummary(**row | shares | made)


@lru_cache(maxsize=512)
def _parsed(text: str) -> dict[str, Any]:
    """Parse what thousands of runs share word by word; nobody changes what is returned.

    Raises:
        ValueError: It is no JSON object, or one too deep to be read.
    """
    try:
        parsed = json.loads(text) or {}
    except RecursionError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError(f"a run says {text[:40]!r} where an object belongs")
    return parsed


_SHARES = ("truncated", "loops")

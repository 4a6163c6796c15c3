"""Questions the rest of the harness and the leaderboard ask the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from harness.errors import HarnessError
from harness.statistics import intervals
from harness.statistics.intervals import Estimate
from harness.store.store import Store
from harness.types import DEFAULT_PROFILE, AnswerType, Item, Tolerance


class Judged(NamedTuple):
    """One judged sample."""

    run_id: str
    item_id: str
    correct: bool


class Ungraded(NamedTuple):
    """One generation without a grade of the profile and version asked for.

    The item is as stored: without its question, and for a restricted run without its gold.
    """

    run_id: str
    key: str
    answer: str
    truncated: bool
    item: Item


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What a run was made with, beside its protocol.

    Attributes:
        architecture: The model class its config names, or ``unknown``.
        chat_template_sha256: ``None`` where the model has no chat template, or none is known.
        chat: What the template was asked for, as in :class:`harness.types.Chat`.
        output_args: Engine arguments that affect the output, dtype among them.
        libraries: Versions by name.
        machine: As :func:`harness.environment.machine` describes it.
    """

    architecture: str = "unknown"
    chat_template_sha256: str | None = None
    chat: Mapping[str, Any] = field(default_factory=dict)
    output_args: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row a run, as ``harness runs`` and the leaderboard show it.

    ``truncated`` and ``loops`` are shares of what was generated, ``no_answer`` of what was graded,
    in [0, 1]. ``score`` is ``None``
    until something is graded; ``bounds`` are the score if every sample the grader's infrastructure
    failed on were wrong or right.
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

    @property
    def complete(self) -> bool:
        """Every request has come back and been judged."""
        return self.graded == self.requests

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens per second of generation, over all sittings."""
        if not self.generate_seconds:
            return None
        return self.session_tokens / self.generate_seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of a run with what came back and how it was judged."""

    item_id: str
    sample_index: int
    question: str | None
    gold: str | None
    answer_type: str
    subject: str
    level: str
    thought: str
    answer: str
    finish_reason: str
    truncated: bool
    loop: bool
    completion_tokens: int | None
    correct: bool | None
    status: str | None
    extracted: str | None
    extraction: str | None
    method: str | None


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A number somebody else printed, as a share in [0, 1]."""

    model: str
    parameters_b: float | None
    method: str
    task: str
    score: float
    metric: str
    source: str
    note: str | None


_SUMMARY = """
SELECT r.id, m.name AS model, r.model AS fingerprint, m.parameters, r.task, r.protocol,
       r.protocol_sha256, r.data_sha256, r.samples, r.seed, r.replicate, r.items, r.requests,
       r.backend || ' ' || r.engine_version AS engine, r.device, r.restricted, r.created_at,
       coalesce(s.samples, 0) AS graded, coalesce(s.generated, 0) AS generated,
       s.items AS graded_items, s.mean, s.variance, s.correct,
       coalesce(s.undecided, 0) AS undecided, coalesce(s.truncated, 0) AS truncated,
       coalesce(s.no_answer, 0) AS no_answer, coalesce(s.loops, 0) AS loops,
       coalesce(s.completion_tokens, 0) AS completion_tokens, s.most_samples,
       coalesce(w.generate_seconds, 0) AS generate_seconds,
       coalesce(w.start_seconds, 0) AS start_seconds,
       coalesce(w.grade_seconds, 0) AS grade_seconds,
       coalesce(w.session_tokens, 0) AS session_tokens,
       m.architecture, m.chat_template_sha256, r.chat, r.output_args, r.libraries, r.machine
FROM run r
JOIN model m ON m.fingerprint = r.model
LEFT JOIN run_score_by('{profile}') s ON s.run_id = r.id
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
            "SELECT run_id, replace(CAST(key AS VARCHAR), '-', ''), answer, truncated, item_id,"
            " coalesce(gold, ''), answer_type, tolerance_absolute, tolerance_relative, scorer"
            " FROM sample s ANTI JOIN (SELECT * FROM grade WHERE profile = ? AND"
            " grader_version = ?) d ON d.key = s.key AND d.gold_id = s.gold_id"
            " WHERE s.run_id IN (SELECT unnest(?)) AND s.finish_reason IS NOT NULL",
            [profile, grader_version, list(run_ids)],
        ).fetchall()
    return [
        Ungraded(run_id, key, answer, truncated, _judged_item(*judged))
        for run_id, key, answer, truncated, *judged in rows
    ]


def grader_versions(
    store: Store, run_ids: Sequence[str], profile: str
) -> dict[str, tuple[str, ...]]:
    """Return, by run, the versions of the grader that its newest grades of this profile are of."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT run_id, list_sort(list(DISTINCT grader_version))"
            f" FROM sample_by('{quoted(profile)}')"
            " WHERE correct IS NOT NULL AND run_id IN (SELECT unnest(?)) GROUP BY run_id",
            [list(run_ids)],
        ).fetchall()
    return dict.fromkeys(run_ids, ()) | {run_id: tuple(found) for run_id, found in rows}


def judged(store: Store, run_ids: Sequence[str]) -> list[Judged]:
    """Return the judged samples of these runs."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT run_id, item_id, correct FROM sample"
            " WHERE correct IS NOT NULL AND run_id IN (SELECT unnest(?))",
            [list(run_ids)],
        ).fetchall()
    return [Judged(*row) for row in rows]


def runs(
    store: Store, run_ids: Sequence[str] | None = None, *, profile: str = DEFAULT_PROFILE
) -> list[RunSummary]:
    """Return a summary of these runs, or of all, the newest first."""
    where = "" if run_ids is None else " WHERE r.id IN (SELECT unnest(?))"
    parameters = [] if run_ids is None else [list(run_ids)]
    with store.read() as connection:
        summary = _SUMMARY.format(profile=quoted(profile))
        cursor = connection.execute(
            summary + where + " ORDER BY r.created_at DESC, r.id", parameters
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [_summary(row) for row in rows]


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
            "`harness runs` lists them.",
        )
    return runs(store, [rows[0][0]])[0]


def runs_by_model(store: Store, name: str) -> dict[str, list[str]]:
    """Return the runs of each model that goes by this name, by fingerprint.

    Args:
        store: The results file.
        name: Its name, its source, or the beginning of its fingerprint (8 digits or more).
    """
    with store.read() as connection:
        rows = connection.execute(
            "SELECT m.fingerprint, r.id FROM model m LEFT JOIN run r ON r.model = m.fingerprint"
            " WHERE m.name = $name OR m.source = $name"
            " OR (length($name) >= 8 AND starts_with(m.fingerprint, $name))",
            {"name": name},
        ).fetchall()
    found: dict[str, list[str]] = {}
    for fingerprint, run_id in rows:
        found.setdefault(fingerprint, []).extend([run_id] if run_id else [])
    return found


def samples(
    store: Store,
    run_id: str,
    *,
    item_id: str | None = None,
    only_wrong: bool = False,
    limit: int | None = None,
    profile: str = DEFAULT_PROFILE,
) -> list[Sample]:
    """Return the samples of a run, or of one item, that have come back, in the items' order."""
    columns = ", ".join(Sample.__dataclass_fields__)
    wrong = " AND NOT coalesce(correct, false)" if only_wrong else ""
    most = "" if limit is None else f" LIMIT {int(limit)}"
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT {columns} FROM sample_by('{quoted(profile)}')"
            f" WHERE run_id = $run AND item_id = coalesce($item, item_id)"
            f" AND finish_reason IS NOT NULL{wrong} ORDER BY ordinal, sample_index{most}",
            {"run": run_id, "item": item_id},
        ).fetchall()
    return [Sample(*row) for row in rows]


def disagreements(
    store: Store, run_id: str, profile: str, other: str, *, limit: int | None = None
) -> list[Sample]:
    """Return the samples that two profiles judge differently, as the first of them does.

    Raises:
        HarnessError: One of the two has judged nothing of this run.
    """
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT a.item_id, a.sample_index FROM sample_by('{quoted(profile)}') a"
            f" JOIN sample_by('{quoted(other)}') b USING (run_id, item_id, sample_index)"
            " WHERE run_id = ? AND a.correct <> b.correct",
            [run_id],
        ).fetchall()
        judged_by = {
            name
            for name in (profile, other)
            if connection.execute(
                f"SELECT 1 FROM sample_by('{quoted(name)}')"
                " WHERE run_id = ? AND correct IS NOT NULL LIMIT 1",
                [run_id],
            ).fetchone()
        }
    for name in (profile, other):
        if name not in judged_by:
            raise HarnessError(
                f"{name} has judged nothing of run {run_id}.",
                f"Run `harness regrade {run_id} --profile {name}` first.",
            )
    differing = set(rows)
    found = [
        sample
        for sample in samples(store, run_id, profile=profile)
        if (sample.item_id, sample.sample_index) in differing
    ]
    return found[:limit]


def models(store: Store) -> list[tuple[str, str, str, str]]:
    """Return name, source, a description and the fingerprint of each measured model."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT name, source, architecture, parameters, fingerprint FROM model ORDER BY name"
        ).fetchall()
    return [
        (name, source, f"{architecture}, {(parameters or 0) / 1e6:,.0f}M parameters", fingerprint)
        for name, source, architecture, parameters, fingerprint in rows
    ]


def published(store: Store) -> list[PublishedScore]:
    """Return the published score of each model and task that was picked for showing."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT model, params_b, method, task,"
            " CASE unit WHEN 'percent' THEN score / 100 ELSE score END, metric, source, note"
            " FROM published_score WHERE canonical AND task IS NOT NULL AND unit <> 'points'"
        ).fetchall()
    return [PublishedScore(*row) for row in rows]


def _judged_item(
    item_id: str,
    gold: str,
    answer_type: str,
    absolute: float | None,
    relative: float | None,
    scorer: str,
) -> Item:
    return Item(
        id=item_id,
        question="",
        gold=gold,
        answer_type=AnswerType(answer_type),
        tolerance=None if absolute is None else Tolerance(absolute, relative or 0.0),
        scorer=scorer,
    )


def _summary(row: dict[str, Any]) -> RunSummary:
    graded = int(row["graded"])
    estimate = bounds = None
    if graded:
        estimate = intervals.score(
            mean=row["mean"],
            variance=row["variance"],
            items=row["graded_items"],
            samples_per_item=row["most_samples"],
            correct=row["correct"],
        )
        bounds = (estimate.value, estimate.value + int(row["undecided"]) / graded)
    for name in ("graded_items", "mean", "variance", "correct", "undecided", "most_samples"):
        del row[name]
    generated = int(row["generated"])
    shares = {name: row[name] / generated if generated else 0.0 for name in _SHARES}
    shares["no_answer"] = row["no_answer"] / graded if graded else 0.0
    told = {name: row.pop(name) for name in MadeWith.__dataclass_fields__}
    for name in ("chat", "output_args", "libraries", "machine"):
        told[name] = json.loads(told[name] or "{}")
    made = {"score": estimate, "bounds": bounds, "made_with": MadeWith(**told)}
    return RunSummary(**row | shares | made | {"protocol": json.loads(row["protocol"])})


def quoted(profile: str) -> str:
    """Make a profile's name safe inside a quoted literal: macros take no parameters."""
    return profile.replace("'", "''")


_SHARES = ("truncated", "loops")


KEEP = {
    "all": "true",
    "right": "correct",
    "wrong": "NOT correct",
    "truncated": "truncated",
    "no_answer": "status = 'no_answer'",
}
"""What :func:`sample_page` can narrow a run's samples to, as conditions on the view ``sample``."""


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A stretch of a run's samples, and how many match each of :data:`KEEP` under the search."""

    samples: list[Sample]
    counts: dict[str, int]


def sample_page(
    store: Store,
    run_id: str,
    *,
    keep: str = "all",
    search: str = "",
    offset: int = 0,
    limit: int = 20,
) -> SamplePage:
    """Return one page of a run's samples that have come back, in the order of its items.

    What a restricted run was asked and what it wrote never leaves the database, and is not
    searched either: its questions, golds, thoughts and answers come as empty, extracted ones too.

    Args:
        store: The results file.
        run_id: The run's whole id.
        keep: One of :data:`KEEP`.
        search: Only samples that hold this text, in any case, in item id, question, gold,
            thought or answer.
        offset: How many matching samples to leave out at the beginning.
        limit: At most so many.
    """
    hidden = {"thought": "''", "answer": "''"} | dict.fromkeys(
        ("question", "gold", "extracted"), "NULL"
    )
    columns = ", ".join(
        f"CASE WHEN restricted THEN {hidden[name]} ELSE {name} END" if name in hidden else name
        for name in Sample.__dataclass_fields__
    )
    found = (
        "FROM sample WHERE run_id = $run AND finish_reason IS NOT NULL"
        " AND ($text = '' OR contains(lower(item_id), $text) OR (NOT restricted AND ("
        "contains(lower(question), $text) OR contains(lower(gold), $text)"
        " OR contains(lower(thought), $text) OR contains(lower(answer), $text))))"
    )
    asked = {"run": run_id, "text": search.strip().lower()}
    counted = ", ".join(f"count(*) FILTER (WHERE {KEEP[name]})" for name in KEEP)
    with store.read() as connection:
        counts = connection.execute(f"SELECT {counted} {found}", asked).fetchone()
        rows = connection.execute(
            f"SELECT {columns} {found} AND {KEEP[keep]} ORDER BY ordinal, sample_index"
            f" LIMIT {int(limit)} OFFSET {int(offset)}",
            asked,
        ).fetchall()
    return SamplePage(
        [Sample(*row) for row in rows], dict(zip(KEEP, counts or (0,) * len(KEEP), strict=True))
    )

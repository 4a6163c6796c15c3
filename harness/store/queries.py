"""Questions the rest of the harness and the leaderboard ask the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import HarnessError
from harness.statistics import intervals
from harness.statistics.intervals import Estimate
from harness.store import tallies
from harness.store.samples import literals, quoted, sample_of
from harness.store.store import Store
from harness.types import DEFAULT_PROFILE, AnswerType, Item, Tolerance

if TYPE_CHECKING:
    from harness.statistics.betting import Floats


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
    failed on were wrong or right. ``item_set`` names the judged items with their golds: runs of
    which it is equal can be compared item by item. ``finished_at`` and ``graded_at`` are when the
    last generation and the last grade came.
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
    """A number somebody else printed, as a share in [0, 1].

    ``doubt`` is why it is likely wrong, where there is reason to think so; ``others`` are numbers
    printed for the same model and task elsewhere, which were not picked.
    """

    model: str
    parameters_b: float | None
    method: str
    task: str
    score: float
    metric: str
    source: str
    note: str | None
    family: str = ""
    doubt: str = ""
    others: tuple[PublishedScore, ...] = ()


_SUMMARY = """
WITH tally AS (
    SELECT * FROM run_tally WHERE profile = '{profile}' UNION ALL BY NAME SELECT * FROM counted
)
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
       m.architecture, m.chat_template_sha256, r.chat, r.output_args, r.libraries, r.machine,
       coalesce(s.grader_versions, []) AS grader_versions, s.item_set,
       s.last_finished_at AS finished_at, s.last_graded_at AS graded_at
FROM run r
JOIN model m ON m.fingerprint = r.model
LEFT JOIN tally s ON s.run_id = r.id
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
            f"{sample_of(connection, run_ids, profile)}"
            "SELECT run_id, replace(CAST(key AS VARCHAR), '-', ''), answer, truncated, item_id,"
            " coalesce(gold, ''), answer_type, tolerance_absolute, tolerance_relative, scorer"
            " FROM sample s ANTI JOIN (SELECT key, gold_id FROM grade WHERE profile = ? AND"
            " grader_version = ? AND key IN (SELECT key FROM asked)) d"
            " ON d.key = s.key AND d.gold_id = s.gold_id WHERE s.finish_reason IS NOT NULL",
            [profile, grader_version],
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
            f"{sample_of(connection, run_ids, profile)}"
            "SELECT run_id, list_sort(list(DISTINCT grader_version)) FROM sample"
            " WHERE correct IS NOT NULL GROUP BY run_id"
        ).fetchall()
    return dict.fromkeys(run_ids, ()) | {run_id: tuple(found) for run_id, found in rows}


def judged(store: Store, run_ids: Sequence[str]) -> list[Judged]:
    """Return the judged samples of these runs."""
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_of(connection, run_ids, DEFAULT_PROFILE)}"
            "SELECT run_id, item_id, correct FROM sample WHERE correct IS NOT NULL"
        ).fetchall()
    return [Judged(*row) for row in rows]


def runs(
    store: Store, run_ids: Sequence[str] | None = None, *, profile: str = DEFAULT_PROFILE
) -> list[RunSummary]:
    """Return a summary of these runs, or of all, the newest first."""
    where = "" if run_ids is None else f" WHERE r.id IN ({literals(run_ids)})"
    with store.read() as connection:
        tallies.count_others(connection, profile, where)
        cursor = connection.execute(
            _SUMMARY.format(profile=quoted(profile)) + where + " ORDER BY r.created_at DESC, r.id"
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [_summary(row) for row in rows]


def item_scores(
    store: Store, run_ids: Sequence[str], *, profile: str = DEFAULT_PROFILE
) -> dict[str, Floats]:
    """Return, by run, the share of right samples of each judged item.

    The order is the same for all runs of which :attr:`RunSummary.item_set` is equal.
    """
    import numpy as np

    where = f" WHERE r.id IN ({literals(run_ids)})"
    with store.read() as connection:
        tallies.count_others(connection, profile, where)
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
            f"{sample_of(connection, [run_id], profile)}"
            f"SELECT {columns} FROM sample WHERE item_id = coalesce($item, item_id)"
            f" AND finish_reason IS NOT NULL{wrong} ORDER BY ordinal, sample_index{most}",
            {"item": item_id},
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
        judged_by = {
            name: dict(
                connection.execute(
                    f"{sample_of(connection, [run_id], name)}"
                    "SELECT (item_id, sample_index), correct FROM sample WHERE correct IS NOT NULL"
                ).fetchall()
            )
            for name in (profile, other)
        }
    for name in (profile, other):
        if not judged_by[name]:
            raise HarnessError(
                f"{name} has judged nothing of run {run_id}.",
                f"Run `harness regrade {run_id} --profile {name}` first.",
            )
    one, second = judged_by[profile], judged_by[other]
    differing = {sample for sample in one.keys() & second.keys() if one[sample] != second[sample]}
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
            "SELECT canonical, model, params_b, method, task,"
            " CASE unit WHEN 'percent' THEN score / 100 ELSE score END, metric, source, note,"
            " model_family,"
            " CASE WHEN contains(canonical_reason, 'doubtful') THEN canonical_reason ELSE '' END"
            " FROM published_score WHERE task IS NOT NULL AND unit <> 'points'"
        ).fetchall()
    others: dict[tuple[str, str], list[PublishedScore]] = {}
    for canonical, *fields in rows:
        if not canonical:
            other = PublishedScore(*fields)
            others.setdefault((other.model, other.task), []).append(other)
    picked = [PublishedScore(*fields) for canonical, *fields in rows if canonical]
    return [
        replace(score, others=tuple(others.get((score.model, score.task), ()))) for score in picked
    ]


@dataclass(frozen=True, slots=True)
class Descent:
    """Where a checkpoint that was trained here comes from; fingerprints name models."""

    base: str
    base_name: str
    objective: str
    training: str
    step: int


def descents(store: Store) -> dict[str, Descent]:
    """Return the descent of each checkpoint trained here, by its fingerprint."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT c.fingerprint, t.base, t.base_name, t.objective, t.name, c.step"
            " FROM training_checkpoint c JOIN training t ON t.id = c.training_id"
            " ORDER BY c.saved_at"
        ).fetchall()
    return {fingerprint: Descent(*fields) for fingerprint, *fields in rows}


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
        told[name] = _parsed(told[name] or "{}")
    made = {
        "score": estimate,
        "bounds": bounds,
        "made_with": MadeWith(**told),
        "protocol": _parsed(row["protocol"]),
        "grader_versions": tuple(row["grader_versions"]),
    }
    return RunSummary(**row | shares | made)


@lru_cache(maxsize=512)
def _parsed(text: str) -> dict[str, Any]:
    """Parse what thousands of runs share word by word; nobody changes what is returned."""
    parsed: dict[str, Any] = json.loads(text)
    return parsed


_SHARES = ("truncated", "loops")


KEEP = {
    "all": "true",
    "right": "correct",
    "wrong": "NOT correct",
    "truncated": "truncated",
    "loop": "loop",
    "no_answer": "status = 'no_answer'",
    "grader_failed": "status IN ('timeout', 'memory', 'crash')",
    "disagree": "disagree",
    "labelled": "labelled",
}
"""What :func:`sample_page` can narrow a run's samples to, as conditions on the view ``sample`` and
on whether profiles disagree and whether a human has labelled it."""


# What a restricted run was asked and what it wrote comes as empty.
_HIDDEN = {"thought": "''", "answer": "''"} | dict.fromkeys(
    ("question", "gold", "extracted"), "NULL"
)
_SHOWN = [
    f"CASE WHEN restricted THEN {_HIDDEN[name]} ELSE {name} END" if name in _HIDDEN else name
    for name in Sample.__dataclass_fields__
]


_SEARCHED = (
    " AND (contains(lower(item_id), $text) OR (NOT restricted AND ("
    "contains(lower(question), $text) OR contains(lower(gold), $text)"
    " OR contains(lower(thought), $text) OR contains(lower(answer), $text))))"
)


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
    item_id: str = "",
    status: str = "",
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
        item_id: Only samples of this item, of all if empty.
        status: Only samples whose grading came to this, to anything if empty.
        offset: How many matching samples to leave out at the beginning.
        limit: At most so many.
    """
    asked = {
        "text": search.strip().lower(),
        "item": item_id.strip(),
        "status": status,
    }
    counted = ", ".join(f"count(*) FILTER (WHERE {KEEP[name]})" for name in KEEP)
    with store.read() as connection:
        # What is needed of every sample first, without the texts unless they are searched.
        connection.execute(
            f"CREATE TEMP TABLE found AS {sample_of(connection, [run_id], DEFAULT_PROFILE)}"
            f"SELECT s.key, item_id, ordinal, sample_index, correct, status, truncated, loop,"
            " o.key IS NOT NULL AS disagree, h.key IS NOT NULL AS labelled"
            " FROM sample s LEFT JOIN disagreeing o USING (key, gold_id)"
            " LEFT JOIN (SELECT DISTINCT key, gold_id FROM human_label) h USING (key, gold_id)"
            " WHERE finish_reason IS NOT NULL"
            " AND ($item = '' OR item_id = $item) AND ($status = '' OR status = $status)"
            f"{_SEARCHED if asked['text'] else ' AND $text IS NOT NULL'}",
            asked,
        )
        counts = connection.execute(f"SELECT {counted} FROM found").fetchone()
        page = connection.execute(
            f"SELECT item_id, sample_index FROM found WHERE {KEEP[keep]}"
            f" ORDER BY ordinal, sample_index LIMIT {int(limit)} OFFSET {int(offset)}"
        ).fetchall()
        shown = ", ".join(f"('{quoted(item)}', {index})" for item, index in page)
        only = f"(item_id, sample_index) IN ({shown})" if page else "false"
        rows = connection.execute(
            f"{sample_of(connection, [run_id], DEFAULT_PROFILE, only=only)}"
            f"SELECT {', '.join(_SHOWN)} FROM sample ORDER BY ordinal, sample_index"
        ).fetchall()
    return SamplePage(
        [Sample(*row) for row in rows], dict(zip(KEEP, counts or (0,) * len(KEEP), strict=True))
    )


def item_samples(
    store: Store, run_id: str, item_ids: Sequence[str], *, profile: str = DEFAULT_PROFILE
) -> dict[str, list[Sample]]:
    """Return the samples of a few items of a run that have come back, by item, in their order.

    Of a restricted run the texts are empty, as in :func:`sample_page`.
    """
    only = f"item_id IN ({literals(item_ids)})"
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_of(connection, [run_id], profile, only=only)}"
            f"SELECT {', '.join(_SHOWN)} FROM sample"
            " WHERE finish_reason IS NOT NULL ORDER BY ordinal, sample_index"
        ).fetchall()
    found: dict[str, list[Sample]] = {}
    for row in rows:
        sample = Sample(*row)
        found.setdefault(sample.item_id, []).append(sample)
    return found

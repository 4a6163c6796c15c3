"""Samples of a run: what came back for each request, and how it was graded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from harness.errors import HarnessError
from harness.store.sample_scan import GRADER_FAILED, literals, quoted, sample_cte
from harness.store.store import Store
from harness.text import harness_command
from harness.types import DEFAULT_PROFILE


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
    tolerance_absolute: float | None = None
    tolerance_relative: float | None = None


KEEP = {
    "all": "true",
    "right": "correct",
    "wrong": "NOT correct",
    "truncated": "truncated",
    "loop": "loop",
    "no_answer": "status = 'no_answer'",
    "unparsed": "status = 'unparsed'",
    "grader_failed": GRADER_FAILED,
    "disagree": "disagree",
    "labelled": "labelled",
}
"""What :func:`page` can narrow a run's samples to, as conditions on the view ``sample`` and
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


def of_run(
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
            f"{sample_cte(connection, [run_id], profile)}"
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
                    f"{sample_cte(connection, [run_id], name)}"
                    "SELECT (item_id, sample_index), correct FROM sample WHERE correct IS NOT NULL"
                ).fetchall()
            )
            for name in (profile, other)
        }
    for name in (profile, other):
        if not judged_by[name]:
            words = ("regrade", run_id, "--profile", name)
            raise HarnessError(
                f"{name} has judged nothing of run {run_id}.",
                f"Run `{harness_command(*words, results=store.path)}` first.",
            )
    one, second = judged_by[profile], judged_by[other]
    differing = {sample for sample in one.keys() & second.keys() if one[sample] != second[sample]}
    found = [
        sample
        for sample in of_run(store, run_id, profile=profile)
        if (sample.item_id, sample.sample_index) in differing
    ]
    return found[:limit]


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A page of a run's samples, and how many match each of :data:`KEEP` under the search."""

    samples: list[Sample]
    counts: dict[str, int]


def page(
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
    searched either: its questions, reference answers, thoughts and answers come as empty,
    extracted ones too.

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
        # Looked for once, among those of all runs.
        connection.execute(
            "CREATE TEMP TABLE requested AS SELECT * FROM request"
            f" WHERE run_id IN ({literals([run_id])})"
        )
        of_run = partial(sample_cte, connection, [run_id], DEFAULT_PROFILE, requests="requested")
        # What is needed of every sample first, without the texts unless they are searched.
        connection.execute(
            f"CREATE TEMP TABLE found AS {of_run()}"
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
        listed = connection.execute(
            f"SELECT item_id, sample_index FROM found WHERE {KEEP[keep]}"
            f" ORDER BY ordinal, sample_index LIMIT {int(limit)} OFFSET {int(offset)}"
        ).fetchall()
        shown = ", ".join(f"('{quoted(item)}', {index})" for item, index in listed)
        only = f"(item_id, sample_index) IN ({shown})" if listed else "false"
        rows = connection.execute(
            f"{of_run(only=only)}"
            f"SELECT {', '.join(_SHOWN)} FROM sample ORDER BY ordinal, sample_index"
        ).fetchall()
    return SamplePage(
        [Sample(*row) for row in rows], dict(zip(KEEP, counts or (0,) * len(KEEP), strict=True))
    )


def of_items(
    store: Store, run_id: str, item_ids: Sequence[str], *, profile: str = DEFAULT_PROFILE
) -> dict[str, list[Sample]]:
    """Return the samples of a few items of a run that have come back, by item, in their order.

    Of a restricted run the texts are empty, as in :func:`page`.
    """
    only = f"item_id IN ({literals(item_ids)})"
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, [run_id], profile, only=only)}"
            f"SELECT {', '.join(_SHOWN)} FROM sample"
            " WHERE finish_reason IS NOT NULL ORDER BY ordinal, sample_index"
        ).fetchall()
    found: dict[str, list[Sample]] = {}
    for row in rows:
        sample = Sample(*row)
        found.setdefault(sample.item_id, []).append(sample)
    return found

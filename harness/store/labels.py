"""Grades of a sample by every profile, and human labels of them.

A human label never replaces the machine's grades: no score is made of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from harness.store.annotation_queue import record
from harness.store.sample_scan import literals, newest_grades, time_ranges
from harness.store.store import Store

_TABLE = "human_label"


class SampleName(NamedTuple):
    """Which sample of a run."""

    item_id: str
    sample_index: int


@dataclass(frozen=True, slots=True)
class ProfileGrade:
    """The newest grade of one profile; what was extracted of a restricted run is left out."""

    profile: str
    grader_version: str
    correct: bool
    status: str
    extracted: str
    method: str


@dataclass(frozen=True, slots=True)
class Label:
    """One person's label of a sample's grade.

    Attributes:
        key: The generation.
        gold_id: What it was held against.
        correct: The answer is right.
        note: Why.
        by: Who says so.
        at: When.
    """

    key: str
    gold_id: str
    correct: bool
    note: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SampleJudgements:
    """All grades and labels of one sample.

    Attributes:
        key: The generation.
        gold_id: What it was held against.
        opinions: Grades, one a profile, by name.
        labels: People's, the newest first.
    """

    key: str
    gold_id: str
    opinions: tuple[ProfileGrade, ...]
    labels: tuple[Label, ...]


def label(store: Store, key: str, gold_id: str, correct: bool, note: str, by: str) -> bool:
    """Store a person's label of a grade; it is on disk when this returns.

    Args:
        store: The results file.
        key: The generation.
        gold_id: What it was held against.
        correct: The answer is right.
        note: Why, in the person's words.
        by: The person's name.

    Returns:
        Whether it is in the results file already. If not, another process holds that, and the
        label is queued (:mod:`harness.store.annotation_queue`).

    Raises:
        HarnessError: It cannot be written.
    """
    row = {
        "id": str(uuid.uuid4()),
        "key": key,
        "gold_id": gold_id,
        "correct": correct,
        "note": note.strip(),
        "labelled_by": by.strip(),
        "labelled_at": datetime.now(UTC).isoformat(),
    }
    return record(store, _TABLE, row)


def labels(store: Store, run_id: str) -> list[Label]:
    """Return the labels of a run's samples, the newest first."""
    with store.read() as connection:
        rows = connection.execute(
            "WITH asked AS (SELECT DISTINCT key, gold_id FROM request WHERE run_id = ?)"
            " SELECT replace(CAST(h.key AS VARCHAR), '-', ''), CAST(h.gold_id AS VARCHAR),"
            " h.correct, h.note, h.labelled_by, h.labelled_at"
            " FROM human_label h SEMI JOIN asked USING (key, gold_id)"
            " ORDER BY h.labelled_at DESC",
            [run_id],
        ).fetchall()
    return [Label(*row) for row in rows]


def judgements(
    store: Store, run_id: str, wanted: Sequence[SampleName]
) -> dict[SampleName, SampleJudgements]:
    """Return the grades and labels of a few samples of a run, by sample.

    Args:
        store: The results file.
        run_id: The run's whole id.
        wanted: The samples; those that the run does not ask for are left out.
    """
    # Written out: lists that are joined make DuckDB read far more of the large tables.
    items = literals(sorted({name.item_id for name in wanted}))
    with store.read() as connection:
        keys = {
            SampleName(item, index): (key, gold)
            for item, index, key, gold in connection.execute(
                "SELECT item_id, sample_index, CAST(key AS VARCHAR), CAST(gold_id AS VARCHAR)"
                f" FROM request WHERE run_id = ? AND item_id IN ({items})",
                [run_id],
            ).fetchall()
        }
        keys = {name: keys[name] for name in wanted if name in keys}
        ids = literals(key for key, _ in keys.values())
        _, when = time_ranges(connection, [run_id])
        grades = connection.execute(
            "SELECT CAST(d.key AS VARCHAR), CAST(d.gold_id AS VARCHAR), d.profile,"
            " d.grader_version, d.correct, d.status,"
            " CASE WHEN r.restricted THEN '' ELSE d.extracted END, d.method"
            " FROM grade d, (SELECT restricted FROM run WHERE id = ?) r"
            f" WHERE d.key IN ({ids}){when}"
            f" {newest_grades('d.key, d.gold_id, d.profile')} ORDER BY d.profile",
            [run_id],
        ).fetchall()
        said = connection.execute(
            "SELECT CAST(key AS VARCHAR), CAST(gold_id AS VARCHAR), correct, note, labelled_by,"
            f" labelled_at FROM human_label WHERE key IN ({ids}) ORDER BY labelled_at DESC"
        ).fetchall()
    return {
        name: SampleJudgements(
            key,
            gold,
            tuple(ProfileGrade(*row[2:]) for row in grades if row[:2] == (key, gold)),
            tuple(Label(*row) for row in said if row[:2] == (key, gold)),
        )
        for name, (key, gold) in keys.items()
    }

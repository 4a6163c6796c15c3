"""Trainings with their checkpoints and choices, and the review queue of critiques."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BASE_STEP = 0
"""Stands for the base among the runs of a choice: the model before the first step."""


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One training, and how far it has come.

    Attributes:
        id: Of the training.
        name: What its author called it.
        objective: What it learns: ``cft``, ``sft`` …
        base: Fingerprint of the model it started from.
        base_name: What that was called.
        data_sha256: Hash of the data.
        recipe: The recipe in full.
        seed: Of the training.
        output: The folder of its checkpoints.
        planned_steps: Optimiser steps it is to make.
        libraries: Versions by name.
        machine: Where it ran.
        started_at: When.
        last_step: The last optimiser step that was logged; 0 where none was.
        checkpoints: How many it has saved.
    """

    id: str
    name: str
    objective: str
    base: str
    base_name: str
    data_sha256: str
    recipe: dict[str, Any]
    seed: int
    output: str
    planned_steps: int
    libraries: dict[str, str]
    machine: dict[str, Any]
    started_at: datetime
    last_step: int
    checkpoints: int


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """What was logged of one optimiser step; tokens and seconds count from the start."""

    step: int
    loss: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens: int | None
    seconds: float | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class TrainingCheckpoint:
    """A checkpoint that a training saved; a step that was repeated may have several."""

    training_id: str
    step: int
    fingerprint: str
    path: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class TrainingChoice:
    """Which checkpoint was chosen.

    Attributes:
        training_id: Of the training.
        task: What it was chosen on.
        rule: How: ``best`` or ``earliest``.
        step: The chosen one.
        runs: The run of each step; that of the base under :data:`BASE_STEP`.
        warnings: What a reader should know of it.
        chosen_at: When.
        fingerprint: Of the chosen one, by its run; ``None`` where that is not in the store.
    """

    training_id: str
    task: str
    rule: str
    step: int
    runs: dict[int, str]
    warnings: list[str]
    chosen_at: datetime
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a checkpoint that was trained here comes from; fingerprints name models."""

    base: str
    base_name: str
    objective: str
    training: str
    step: int


@dataclass(frozen=True, slots=True)
class CritiqueRow:
    """A critique of the review queue; see ``critique`` in ``schema.sql``.

    Question, response and critique are text of models and strangers: to be shown as plain text.
    """

    id: str
    queued_at: datetime
    reason: str
    outcome: str
    source: str
    critic: str
    run_id: str | None
    question: str
    response: str
    critique: str
    concludes_right: bool | None
    graded_right: bool | None
    gold: str | None
    extracted: str | None
    grader_version: str
    human_right: bool | None
    human_sound: bool | None
    human_note: str | None
    reviewed_by: str | None
    reviewed_at: datetime | None


def trainings(store: Store) -> list[TrainingRow]:
    """Return the trainings, the newest first."""
    with store.read() as connection:
        rows = _dicts(
            connection,
            "SELECT t.*,"
            " coalesce((SELECT max(step) FROM training_step WHERE training_id = t.id), 0)"
            " AS last_step,"
            " (SELECT count(DISTINCT step) FROM training_checkpoint WHERE training_id = t.id)"
            " AS checkpoints"
            " FROM training t ORDER BY started_at DESC, id",
        )
    for row in rows:
        row |= {name: json.loads(row[name]) for name in ("recipe", "libraries", "machine")}
    return [TrainingRow(**row) for row in rows]


def update_training_paths(
    store: Store, training_id: str, output: str, checkpoints: Mapping[str, str]
) -> None:
    """Update the paths of a training and of its checkpoints that are stored.

    Args:
        store: The results file.
        training_id: Of the training.
        output: Its folder.
        checkpoints: The folders of its checkpoints, by fingerprint.
    """
    with store.write() as connection:
        connection.execute("UPDATE training SET output = ? WHERE id = ?", [output, training_id])
        for fingerprint, path in checkpoints.items():
            connection.execute(
                "UPDATE training_checkpoint SET path = ? WHERE training_id = ? AND fingerprint = ?",
                [path, training_id, fingerprint],
            )


def training_steps(store: Store, training_id: str) -> list[TrainingStep]:
    """Return what was logged of a training, step by step."""
    with store.read() as connection:
        rows = _dicts(
            connection,
            "SELECT * EXCLUDE (training_id) FROM training_step WHERE training_id = ? ORDER BY step",
            [training_id],
        )
    return [TrainingStep(**row) for row in rows]


def training_checkpoints(store: Store, training_id: str | None = None) -> list[TrainingCheckpoint]:
    """Return the checkpoints of a training, or of all, in the order of their steps."""
    with store.read() as connection:
        rows = _dicts(
            connection,
            "SELECT * FROM training_checkpoint WHERE training_id = coalesce(?, training_id)"
            " ORDER BY training_id, step",
            [training_id],
        )
    return [TrainingCheckpoint(**row) for row in rows]


def training_choices(store: Store, training_id: str | None = None) -> list[TrainingChoice]:
    """Return what was chosen of a training, or of all, the newest first."""
    with store.read() as connection:
        rows = _dicts(
            connection,
            "SELECT c.*, r.model AS fingerprint FROM training_choice c LEFT JOIN run r"
            " ON r.id = json_extract_string(c.runs, '$.\"' || c.step || '\"')"
            " WHERE training_id = coalesce(?, training_id)"
            " ORDER BY chosen_at DESC, training_id, c.task, rule",
            [training_id],
        )
    for row in rows:
        row["runs"] = {int(step): run for step, run in json.loads(row["runs"]).items()}
        row["warnings"] = json.loads(row["warnings"])
    return [TrainingChoice(**row) for row in rows]


def lineages(store: Store) -> dict[str, Lineage]:
    """Return the descent of each checkpoint trained here, by its fingerprint."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT c.fingerprint, t.base, t.base_name, t.objective, t.name, c.step"
            " FROM training_checkpoint c JOIN training t ON t.id = c.training_id"
            " ORDER BY c.saved_at"
        ).fetchall()
    return {fingerprint: Lineage(*fields) for fingerprint, *fields in rows}


def choose(
    store: Store,
    training_id: str,
    *,
    task: str,
    rule: str,
    step: int,
    runs: Mapping[int, str],
    warnings: Sequence[str],
) -> None:
    """Store which checkpoint was chosen, in place of an earlier choice by the same rule.

    Args:
        store: The results file.
        training_id: Of the training.
        task: What it was chosen on.
        rule: How.
        step: The chosen one.
        runs: The run of each step; that of the base under :data:`BASE_STEP`.
        warnings: What a reader should know of it.
    """
    with store.write() as connection:
        connection.execute(
            "DELETE FROM training_choice WHERE training_id = ? AND task = ? AND rule = ?",
            [training_id, task, rule],
        )
        connection.execute(
            "INSERT INTO training_choice VALUES (?, ?, ?, ?, ?, ?, now())",
            [training_id, task, rule, step, json.dumps(dict(runs)), json.dumps(list(warnings))],
        )


def critiques_to_review(
    store: Store,
    *,
    reason: str | None = None,
    reviewed: bool | None = False,
    offset: int = 0,
    limit: int | None = 20,
) -> tuple[list[CritiqueRow], int]:
    """Return a part of the review queue, and how many critiques there are in all.

    The order is that of their ids, which are hashes: whoever reads the first few of one reason has
    read a random draw of them, whatever order they were queued in.

    Args:
        store: The results file.
        reason: Only those queued for this reason: conflict, unreadable, bare or audit.
        reviewed: Only those that wait (False) or have been reviewed (True); ``None`` for all.
        offset: How many to leave out at the beginning.
        limit: At most so many; ``None`` for all.
    """
    found = (
        "FROM critique WHERE reason = coalesce($reason, reason)"
        " AND ($reviewed IS NULL OR (reviewed_at IS NOT NULL) = $reviewed)"
    )
    most = "" if limit is None else f" LIMIT {int(limit)}"
    asked = {"reason": reason, "reviewed": reviewed}
    with store.read() as connection:
        total = connection.execute(f"SELECT count(*) {found}", asked).fetchone()
        rows = _dicts(
            connection,
            f"SELECT * REPLACE (CAST(id AS VARCHAR) AS id) {found}"
            f" ORDER BY critique.id{most} OFFSET {int(offset)}",
            asked,
        )
    return [CritiqueRow(**row) for row in rows], total[0] if total else 0


def _dicts(
    connection: DuckDBPyConnection, query: str, parameters: object = None
) -> list[dict[str, Any]]:
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

"""Lineage of models: which training made each one, from which base, and how it was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.store import Store
from harness.store.queries import RunSummary
from harness.store.training import (
    TrainingChoice,
    TrainingRow,
    training_checkpoints,
    training_choices,
    trainings,
)

SHORT = 8
"""Digits of a hash that tell two apart for a reader."""


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """One model of a report, and what the results file knows of how it came about.

    Attributes:
        label: What the report calls it.
        model: Its name in the results file.
        fingerprint: Its fingerprint.
        objective: Of its training; ``None`` where none is known.
        training: The training's id.
        seed: The training's.
        step: Of the checkpoint.
        chosen: By which rule and on which task it was chosen.
    """

    label: str
    model: str
    fingerprint: str
    objective: str | None = None
    training: str | None = None
    seed: int | None = None
    step: int | None = None
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingIndex:
    """What the results file knows of trainings.

    Attributes:
        trainings: By id.
        made_by: Training and step of each checkpoint, by fingerprint.
        choices: What was chosen.
    """

    trainings: Mapping[str, TrainingRow]
    made_by: Mapping[str, tuple[str, int]]
    choices: Sequence[TrainingChoice]

    @classmethod
    def of(cls, store: Store) -> TrainingIndex:
        """Read it."""
        return cls(
            {row.id: row for row in trainings(store)},
            {row.fingerprint: (row.training_id, row.step) for row in training_checkpoints(store)},
            training_choices(store),
        )

    def lineage(self, fingerprint: str) -> Iterator[TrainingRow]:
        """Yield the training that made a model, the one that made its base, and so on."""
        seen = set()
        while fingerprint in self.made_by and fingerprint not in seen:
            seen.add(fingerprint)
            row = self.trainings.get(self.made_by[fingerprint][0])
            if row is None:
                return
            yield row
            fingerprint = row.base

    def chosen_on(self, fingerprint: str) -> set[str]:
        """Return the tasks that a checkpoint, or one that it was trained from, was chosen on."""
        line = (fingerprint, *(row.base for row in self.lineage(fingerprint)))
        return {one.task for ancestor in line for one in self.chosen(ancestor)}

    def chosen(self, fingerprint: str) -> list[TrainingChoice]:
        """Return the choices that a checkpoint came out of."""
        made_by = self.made_by.get(fingerprint)
        return [
            one
            for one in self.choices
            if one.fingerprint == fingerprint
            or (one.fingerprint is None and (one.training_id, one.step) == made_by)
        ]


def entries_of(runs: Sequence[RunSummary], known: TrainingIndex) -> list[ReportedModel]:
    """Return one entry for each run, with labels that tell them apart."""
    entries = []
    for run in runs:
        training_id, step = known.made_by.get(run.fingerprint, (None, None))
        row = known.trainings.get(training_id or "")
        entries.append(
            ReportedModel(
                label=run.model if row is None else _label(row, step),
                model=run.model,
                fingerprint=run.fingerprint,
                objective=row.objective if row else None,
                training=training_id,
                seed=row.seed if row else None,
                step=step,
                chosen=tuple(f"{one.rule} on {one.task}" for one in known.chosen(run.fingerprint)),
            )
        )
    for more in (lambda one: f"seed {one.seed}", lambda one: one.fingerprint[:SHORT]):
        labels = [entry.label for entry in entries]
        entries = [
            replace(entry, label=f"{entry.label}, {more(entry)}")
            if labels.count(entry.label) > 1
            else entry
            for entry in entries
        ]
    return entries


def _label(row: TrainingRow, step: int | None) -> str:
    """Return what to call a checkpoint: by its training, what that learns, and the step."""
    objective = "" if row.objective in row.name else f" {row.objective}"
    return f"{row.name}{objective} step {step}"

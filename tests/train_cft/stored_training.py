"""Trainings as `train-cft train` leaves them: a folder and its rows; every value is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.store import Journal, Store
from harness.types import digest
from tests.compared_store import Made
from train_cft.train import manifest

_NOW = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class MadeTraining:
    """One training.

    Attributes:
        saved: The checkpoint of each step, as the results file measured it.
        exempt: Benchmark items in its data.
        data_sha256: Hash of its data.
    """

    name: str
    objective: str
    base: Made
    saved: Mapping[int, Made] = field(default_factory=dict)
    seed: int = 0
    exempt: Mapping[str, Sequence[str]] = field(default_factory=dict)
    data_sha256: str = "d" * 64
    recipe: Mapping[str, Any] = field(default_factory=lambda: {"optimiser": {"name": "adamw"}})

    @property
    def id(self) -> str:
        return digest([self.name, self.objective, self.seed])[:12]


def leave(root: Path, results: Path, made: MadeTraining) -> Path:
    """Write a training's folder and tell the results file of it; return the folder."""
    folder = root / made.name
    parts = {"seeds": {"data": made.seed}, "objective": {"mix": {made.objective: 1.0}}}
    facts = {
        "id": made.id,
        "name": made.name,
        "objective": made.objective,
        "base": made.base.fingerprint,
        "base_name": made.base.model,
        "seed": made.seed,
        "data_sha256": made.data_sha256,
        "recipe": parts | dict(made.recipe),
        "exempt": {task: list(ids) for task, ids in made.exempt.items()},
    }
    folder.mkdir()
    manifest.write_json(folder / manifest.TRAINING, facts)
    with Journal(Store(results)) as journal:
        stored = {name: value for name, value in facts.items() if name != "exempt"}
        row = {"output": str(folder), "planned_steps": 4, "libraries": {}, "machine": {}}
        journal.append("training", stored | row | {"started_at": _NOW})
        for step, run in made.saved.items():
            path = manifest.checkpoint_path(folder, step)
            path.mkdir(parents=True)
            saved = {"step": step, "fingerprint": run.fingerprint}
            manifest.write_json(path.with_suffix(".json"), saved)
            known = {"training_id": made.id, "path": str(path), "saved_at": _NOW}
            journal.append("training_checkpoint", saved | known)
    return folder

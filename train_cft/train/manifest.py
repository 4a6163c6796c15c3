"""Manifests of a training: ``training.json``, and one file for each checkpoint.

    OUT/training.json            the recipe in full, data, base, seed, versions, planned steps
    OUT/checkpoints/step-N/      a model that `harness eval` loads
    OUT/checkpoints/step-N.json  the same facts with the checkpoint's fingerprint
    OUT/resume/                  the one state to resume from; removed when the training has ended
    OUT/tensorboard/             metrics

The manifest of a checkpoint is not in its folder, whose files make the model's fingerprint: the
same weights must have the same fingerprint in every training.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

TRAINING = "training.json"
CHECKPOINTS = "checkpoints"
RESUME = "resume"
TENSORBOARD = "tensorboard"


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """One checkpoint of a training.

    Attributes:
        step: After how many optimiser steps it was saved.
        path: Its folder.
        fingerprint: As `harness.models` takes it.
    """

    step: int
    path: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Training:
    """A training, and what it has saved so far.

    Attributes:
        id: Names it in the results file; a function of recipe, data, base and seed.
        name: Name for a reader.
        objective: ``cft``, ``sft``, …, or a mixture as ``cft 0.5 + sft-verified 0.5``.
        base: Fingerprint of the model it started from.
        base_name: What that was called in the recipe.
        seed: Of the order of the data, and of new weights.
        data_sha256: Hash of the data, as ``build.json`` has it.
        exempt: Benchmark items in the data by task: to be dropped from every report.
        out: Its folder.
        checkpoints: By step, in order of steps.
    """

    id: str
    name: str
    objective: str
    base: str
    base_name: str
    seed: int
    data_sha256: str
    exempt: Mapping[str, tuple[str, ...]]
    out: Path
    checkpoints: tuple[SavedCheckpoint, ...]


def read(folder: Path) -> Training:
    """Read what a training left in its folder.

    Raises:
        HarnessError: There is no training, or its files are damaged.
    """
    facts = read_facts(folder)
    if facts is None:
        raise HarnessError(
            f"{folder} holds no training: it has no {TRAINING}.",
            "Name a folder that `train-cft train --out` wrote.",
        )
    try:
        return Training(
            id=facts["id"],
            name=facts["name"],
            objective=facts["objective"],
            base=facts["base"],
            base_name=facts["base_name"],
            seed=facts["seed"],
            data_sha256=facts["data_sha256"],
            exempt={name: tuple(ids) for name, ids in facts["exempt"].items()},
            out=folder,
            checkpoints=tuple(saved(folder)),
        )
    except (KeyError, AttributeError, TypeError) as error:
        raise _damaged(folder / TRAINING, f"it lacks {error}") from error


def saved(folder: Path) -> list[SavedCheckpoint]:
    """Return the checkpoints that are whole, in order of steps.

    Raises:
        HarnessError: The manifest of one is damaged.
    """
    found = []
    for file in (folder / CHECKPOINTS).glob("step-*.json"):
        path = file.with_suffix("")
        if path.is_dir():
            facts = read_json(file)
            try:
                found.append(SavedCheckpoint(int(facts["step"]), path, str(facts["fingerprint"])))
            except (KeyError, ValueError, TypeError) as error:
                raise _damaged(file, f"it lacks {error}") from error
    return sorted(found, key=lambda one: one.step)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step is."""
    return folder / CHECKPOINTS / f"step-{step}"


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return all that ``training.json`` holds; ``None`` where there is none.

    Raises:
        HarnessError: It is damaged.
    """
    file = folder / TRAINING
    return read_json(file) if file.is_file() else None


def write_json(file: Path, facts: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)  # a link would be written through
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def read_json(file: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        HarnessError: It cannot be read, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(file, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(file, "it holds no JSON object")
    return content


def _damaged(file: Path, why: str) -> HarnessError:
    return HarnessError(f"{file} cannot be read: {why}.", "Copy the folder again, or train again.")

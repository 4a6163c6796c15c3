"""Identity of a training: the facts that are stored, and the refusal of another one's folder."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import environment
from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from harness.types import digest
from train_cft.train import launch, manifest
from train_cft.train.batch_plan import BatchPlan
from train_cft.train.encoding import Encoder
from train_cft.train.objectives import TrainingData
from train_cft.train.recipe import Recipe

_LIBRARIES = ("trl", "accelerate", "peft", "safetensors")
# What must be the same, besides the recipe, for a training to resume.
_IDENTITY = ("base", "data_sha256", "chat_template_sha256")


def facts(
    recipe: Recipe,
    base: Checkpoint,
    data: TrainingData,
    encoder: Encoder,
    plan: BatchPlan,
) -> dict[str, Any]:
    """Return what ``training.json`` says of a training that starts now.

    Args:
        recipe: How it is trained.
        base: What is trained.
        data: The build.
        encoder: Knows the chat template.
        plan: All rows in their order.
    """
    in_full = recipe.as_dict()
    template = digest(str(encoder.tokenizer.chat_template))
    # More processes, or fewer, change nothing beyond rounding: it stays the same training.
    shared = in_full | {"parallelism": {**in_full["parallelism"], "processes": None}}
    identity = [shared, data.sha256, base.fingerprint, template]
    return {
        "id": digest(identity)[:12],
        "name": recipe.name,
        "objective": recipe.objective.name,
        "base": base.fingerprint,
        "base_name": recipe.model.base,
        "base_source": base.source,
        "seed": recipe.seeds.data,
        "data_sha256": data.sha256,
        "exempt": {name: list(ids) for name, ids in data.exempt.items()},
        "recipe": in_full,
        "chat_template_sha256": template,
        "planned_steps": plan.steps,
        "libraries": environment.libraries() | _versions(),
        "git_commit": environment.git_commit(),
        "machine": environment.machine(),
        "started_at": datetime.now(UTC).isoformat(),
    }


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def refuse_other_training(out: Path, new: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is known of the same training in this folder; refuse another one.

    Raises:
        HarnessError: Another training is there, or something that is none.
    """
    known = manifest.read_facts(out)
    if known is None:
        # The others may come when the first has begun to write.
        if launch.is_first() and out.is_dir() and any(_visible(out)):
            raise HarnessError(
                f"{out} exists and holds no training.", "Name another folder with --out."
            )
        return None
    if known.get("id") == new["id"]:
        return known
    changes = [name for name in _IDENTITY if known.get(name) != new[name]]
    before, now = _flat(known.get("recipe") or {}), _flat(new["recipe"])
    changes += [
        f"{key} ({before.get(key)!r} is now {now.get(key)!r})"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key != "parallelism.processes"
    ]
    raise HarnessError(
        f"{out} holds another training: {', '.join(changes)}.",
        "Name another folder with --out, or use the same recipe, data and base to go on.",
    )


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{key}.")
        else:
            flat[key] = list(value) if isinstance(value, tuple) else value
    return flat

"""Estimate of a training's time, memory and disk, made before it starts.

Memory and disk follow from the recipe. The time is what as many multiplications take on this
machine, measured for a moment, at the share of that speed which training was seen to reach: a
guess. The first steps then correct it, see :class:`TimeLeft`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.environment import multiplication_speed
from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from train_cft.train import launch
from train_cft.train.batch_plan import BatchPlan
from train_cft.train.recipe import Recipe

_BYTES = {"float32": 4, "bfloat16": 2}
# Forward and backward multiply and add each weight thrice for each token; recomputing, four times.
_FLOPS_A_WEIGHT = 6.0
_WITH_RECOMPUTING = 8.0
# Share of the speed of plain multiplications that training reaches, all that is not multiplication
# included. Alone on two CPU cores `smollm2-cpu` reached 0.18 and 0.20 (71,831 and 55,937 tokens),
# and 0.12 with bfloat16 weights. It was not measured on GPUs.
_REACHED = (0.12, 0.22)
# Steps beyond the first one of a session after which the total time is reported.
_TIMED = 2
# Activations of one layer, in values of the hidden size for each token: measured on Llama's layers.
_ACTIVATIONS_A_LAYER = 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a training will take.

    Attributes:
        steps: Optimiser steps.
        tokens: Of samples, over all epochs.
        padding: Share of what is computed that is padding.
        seconds_low: Lower end of a guess, for all steps that are left.
        seconds_high: Its upper end.
        memory_bytes: On one device, at most.
        memory_there: What that device has free; ``None`` where that is not known.
        snapshot_bytes: Of one checkpoint.
        disk_bytes: For all checkpoints, and two resume states while one replaces the other.
        disk_there: What is free.
    """

    steps: int
    tokens: int
    padding: float
    seconds_low: float
    seconds_high: float
    memory_bytes: int
    memory_there: int | None
    snapshot_bytes: int
    disk_bytes: int
    disk_there: int

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for a script."""
        return asdict(self)


class TimeLeft:
    """Remaining time, from the throughput of the steps so far.

    The first step of a session warms up: it counts only until there is another.

    Args:
        computed: Tokens that have been computed after each step of the training.
        done: Steps that an earlier session finished.
    """

    def __init__(self, computed: Sequence[int], done: int) -> None:
        self._computed = (0, *computed)
        self._done = done
        self._since = (done, 0.0)

    def seconds(self, step: int, seconds: float) -> float:
        """Return the seconds that the steps after this one will take.

        Args:
            step: The one that has ended; call once for each step, in order.
            seconds: Since this session began to train.
        """
        before, began = self._since
        computed = self._computed[step] - self._computed[before]
        ahead = self._computed[-1] - self._computed[step]
        if step == self._done + 1:
            self._since = (step, seconds)
        return ahead * (seconds - began) / computed

    def is_stable(self, step: int) -> bool:
        """Return whether this step is the one after which the whole time is worth telling."""
        return step == self._done + _TIMED + 1 < len(self._computed) - 1


def forecast(recipe: Recipe, base: Checkpoint, plan: BatchPlan, out: Path, done: int) -> Forecast:
    """Estimate what is ahead.

    Args:
        recipe: How it is trained.
        base: What is trained.
        plan: All rows in their order.
        out: Where checkpoints go.
        done: Steps that an earlier session finished.
    """
    if not _on_cpu(recipe):
        import torch

        # Each process measures its own device, and none leaves anything on the first one.
        torch.cuda.set_device(launch.local_rank())
    weights = base.parameters or 0
    tokens = plan.tokens_by_step()
    computed = plan.computed_by_step()[-1]
    ahead = 1 - done / plan.steps
    flops = _WITH_RECOMPUTING if recipe.batch.recompute else _FLOPS_A_WEIGHT
    # On a CPU too: each process measures at the same time as the others, with its share of cores.
    device = "cpu" if _on_cpu(recipe) else "cuda"
    measured = multiplication_speed(recipe.precision.compute, device=device)
    speed = measured * recipe.parallelism.processes
    at_full_speed = ahead * computed * weights * flops / speed
    checkpoint_bytes = weights * _BYTES[recipe.precision.saved]
    steps = range(done + 1, plan.steps + 1)
    every = recipe.save.checkpoint_every
    checkpoints = sum(step % every == 0 or step == plan.steps for step in steps)
    states = 2 if any(step % recipe.save.resume_every == 0 for step in steps) else 1
    return Forecast(
        steps=plan.steps,
        tokens=tokens[-1],
        padding=1 - tokens[-1] / computed,
        seconds_low=at_full_speed / max(_REACHED),
        seconds_high=at_full_speed / min(_REACHED),
        memory_bytes=_memory(recipe, base, plan),
        memory_there=_memory_there(recipe),
        snapshot_bytes=checkpoint_bytes,
        disk_bytes=checkpoints * checkpoint_bytes + states * _state_bytes(recipe, base),
        disk_there=shutil.disk_usage(_existing(out)).free,
    )


def refuse_insufficient_resources(found: Forecast, out: Path) -> None:
    """Refuse a training that cannot end well.

    Raises:
        HarnessError: Disk or memory do not suffice.
    """
    if found.disk_bytes > found.disk_there:
        raise HarnessError(
            f"The checkpoints take {gib(found.disk_bytes)} and {out} has {gib(found.disk_there)} "
            "free.",
            "Free some, name another --out, or raise save.checkpoint_every.",
        )
    if found.memory_there is not None and found.memory_bytes > found.memory_there:
        raise HarnessError(
            f"Training takes about {gib(found.memory_bytes)} of memory and "
            f"{gib(found.memory_there)} are free.",
            "Lower batch.micro_batch, set batch.recompute = true, use lora.rank, or shard it: "
            'parallelism.strategy = "fsdp".',
        )


def gib(size: int) -> str:
    """Return a size for a reader."""
    return f"{size / _GIB:.1f} GiB"


def _on_cpu(recipe: Recipe) -> bool:
    import torch

    return recipe.parallelism.device == "cpu" or not torch.cuda.is_available()


def _trained(recipe: Recipe, base: Checkpoint) -> int:
    """Return how many weights are trained: all, or about those of the adapter."""
    weights = base.parameters or 0
    if not recipe.lora.rank:
        return weights
    hidden = int(_text_config(base).get("hidden_size") or 1)
    return min(weights, int(2 * recipe.lora.rank * weights / hidden))


def _state_bytes(recipe: Recipe, base: Checkpoint) -> int:
    """Size of the resume state: trained weights and two averages of their gradients.

    A sharded model is written twice: by itself and with its optimiser.
    """
    parts = 4 if recipe.parallelism.strategy == "fsdp" else 3
    return parts * _trained(recipe, base) * _trained_bytes(recipe)


def _trained_bytes(recipe: Recipe) -> int:
    return 4 if recipe.lora.rank else _BYTES[recipe.precision.weights]


def _memory(recipe: Recipe, base: Checkpoint, plan: BatchPlan) -> int:
    weights = base.parameters or 0
    trained = _trained(recipe, base)
    kept = weights * _BYTES[recipe.precision.weights] + 3 * trained * _trained_bytes(recipe)
    if recipe.parallelism.strategy == "fsdp":
        kept //= recipe.parallelism.processes
    config = _text_config(base)
    hidden = int(config.get("hidden_size") or 0)
    layers = int(config.get("num_hidden_layers") or 0)
    longest = max(len(row.ids) for row in plan.rows)
    block = longest * recipe.batch.micro_batch * hidden * _BYTES[recipe.precision.compute]
    activations = block * (layers + _ACTIVATIONS_A_LAYER if recipe.batch.recompute else 0)
    if not recipe.batch.recompute:
        activations = block * layers * _ACTIVATIONS_A_LAYER
    processes = recipe.parallelism.processes if _on_cpu(recipe) else 1
    return processes * (kept + activations)


def _text_config(base: Checkpoint) -> dict[str, Any]:
    nested = base.config.get("text_config")
    return nested if isinstance(nested, dict) else base.config


def _memory_there(recipe: Recipe) -> int | None:
    import torch

    if not _on_cpu(recipe):
        return int(torch.cuda.mem_get_info()[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.absolute().parent
    return path

"""How a model is trained: a recipe in TOML, every key of it checked."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from harness.cpu import has_bfloat16_units
from harness.environment import gpus
from harness.errors import HarnessError, nearest
from train_cft.objectives import OBJECTIVES

_REMEDY = "docs/train_cft.md lists all keys with their meaning."


@dataclass(frozen=True, slots=True)
class ModelPart:
    """What is trained.

    Attributes:
        base: A built-in model, a folder, or a model of the hub.
        revision: Its commit on the hub.
        chat_template: A Jinja file to use in place of the model's own template.
        eos_token: What ends a turn, where the base's tokenizer names another token.
        attention: How attention is computed, by the names of Transformers.
    """

    base: str = "smollm2-135m"
    revision: str | None = None
    chat_template: str | None = None
    eos_token: str | None = None
    attention: str = "sdpa"


@dataclass(frozen=True, slots=True)
class ObjectivePart:
    """What is learnt from the data.

    Attributes:
        mix: Share of the examples by objective; one objective alone has share 1.
    """

    mix: Mapping[str, float] = field(default_factory=lambda: {"cft": 1.0})

    @property
    def name(self) -> str:
        """What people call it."""
        if len(self.mix) == 1:
            return next(iter(self.mix))
        return " + ".join(f"{name} {share:g}" for name, share in sorted(self.mix.items()))


@dataclass(frozen=True, slots=True)
class DataPart:
    """Which examples.

    Attributes:
        limit: At most so many samples, drawn by the seed; ``None`` for all.
    """

    limit: int | None = None


@dataclass(frozen=True, slots=True)
class OptimiserPart:
    """How weights are changed: ``adamw`` or ``adafactor``."""

    name: str = "adamw"
    learning_rate: float = 5e-6
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class SchedulePart:
    """The course of the learning rate.

    Attributes:
        kind: ``cosine``, ``linear`` or ``constant`` after the warm-up.
        warmup: Share of the steps in which it rises from 0.
        epochs: How often each sample is seen.
    """

    kind: str = "cosine"
    warmup: float = 0.1
    epochs: int = 1


@dataclass(frozen=True, slots=True)
class BatchPart:
    """What one step is made of.

    Attributes:
        total: Samples an optimiser step, over all processes.
        per_device: Samples that one process computes at once.
        by_length: Compute samples of like length together. It never changes which samples make a
            step, only which of them share a padded block.
        recompute: Forget activations and compute them again: slower, in less memory.
    """

    total: int = 512
    per_device: int = 8
    by_length: bool = True
    recompute: bool = True


@dataclass(frozen=True, slots=True)
class LengthPart:
    """How long samples may be.

    Attributes:
        max_tokens: Prompt and completion together.
        on_long: ``drop``, ``truncate`` or ``fail``; all are counted.
        packing: Several samples in one sequence, which do not see each other.
    """

    max_tokens: int = 2048
    on_long: str = "drop"
    packing: bool = False


@dataclass(frozen=True, slots=True)
class PrecisionPart:
    """``float32`` or ``bfloat16``: of the weights in training, of the computation, and as saved.

    ``compute`` may be ``auto`` in a file: a recipe that has been read names what this machine is
    fast in, which is ``float32`` on a CPU without bfloat16 units.
    """

    weights: str = "float32"
    compute: str = "bfloat16"
    saved: str = "bfloat16"


@dataclass(frozen=True, slots=True)
class LoraPart:
    """A low-rank adapter in place of full fine-tuning; ``rank = 0`` is full fine-tuning."""

    rank: int = 0
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("all-linear",)


@dataclass(frozen=True, slots=True)
class ParallelismPart:
    """Where it is computed.

    Attributes:
        device: ``auto`` (a GPU where there is one) or ``cpu``.
        processes: One for each device. It changes no result beyond rounding.
        strategy: ``ddp`` (each process holds the model) or ``fsdp`` (weights, gradients and
            optimiser state are shared out over the processes, as in ZeRO-3).
    """

    device: str = "auto"
    processes: int = 1
    strategy: str = "ddp"


@dataclass(frozen=True, slots=True)
class SavePart:
    """What is kept.

    Attributes:
        snapshot_every: Steps between checkpoints that hold the model alone; the last step is one.
        resume_every: Steps between states to go on from, of which there is only ever one.
    """

    snapshot_every: int = 2
    resume_every: int = 10


@dataclass(frozen=True, slots=True)
class SeedsPart:
    """Of the order of the samples and of mixtures; of new weights and dropout."""

    data: int = 0
    weights: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe, in the parts that its file has as tables."""

    name: str
    model: ModelPart = ModelPart()
    objective: ObjectivePart = field(default_factory=ObjectivePart)
    data: DataPart = DataPart()
    optimiser: OptimiserPart = OptimiserPart()
    schedule: SchedulePart = SchedulePart()
    batch: BatchPart = BatchPart()
    length: LengthPart = LengthPart()
    precision: PrecisionPart = PrecisionPart()
    lora: LoraPart = LoraPart()
    parallelism: ParallelismPart = ParallelismPart()
    save: SavePart = SavePart()
    seeds: SeedsPart = SeedsPart()

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for the record."""
        return asdict(self)

    def micro_batches(self) -> int:
        """Return how many blocks each process computes for one step.

        Raises:
            HarnessError: The batch does not divide.
        """
        at_once = self.batch.per_device * self.parallelism.processes
        if self.batch.total % at_once:
            raise HarnessError(
                f"A batch of {self.batch.total} does not divide into {self.batch.per_device} "
                f"samples for each of {self.parallelism.processes} processes.",
                f"Let batch.total be a multiple of {at_once}, or change batch.per_device or "
                "parallelism.processes.",
            )
        return self.batch.total // at_once


Check = Callable[[Any], bool]
Rule = tuple[Check, str]


def _number(value: Any) -> bool:
    finite = isinstance(value, int | float) and math.isfinite(value)
    return finite and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(*names: str) -> Rule:
    return lambda value: value in names, " or ".join(f'"{name}"' for name in names)


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


_COUNT: Rule = (lambda value: _whole(value) and value > 0, "a whole number above 0")
_SEED: Rule = (lambda value: _whole(value) and 0 <= value < 1 << 32, "a whole number, 0 or more")
_SWITCH: Rule = (lambda value: isinstance(value, bool), "true or false")
_TEXT: Rule = (lambda value: isinstance(value, str) and bool(value), "a text")
_ABOVE: Rule = (lambda value: _number(value) and value > 0, "a number above 0")
_NOT_NEGATIVE: Rule = (lambda value: _number(value) and value >= 0, "a number, 0 or more")
_BELOW_ONE: Rule = (
    lambda value: _number(value) and 0 <= value < 1,
    "a number of 0 or more, below 1",
)
_DTYPE = _one_of("float32", "bfloat16")

# What a value must be, as a check and in words.
_KEYS: dict[str, dict[str, Rule]] = {
    "model": {
        "base": _TEXT,
        "revision": _TEXT,
        "chat_template": _TEXT,
        "eos_token": _TEXT,
        "attention": _one_of("sdpa", "eager", "flash_attention_2", "flash_attention_3"),
    },
    "objective": {
        "mix": (
            lambda value: isinstance(value, dict) and all(_number(one) for one in value.values()),
            "a table of shares by objective",
        ),
    },
    "data": {"limit": _COUNT},
    "optimiser": {
        "name": _one_of("adamw", "adafactor"),
        "learning_rate": _ABOVE,
        "weight_decay": _NOT_NEGATIVE,
        "beta1": _BELOW_ONE,
        "beta2": _BELOW_ONE,
        "epsilon": _ABOVE,
        "max_grad_norm": _ABOVE,
    },
    "schedule": {
        "kind": _one_of("cosine", "linear", "constant"),
        "warmup": _BELOW_ONE,
        "epochs": _COUNT,
    },
    "batch": {"total": _COUNT, "per_device": _COUNT, "by_length": _SWITCH, "recompute": _SWITCH},
    "length": {
        "max_tokens": _COUNT,
        "on_long": _one_of("drop", "truncate", "fail"),
        "packing": _SWITCH,
    },
    "precision": {
        "weights": _DTYPE,
        "compute": _one_of("float32", "bfloat16", "auto"),
        "saved": _DTYPE,
    },
    "lora": {
        "rank": (lambda value: _whole(value) and value >= 0, "a whole number, 0 or more"),
        "alpha": _ABOVE,
        "dropout": _BELOW_ONE,
        "targets": (_names, "a list of names"),
    },
    "parallelism": {
        "device": _one_of("auto", "cpu"),
        "processes": _COUNT,
        "strategy": _one_of("ddp", "fsdp"),
    },
    "save": {"snapshot_every": _COUNT, "resume_every": _COUNT},
    "seeds": {"data": _SEED, "weights": _SEED},
}
_PARTS: dict[str, type] = {
    "model": ModelPart,
    "objective": ObjectivePart,
    "data": DataPart,
    "optimiser": OptimiserPart,
    "schedule": SchedulePart,
    "batch": BatchPart,
    "length": LengthPart,
    "precision": PrecisionPart,
    "lora": LoraPart,
    "parallelism": ParallelismPart,
    "save": SavePart,
    "seeds": SeedsPart,
}


def shipped() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = Path(str(resources.files("train_cft"))) / "recipes"
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def read_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a shipped recipe or a file, and apply what the command line changes.

    Args:
        name: A shipped recipe's name, or a file.
        changes: Values by dotted key, as ``optimiser.learning_rate``.

    Raises:
        HarnessError: There is none, it holds an unknown key, or a value makes no sense.
    """
    file = shipped().get(name, Path(name))
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HarnessError(
            f"There is no recipe {name!r}. {nearest(name, shipped())}",
            "Name one of these, or a TOML file.",
        ) from error
    except OSError as error:
        raise HarnessError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise HarnessError(f"{file} is not TOML: {error}.", _REMEDY) from error
    for key, value in (changes or {}).items():
        _change(content, key, value)
    return _recipe(content, str(file) if str(file) == name else name, file)


def _change(content: dict[str, Any], key: str, value: Any) -> None:
    part, dot, name = key.partition(".")
    if not dot:
        known = [f"{part}.{name}" for part, keys in _KEYS.items() for name in keys]
        raise HarnessError(f"--set {key}: a key stands in a table. {nearest(key, known)}", _REMEDY)
    table = content.setdefault(part, {})
    if isinstance(table, dict):
        table[name] = value


def _recipe(content: Mapping[str, Any], where: str, file: Path) -> Recipe:
    for name in content:
        if name != "name" and name not in _KEYS:
            raise HarnessError(
                f"{where} has no table {name!r}. {nearest(name, ['name', *_KEYS])}", _REMEDY
            )
    title = content.get("name", file.stem)
    if not isinstance(title, str) or not title:
        raise HarnessError(f"{where}: name = {title!r} is not a text.", _REMEDY)
    parts = {part: _part(part, content.get(part, {}), where) for part in _KEYS}
    recipe = _with_dtype(Recipe(name=title, **parts))
    _refuse_contradictions(recipe, where)
    return recipe


def _with_dtype(recipe: Recipe) -> Recipe:
    """Resolve ``auto``: training is another one where it is computed in another dtype."""
    if recipe.precision.compute != "auto":
        return recipe
    on_cpu = recipe.parallelism.device == "cpu" or not gpus()
    # Weights in bfloat16 cannot be computed with in float32.
    slow = on_cpu and not has_bfloat16_units() and recipe.precision.weights == "float32"
    compute = "float32" if slow else "bfloat16"
    return replace(recipe, precision=replace(recipe.precision, compute=compute))


def _part(part: str, table: Any, where: str) -> Any:
    place = f"{where} [{part}]"
    if not isinstance(table, dict):
        raise HarnessError(f"{place} is not a table.", _REMEDY)
    keys = _KEYS[part]
    kind = _PARTS[part]
    numbers = {one.name for one in fields(kind) if one.type == "float"}
    given: dict[str, Any] = {}
    for name, value in table.items():
        if name not in keys:
            raise HarnessError(f"{place} has no key {name!r}. {nearest(name, keys)}", _REMEDY)
        fits, wanted = keys[name]
        if not fits(value):
            raise HarnessError(f"{place}: {name} = {value!r} is not {wanted}.", _REMEDY)
        given[name] = float(value) if name in numbers else value
    if part == "objective" and "mix" in given:
        given["mix"] = check_mix(given["mix"], place)
    if part == "lora" and "targets" in given:
        given["targets"] = tuple(given["targets"])
    return kind(**given)


def check_mix(mix: Mapping[str, float], where: str) -> dict[str, float]:
    """Return the shares of a mixture, which add up to one.

    Raises:
        HarnessError: An objective is not known, or the shares do not add up.
    """
    for name in mix:
        if name not in OBJECTIVES:
            raise HarnessError(
                f"{where} has no objective {name!r}. {nearest(name, OBJECTIVES)}", _REMEDY
            )
    shares = {name: float(share) for name, share in sorted(mix.items())}
    if not shares or min(shares.values()) <= 0 or not math.isclose(sum(shares.values()), 1.0):
        raise HarnessError(
            f"{where}: the shares of a mixture are above 0 and add up to 1.",
            'For instance mix = { cft = 0.5, "sft-verified" = 0.5 }.',
        )
    return shares


def read_objective(text: str) -> dict[str, float]:
    """Read an objective or a mixture as the command line has it: ``cft=0.5,sft-verified=0.5``.

    Raises:
        HarnessError: It is neither.
    """
    if "=" not in text:
        return check_mix({text: 1.0}, "--objective")
    shares: dict[str, float] = {}
    for entry in text.split(","):
        name, _, share = entry.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError as error:
            raise HarnessError(
                f"--objective {text!r} is neither an objective nor a mixture of shares.",
                "For instance --objective cft=0.5,sft-verified=0.5.",
            ) from error
    return check_mix(shares, "--objective")


def _refuse_contradictions(recipe: Recipe, where: str) -> None:
    precision = recipe.precision
    if precision.weights == "bfloat16" and precision.compute == "float32":
        raise HarnessError(
            f"{where} [precision]: bfloat16 weights are not computed with in float32.",
            'Let weights be "float32", or compute "bfloat16".',
        )
    if recipe.lora.rank and recipe.parallelism.strategy == "fsdp":
        raise HarnessError(
            f"{where}: an adapter is trained with strategy ddp only.",
            'Let parallelism.strategy be "ddp", or lora.rank 0.',
        )
    if recipe.length.packing and recipe.model.attention == "eager":
        raise HarnessError(
            f"{where}: eager attention does not keep packed samples apart.",
            'Let model.attention be "sdpa" or "flash_attention_2", or length.packing false.',
        )

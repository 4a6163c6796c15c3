"""Training recipes: TOML files, shipped ones among them, validated key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from harness.environment import gpus, has_bfloat16_units
from harness.errors import HarnessError, nearest
from train_cft.train.objectives import check_mix

_REMEDY = "docs/train_cft.md lists all keys with their meaning."
# Former names of keys, which recipe files, --set and stored trainings still use.
_FORMER = {
    "batch": {"total": "global_batch", "per_device": "micro_batch"},
    "save": {"snapshot_every": "checkpoint_every"},
}

# Each description completes the sentence "… is not …".
Text = Annotated[str, Field(min_length=1, description="a text")]
OptionalText = Annotated[Text | None, Field(description="a text")]
Switch = Annotated[bool, Field(description="true or false")]
Count = Annotated[int, Field(gt=0, description="a whole number above 0")]
Seed = Annotated[int, Field(ge=0, lt=1 << 32, description="a whole number, 0 or more")]
Positive = Annotated[float, Field(gt=0, description="a number above 0")]
NotNegative = Annotated[float, Field(ge=0, description="a number, 0 or more")]
BelowOne = Annotated[float, Field(ge=0, lt=1, description="a number of 0 or more, below 1")]
Dtype = Literal["float32", "bfloat16"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelPart(_Part):
    """The base model, with a chat template or end-of-turn token in place of its own."""

    base: Text = "smollm2-135m"
    revision: OptionalText = None
    chat_template: OptionalText = None
    eos_token: OptionalText = None
    attention: Literal["sdpa", "eager", "flash_attention_2", "flash_attention_3"] = "sdpa"


class ObjectivePart(_Part):
    """Share of the examples by objective; one objective alone has share 1."""

    mix: Annotated[Mapping[str, float], Field(description="a table of shares by objective")] = {
        "cft": 1.0
    }

    @field_validator("mix")
    @classmethod
    def _check(cls, mix: Mapping[str, float], info: ValidationInfo) -> dict[str, float]:
        return check_mix(mix, f"{info.context} [objective]")

    @property
    def name(self) -> str:
        """Name for a reader."""
        if len(self.mix) == 1:
            return next(iter(self.mix))
        return " + ".join(f"{name} {share:g}" for name, share in sorted(self.mix.items()))


class DataPart(_Part):
    """At most so many samples (``limit``), drawn by the seed; ``None`` for all."""

    limit: Annotated[Count | None, Field(description="a whole number above 0")] = None


class OptimiserPart(_Part):
    """The optimiser and its parameters."""

    name: Literal["adamw", "adafactor"] = "adamw"
    learning_rate: Positive = 5e-6
    weight_decay: NotNegative = 0.0
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8
    max_grad_norm: Positive = 1.0


class SchedulePart(_Part):
    """The learning rate schedule; ``warmup`` is the share of the steps in which it rises from 0."""

    kind: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: BelowOne = 0.1
    epochs: Count = 1


class BatchPart(_Part):
    """What one optimiser step is made of.

    Attributes:
        global_batch: Samples of one step, over all processes.
        micro_batch: Samples that one process computes at once.
        by_length: Compute samples of like length together. It never changes which samples make a
            step, only which of them share a padded micro-batch.
        recompute: Gradient checkpointing: recompute activations, slower and in less memory.
    """

    global_batch: Annotated[Count, Field(serialization_alias="total")] = 512
    micro_batch: Annotated[Count, Field(serialization_alias="per_device")] = 8
    by_length: Switch = True
    recompute: Switch = True


class LengthPart(_Part):
    """Most tokens of prompt and completion, and whether several samples share a sequence."""

    max_tokens: Count = 2048
    on_long: Literal["drop", "truncate", "fail"] = "drop"
    packing: Switch = False


class PrecisionPart(_Part):
    """Data type of weights in training, computation and checkpoints; ``auto`` is resolved."""

    weights: Dtype = "float32"
    compute: Literal["float32", "bfloat16", "auto"] = "bfloat16"
    saved: Dtype = "bfloat16"


class LoraPart(_Part):
    """A low-rank adapter in place of full fine-tuning; ``rank = 0`` is full fine-tuning."""

    rank: Annotated[int, Field(ge=0, description="a whole number, 0 or more")] = 0
    alpha: Positive = 32.0
    dropout: BelowOne = 0.0
    targets: Annotated[
        tuple[Text, ...], Field(min_length=1, strict=False, description="a list of names")
    ] = ("all-linear",)


class ParallelismPart(_Part):
    """Devices, one process for each; their number changes no result beyond rounding.

    ``fsdp`` shards weights, gradients and optimiser state over the processes, as ZeRO-3 does.
    """

    device: Literal["auto", "cpu"] = "auto"
    processes: Count = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"


class SavePart(_Part):
    """Steps between checkpoints (the model alone) and between states to resume from."""

    checkpoint_every: Annotated[Count, Field(serialization_alias="snapshot_every")] = 2
    resume_every: Count = 10


class SeedsPart(_Part):
    """Seeds of the order of the samples and of mixtures; of new weights and dropout."""

    data: Seed = 0
    weights: Seed = 0


class Recipe(_Part):
    """A whole recipe, in the parts that its file has as tables."""

    name: Text
    model: ModelPart = ModelPart()
    objective: ObjectivePart = ObjectivePart()
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
        """Return all of it as it is stored; a training's id is a hash of this."""
        return self.model_dump(by_alias=True)

    def accumulation_steps(self) -> int:
        """Return how many micro-batches each process computes for one step.

        Raises:
            HarnessError: The batch does not divide.
        """
        at_once = self.batch.micro_batch * self.parallelism.processes
        if self.batch.global_batch % at_once:
            raise HarnessError(
                f"A batch of {self.batch.global_batch} does not divide into "
                f"{self.batch.micro_batch} samples for each of {self.parallelism.processes} "
                "processes.",
                f"Let batch.global_batch be a multiple of {at_once}, or change batch.micro_batch "
                "or parallelism.processes.",
            )
        return self.batch.global_batch // at_once


_PARTS = tuple(name for name in Recipe.model_fields if name != "name")


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
    given = _rename_former(content, name)
    for key, value in (changes or {}).items():
        _change(content, key, value, given)
    content.setdefault("name", file.stem)
    try:
        recipe = Recipe.model_validate(content, context=name)
    except ValidationError as error:
        raise _refusal(error, content, name, given) from error
    recipe = _with_dtype(recipe)
    _refuse_contradictions(recipe, name)
    return recipe


def _rename_former(content: dict[str, Any], where: str) -> dict[tuple[str, str], str]:
    """Rename keys that have their former names; return the file's name of each of these."""
    given: dict[tuple[str, str], str] = {}
    for part, names in _FORMER.items():
        table = content.get(part)
        if not isinstance(table, dict):
            continue
        for former in names.keys() & table.keys():
            if names[former] in table:
                raise HarnessError(
                    f"{where} [{part}] has {names[former]} and {former}, which is its former name.",
                    f"Remove {former}.",
                )
            table[names[former]] = table.pop(former)
            given[part, names[former]] = former
    return given


def _change(
    content: dict[str, Any], key: str, value: Any, given: dict[tuple[str, str], str]
) -> None:
    part, dot, name = key.partition(".")
    if not dot:
        known = [f"{part}.{name}" for part in _PARTS for name in _keys(part)]
        raise HarnessError(f"--set {key}: a key stands in a table. {nearest(key, known)}", _REMEDY)
    table = content.setdefault(part, {})
    if isinstance(table, dict):
        current = _FORMER.get(part, {}).get(name, name)
        table[current] = value
        given[part, current] = name


def _keys(part: str) -> Mapping[str, Any]:
    kind: Any = Recipe.model_fields[part].annotation
    fields: Mapping[str, Any] = kind.model_fields
    return fields


def _refusal(
    error: ValidationError,
    content: Mapping[str, Any],
    where: str,
    given: Mapping[tuple[str, str], str],
) -> HarnessError:
    """Return the first thing wrong with a recipe in one sentence, keys as the file has them."""
    first = error.errors()[0]
    unknown = first["type"] == "extra_forbidden"
    part, *rest = map(str, first["loc"])
    if not rest:
        if unknown:
            known = nearest(part, Recipe.model_fields)
            return HarnessError(f"{where} has no table {part!r}. {known}", _REMEDY)
        if part != "name":
            return HarnessError(f"{where} [{part}] is not a table.", _REMEDY)
        return HarnessError(f"{where}: name = {first['input']!r} is not a text.", _REMEDY)
    place, name = f"{where} [{part}]", rest[0]
    keys = _keys(part)
    if unknown:
        return HarnessError(f"{place} has no key {name!r}. {nearest(name, keys)}", _REMEDY)
    wanted = keys[name].description or " or ".join(
        f'"{one}"' for one in get_args(keys[name].annotation)
    )
    written, value = given.get((part, name), name), content[part][name]
    return HarnessError(f"{place}: {written} = {value!r} is not {wanted}.", _REMEDY)


def _with_dtype(recipe: Recipe) -> Recipe:
    """Resolve ``auto``: training is another one where it is computed in another dtype."""
    if recipe.precision.compute != "auto":
        return recipe
    on_cpu = recipe.parallelism.device == "cpu" or not gpus()
    # Weights in bfloat16 cannot be computed with in float32.
    slow = on_cpu and not has_bfloat16_units() and recipe.precision.weights == "float32"
    compute = "float32" if slow else "bfloat16"
    precision = recipe.precision.model_copy(update={"compute": compute})
    return recipe.model_copy(update={"precision": precision})


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

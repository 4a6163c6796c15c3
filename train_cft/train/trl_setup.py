"""Set up TRL's trainer from a recipe: model, arguments, dataset."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from transformers import AutoModelForCausalLM
from trl import SFTConfig

from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from train_cft.train.batch_plan import BatchPlan
from train_cft.train.recipe import Recipe
from train_cft.train.trainer import CheckpointingTrainer

_OPTIMISERS = {"adamw": "adamw_torch_fused", "adafactor": "adafactor"}
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def make_trainer(
    recipe: Recipe,
    base: Checkpoint,
    plan: BatchPlan,
    tokenizer: Any,
    *,
    scratch: Path,
    callbacks: Sequence[Any],
) -> CheckpointingTrainer:
    """Set up TRL's trainer for a recipe.

    Args:
        recipe: How it is trained.
        base: What is trained.
        plan: All rows in their order.
        tokenizer: The model's.
        scratch: Where files stand until they are whole.
        callbacks: Who hears of steps.

    Raises:
        HarnessError: The model cannot be loaded, or packed samples would see each other.
    """
    _quiet()
    arguments = _arguments(recipe, plan, scratch)
    torch.manual_seed(recipe.seeds.weights)
    model = _model(recipe, base)
    if recipe.length.packing:
        _refuse_leaking(model, plan, recipe.batch.micro_batch)
    trainer = CheckpointingTrainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(plan, packed=recipe.length.packing),
        processing_class=tokenizer,
        peft_config=_adapter(recipe),
        callbacks=list(callbacks),
    )
    # It prints each step's figures as they are; progress is drawn by the callback.
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _quiet() -> None:
    """Libraries' own bars and remarks would break the one that is drawn."""
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    if not os.environ.get("HARNESS_DEBUG"):
        transformers.utils.logging.set_verbosity_error()
        logging.getLogger("accelerate").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate|peft)\b")


def _arguments(recipe: Recipe, plan: BatchPlan, scratch: Path) -> SFTConfig:
    optimiser, precision, parallelism = recipe.optimiser, recipe.precision, recipe.parallelism
    on_cpu = parallelism.device == "cpu" or not torch.cuda.is_available()
    fsdp = parallelism.strategy == "fsdp"
    return SFTConfig(
        output_dir=str(scratch),
        # The data is in its order already, and nothing in it is to be cut or packed once more.
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",
        max_length=None,
        packing=recipe.length.packing,
        completion_only_loss=True,
        num_train_epochs=1,
        per_device_train_batch_size=recipe.batch.micro_batch,
        gradient_accumulation_steps=recipe.accumulation_steps(),
        optim=_OPTIMISERS[optimiser.name],
        learning_rate=optimiser.learning_rate,
        weight_decay=optimiser.weight_decay,
        adam_beta1=optimiser.beta1,
        adam_beta2=optimiser.beta2,
        adam_epsilon=optimiser.epsilon,
        max_grad_norm=optimiser.max_grad_norm,
        lr_scheduler_type=_SCHEDULES[recipe.schedule.kind],
        warmup_steps=math.ceil(recipe.schedule.warmup * plan.steps),
        bf16=precision.weights == "float32" and precision.compute == "bfloat16",
        gradient_checkpointing=recipe.batch.recompute and not fsdp,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and parallelism.processes > 1 else None,
        ddp_find_unused_parameters=False,
        fsdp=True if fsdp else None,
        fsdp_config=_sharding(recipe) if fsdp else None,
        dataloader_pin_memory=not on_cpu,
        seed=recipe.seeds.weights,
        data_seed=recipe.seeds.data,
        save_strategy="no",  # the callback says when
        logging_strategy="steps",
        logging_steps=1,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )


def _sharding(recipe: Recipe) -> dict[str, Any]:
    return {
        "version": 2,
        "reshard_after_forward": True,
        "state_dict_type": "FULL_STATE_DICT",
        "cpu_ram_efficient_loading": False,
        "activation_checkpointing": recipe.batch.recompute,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    }


def _model(recipe: Recipe, base: Checkpoint) -> Any:
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(base.path),
            dtype=getattr(torch, recipe.precision.weights),
            attn_implementation=recipe.model.attention,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (ValueError, ImportError, OSError) as error:
        raise HarnessError(
            f"{base.name} cannot be loaded for training: {(str(error).splitlines() or [''])[0]}",
            "Check model.base and model.attention in the recipe.",
        ) from error


def _adapter(recipe: Recipe) -> Any:
    if not recipe.lora.rank:
        return None
    from peft import LoraConfig

    targets = recipe.lora.targets
    return LoraConfig(
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=targets[0] if targets == ("all-linear",) else list(targets),
        task_type="CAUSAL_LM",
    )


def _dataset(plan: BatchPlan, *, packed: bool) -> datasets.Dataset:
    columns: dict[str, Any] = {
        "input_ids": [list(row.ids) for row in plan.rows],
        "labels": [list(row.labels) for row in plan.rows],
    }
    if packed:
        columns["seq_lengths"] = [list(row.lengths) or [len(row.ids)] for row in plan.rows]
    return datasets.Dataset.from_dict(columns)


def _refuse_leaking(model: Any, plan: BatchPlan, micro_batch: int) -> None:
    """Check on the model that a packed sample does not attend to the one before it.

    Raises:
        HarnessError: It does, with this model and this way to compute attention.
    """
    if "flash" in str(model.config._attn_implementation):
        return  # it separates samples by construction, and does not run where the model is now
    two = _two_samples(plan, micro_batch)
    if two is None:
        return
    first, second = map(len, two)
    ids = torch.tensor([[*two[0], *two[1]]])
    places = torch.tensor([[*range(first), *range(second)]])
    with torch.no_grad():
        # Without a cache, as in training: places that begin again are then read as a new sample.
        together = model(input_ids=ids, position_ids=places, use_cache=False).logits[0, first:]
        alone = model(input_ids=ids[:, first:], use_cache=False).logits[0]
    # Rounding differs with the shape; a sample that sees another differs by far more.
    far = (together - alone).float().abs().mean() / alone.float().abs().mean()
    if far > 0.05:
        raise HarnessError(
            "Packed samples would see each other with this model and model.attention.",
            'Let length.packing be false, or model.attention "flash_attention_2".',
        )


def _two_samples(plan: BatchPlan, micro_batch: int) -> tuple[Sequence[int], Sequence[int]] | None:
    """Return the tokens of two samples that will stand in one sequence; ``None`` if none do."""
    for row in plan.rows:
        if len(row.lengths) > 1:
            first, second = row.lengths[:2]
            return row.ids[:first], row.ids[first : first + second]
    # Rows that are computed together are joined into one sequence as well.
    rows = [row.ids for row in plan.rows if row.lengths][:2]
    return (rows[0], rows[1]) if micro_batch > 1 and len(rows) > 1 else None

"""TRL's ``SFTTrainer`` with our checkpoints, resume state and signal handling."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState
from trl import SFTConfig, SFTTrainer

from harness.errors import HarnessError
from train_cft.train import checkpoint_files
from train_cft.train.manifest import SavedCheckpoint
from train_cft.train.recipe import SavePart


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured of one optimiser step; ``seconds`` count from the training's start."""

    number: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float


@dataclass(slots=True)
class SaveSettings:
    """What is saved, how often, and whom to notify.

    Attributes:
        out: The training's folder.
        part: How often.
        name: What the checkpoints are called.
        base: The checkpoint that the training started from.
        dtype: What weights are saved as.
        tokenizer_changed: Whether the tokenizer differs from the base's.
        facts: What the manifest of each checkpoint holds.
        kept: By step, what earlier sessions kept: it stays as it is, since what was measured of it
            belongs to its fingerprint, and weights computed again may differ in their last bits.
        seconds_before: How long earlier sessions took.
        stepped: Called after each step.
        saved: Called after each checkpoint.
    """

    out: Path
    part: SavePart
    name: str
    base: Path
    dtype: str
    tokenizer_changed: bool
    facts: dict[str, Any]
    kept: Mapping[int, SavedCheckpoint]
    seconds_before: float
    stepped: Callable[[Step], None]
    saved: Callable[[SavedCheckpoint], None]
    stopped: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long the training has taken, over all its sessions."""
        return self.seconds_before + time.monotonic() - self.started


class CheckpointingTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with model-only checkpoints and one resume state (:class:`SaveSettings`)."""

    saving: SaveSettings

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Called by the Trainer where its callbacks ask for it, by every process."""
        step = self.state.global_step
        saving = self.saving
        with checkpoint_files.explain_write_errors(saving.out):
            if checkpoint_due(step, self.state.max_steps, saving.part):
                self._save_model_alone(step)
            if resume_due(step, self.state.max_steps, saving):
                self._save_state(model, trial, step)

    def _save_model_alone(self, step: int) -> None:
        saving = self.saving
        if (whole := saving.kept.get(step)) is not None:
            if self.args.should_save:
                saving.saved(whole)
            return
        made = saving.out / checkpoint_files.SCRATCH / f"model-{step}"
        # Collective where the weights are shared out; it calls _save on the first process alone.
        self.save_model(str(made), _internal_call=True)
        if self.args.should_save:
            saving.saved(
                checkpoint_files.publish_checkpoint(
                    made, saving.out, step, saving.name, saving.facts
                )
            )
        self.accelerator.wait_for_everyone()

    def _save_state(self, model: Any, trial: Any, step: int) -> None:
        # Not SFTTrainer's, which adds a model card.
        Trainer._save_checkpoint(self, model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            made = Path(self.args.output_dir) / f"checkpoint-{step}"
            checkpoint_files.publish_resume_state(made, self.saving.out, step, self.saving.seconds)
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write weights; the Trainer's own would add a pickle of its arguments."""
        assert output_dir is not None
        folder = Path(output_dir)
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        if not folder.name.startswith("model-"):
            model.save_pretrained(folder, state_dict=state_dict)
            return
        saving = self.saving
        checkpoint_files.write_model(
            model,
            folder,
            state=state_dict,
            dtype=saving.dtype,
            base=saving.base,
            tokenizer=self.processing_class,
            tokenizer_changed=saving.tokenizer_changed,
        )


def checkpoint_due(step: int, last: int, part: SavePart) -> bool:
    """Return whether the model is to be kept after this step."""
    return step % part.checkpoint_every == 0 or step == last


def resume_due(step: int, last: int, saving: SaveSettings) -> bool:
    """Return whether a resume state is to be saved after this step."""
    return step < last and (saving.stopped or step % saving.part.resume_every == 0)


class TrainingCallback(TrainerCallback):  # type: ignore[misc]
    """Reports each step, requests checkpoints, and stops after a signal."""

    def __init__(self, saving: SaveSettings) -> None:
        self._saving = saving
        self._asked = False

    @contextmanager
    def stop_on_signals(self) -> Iterator[None]:
        """Let SIGTERM and Ctrl-C end the training after the step at hand."""

        def ask(number: int, frame: FrameType | None) -> None:
            self._asked = True

        before = {name: signal.signal(name, ask) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def on_train_begin(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._saving.started = time.monotonic()

    def on_step_end(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        saving = self._saving
        if self._anybody_asked(args) and state.global_step < state.max_steps:
            saving.stopped = True
            control.should_training_stop = True
        step, last = state.global_step, state.max_steps
        control.should_save = checkpoint_due(step, last, saving.part) or resume_due(
            step, last, saving
        )

    def on_log(
        self,
        args: SFTConfig,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return  # the summary at the end
        loss, norm = logs["loss"], logs.get("grad_norm", math.nan)
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise HarnessError(
                f"Step {state.global_step} has loss {loss:g} and gradient norm {norm:g}: the "
                "training has diverged, and nothing of this step is saved.",
                "Lower optimiser.learning_rate, or compute in float32.",
            )
        self._saving.stepped(
            Step(state.global_step, loss, logs["learning_rate"], norm, self._saving.seconds)
        )

    def _anybody_asked(self, args: SFTConfig) -> bool:
        """All processes must save after the same step, whichever heard the signal first."""
        if args.world_size == 1:
            return self._asked
        flag = torch.tensor([int(self._asked)], device=args.device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag.item())

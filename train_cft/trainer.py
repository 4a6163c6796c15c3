"""TRL's SFTTrainer, told when to save and where; it trains, and nothing here does."""

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
from train_cft import saving
from train_cft.manifest import SavedCheckpoint
from train_cft.recipe import SavePart


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured of one optimiser step; ``seconds`` count from the training's start."""

    number: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float


@dataclass(slots=True)
class Keeping:
    """What is saved, when, and who hears of it.

    Attributes:
        out: The training's folder.
        part: How often.
        name: What the checkpoints are called.
        base: The checkpoint that the training started from.
        dtype: What weights are saved as.
        tokenizer_changed: Whether the tokenizer differs from the base's.
        facts: What the manifest of each checkpoint holds.
        kept: By step, what earlier sittings kept: it stays as it is, since what was measured of it
            belongs to its fingerprint, and weights made anew may differ in their last bits.
        seconds_before: How long earlier sittings took.
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
        """How long the training has taken, over all its sittings."""
        return self.seconds_before + time.monotonic() - self.started


class KeepingTrainer(SFTTrainer):  # type: ignore[misc]
    """Saves a model without its optimiser, or the state to go on from, as :class:`Keeping` says."""

    keeping: Keeping

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Called by the Trainer where its callbacks ask for it, by every process."""
        step = self.state.global_step
        keeping = self.keeping
        with saving.disk_may_be_full(keeping.out):
            if snapshot_due(step, self.state.max_steps, keeping.part):
                self._save_model_alone(step)
            if resume_due(step, self.state.max_steps, keeping):
                self._save_state(model, trial, step)

    def _save_model_alone(self, step: int) -> None:
        keeping = self.keeping
        if (whole := keeping.kept.get(step)) is not None:
            if self.args.should_save:
                keeping.saved(whole)
            return
        made = keeping.out / saving.MAKING / f"model-{step}"
        # Collective where the weights are shared out; it calls _save on the first process alone.
        self.save_model(str(made), _internal_call=True)
        if self.args.should_save:
            keeping.saved(
                saving.publish_checkpoint(made, keeping.out, step, keeping.name, keeping.facts)
            )
        self.accelerator.wait_for_everyone()

    def _save_state(self, model: Any, trial: Any, step: int) -> None:
        # Not SFTTrainer's, which adds a model card.
        Trainer._save_checkpoint(self, model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            made = Path(self.args.output_dir) / f"checkpoint-{step}"
            saving.publish_resume_state(made, self.keeping.out, step, self.keeping.seconds)
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write weights; the Trainer's own would leave a pickle of its arguments beside them."""
        assert output_dir is not None
        folder = Path(output_dir)
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        if not folder.name.startswith("model-"):
            model.save_pretrained(folder, state_dict=state_dict)
            return
        keeping = self.keeping
        saving.write_model(
            model,
            folder,
            state=state_dict,
            dtype=keeping.dtype,
            base=keeping.base,
            tokenizer=self.processing_class,
            tokenizer_changed=keeping.tokenizer_changed,
        )


def snapshot_due(step: int, last: int, part: SavePart) -> bool:
    """Return whether the model is to be kept after this step."""
    return step % part.snapshot_every == 0 or step == last


def resume_due(step: int, last: int, keeping: Keeping) -> bool:
    """Return whether a state to go on from is to be kept after this step."""
    return step < last and (keeping.stopped or step % keeping.part.resume_every == 0)


class Watcher(TrainerCallback):  # type: ignore[misc]
    """Tells of each step, asks for saving, and stops where a signal asked for it."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._asked = False

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
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
        self._keeping.started = time.monotonic()

    def on_step_end(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        keeping = self._keeping
        if self._anybody_asked(args) and state.global_step < state.max_steps:
            keeping.stopped = True
            control.should_training_stop = True
        step, last = state.global_step, state.max_steps
        control.should_save = snapshot_due(step, last, keeping.part) or resume_due(
            step, last, keeping
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
                "training has gone astray, and nothing of this step is kept.",
                "Lower optimiser.learning_rate, or compute in float32.",
            )
        self._keeping.stepped(
            Step(state.global_step, loss, logs["learning_rate"], norm, self._keeping.seconds)
        )

    def _anybody_asked(self, args: SFTConfig) -> bool:
        """All processes must save after the same step, whichever heard the signal first."""
        if args.world_size == 1:
            return self._asked
        flag = torch.tensor([int(self._asked)], device=args.device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag.item())

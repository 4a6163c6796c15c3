"""The course of a training in the results file and for TensorBoard, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ResultsMoved, StoreLocked
from harness.pipeline import brought_up_to_date
from harness.store import Journal, Store
from harness.store.training import training_is_in
from train_cft import manifest, saving
from train_cft.manifest import SavedCheckpoint
from train_cft.order import Course
from train_cft.progress import TrainingProgress

if TYPE_CHECKING:
    from train_cft.trainer import Step

ROW = (
    *("id", "name", "objective", "base", "base_name", "data_sha256", "recipe", "seed"),
    *("planned_steps", "libraries", "machine", "started_at"),
)
"""What the results file keeps of a training, besides where its folder is."""


@dataclass(frozen=True, slots=True)
class Record:
    """Where steps and checkpoints are written down."""

    training: str
    journal: Journal
    writer: Any
    tokens: list[int]

    def step(self, step: Step) -> None:
        """Write down one optimiser step."""
        self.journal.append(
            "training_step",
            {
                "training_id": self.training,
                "step": step.number,
                "loss": step.loss,
                "learning_rate": step.learning_rate,
                "grad_norm": step.grad_norm,
                "tokens": self.tokens[step.number - 1],
                "seconds": step.seconds,
                "recorded_at": datetime.now(UTC).isoformat(),
            },
        )
        with contextlib.suppress(OSError):  # of a full disk: the next checkpoint tells of it
            for name in ("loss", "learning_rate", "grad_norm"):
                self.writer.add_scalar(f"train/{name}", getattr(step, name), step.number)
            if step.seconds > 0:
                rate = self.tokens[step.number - 1] / step.seconds
                self.writer.add_scalar("train/tokens_per_second", rate, step.number)

    def saved(self, checkpoint: SavedCheckpoint) -> None:
        """Write down one checkpoint."""
        self.journal.append(
            "training_checkpoint",
            {
                "training_id": self.training,
                "step": checkpoint.step,
                "fingerprint": checkpoint.fingerprint,
                "path": str(checkpoint.path.resolve()),
                "saved_at": datetime.now(UTC).isoformat(),
            },
        )


@contextmanager
def recording(
    facts: Mapping[str, Any], out: Path, results: Path, course: Course, progress: TrainingProgress
) -> Iterator[Record]:
    """Keep what happens in the results file and for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    store = Store(results)
    brought_up_to_date(store, progress.notice)
    row = {name: facts[name] for name in ROW} | {"output": str(out.resolve())}
    with saving.disk_may_be_full(out):
        writer = SummaryWriter(str(out / manifest.TENSORBOARD))
    try:
        with contextlib.suppress(StoreLocked):
            _tell_place(store, facts, out)
        with Journal(store) as journal:
            with contextlib.suppress(StoreLocked, ResultsMoved):
                journal.announce([("training", row)], wait_seconds=0.0)
            yield Record(str(facts["id"]), journal, writer, course.tokens_by_step())
        with contextlib.suppress(StoreLocked):
            _tell_place(store, facts, out)
    except StoreLocked as error:
        # Hours of training are not to end in an error over a file that is open elsewhere.
        progress.notice(
            f"{error.message} The course waits beside it; the next command takes it in."
        )
    except ResultsMoved as error:
        progress.notice(str(error))
    finally:
        with contextlib.suppress(OSError):  # curves are no reason to end; the disk may be full
            writer.close()


def record_place(
    facts: Mapping[str, Any], out: Path, results: Path, notice: Callable[[str], None]
) -> None:
    """Tell the results file where the folder of a finished training is, if it knows of it."""
    if not results.exists():
        return
    store = Store(results)
    with contextlib.suppress(StoreLocked):
        brought_up_to_date(store, notice)
        _tell_place(store, facts, out)


def _tell_place(store: Store, facts: Mapping[str, Any], out: Path) -> None:
    """Let the folder at hand count: rows may be of another one, which was moved or is a copy."""
    paths = {one.fingerprint: str(one.path.resolve()) for one in manifest.saved(out)}
    training_is_in(store, str(facts["id"]), str(out.resolve()), paths)

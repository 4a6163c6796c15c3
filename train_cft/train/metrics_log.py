"""Training metrics in the results file and for TensorBoard, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ResultsMoved, StoreLocked
from harness.run.evaluate import open_results
from harness.store import Journal, Store
from harness.store.training import update_training_paths
from train_cft.train import checkpoint_files, manifest
from train_cft.train.batch_plan import BatchPlan
from train_cft.train.manifest import SavedCheckpoint
from train_cft.train.progress import TrainingProgress

if TYPE_CHECKING:
    from train_cft.train.trainer import Step

ROW = (
    *("id", "name", "objective", "base", "base_name", "data_sha256", "recipe", "seed"),
    *("planned_steps", "libraries", "machine", "started_at"),
)
"""Facts of a training in the results file, besides the path of its folder."""


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
    facts: Mapping[str, Any], out: Path, results: Path, plan: BatchPlan, progress: TrainingProgress
) -> Iterator[Record]:
    """Keep what happens in the results file and for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    store = Store(results)
    open_results(store, progress.notice)
    row = {name: facts[name] for name in ROW} | {"output": str(out.resolve())}
    with checkpoint_files.explain_write_errors(out):
        writer = SummaryWriter(str(out / manifest.TENSORBOARD))
    try:
        with contextlib.suppress(StoreLocked):
            _update_paths(store, facts, out)
        with Journal(store) as journal:
            with contextlib.suppress(StoreLocked, ResultsMoved):
                journal.register([("training", row)], wait_seconds=0.0)
            yield Record(str(facts["id"]), journal, writer, plan.tokens_by_step())
        with contextlib.suppress(StoreLocked):
            _update_paths(store, facts, out)
    except StoreLocked as error:
        # Hours of training are not to end in an error over a file that is open elsewhere.
        progress.notice(
            f"{error.message} The metrics wait in its journal; the next command moves them in."
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
        open_results(store, notice)
        _update_paths(store, facts, out)


def _update_paths(store: Store, facts: Mapping[str, Any], out: Path) -> None:
    """Let the folder at hand count: rows may be of another one, which was moved or is a copy."""
    paths = {one.fingerprint: str(one.path.resolve()) for one in manifest.saved(out)}
    update_training_paths(store, str(facts["id"]), str(out.resolve()), paths)

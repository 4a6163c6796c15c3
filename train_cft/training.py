"""From critique data and a recipe to checkpoints: ``train-cft train``."""

from __future__ import annotations

import contextlib
import fcntl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.models import resolve_model
from harness.models.checkpoint import Checkpoint
from train_cft import forecast, identity, launch, manifest, order, recording, saving
from train_cft.encoding import Encoder, Encodings, encode_all
from train_cft.forecast import Forecast, Pace
from train_cft.manifest import SavedCheckpoint
from train_cft.objectives import TrainingData, collect, read_data
from train_cft.order import Course
from train_cft.progress import TrainingProgress, duration
from train_cft.recipe import Recipe
from train_cft.recording import Record

if TYPE_CHECKING:
    from train_cft.trainer import Keeping, Step


@dataclass(frozen=True, slots=True)
class Job:
    """What one command trains.

    Attributes:
        recipe: How.
        data: A folder of `train-cft build`.
        out: Where checkpoints go.
        results: The results file.
    """

    recipe: Recipe
    data: Path
    out: Path
    results: Path


@dataclass(slots=True)
class Report:
    """What a training did.

    Attributes:
        id: Names it in the results file.
        steps: Optimiser steps in all.
        samples: Samples of one epoch.
        left_out: Examples that were not used, by reason.
        dropped: Samples left out as too long.
        truncated: Samples cut at the end.
        tokens: Of samples, over all steps.
        learnt: Tokens of completions, of one epoch.
        loss: Of the last step; ``None`` where nothing was left to do.
        seconds: Up to the last step, over all sittings; ``None`` likewise.
        estimate: What it was thought to take.
        checkpoints: What it kept.
    """

    id: str
    steps: int = 0
    samples: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    truncated: int = 0
    tokens: int = 0
    learnt: int = 0
    loss: float | None = None
    seconds: float | None = None
    estimate: Forecast | None = None
    checkpoints: list[SavedCheckpoint] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return what a script needs to know."""
        return {
            "training": self.id,
            "steps": self.steps,
            "samples": self.samples,
            "left_out": dict(self.left_out),
            "too_long": {"dropped": self.dropped, "truncated": self.truncated},
            "tokens": self.tokens,
            "completion_tokens": self.learnt,
            "loss": self.loss,
            "seconds": self.seconds,
            "estimate": self.estimate.as_dict() if self.estimate else None,
            "checkpoints": [
                {"step": one.step, "path": str(one.path), "fingerprint": one.fingerprint}
                for one in self.checkpoints
            ],
        }


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is known before the first step."""

    job: Job
    base: Checkpoint
    data: TrainingData
    encoder: Encoder
    course: Course
    facts: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])


def carry_out(job: Job, progress: TrainingProgress) -> Report:
    """Train, or go on with a training that was interrupted.

    Raises:
        HarnessError: Something the user can mend; checkpoints that were saved are whole.
    """
    job.recipe.micro_batches()
    progress.phase("reading the data")
    data = read_data(job.data)
    base = resolve_model(job.recipe.model.base, revision=job.recipe.model.revision)
    _refuse_short_context(job.recipe, base)
    encoder = Encoder(base, job.recipe.model)
    collected = collect(
        data,
        job.recipe.objective.mix,
        seed=job.recipe.seeds.data,
        limit=job.recipe.data.limit,
    )
    progress.phase(f"encoding {len(collected.samples):,} samples")
    encodings = encode_all(encoder, collected.samples, job.recipe.length)
    course = _course(job.recipe, encoder, encodings)
    facts = identity.facts(job.recipe, base, data, encoder, course)
    report = Report(
        facts["id"],
        steps=course.steps,
        samples=len(encodings.samples),
        left_out=collected.left_out,
        dropped=encodings.dropped,
        truncated=encodings.truncated,
        tokens=course.tokens_by_step()[-1],
        learnt=encodings.learnt,
    )
    _tell(progress, report, encoder, encodings, job.recipe)
    with _alone(job.out):
        known = identity.refuse_other_training(job.out, facts)
        if _finished(job.out, course):
            if launch.is_first():
                _tidy_up(job.out)  # a kill may have come between the last checkpoint and this
                recording.record_place(facts, job.out, job.results, progress.notice)
            progress.notice(f"Training {facts['id']} is finished; nothing is left to do.")
            report.checkpoints = manifest.saved(job.out)
            return report
        if known is not None:
            # The libraries and the commit are those of this sitting.
            facts |= {name: known[name] for name in ("id", "started_at")}
        prepared = _Prepared(job, base, data, encoder, course, facts)
        _train(prepared, report, progress)
    return report


def _refuse_short_context(recipe: Recipe, base: Checkpoint) -> None:
    if base.max_context is not None and recipe.length.max_tokens > base.max_context:
        raise HarnessError(
            f"length.max_tokens is {recipe.length.max_tokens:,} and {base.name} has a context of "
            f"{base.max_context:,} tokens.",
            f"Lower it to {base.max_context} or less.",
        )


def _course(recipe: Recipe, encoder: Encoder, encodings: Encodings) -> Course:
    packing = recipe.length.packing
    rows = (
        order.packed(encodings.samples, recipe.length.max_tokens)
        if packing
        else order.as_rows(encodings.samples)
    )
    return order.arrange(
        rows,
        batch=recipe.batch.total,
        at_once=recipe.batch.per_device,
        epochs=recipe.schedule.epochs,
        seed=recipe.seeds.data,
        by_length=recipe.batch.by_length,
        blank=encoder.tokenizer.eos_token_id or 0,
    )


def _tell(
    progress: TrainingProgress,
    report: Report,
    encoder: Encoder,
    encodings: Encodings,
    recipe: Recipe,
) -> None:
    limit = recipe.length.max_tokens
    for number, what in ((encodings.dropped, "left out"), (encodings.truncated, "cut at the end")):
        if number:
            progress.notice(f"{number:,} samples of more than {limit:,} tokens are {what}.")
    if not encodings.truncated and not encoder.ends_turns(encodings.samples[0]):
        progress.notice(
            f"Completions do not hold {encoder.tokenizer.eos_token!r}, so the model will not learn "
            "to end there; model.eos_token names what ends a turn."
        )
    if (rest := report.samples % recipe.batch.total) and not recipe.length.packing:
        progress.notice(
            f"The last step of an epoch has {rest:,} samples in place of {recipe.batch.total:,}."
        )


def _finished(out: Path, course: Course) -> bool:
    return any(one.step == course.steps for one in manifest.saved(out))


_LOCK = ".lock"


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other commands from the same folder; of several processes the first one does."""
    if not launch.is_first():
        yield
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / _LOCK).open("ab")
    except OSError as error:
        raise HarnessError(
            f"{out} cannot be written: {error.strerror}.", "Name another folder with --out."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HarnessError(
                f"Another process is training in {out} right now.", "Wait for it."
            ) from error
        yield


def _train(prepared: _Prepared, report: Report, progress: TrainingProgress) -> None:
    job, course = prepared.job, prepared.course
    state = saving.resume_state(job.out)
    done = 0 if state is None else saving.step_of_resume(state)
    progress.phase("loading torch and TRL")
    estimate = forecast.forecast(job.recipe, prepared.base, course, job.out, done)
    _tell_estimate(progress, estimate, done)
    report.estimate = estimate
    first = launch.is_first()
    if first:
        forecast.refuse_what_does_not_fit(estimate, job.out)
        saving.clear_unfinished(job.out)
        with saving.disk_may_be_full(job.out):
            manifest.write_json(job.out / manifest.TRAINING, prepared.facts)
    recorded = recording.recording(prepared.facts, job.out, job.results, course, progress)
    with recorded if first else contextlib.nullcontext(None) as record:
        keeping = _keeping(prepared, report, progress, record, state)
        _run(prepared, keeping, state, progress)
    report.checkpoints = manifest.saved(job.out)
    if keeping.stopped:
        if not first:
            return  # in peace, so that nobody hurries the first, which writes
        step = saving.step_of_resume(saving.resume_state(job.out) or job.out)
        raise HarnessError(
            f"Stopped after step {step} of {course.steps}; its state is saved.",
            "Run the same command again to go on.",
        )
    if first:
        _tidy_up(job.out)


def _tidy_up(out: Path) -> None:
    saving.drop_resume_state(out)
    saving.clear_unfinished(out)


def _tell_estimate(progress: TrainingProgress, estimate: Forecast, done: int) -> None:
    memory = f"about {forecast.gib(estimate.memory_bytes)} of memory"
    if estimate.memory_there is not None:
        memory += f" ({forecast.gib(estimate.memory_there)} free)"
    progress.told(
        f"{estimate.steps:,} steps, {estimate.tokens:,} tokens ({estimate.padding:.0%} padding "
        f"more): {duration(estimate.seconds_low)} to {duration(estimate.seconds_high)} by a "
        f"guess that the first steps put right, {memory}, "
        f"{forecast.gib(estimate.disk_bytes)} of disk ({forecast.gib(estimate.disk_there)} free)"
    )
    if done:
        progress.told(f"going on after step {done}")


_OF_A_CHECKPOINT = (
    "exempt",
    "chat_template_sha256",
    "base_source",
    "git_commit",
)


def _keeping(
    prepared: _Prepared,
    report: Report,
    progress: TrainingProgress,
    record: Record | None,
    state: Path | None,
) -> Keeping:
    from train_cft.trainer import Keeping

    job, steps = prepared.job, prepared.course.steps
    tokens = prepared.course.tokens_by_step()
    before = 0.0 if state is None else saving.seconds_of_resume(state)
    done = 0 if state is None else saving.step_of_resume(state)
    tokens_before = tokens[done - 1] if done else 0
    pace = Pace(prepared.course.computed_by_step(), done)

    def stepped(step: Step) -> None:
        report.loss, report.seconds = step.loss, step.seconds
        if record is not None:
            record.step(step)
        now = step.seconds - before
        rate = (tokens[step.number - 1] - tokens_before) / now if now > 0 else 0.0
        left = pace.left(step.number, now)
        progress.step(step.number, steps, step.loss, rate, left)
        if pace.settles(step.number):
            progress.told(f"by the first steps: about {duration(step.seconds + left)} in all")

    def saved(checkpoint: SavedCheckpoint) -> None:
        if record is not None:
            record.saved(checkpoint)

    facts = {
        name: prepared.facts[name]
        for name in (*recording.ROW, *_OF_A_CHECKPOINT)
        if name not in ("id", "machine")
    }
    return Keeping(
        out=job.out,
        part=job.recipe.save,
        name=job.recipe.name,
        base=prepared.base.path,
        dtype=job.recipe.precision.saved,
        tokenizer_changed=prepared.encoder.changed,
        facts={"training": prepared.id} | facts,
        kept={one.step: one for one in manifest.saved(job.out)},
        seconds_before=before,
        stepped=stepped,
        saved=saved,
    )


def _run(
    prepared: _Prepared, keeping: Keeping, state: Path | None, progress: TrainingProgress
) -> None:
    """Hand everything to TRL, and wait."""
    from train_cft.on_trl import make_trainer
    from train_cft.trainer import Watcher

    watcher = Watcher(keeping)
    progress.phase(f"loading {prepared.base.name}")
    trainer = make_trainer(
        prepared.job.recipe,
        prepared.base,
        prepared.course,
        prepared.encoder.tokenizer,
        scratch=prepared.job.out / saving.MAKING,
        callbacks=[watcher],
    )
    trainer.keeping = keeping
    progress.phase("training")
    with watcher.heeding_signals():
        trainer.train(resume_from_checkpoint=None if state is None else str(state))

"""One training, from critique data and a recipe to checkpoints: ``train-cft train``."""

from __future__ import annotations

import contextlib
import fcntl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from harness.models.resolve import resolve_model
from harness.text import duration, trimmed
from train_cft.train import (
    batch_plan,
    checkpoint_files,
    forecast,
    identity,
    launch,
    manifest,
    metrics_log,
)
from train_cft.train.batch_plan import BatchPlan
from train_cft.train.encoding import Encoder, Encodings, encode_all
from train_cft.train.forecast import Forecast, TimeLeft
from train_cft.train.manifest import SavedCheckpoint
from train_cft.train.metrics_log import Record
from train_cft.train.objectives import TrainingData, collect, read_data
from train_cft.train.progress import TrainingProgress
from train_cft.train.recipe import Recipe

if TYPE_CHECKING:
    from train_cft.train.trainer import SaveSettings, Step


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
        completion_tokens: Of one epoch.
        loss: Of the last step; ``None`` where nothing was left to do.
        seconds: Up to the last step, over all sessions; ``None`` likewise.
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
    completion_tokens: int = 0
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
            "completion_tokens": self.completion_tokens,
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
    plan: BatchPlan
    facts: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])


def run_training(job: Job, progress: TrainingProgress) -> Report:
    """Train, or resume a training that was interrupted.

    Raises:
        HarnessError: Something the user can correct; checkpoints that were saved are whole.
    """
    job.recipe.accumulation_steps()
    progress.phase("reading the data")
    data = read_data(job.data)
    base = resolve_model(job.recipe.model.base, revision=job.recipe.model.revision)
    begun_with = (manifest.read_facts(job.out) or {}).get("base")
    if begun_with is not None and base.is_known_by(begun_with):
        base = replace(base, fingerprint=begun_with)
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
    plan = _batch_plan(job.recipe, encoder, encodings)
    facts = identity.facts(job.recipe, base, data, encoder, plan)
    report = Report(
        facts["id"],
        steps=plan.steps,
        samples=len(encodings.samples),
        left_out=collected.left_out,
        dropped=encodings.dropped,
        truncated=encodings.truncated,
        tokens=plan.tokens_by_step()[-1],
        completion_tokens=encodings.completion_tokens,
    )
    _report_samples(progress, report, encoder, encodings, job.recipe)
    with _locked(job.out):
        known = identity.refuse_other_training(job.out, facts)
        if any(one.step == plan.steps for one in manifest.saved(job.out)):
            if launch.is_first():
                # A kill may have come between the last checkpoint and this.
                _remove_leftovers(job.out)
                metrics_log.record_place(facts, job.out, job.results, progress.notice)
            progress.notice(f"Training {facts['id']} is finished; nothing is left to do.")
            report.checkpoints = manifest.saved(job.out)
            return report
        if known is not None:
            # The libraries and the commit are those of this session.
            facts |= {name: known[name] for name in ("id", "started_at")}
        prepared = _Prepared(job, base, data, encoder, plan, facts)
        _train(prepared, report, progress)
    return report


def _refuse_short_context(recipe: Recipe, base: Checkpoint) -> None:
    if base.max_context is not None and recipe.length.max_tokens > base.max_context:
        raise HarnessError(
            f"length.max_tokens is {recipe.length.max_tokens:,} and {base.name} has a context of "
            f"{base.max_context:,} tokens.",
            f"Lower it to {base.max_context} or less.",
        )


def _batch_plan(recipe: Recipe, encoder: Encoder, encodings: Encodings) -> BatchPlan:
    packing = recipe.length.packing
    rows = (
        batch_plan.packed(encodings.samples, recipe.length.max_tokens)
        if packing
        else batch_plan.as_rows(encodings.samples)
    )
    return batch_plan.arrange(
        rows,
        batch=recipe.batch.global_batch,
        micro_batch=recipe.batch.micro_batch,
        epochs=recipe.schedule.epochs,
        seed=recipe.seeds.data,
        by_length=recipe.batch.by_length,
        blank=encoder.tokenizer.eos_token_id or 0,
    )


def _report_samples(
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
    whole = recipe.batch.global_batch
    if (rest := report.samples % whole) and not recipe.length.packing:
        progress.notice(f"The last step of an epoch has {rest:,} samples in place of {whole:,}.")


_LOCK = ".lock"


@contextmanager
def _locked(out: Path) -> Iterator[None]:
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
    job, plan = prepared.job, prepared.plan
    state = checkpoint_files.resume_state(job.out)
    done = 0 if state is None else checkpoint_files.step_of(state)
    progress.phase("loading torch and TRL")
    estimate = forecast.forecast(job.recipe, prepared.base, plan, job.out, done)
    _report_estimate(progress, estimate, job.recipe.precision.compute, done)
    report.estimate = estimate
    first = launch.is_first()
    if first:
        forecast.refuse_insufficient_resources(estimate, job.out)
        checkpoint_files.clear_unfinished(job.out)
        with checkpoint_files.explain_write_errors(job.out):
            manifest.write_json(job.out / manifest.TRAINING, prepared.facts)
    recorded = metrics_log.recording(prepared.facts, job.out, job.results, plan, progress)
    with recorded if first else contextlib.nullcontext(None) as record:
        saving = _saving(prepared, report, progress, record, state)
        _run(prepared, saving, state, progress)
    report.checkpoints = manifest.saved(job.out)
    if saving.stopped:
        if not first:
            return  # without an error, which would end the first process while it writes
        step = checkpoint_files.step_of(checkpoint_files.resume_state(job.out) or job.out)
        raise HarnessError(
            f"Stopped after step {step} of {plan.steps}; its state is saved.",
            "Run the same command again to resume.",
        )
    if first:
        _remove_leftovers(job.out)


def _remove_leftovers(out: Path) -> None:
    checkpoint_files.drop_resume_state(out)
    checkpoint_files.clear_unfinished(out)


def _report_estimate(
    progress: TrainingProgress, estimate: Forecast, compute: str, done: int
) -> None:
    memory = f"about {forecast.gib(estimate.memory_bytes)} of memory"
    if estimate.memory_there is not None:
        memory += f" ({forecast.gib(estimate.memory_there)} free)"
    progress.message(
        f"{estimate.steps:,} steps, {estimate.tokens:,} tokens ({trimmed(estimate.padding, 0)} % "
        f"padding more), computed in {compute}: {duration(estimate.seconds_low)} to "
        f"{duration(estimate.seconds_high)} (a rough estimate; the first steps correct "
        f"it), {memory}, "
        f"{forecast.gib(estimate.disk_bytes)} of disk ({forecast.gib(estimate.disk_there)} free)"
    )
    if done:
        progress.message(f"resuming after step {done}")


_OF_A_CHECKPOINT = (
    "exempt",
    "chat_template_sha256",
    "base_source",
    "git_commit",
)


def _saving(
    prepared: _Prepared,
    report: Report,
    progress: TrainingProgress,
    record: Record | None,
    state: Path | None,
) -> SaveSettings:
    from train_cft.train.trainer import SaveSettings

    job, steps = prepared.job, prepared.plan.steps
    tokens = prepared.plan.tokens_by_step()
    before = 0.0 if state is None else checkpoint_files.seconds_of_resume(state)
    done = 0 if state is None else checkpoint_files.step_of(state)
    tokens_before = tokens[done - 1] if done else 0
    time_left = TimeLeft(prepared.plan.computed_by_step(), done)

    def stepped(step: Step) -> None:
        report.loss, report.seconds = step.loss, step.seconds
        if record is not None:
            record.step(step)
        now = step.seconds - before
        rate = (tokens[step.number - 1] - tokens_before) / now if now > 0 else 0.0
        left = time_left.seconds(step.number, now)
        progress.step(step.number, steps, step.loss, rate, left)
        if time_left.is_stable(step.number):
            progress.message(f"by the first steps: about {duration(step.seconds + left)} in all")

    def saved(checkpoint: SavedCheckpoint) -> None:
        if record is not None:
            record.saved(checkpoint)

    facts = {
        name: prepared.facts[name]
        for name in (*metrics_log.ROW, *_OF_A_CHECKPOINT)
        if name not in ("id", "machine")
    }
    return SaveSettings(
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
    prepared: _Prepared, saving: SaveSettings, state: Path | None, progress: TrainingProgress
) -> None:
    """Hand everything to TRL, and wait."""
    from train_cft.train.trainer import TrainingCallback
    from train_cft.train.trl_setup import make_trainer

    callback = TrainingCallback(saving)
    progress.phase(f"loading {prepared.base.name}")
    trainer = make_trainer(
        prepared.job.recipe,
        prepared.base,
        prepared.plan,
        prepared.encoder.tokenizer,
        scratch=prepared.job.out / checkpoint_files.SCRATCH,
        callbacks=[callback],
    )
    trainer.saving = saving
    progress.phase("training")
    with callback.stop_on_signals():
        trainer.train(resume_from_checkpoint=None if state is None else str(state))

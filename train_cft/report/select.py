"""Choose among the checkpoints of a training: ``train-cft select``.

All of them, and the model they started from, go through the harness's own evaluation in one sweep;
what the results file holds already is not generated again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.analysis.align import AlignedRuns, align_runs
from harness.analysis.compare import run_score
from harness.analysis.select import CompareRequest, runs_to_compare
from harness.backends.base import EngineOptions
from harness.errors import HarnessError
from harness.models.resolve import resolve_model
from harness.registry import TaskRegistry, suites
from harness.run.callbacks import Callbacks
from harness.run.evaluate import Evaluation, Failed, evaluate
from harness.run.plan import Settings
from harness.run.regrade import regrade_to_match
from harness.statistics import paired, ranking
from harness.statistics.intervals import Estimate
from harness.statistics.paired import Comparison
from harness.store import Store
from harness.store.training import BASE_STEP, choose
from harness.task import Task
from train_cft.decontamination.seen_items import items_asking, loaded_items, trained_items
from train_cft.report.statements import CONVINCING
from train_cft.train import manifest
from train_cft.train.manifest import Training

CHOSEN = "chosen.json"
_SHORT = 12


class Rule(StrEnum):
    """How a checkpoint is chosen."""

    BEST = "best"
    EARLIEST = "earliest"


@dataclass(frozen=True, slots=True)
class SelectionRequest:
    """The options of one selection.

    Attributes:
        training: The folder that ``train-cft train`` left.
        task: What to choose on.
        results: The results file.
        rule: How to choose.
        settings: How to sample.
        engine: Which engine generates, and its options.
        tasks_dir: A folder of the user's own tasks.
    """

    training: Path
    task: str
    results: Path
    rule: Rule = Rule.EARLIEST
    settings: Settings = field(default_factory=Settings)
    engine: EngineOptions = EngineOptions()
    tasks_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One checkpoint on the selection task.

    Attributes:
        step: After how many optimiser steps; 0 is the model the training started from.
        model: Its name.
        fingerprint: Its fingerprint.
        run: Its run.
        score: With its interval.
        against_best: This one less the best checkpoint; ``None`` for that one and for the base.
        p_adjusted: The p-value of that after Holm over all checkpoints.
    """

    step: int
    model: str
    fingerprint: str
    run: str
    score: Estimate
    against_best: Comparison | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen.

    Attributes:
        training: From which training.
        task: On which task.
        rule: By which rule.
        base: The model the training started from, if it could be evaluated.
        points: The checkpoints in the order of their steps.
        best: The one with the highest score; the earliest of several.
        chosen: The chosen one.
        path: Its folder.
        against_base: The chosen one less the base.
        warnings: What a reader should know.
    """

    training: Training
    task: str
    rule: Rule
    base: Point | None
    points: tuple[Point, ...]
    best: Point
    chosen: Point
    path: Path
    against_base: Comparison | None
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for a script."""
        return {
            "training": self.training.id,
            "name": self.training.name,
            "objective": self.training.objective,
            "task": self.task,
            "rule": self.rule,
            "step": self.chosen.step,
            "path": str(self.path),
            "fingerprint": self.chosen.fingerprint,
            "run": self.chosen.run,
            "best_step": self.best.step,
            "base": None if self.base is None else asdict(self.base),
            "curve": [asdict(point) for point in self.points],
            "against_base": None if self.against_base is None else asdict(self.against_base),
            "warnings": list(self.warnings),
        }


def select(asked: SelectionRequest, callbacks: Callbacks) -> Selection:
    """Evaluate the checkpoints of a training, or what is missing of that, and choose one.

    Raises:
        HarnessError: Something the user can correct; what was evaluated is kept.
        KeyboardInterrupt: The user stopped it; the same.
    """
    training = manifest.read(asked.training)
    registry = TaskRegistry(asked.tasks_dir)
    task = registry.load(asked.task)
    callbacks.phase("checking the checkpoints")
    models = _verified_checkpoints(training)
    base, revision, warnings = _base(training)
    warnings += [*_not_ended(training), *_overlaps(task, training, registry, callbacks)]
    for warning in warnings:
        callbacks.notice(warning)
    outcome = evaluate(
        Evaluation(
            models=[*base, *models],
            tasks=[task],
            results=asked.results,
            settings=asked.settings,
            revision=revision,
            engine=asked.engine,
        ),
        callbacks,
    )
    warnings += _left_out(training, base, outcome.failed)
    store = Store(asked.results)
    found = _on_one_set(store, outcome.run_ids, registry, callbacks)
    selection = _chosen(training, found, asked.rule, warnings)
    _keep(store, selection)
    return selection


def _verified_checkpoints(training: Training) -> list[str]:
    """Return the folders of the checkpoints, each as it was saved.

    Raises:
        HarnessError: There is none, or one is not what the training left.
    """
    if not training.checkpoints:
        raise HarnessError(
            f"The training {training.name} in {training.out} has saved no checkpoint yet.",
            "Run the same `train-cft train` again: it resumes.",
        )
    for saved in training.checkpoints:
        found = resolve_model(str(saved.path))
        if not found.is_known_by(saved.fingerprint):
            raise HarnessError(
                f"{saved.path} is not the checkpoint that the training saved at step {saved.step}.",
                "Train into another folder, or put the checkpoint back.",
            )
    return [str(saved.path) for saved in training.checkpoints]


def _not_ended(training: Training) -> list[str]:
    """Say so where the training has steps to come, whose checkpoints cannot be chosen yet."""
    planned = (manifest.read_facts(training.out) or {}).get("planned_steps")
    last = training.checkpoints[-1].step
    if not isinstance(planned, int) or last >= planned:
        return []
    return [
        f"The training has not ended: its last checkpoint is of step {last} of {planned}. "
        "Choose again when it has."
    ]


def _base(training: Training) -> tuple[list[str], str | None, list[str]]:
    """Return the model that the training started from, or why it is left out.

    Returns:
        Its name if it is still to be had, its commit on the hub, and what a reader should know.
    """
    facts = manifest.read_facts(training.out) or {}
    revision = facts.get("recipe", {}).get("model", {}).get("revision")
    obstacles = []
    # The name may be a folder as seen from where the training was started; the source is absolute.
    for name in dict.fromkeys((training.base_name, facts.get("base_source", training.base_name))):
        try:
            found = resolve_model(name, revision=revision)
        except HarnessError as error:
            obstacles.append(error.message)
            continue
        if found.is_known_by(training.base):
            return [name], revision, []
        obstacles.append(
            f"{name} is not the model that was trained ({found.fingerprint[:_SHORT]} and "
            f"{training.base[:_SHORT]})."
        )
    return [], None, [f"The base is left out: {obstacles[0]}"]


def _overlaps(
    task: Task, training: Training, registry: TaskRegistry, callbacks: Callbacks
) -> list[str]:
    """Say which reported benchmarks share items with the selection task, and the training too."""
    items = task.items()
    trained = trained_items(task.name, training.exempt) & {item.id for item in items}
    warnings = []
    if trained:
        warnings.append(
            f"{len(trained)} of the {len(items)} items of {task.name} are in the training data: "
            "what is chosen on them is what remembers best."
        )
    questions = [item.question for item in items]
    unknown = []
    for name in dict.fromkeys(name for tasks in suites().values() for name in tasks):
        callbacks.phase(f"comparing the items of {task.name} with {name}")
        reported = loaded_items(registry, name)
        if reported is None:
            unknown.append(name)
            continue
        shared = items_asking(questions, name, reported)
        if shared:
            warnings.append(
                f"{len(shared)} of the {len(reported):,} items of {name} are asked by {task.name} "
                f"too: a score on {name} of a checkpoint selected on them is too high. "
                "`train-cft report` leaves them out."
            )
    if unknown:
        warnings.append(
            f"Not compared with {task.name}, they could not be loaded: {', '.join(unknown)}."
        )
    return warnings


def _left_out(training: Training, base: Sequence[str], failed: Sequence[Failed]) -> list[str]:
    """Say which of the sweep's models could not be evaluated, and are not chosen among.

    Raises:
        HarnessError: No checkpoint is left.
    """
    steps = {str(saved.path): f"Step {saved.step}" for saved in training.checkpoints}
    of_checkpoints = [one for one in failed if one.model in steps]
    if of_checkpoints and len(of_checkpoints) == len(steps):
        raise of_checkpoints[0].error
    called = dict.fromkeys(base, "The base") | steps
    return [
        f"{called[one.model]} cannot be evaluated and is left out: {one.error}" for one in failed
    ]


def _on_one_set(
    store: Store, run_ids: Sequence[str], registry: TaskRegistry, callbacks: Callbacks
) -> AlignedRuns:
    """Return the runs of the sweep on the items that all of them have.

    Raises:
        HarnessError: Something is missing of one.
    """
    asked = CompareRequest(list(dict.fromkeys(run_ids)), allow_incomplete=True)  # refused below
    matched = runs_to_compare(store, asked, registry.folder)
    regraded = regrade_to_match(store, matched.tasks, asked.profile, registry, callbacks.graded)
    (found,), _ = align_runs(store, matched, regraded)
    incomplete = [run.id for run in found.runs if not run.complete]
    if incomplete:
        raise HarnessError(
            f"{len(incomplete)} runs are not complete, for instance {incomplete[0]}.",
            "Run the same command again: only what is missing is generated.",
        )
    return found


def _chosen(
    training: Training, found: AlignedRuns, rule: Rule, warnings: Sequence[str]
) -> Selection:
    by_fingerprint = {
        run.fingerprint: (run, items) for run, items in zip(found.runs, found.items, strict=True)
    }

    def point(step: int, fingerprint: str) -> Point:
        run, items = by_fingerprint[fingerprint]
        return Point(step, run.model, fingerprint, run.id, run_score(run, items).score)

    def scores(of: Point) -> list[float]:
        return [item.score for item in by_fingerprint[of.fingerprint][1]]

    evaluated = [one for one in training.checkpoints if one.fingerprint in by_fingerprint]
    points = [point(saved.step, saved.fingerprint) for saved in evaluated]
    base = point(BASE_STEP, training.base) if training.base in by_fingerprint else None
    place, points = pick(points, [scores(one) for one in points], rule)
    chosen = points[place]
    return Selection(
        training=training,
        task=found.runs[0].task,
        rule=rule,
        base=base,
        points=tuple(points),
        best=next(one for one in points if one.against_best is None),
        chosen=chosen,
        path=evaluated[place].path,
        against_base=None if base is None else paired.compare(scores(base), scores(chosen)),
        warnings=tuple(warnings),
    )


def pick(
    points: Sequence[Point], scores: Sequence[Sequence[float]], rule: Rule
) -> tuple[int, list[Point]]:
    """Return the place of the chosen checkpoint, and all of them with how they stand to the best.

    ``best`` takes the highest score, the earliest of several. ``earliest`` takes the first that
    is not shown to be worse than that: by a paired test each, after Holm over all of them.

    Args:
        points: The checkpoints in the order of their steps.
        scores: The scores of each by item, in one order.
        rule: How to choose.
    """
    best = max(range(len(points)), key=lambda place: (points[place].score.value, -place))
    others = [place for place in range(len(points)) if place != best]
    compared = {place: paired.compare(scores[best], scores[place]) for place in others}
    adjusted = dict(zip(others, ranking.holm([compared[place].p for place in others]), strict=True))
    ranked = [
        replace(one, against_best=compared.get(place), p_adjusted=adjusted.get(place))
        for place, one in enumerate(points)
    ]
    if rule is Rule.BEST:
        return best, ranked
    good_enough = (
        place for place in range(len(points)) if place == best or adjusted[place] > CONVINCING
    )
    return next(good_enough), ranked


def _keep(store: Store, selection: Selection) -> None:
    """Write the choice into the results file and the training's folder; no weights are copied."""
    runs = {point.step: point.run for point in selection.points}
    if selection.base is not None:
        runs[BASE_STEP] = selection.base.run
    choose(
        store,
        selection.training.id,
        task=selection.task,
        rule=selection.rule,
        step=selection.chosen.step,
        runs=runs,
        warnings=selection.warnings,
    )
    folder = selection.training.out
    # Relative, so that the folder may be moved.
    stored = selection.as_dict() | {"path": os.path.relpath(selection.path, folder)}
    try:
        manifest.write_json(folder / CHOSEN, stored)
    except OSError as error:
        raise HarnessError(
            f"{folder / CHOSEN} cannot be written: {error.strerror or error}.",
            "The choice is in the results file; run the same command again for the file.",
        ) from error


def chosen_fingerprint(folder: Path) -> str | None:
    """Return the fingerprint of the checkpoint that was chosen of the training in this folder.

    Raises:
        HarnessError: ``chosen.json`` is there and cannot be read.
    """
    file = folder / CHOSEN
    if not file.is_file():
        return None
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"{file} cannot be read ({type(error).__name__}).", "Run `train-cft select` again."
        ) from error

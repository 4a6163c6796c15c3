"""Compare base, SFT and CFT on stored runs: ``train-cft report``.

Every task is cut to the items that all named models have, less those that one of them was trained
on or chosen by. Differences are paired; their p-values hold together (Holm over all of them).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.analysis.align import AlignedRuns, align_runs
from harness.analysis.compare import RunScore, run_score
from harness.analysis.select import CompareRequest, LeftOut, find_runs, runs_to_compare
from harness.errors import HarnessError
from harness.registry import TaskRegistry
from harness.run.grader import OnGrade
from harness.run.regrade import regrade_to_match
from harness.statistics import intervals
from harness.statistics.intervals import Estimate
from harness.store import Store, published
from harness.store.published import PublishedScore
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE
from train_cft.report.comparisons import AverageEffect, Pair, average_effects, compared_pairs
from train_cft.report.excluded_items import ExcludedItems, Exclusions, TrainedItems
from train_cft.report.lineage import ReportedModel, TrainingIndex, entries_of
from train_cft.report.methods import SeedClaim, seed_claims
from train_cft.report.select import chosen_fingerprint
from train_cft.train import manifest

PAPER = "arXiv 2501.17703"
PAPERS_MAIN_MODEL = "Qwen2.5-Math-7B"
_PAPERS_DATA = "+WebInstruct-"


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """The options of one report.

    Attributes:
        base: What the others are compared with: a run, a model, or the folder of a training, which
            stands for its chosen checkpoint.
        models: The others, named in the same ways.
        tasks: Only these; all that every one has a run of if empty.
        exempt_files: ``build.json`` of data whose training is not known, or its folder gone.
        keep_selection: Keep the items by which a checkpoint was chosen.
        published: Add the paper's published scores.
        profile: Whose grades count.
        tasks_dir: A folder of the user's own tasks.
    """

    base: str
    models: Sequence[str]
    tasks: Sequence[str] = ()
    exempt_files: Sequence[Path] = ()
    keep_selection: bool = False
    published: bool = False
    profile: str = DEFAULT_PROFILE
    tasks_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """All models on one task.

    Attributes:
        task: The task.
        items: How many items count.
        trained: How many were left out because one of the models was trained on them.
        selected: How many further ones because one was chosen by them.
        sides: The models, in the order of the report.
        truncated: Share of each one's samples that ran out of budget.
        notes: What differs in how the runs were made.
    """

    task: str
    items: int
    trained: int
    selected: int
    sides: tuple[RunScore, ...]
    truncated: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What ``train-cft report`` found.

    Attributes:
        profile: Whose grades count.
        entries: The models; the base first.
        tasks: The tasks.
        averages: Each model's mean over them, if there are several.
        pairs: The comparisons.
        average_effects: The same on average over the tasks, if there are several.
        methods: What may be said of the methods.
        published: What others printed; never mixed with the rest.
        left_out: Tasks not reported.
        warnings: What a reader should know.
    """

    profile: str
    entries: tuple[ReportedModel, ...]
    tasks: tuple[TaskResult, ...]
    averages: tuple[Estimate, ...]
    pairs: tuple[Pair, ...]
    average_effects: tuple[AverageEffect, ...]
    methods: tuple[SeedClaim, ...]
    published: tuple[PublishedScore, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for a script; shares are in [0, 1]."""
        return asdict(self)


def report(request: ReportRequest, store: Store, on_grade: OnGrade) -> Report:
    """Compare stored runs.

    Raises:
        HarnessError: A name stands for nothing, the protocols differ, nothing is left to compare,
            or it is not known what a checkpoint was trained on.
    """
    registry = TaskRegistry(request.tasks_dir)
    given = (request.base, *request.models)
    names = [*map(_chosen_checkpoint, given)]
    runs = find_runs(store, names, request.profile)
    known = TrainingIndex.of(store)
    entries = entries_of([listed[0] for listed in runs], known)
    tasks, left_out = _tasks(request, runs)
    sources = TrainedItems(known, given, request.exempt_files)
    drops = ExcludedItems(sources, registry, entries, keep_selection=request.keep_selection)
    without = {task: drops.of(task) for task in tasks}
    asked = CompareRequest(
        names,
        request.profile,
        tasks,
        without={task: dropped.trained | dropped.selected for task, dropped in without.items()},
    )
    matched = runs_to_compare(store, asked, request.tasks_dir)
    regraded = regrade_to_match(store, matched.tasks, request.profile, registry, on_grade)
    found, more_left_out = align_runs(store, matched, regraded)
    results = tuple(_result(one, entries, without[one.runs[0].task]) for one in found)
    pairs = compared_pairs(entries, found)
    several = len(found) > 1
    return Report(
        profile=request.profile,
        entries=tuple(entries),
        tasks=results,
        averages=tuple(
            intervals.suite([result.sides[place].score for result in results])
            for place in range(len(entries))
        )
        if several
        else (),
        pairs=pairs,
        average_effects=average_effects(pairs) if several else (),
        methods=seed_claims(entries, found, known),
        published=_published(store, request, entries[0], [result.task for result in results]),
        left_out=(*left_out, *more_left_out),
        warnings=tuple(drops.warnings),
    )


def _chosen_checkpoint(name: str) -> str:
    """Return the fingerprint of what was chosen, where a name is the folder of a training."""
    folder = Path(name).expanduser()
    if manifest.read_facts(folder) is None:
        return name
    fingerprint = chosen_fingerprint(folder)
    if fingerprint is None:
        raise HarnessError(
            f"No checkpoint has been chosen of the training in {name}.",
            "Run `train-cft select` first, or name a checkpoint.",
        )
    return fingerprint


def _to_evaluate(name: str) -> str:
    """Return what `harness eval` takes for a name: of a training's folder the chosen checkpoint."""
    folder = Path(name).expanduser()
    if manifest.read_facts(folder) is None:
        return name
    chosen = chosen_fingerprint(folder)
    paths = (str(one.path) for one in manifest.saved(folder) if one.fingerprint == chosen)
    return next(paths, name)


def _tasks(
    request: ReportRequest, runs: Sequence[Sequence[RunSummary]]
) -> tuple[list[str], list[LeftOut]]:
    """Return the tasks to report, and those asked for that nothing here has a run of."""
    there = sorted({run.task for listed in runs for run in listed})
    wanted = list(dict.fromkeys(request.tasks)) or there
    missing = [
        LeftOut(task, "nothing named has a run of it") for task in wanted if task not in there
    ]
    if len(missing) == len(wanted):
        named = map(_to_evaluate, (request.base, *request.models))
        listed = " ".join(f"--model {shlex.quote(name)}" for name in named)
        raise HarnessError(
            "Nothing named has a run of any of these tasks.",
            f"Run `harness eval {listed} --tasks {','.join(wanted)}` first.",
        )
    return [task for task in wanted if task in there], missing


def _result(
    found: AlignedRuns, entries: Sequence[ReportedModel], dropped: Exclusions
) -> TaskResult:
    first = found.runs[0]
    label_of = {run.id: entry.label for run, entry in zip(found.runs, entries, strict=True)}
    notes = [
        f"{label_of[run_id]}: {'; '.join(map(str, (*one.shown, *one.warned)))}"
        for run_id, one in found.differences.items()
        if one.shown or one.warned
    ]
    return TaskResult(
        task=first.task,
        items=len(found.items[0]),
        trained=sum(item in dropped.trained for item in found.without),
        selected=sum(item in dropped.selected for item in found.without),
        sides=tuple(
            run_score(run, items) for run, items in zip(found.runs, found.items, strict=True)
        ),
        truncated=tuple(
            sum(item.truncated for item in items) / sum(item.samples for item in items)
            for items in found.items
        ),
        notes=tuple(notes),
    )


def _published(
    store: Store, request: ReportRequest, base: ReportedModel, tasks: Sequence[str]
) -> tuple[PublishedScore, ...]:
    """Return the paper's models on these tasks: those of our base where it has some, else its main.

    Base rows in the paper come from other sources, measured with examples in the prompt: a row
    names its source.
    """
    if not request.published:
        return ()
    rows = published.scores(store)
    name = base.model.rpartition("/")[2]
    has_data = any(row.model.startswith(name + _PAPERS_DATA) for row in rows)
    main = name if has_data else PAPERS_MAIN_MODEL
    found = [
        row
        for row in rows
        if row.task in tasks and (row.model == main or row.model.startswith(main + _PAPERS_DATA))
    ]
    order = {"base": 0, "sft": 1, "cft": 2}
    return tuple(sorted(found, key=lambda row: (order.get(row.method, 3), row.model, row.task)))

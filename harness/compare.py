"""Two or more stored runs on the items they share: what differs, and whether that is noise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.comparability import Comparability, differences, heal
from harness.completeness import check_complete
from harness.errors import HarnessError
from harness.flips import Flip, ShowCommand, telling
from harness.judging import Told
from harness.registry import TaskRegistry
from harness.selection import SHOW_INCOMPLETE, LeftOut, called, find_runs, line_up
from harness.statistics import intervals, noise, paired, ranking
from harness.statistics.intervals import Estimate
from harness.store import Store, queries
from harness.store.outcomes import ItemOutcome, item_outcomes
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE

BREAK_DOWNS = ("subject", "level")

RATES: Mapping[str, Callable[[ItemOutcome], int]] = {
    "truncated": lambda item: item.truncated,
    "no_answer": lambda item: item.no_answer,
    "loops": lambda item: item.loops,
    "grader_failures": lambda item: item.failures,
}
"""The mishaps whose rates are compared beside the score."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be compared, and how.

    Attributes:
        names: Runs or models, as :func:`harness.selection.find_runs` reads them.
        profile: Whose grades count.
        tasks: Only these; all that every name has a run of if empty.
        allow_different: Compare runs under different protocols too, and mark them.
        allow_incomplete: Put incomplete runs side by side too; nothing is concluded from them.
        without: Items that do not count, by task.
    """

    names: Sequence[str]
    profile: str = DEFAULT_PROFILE
    tasks: Collection[str] = ()
    allow_different: bool = False
    allow_incomplete: bool = False
    without: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """One run, on the items that are shared.

    Attributes:
        run: Its id.
        model: Its model's name.
        score: Its score on these items alone.
        samples: Graded samples of these items.
        complete: Everything the run asked for has come back and been judged.
        stopped_by: The gate that stopped it, if one did; see :class:`RunSummary`.
        tokens_per_sample: New tokens; ``None`` where nobody counted.
        tokens_per_item: The same over all samples of an item.
        noise: Where the score's noise comes from.
    """

    run: str
    model: str
    score: Estimate
    samples: int
    complete: bool
    stopped_by: str | None
    tokens_per_sample: float | None
    tokens_per_item: float | None
    noise: noise.Noise


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a mishap happened, as shares of samples, and the paired difference."""

    first: float
    second: float
    paired: paired.Comparison


@dataclass(frozen=True, slots=True)
class Group:
    """The comparison on the items of one subject or level.

    Attributes:
        name: The subject or level.
        first: Mean score of the first run on them.
        second: Mean score of the second.
        paired: The comparison.
        p_adjusted: Its p-value after Holm over all groups of the break-down.
    """

    name: str
    first: float
    second: float
    paired: paired.Comparison
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """Two runs of one task; differences are always the second less the first.

    Attributes:
        task: The task.
        items: How many items they share.
        differences: What differs in how they were made.
        regraded: How many generations were judged again first, by run.
        first: One run.
        second: The other.
        paired: The comparison of their scores.
        p_adjusted: Its p-value after Holm over all tasks compared at once.
        rates: Mishaps, by name as in :data:`RATES`.
        groups: Break-downs by ``subject`` and ``level``, where there are two or more of them.
        flips: The most telling items.
    """

    task: str
    items: int
    differences: Comparability
    regraded: Mapping[str, int]
    first: Side
    second: Side
    paired: paired.Comparison
    p_adjusted: float
    rates: Mapping[str, Rate]
    groups: Mapping[str, tuple[Group, ...]]
    flips: tuple[Flip, ...]

    @property
    def complete(self) -> bool:
        """Both runs are; where one is not, nothing may be concluded from the numbers here."""
        return self.first.complete and self.second.complete


@dataclass(frozen=True, slots=True)
class Average:
    """The plain mean over several tasks, each counting the same."""

    first: Estimate
    second: Estimate
    effect: Estimate


@dataclass(frozen=True, slots=True)
class Compared:
    """Two names compared on every task they share.

    Attributes:
        profile: Whose grades count.
        tasks: The comparisons.
        average: Over them, if there are several and all their runs are complete.
        left_out: Tasks not compared.
    """

    profile: str
    tasks: tuple[TaskComparison, ...]
    average: Average | None
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A run among several: its side, its interval that holds with all others, its ranks."""

    side: Side
    standing: ranking.Standing


@dataclass(frozen=True, slots=True)
class TaskStandings:
    """Several runs of one task, the best first.

    Attributes:
        task: The task.
        items: How many items all of them share.
        differences: What differs from the first one named, by run.
        regraded: How many generations were judged again first, by run.
        placed: The runs.
    """

    task: str
    items: int
    differences: Mapping[str, Comparability]
    regraded: Mapping[str, int]
    placed: tuple[Placed, ...]

    @property
    def complete(self) -> bool:
        """All runs are; where one is not, there are no ranks."""
        return all(place.side.complete for place in self.placed)

    def score_of(self, run_id: str) -> Estimate:
        """Return a run's score."""
        return next(p.standing.score for p in self.placed if p.side.run == run_id)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Several names ranked on every task they share.

    Attributes:
        profile: Whose grades count.
        tasks: The standings.
        averages: Each model's mean over the tasks, if there are several, all with complete runs.
        left_out: Tasks not compared.
    """

    profile: str
    tasks: tuple[TaskStandings, ...]
    averages: Mapping[str, Estimate]
    left_out: tuple[LeftOut, ...]


def compare(store: Store, asked: Asked, registry: TaskRegistry, told: Told) -> Compared:
    """Compare two names, item by item, on every task that both have runs of.

    Args:
        store: The results file.
        asked: What to compare; two names.
        registry: Where tasks are loaded from that must be judged again.
        told: Called with run id, item id and verdict while judging again.

    Raises:
        HarnessError: A name stands for nothing, the protocols differ, or no item is shared.
    """
    found, left_out = alike(store, asked, registry, told)
    made = [compare_task(runs) for runs in found]
    adjusted = iter(ranking.holm([task.paired.p for task in made if task.complete]))
    tasks = tuple(
        replace(task, p_adjusted=next(adjusted)) if task.complete else task for task in made
    )
    return Compared(asked.profile, tasks, _average(tasks), tuple(left_out))


def rank(store: Store, asked: Asked, registry: TaskRegistry, told: Told) -> Ranked:
    """Rank several names on every task that all of them have runs of.

    Takes and raises what :func:`compare` does.
    """
    found, left_out = alike(store, asked, registry, told)
    tasks = tuple(rank_task(runs) for runs in found)
    averages: dict[str, Estimate] = {}
    if len(tasks) > 1 and all(task.complete for task in tasks):
        for place, name in enumerate(asked.names):
            scores = [
                task.score_of(runs.runs[place].id) for task, runs in zip(tasks, found, strict=True)
            ]
            averages[name] = intervals.suite(scores)
    return Ranked(asked.profile, tasks, averages, tuple(left_out))


@dataclass(frozen=True, slots=True)
class Alike:
    """Runs of one task, judged alike and cut to the items that all of them share.

    Attributes:
        runs: The runs.
        items: Their outcomes on the shared items, in one order.
        differences: What differs from the first run, by run.
        regraded: How many generations were judged again, by run.
        show: Makes the commands that show an item of the first and of the last run.
        without: The items they share that do not count.
    """

    runs: Sequence[RunSummary]
    items: Sequence[Sequence[ItemOutcome]]
    differences: Mapping[str, Comparability]
    regraded: Mapping[str, int]
    show: ShowCommand
    without: tuple[str, ...] = ()


def alike(
    store: Store, asked: Asked, registry: TaskRegistry, told: Told
) -> tuple[list[Alike], list[LeftOut]]:
    """Return, task by task, one run of each name, judged alike and cut to the items they share.

    Takes and raises what :func:`compare` does, for any number of names.
    """
    named = find_runs(store, asked.names, asked.profile)
    lines, left_out = line_up(
        store,
        named,
        tasks=asked.tasks,
        allow_different=asked.allow_different,
        allow_incomplete=asked.allow_incomplete,
        tasks_dir=registry.folder,
    )
    found = []
    for line in lines:
        runs = _alike(store, line, asked, registry, told)
        if runs.items[0]:
            found.append(runs)
        else:
            reason = f"none of the {len(runs.without)} items that they share counts"
            left_out.append(LeftOut(line[0].task, reason))
    if not found:
        raise HarnessError(
            "Nothing is left to compare: "
            f"{'; '.join(f'{one.task}: {one.reason}' for one in left_out)}.",
            "Name other tasks.",
        )
    return found, left_out


def _alike(
    store: Store,
    runs: Sequence[RunSummary],
    asked: Asked,
    registry: TaskRegistry,
    told: Told,
) -> Alike:
    healing = heal(store, runs, asked.profile, registry, told)
    found = {}
    for run in runs[1:]:
        made = differences(runs[0], run)
        if run.id in healing.unhealed:
            made = replace(made, refused=(*made.refused, healing.unhealed[run.id]))
        if not asked.allow_different:
            made.check(called(runs[0]), called(run))
        found[run.id] = made
    # What had not been judged may have been now.
    now = {run.id: run for run in queries.runs(store, [*found, runs[0].id], profile=asked.profile)}
    runs = [now[run.id] for run in runs]
    if not asked.allow_incomplete:
        check_complete(store, runs, profile=asked.profile, otherwise=SHOW_INCOMPLETE)
    shared = shared_items(store, runs, asked.profile)
    without = frozenset(asked.without.get(runs[0].task, ()))
    items = [[item for item in of_a_run if item.item_id not in without] for of_a_run in shared]
    left_out = tuple(item.item_id for item in shared[0] if item.item_id in without)
    show = ShowCommand((runs[0].id, runs[-1].id), store.path, asked.profile)
    return Alike(runs, items, found, healing.judged, show, left_out)


def shared_items(store: Store, runs: Sequence[RunSummary], profile: str) -> list[list[ItemOutcome]]:
    """Return each run's outcomes on the items that all have, judged by the same gold, in order."""
    outcomes = [item_outcomes(store, run.id, profile=profile) for run in runs]
    shared = [
        item.item_id
        for item in outcomes[0].values()
        if all(
            item.item_id in other and other[item.item_id].gold_id == item.gold_id
            for other in outcomes[1:]
        )
    ]
    if not shared:
        listed = ", ".join(called(run) for run in runs)
        raise HarnessError(
            f"No item is shared by {listed}.",
            "Compare runs on the same items of one task; `harness runs` lists them.",
        )
    return [[of_a_run[item_id] for item_id in shared] for of_a_run in outcomes]


def compare_task(alike: Alike) -> TaskComparison:
    first, second = alike.runs
    one, other = alike.items
    *_, compared = _paired(one, other)
    return TaskComparison(
        task=first.task,
        items=len(one),
        differences=alike.differences[second.id],
        regraded=alike.regraded,
        first=side(first, one),
        second=side(second, other),
        paired=compared,
        p_adjusted=compared.p,
        rates={name: Rate(*_paired(one, other, count)) for name, count in RATES.items()},
        groups=_groups(one, other),
        flips=telling(one, other, alike.show),
    )


def rank_task(alike: Alike) -> TaskStandings:
    standings = ranking.standings([_scores(items) for items in alike.items])
    placed = [
        Placed(side(run, items), standing)
        for run, items, standing in zip(alike.runs, alike.items, standings, strict=True)
    ]
    placed.sort(key=lambda place: -place.standing.score.value)
    return TaskStandings(
        alike.runs[0].task, len(alike.items[0]), alike.differences, alike.regraded, tuple(placed)
    )


def side(run: RunSummary, items: Sequence[ItemOutcome]) -> Side:
    """Return what a run comes to on these of its items."""
    samples = [item.samples for item in items]
    correct = [item.correct for item in items]
    tokens = sum(item.completion_tokens for item in items)
    return Side(
        run=run.id,
        model=run.model,
        score=_score(items),
        samples=sum(samples),
        complete=run.complete,
        stopped_by=run.stopped_by,
        tokens_per_sample=tokens / sum(samples) if tokens else None,
        tokens_per_item=tokens / len(items) if tokens else None,
        noise=noise.decompose(correct, samples),
    )


def _score(items: Sequence[ItemOutcome]) -> Estimate:
    scores = _scores(items)
    mean = _mean(scores)
    return intervals.score(
        mean=mean,
        variance=sum((score - mean) ** 2 for score in scores) / max(1, len(scores) - 1),
        items=len(scores),
        samples_per_item=max(item.samples for item in items),
        correct=sum(item.correct for item in items),
    )


def _scores(items: Sequence[ItemOutcome]) -> list[float]:
    return [item.score for item in items]


def _paired(
    first: Sequence[ItemOutcome],
    second: Sequence[ItemOutcome],
    count: Callable[[ItemOutcome], int] = lambda item: item.correct,
) -> tuple[float, float, paired.Comparison]:
    """Return both shares of samples that count, and what they say about each other."""
    one, other = ([count(item) / item.samples for item in items] for items in (first, second))
    samples = [item.samples for item in first], [item.samples for item in second]
    return _mean(one), _mean(other), paired.compare(one, other, samples=samples)


def _groups(
    first: Sequence[ItemOutcome], second: Sequence[ItemOutcome]
) -> dict[str, tuple[Group, ...]]:
    """Break a comparison down by subject and by level, where there are several."""
    found: dict[str, tuple[Group, ...]] = {}
    for kind in BREAK_DOWNS:
        members: dict[str, tuple[list[ItemOutcome], list[ItemOutcome]]] = {}
        for one, other in zip(first, second, strict=True):
            pair = members.setdefault(getattr(one, kind), ([], []))
            pair[0].append(one)
            pair[1].append(other)
        if len(members) < 2:
            continue
        names = sorted(members)
        compared = [_paired(*members[name]) for name in names]
        adjusted = ranking.holm([comparison.p for *_, comparison in compared])
        found[kind] = tuple(
            Group(name, *made, p) for name, made, p in zip(names, compared, adjusted, strict=True)
        )
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _average(tasks: Sequence[TaskComparison]) -> Average | None:
    if len(tasks) < 2 or not all(task.complete for task in tasks):
        return None
    return Average(
        intervals.suite([task.first.score for task in tasks]),
        intervals.suite([task.second.score for task in tasks]),
        paired.average([task.paired for task in tasks]),
    )

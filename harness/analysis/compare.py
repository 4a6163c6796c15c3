"""Paired comparison and ranking of stored runs on the items they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.align import AlignedRuns, align, align_runs
from harness.analysis.flips import Flip, ShowCommand, top_flips
from harness.analysis.protocol import Comparability
from harness.analysis.select import CompareRequest, LeftOut, MatchedRuns
from harness.run.regrade import RegradedToMatch
from harness.statistics import intervals, noise, paired, ranking
from harness.statistics.intervals import Estimate
from harness.store import Store
from harness.store.item_results import ItemResult
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE

BREAK_DOWNS = ("subject", "level")

FAILURE_RATES: Mapping[str, Callable[[ItemResult], int]] = {
    "truncated": lambda item: item.truncated,
    "no_answer": lambda item: item.no_answer,
    "loops": lambda item: item.loops,
    "grader_failures": lambda item: item.failures,
}
"""Failures whose rates are compared as well as the score."""


@dataclass(frozen=True, slots=True)
class RunScore:
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
class FailureRate:
    """The rate of a failure in both runs, as shares of samples, and the paired difference."""

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
        regraded: How many generations were graded again first, by run.
        first: One run.
        second: The other.
        paired: The comparison of their scores.
        p_adjusted: Its p-value after Holm over all tasks compared at once.
        rates: Failure rates, by name as in :data:`FAILURE_RATES`.
        groups: Break-downs by ``subject`` and ``level``, where there are two or more of them.
        flips: The items with the largest change.
    """

    task: str
    items: int
    differences: Comparability
    regraded: Mapping[str, int]
    first: RunScore
    second: RunScore
    paired: paired.Comparison
    p_adjusted: float
    rates: Mapping[str, FailureRate]
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
class RankedRun:
    """A run among several: its side, its interval that holds with all others, its ranks."""

    side: RunScore
    standing: ranking.Standing


@dataclass(frozen=True, slots=True)
class TaskStandings:
    """Several runs of one task, the best first.

    Attributes:
        task: The task.
        items: How many items all of them share.
        differences: What differs from the first one named, by run.
        regraded: How many generations were graded again first, by run.
        placed: The runs.
    """

    task: str
    items: int
    differences: Mapping[str, Comparability]
    regraded: Mapping[str, int]
    placed: tuple[RankedRun, ...]

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


@dataclass(frozen=True, slots=True)
class BaselineComparisons:
    """Runs of one task, each compared with the first.

    Attributes:
        runs: The runs, the baseline first.
        items: Their results on the items that all of them share, in one order.
        comparisons: Each other run against the baseline, with Holm's adjustment over them.
        standings: All of them, the best first.
    """

    runs: tuple[RunSummary, ...]
    items: tuple[tuple[ItemResult, ...], ...]
    comparisons: tuple[TaskComparison, ...]
    standings: TaskStandings


def compare(store: Store, matched: MatchedRuns, regraded: RegradedToMatch) -> Compared:
    """Compare the runs of two names, item by item, on every task that both have runs of.

    Takes and raises what :func:`harness.analysis.align.align_runs` does.
    """
    found, left_out = align_runs(store, matched, regraded)
    made = [_compare(runs) for runs in found]
    adjusted = iter(ranking.holm([task.paired.p for task in made if task.complete]))
    tasks = tuple(
        replace(task, p_adjusted=next(adjusted)) if task.complete else task for task in made
    )
    return Compared(matched.request.profile, tasks, _average(tasks), tuple(left_out))


def rank(store: Store, matched: MatchedRuns, regraded: RegradedToMatch) -> Ranked:
    """Rank several names on every task that all of them have runs of.

    Takes and raises what :func:`harness.analysis.align.align_runs` does.
    """
    found, left_out = align_runs(store, matched, regraded)
    tasks = tuple(_rank(runs) for runs in found)
    averages: dict[str, Estimate] = {}
    if len(tasks) > 1 and all(task.complete for task in tasks):
        for place, name in enumerate(matched.request.names):
            scores = [
                task.score_of(runs.runs[place].id) for task, runs in zip(tasks, found, strict=True)
            ]
            averages[name] = intervals.suite(scores)
    return Ranked(matched.request.profile, tasks, averages, tuple(left_out))


def compare_with_baseline(
    store: Store, runs: Sequence[RunSummary], *, profile: str = DEFAULT_PROFILE
) -> BaselineComparisons:
    """Compare runs of one task with the first; differences of protocol are marked, not refused.

    Args:
        store: The results file.
        runs: Two or more, all graded by the profile; the first is the baseline.
        profile: Whose grades count.

    Raises:
        HarnessError: No item is shared.
    """
    ids = [run.id for run in runs]
    aligned = align(
        store, runs, CompareRequest(ids, profile, allow_different=True, allow_incomplete=True)
    )
    compared = [_compare(aligned, other) for other in range(1, len(runs))]
    adjusted = ranking.holm([comparison.paired.p for comparison in compared])
    return BaselineComparisons(
        tuple(runs),
        tuple(map(tuple, aligned.items)),
        tuple(replace(one, p_adjusted=p) for one, p in zip(compared, adjusted, strict=True)),
        _rank(aligned),
    )


def _compare(aligned: AlignedRuns, other: int = 1) -> TaskComparison:
    """Compare one of the runs with the first."""
    first, second = aligned.runs[0], aligned.runs[other]
    before, after = aligned.items[0], aligned.items[other]
    *_, compared = _paired(before, after)
    return TaskComparison(
        task=first.task,
        items=len(before),
        differences=aligned.differences[second.id],
        regraded=aligned.regraded,
        first=run_score(first, before),
        second=run_score(second, after),
        paired=compared,
        p_adjusted=compared.p,
        rates={
            name: FailureRate(*_paired(before, after, count))
            for name, count in FAILURE_RATES.items()
        },
        groups=_groups(before, after),
        flips=top_flips(
            before,
            after,
            ShowCommand((first.id, second.id), aligned.results, aligned.profile),
        ),
    )


def _rank(aligned: AlignedRuns) -> TaskStandings:
    standings = ranking.standings([_scores(items) for items in aligned.items])
    placed = [
        RankedRun(run_score(run, items), standing)
        for run, items, standing in zip(aligned.runs, aligned.items, standings, strict=True)
    ]
    placed.sort(key=lambda place: -place.standing.score.value)
    return TaskStandings(
        aligned.runs[0].task,
        len(aligned.items[0]),
        aligned.differences,
        aligned.regraded,
        tuple(placed),
    )


def run_score(run: RunSummary, items: Sequence[ItemResult]) -> RunScore:
    """Return what a run comes to on these of its items."""
    samples = [item.samples for item in items]
    correct = [item.correct for item in items]
    tokens = sum(item.completion_tokens for item in items)
    return RunScore(
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


def _score(items: Sequence[ItemResult]) -> Estimate:
    scores = _scores(items)
    mean = _mean(scores)
    return intervals.score(
        mean=mean,
        variance=sum((score - mean) ** 2 for score in scores) / max(1, len(scores) - 1),
        items=len(scores),
        samples_per_item=max(item.samples for item in items),
        correct=sum(item.correct for item in items),
    )


def _scores(items: Sequence[ItemResult]) -> list[float]:
    return [item.score for item in items]


def _paired(
    first: Sequence[ItemResult],
    second: Sequence[ItemResult],
    count: Callable[[ItemResult], int] = lambda item: item.correct,
) -> tuple[float, float, paired.Comparison]:
    """Return both shares of samples that count, and what they say about each other."""
    one, other = ([count(item) / item.samples for item in items] for items in (first, second))
    samples = [item.samples for item in first], [item.samples for item in second]
    return _mean(one), _mean(other), paired.compare(one, other, samples=samples)


def _groups(
    first: Sequence[ItemResult], second: Sequence[ItemResult]
) -> dict[str, tuple[Group, ...]]:
    """Break a comparison down by subject and by level, where there are several."""
    found: dict[str, tuple[Group, ...]] = {}
    for kind in BREAK_DOWNS:
        members: dict[str, tuple[list[ItemResult], list[ItemResult]]] = {}
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

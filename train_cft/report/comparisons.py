"""Paired comparisons of a report: each model with the base, and different objectives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from harness.analysis.align import AlignedRuns
from harness.statistics import paired, ranking
from harness.statistics.intervals import Estimate
from harness.statistics.paired import Comparison
from train_cft.report.lineage import ReportedModel
from train_cft.report.statements import detectable, verdict

_CFT = "cft"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on one task, the second less the first.

    Attributes:
        first: Label of one.
        second: Label of the other.
        task: The task.
        paired: The comparison.
        p_adjusted: Its p-value after Holm over all comparisons of the report.
        detectable: The drop that would have been found among them with 80 % power; none if no
            drop could have been.
        words: What it says.
    """

    first: str
    second: str
    task: str
    paired: Comparison
    p_adjusted: float = 1.0
    detectable: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class AverageEffect:
    """A paired difference on average over the tasks, each counting the same."""

    first: str
    second: str
    effect: Estimate


def compared_pairs(
    entries: Sequence[ReportedModel], found: Sequence[AlignedRuns]
) -> tuple[Pair, ...]:
    """Compare every model with the base, and every two with different objectives."""
    made = [
        Pair(
            entries[one].label,
            entries[other].label,
            task.runs[0].task,
            paired.compare(
                scores(task, one),
                scores(task, other),
                samples=(samples(task, one), samples(task, other)),
            ),
        )
        for one, other in _compared(entries)
        for task in found
    ]
    adjusted = ranking.holm([pair.paired.p for pair in made])
    return tuple(
        replace(
            pair,
            p_adjusted=p,
            detectable=detectable(pair.paired, len(made)),
            words=verdict(pair.first, pair.second, pair.paired, p, len(made)),
        )
        for pair, p in zip(made, adjusted, strict=True)
    )


def _compared(entries: Sequence[ReportedModel]) -> Iterator[tuple[int, int]]:
    """Yield the places of those to be compared: the base before others, CFT after what is not."""
    for other in range(1, len(entries)):
        yield 0, other
    for one, other in combinations(range(1, len(entries)), 2):
        first, second = entries[one].objective, entries[other].objective
        if first == second and first is not None:
            continue  # seeds or steps of one method
        yield (other, one) if is_cft(first) and not is_cft(second) else (one, other)


def is_cft(objective: str | None) -> bool:
    """Return whether an objective is CFT, alone or first in a mixture."""
    return objective is not None and objective.startswith(_CFT)


def scores(found: AlignedRuns, place: int) -> list[float]:
    """Return the scores of the model at a place by item, in the one order of all."""
    return [item.score for item in found.items[place]]


def samples(found: AlignedRuns, place: int) -> list[int]:
    """Return how many samples the model at a place has of each item, in the same order."""
    return [item.samples for item in found.items[place]]


def average_effects(pairs: Sequence[Pair]) -> tuple[AverageEffect, ...]:
    """Return the differences on average over the tasks, each counting the same."""
    by_names: dict[tuple[str, str], list[Comparison]] = {}
    for pair in pairs:
        by_names.setdefault((pair.first, pair.second), []).append(pair.paired)
    return tuple(
        AverageEffect(first, second, paired.average(compared))
        for (first, second), compared in by_names.items()
    )

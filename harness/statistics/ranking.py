"""Several models on the same items: intervals that hold together, and ranks one may quote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.betting import Floats
from harness.statistics.intervals import Estimate, clustered
from harness.statistics.paired import compare


@dataclass(frozen=True, slots=True)
class Standing:
    """A model among others.

    Attributes:
        score: Its score, with an interval that holds together with those of all the others.
        best_rank: One more than the number of models shown to be better.
        worst_rank: The number of models less those shown to be worse.
    """

    score: Estimate
    best_rank: int
    worst_rank: int


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that any false claim among all is as rare as said (Holm 1979)."""
    count = len(p_values)
    adjusted, so_far = [0.0] * count, 0.0
    for place, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        so_far = max(so_far, min(1.0, (count - place) * p_values[index]))
        adjusted[index] = so_far
    return adjusted


def simultaneous(scores: Sequence[ArrayLike], *, confidence: float = 0.95) -> list[Estimate]:
    """Return each model's score with intervals that all hold together (Sidak 1967).

    Args:
        scores: For each model its scores by item in [0, 1]; the items need not be shared.
        confidence: Probability that every interval holds its model's expected score.

    Raises:
        ValueError: A model has no items.
    """
    single = confidence ** (1 / max(1, len(scores)))
    return [_estimate(np.asarray(values, dtype=float), single) for values in scores]


def standings(scores: Sequence[ArrayLike], *, confidence: float = 0.95) -> list[Standing]:
    """Rank models by paired tests of every two, with Holm's control over all the tests.

    With probability ``confidence`` no claim "this one is better" is wrong, and every model's true
    rank then lies within its two (Al Mohamad, Goeman & van Zwet 2022). Models that nothing tells
    apart share their ranks.

    Args:
        scores: For each model its scores by item in [0, 1], in one order; shapes (n,).
        confidence: See above.

    Raises:
        ValueError: The models have not the same number of items, or none.
    """
    rows = [np.asarray(values, dtype=float) for values in scores]
    pairs = list(combinations(range(len(rows)), 2))
    compared = [compare(rows[i], rows[j]) for i, j in pairs]
    better, worse = [0] * len(rows), [0] * len(rows)
    adjusted = holm([comparison.p for comparison in compared])
    for (i, j), comparison, p in zip(pairs, compared, adjusted, strict=True):
        if p <= 1 - confidence and comparison.effect != 0:
            winner, loser = (j, i) if comparison.effect > 0 else (i, j)
            better[loser] += 1
            worse[winner] += 1
    return [
        Standing(score, 1 + better[i], len(rows) - worse[i])
        for i, score in enumerate(simultaneous(rows, confidence=confidence))
    ]


def _estimate(values: Floats, confidence: float) -> Estimate:
    variance = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    mean = float(values.mean()) if len(values) else 0.0
    return clustered(mean, variance, len(values), confidence=confidence)

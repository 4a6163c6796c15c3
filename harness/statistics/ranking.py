"""Several models on the same items: intervals that hold together, and ranks one may quote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, stdtr

from harness.statistics import intervals
from harness.statistics.betting import Floats
from harness.statistics.intervals import Estimate, clustered
from harness.statistics.signflips import common_grid, grid_of, sign_flip_p


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
    return [float(p) for p in _holm(np.asarray(p_values, dtype=float))]


def _holm(p_values: Floats) -> Floats:
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, steps * p_values[order]))
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
    if len({row.shape for row in rows}) > 1 or any(row.ndim != 1 or not len(row) for row in rows):
        raise ValueError("models are ranked on the same items")
    estimates = simultaneous(rows, confidence=confidence)
    return (
        _standings(estimates, *_pairwise_tests(np.stack(rows), 1 - confidence), confidence)
        if rows
        else []
    )


def suite_standings(
    tasks: Sequence[Sequence[ArrayLike]], *, confidence: float = 0.95
) -> list[Standing]:
    """Rank models by the plain mean of several tasks, each counting the same, as in one task.

    The mean difference over the tasks is tested as the sign-flip test does, but by Student's t with
    Welch's degrees of freedom: its noise are the squared differences, with half an item added to
    each task that differs each way as much as the most different one.

    Args:
        tasks: For each task the models' scores by item, as :func:`standings` takes them.
        confidence: As there.

    Raises:
        ValueError: As there, or the tasks have not the same number of models.
    """
    if len(tasks) == 1:
        return standings(tasks[0], confidence=confidence)
    stacked = [np.stack([np.asarray(row, dtype=float) for row in task]) for task in tasks]
    count = len(stacked[0])
    effect, square, fourth = (np.zeros((count, count)) for _ in range(3))
    for scores in stacked:
        of_task, squares = _differences(scores)
        added = _largest(scores, squares)
        error = np.where(added > 0, squares + added, 0.0) / (scores.shape[1] + added) ** 2
        effect += of_task
        square += error
        fourth += error**2 / max(1, scores.shape[1] - 1)
    p = np.ones_like(effect)
    differing = square > 0
    freedom = square[differing] ** 2 / fourth[differing]
    p[differing] = 2 * stdtr(freedom, -np.abs(effect[differing]) / np.sqrt(square[differing]))
    single = confidence ** (1 / count)
    estimates = [
        intervals.suite([_estimate(scores[model], single) for scores in stacked])
        for model in range(count)
    ]
    return _standings(estimates, effect, p, confidence)


def _standings(
    estimates: Sequence[Estimate], effect: Floats, p: Floats, confidence: float
) -> list[Standing]:
    """Count, for each model, those shown to be better and worse.

    Args:
        estimates: Of each model.
        effect: How much better the second (column) of two models is than the first (row).
        p: Two-sided p-values of "no difference", of the same shape.
        confidence: Of all claims together.
    """
    count = len(estimates)
    upper = np.triu_indices(count, 1)
    differs = np.zeros((count, count), dtype=bool)
    differs[upper] = (_holm(p[upper]) <= 1 - confidence) & (effect[upper] != 0)
    differs |= differs.T
    better = (differs & (effect > 0)).sum(axis=1)
    worse = (differs & (effect < 0)).sum(axis=1)
    return [
        Standing(estimate, 1 + int(better[i]), count - int(worse[i]))
        for i, estimate in enumerate(estimates)
    ]


def _pairwise_tests(scores: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return effect and p-value of every two models as :func:`paired.compare` has them.

    The p-values stand above the diagonal: below it they would be the same. With several samples an
    item the exact one is left out where it cannot matter: it is above 7/32 where the sum of the
    differences is within the root of their sum of squares (Hollom & Portier 2023), and convincing
    even among all where Hoeffding's bound is.
    """
    effect, squares = _differences(scores)
    items = scores.shape[1]
    p = np.ones_like(effect)
    z = np.divide((items * effect) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)
    bound = 2 * np.exp(-z / 2)
    certain = alpha / (len(scores) * (len(scores) - 1) / 2 or 1)
    p[bound <= certain] = bound[bound <= certain]
    open_ = np.triu((z > 0.99) & (bound > certain), 1)
    grids = np.array([grid_of(row) for row in scores])
    single = grids == 1
    open_[np.ix_(single, single)] = False
    for model in np.flatnonzero(open_.any(axis=1)):
        others = np.flatnonzero(open_[model])
        common = np.array([common_grid(int(grids[model]), int(grids[one])) for one in others])
        for grid in np.unique(common):
            alike = others[common == grid]
            p[model, alike] = sign_flip_p(scores[alike] - scores[model], int(grid))
    right = scores[single]
    flips = right @ (1 - right).T  # items that the row's model has right and the column's wrong
    pairs = np.triu_indices(len(right), 1)
    smaller, both = np.minimum(flips, flips.T)[pairs], (flips + flips.T)[pairs]
    exact = np.ones_like(flips)
    exact[pairs] = np.where(
        both > 0, np.minimum(1.0, 2 * bdtr(smaller, both.astype(int), 0.5)), 1.0
    )
    p[np.ix_(single, single)] = exact
    return effect, p


def _differences(scores: Floats) -> tuple[Floats, Floats]:
    """Return mean difference and sum of squared differences of every two models."""
    mean, square = scores.mean(axis=1), (scores**2).sum(axis=1)
    squares = np.maximum(0.0, square + square[:, None] - 2 * scores @ scores.T)
    return mean - mean[:, None], squares


def _largest(scores: Floats, squares: Floats) -> Floats:
    """Return the largest squared difference of an item of every two models."""
    if np.isin(scores, (0.0, 1.0)).all():
        return (squares > 0).astype(float)
    return np.stack([((scores - row) ** 2).max(axis=1) for row in scores])


def _estimate(values: Floats, confidence: float) -> Estimate:
    variance = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    mean = float(values.mean()) if len(values) else 0.0
    return clustered(mean, variance, len(values), confidence=confidence)

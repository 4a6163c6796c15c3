"""The exact sign-flip test of "no difference", for one pair of runs or many."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.statistics.betting import Floats

SMALLEST_P = 1e-12
"""What is smaller is given as this: the sum below is exact to some 1e-14."""

_FINEST_GRID = 4096
# Steps of an item on average. They bound the time; 64 samples reach it at a difference of .25.
_MOST_STEPS = 16
_ALWAYS_EXACT = 2**14
_LEAST_LOG = -45.0
_CELLS_AT_ONCE = 2**21


def grid_of(scores: Floats) -> int:
    """Return the fewest samples an item that could have given such shares, up to 4,096."""
    steps = 1
    for value in np.unique(scores):
        steps = math.lcm(steps, Fraction(float(value)).limit_denominator(_FINEST_GRID).denominator)
        if steps > _FINEST_GRID:
            return _FINEST_GRID
    return steps


def common_grid(first: int, second: int) -> int:
    """Return the grid on which differences of scores on two grids lie, or the finest there is."""
    return min(_FINEST_GRID, math.lcm(first, second))


def sign_flip_p(differences: Floats, grid: int) -> Floats:
    """Return two-sided p-values of "each difference could as well have the other sign".

    The share of all ``2^n`` choices of signs whose sum is as far from 0 as the one seen, or
    farther: for scores of 0 and 1 McNemar's exact test. It is found from the characteristic
    function of the sum, which is a product of cosines, on a grid of as many points as the sum has
    values. Differences beyond the finest grid, or whose absolute values add up to more
    than 2^14 steps and to 16 an item, are rounded to fewer steps first; since that is the same for
    either sign, the test of what is left is exact, too.

    Args:
        differences: One row a pair of runs; shape (pairs, n).
        grid: They are multiples of 1/grid.
    """
    steps = np.rint(differences * grid)
    total = np.abs(steps).sum(axis=1)
    most = max(_ALWAYS_EXACT, _MOST_STEPS * differences.shape[1])
    large = total > most
    if large.any():
        steps[large] = np.rint(steps[large] * (most / total[large])[:, None])
        total = np.abs(steps).sum(axis=1)
    seen = np.abs(steps.sum(axis=1))
    sizes = np.abs(steps).astype(np.int64)
    p = np.ones(len(steps))
    octave = np.frexp(total)[1]
    for one in np.unique(octave[seen > 0]):
        rows = np.flatnonzero((octave == one) & (seen > 0))
        points = int(total[rows].max()) // 2
        for part in np.array_split(rows, 1 + len(rows) * points // _CELLS_AT_ONCE):
            p[part] = _tail(sizes[part], seen[part], total[part], points)
    return np.clip(p, SMALLEST_P, 1.0)


def _tail(sizes: NDArray[np.int64], seen: Floats, total: Floats, points: int) -> Floats:
    """Return P(|sum| >= seen) for rows of step sizes that sum to at most ``2 points + 1``.

    ``(total - sum) / 2`` takes whole values from 0 to ``total``; the discrete Fourier transform of
    their probabilities is the product of ``cos(angle size)``, up to a phase.
    """
    values = 2 * points + 3
    found, place = np.unique(sizes, return_inverse=True)
    place = place.reshape(sizes.shape) + len(found) * np.arange(len(sizes))[:, None]
    counts = np.bincount(place.ravel(), minlength=len(sizes) * len(found))
    counts = counts.reshape(len(sizes), len(found)).astype(float)
    below = (total - seen) / 2 + 1
    tail = below.copy()
    width = max(1, _CELLS_AT_ONCE // max(len(found), len(sizes)))
    for start in range(1, points + 2, width):
        angle = np.pi / values * np.arange(start, min(points + 2, start + width))
        cosine = np.cos(found[:, None] * angle)
        logs = counts @ np.log(np.maximum(np.abs(cosine), 1e-300))
        row, column = np.nonzero(logs > _LEAST_LOG)
        negative = (counts % 2) @ (cosine < 0)
        factor = np.exp(logs[row, column]) * (1 - 2 * (negative[row, column] % 2))
        at = angle[column]
        kernel = np.cos(at * (total - below + 1)[row]) * np.sin(at * below[row]) / np.sin(at)
        tail += 2 * np.bincount(row, weights=factor * kernel, minlength=len(sizes))
    return 2 * tail / values

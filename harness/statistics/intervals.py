"""Confidence intervals of a score. Items are the unit; the samples of one item are a cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval, both as shares in [0, 1].

    Attributes:
        value: The point estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        items: How many items it rests on.
    """

    value: float
    low: float
    high: float
    items: int


def wilson(correct: int, items: int, *, confidence: float = 0.95) -> Estimate:
    """Return the share of right items with the Wilson score interval (Wilson 1927).

    Raises:
        ValueError: ``items`` is not positive, or ``correct`` is outside [0, items].
    """
    if items < 1 or not 0 <= correct <= items:
        raise ValueError(f"{correct} of {items} is not a share")
    return _wilson(correct / items, items, confidence)


def _wilson(share: float, items: int, confidence: float) -> Estimate:
    z = _normal_quantile(confidence)
    scale = 1 + z * z / items
    centre = (share + z * z / (2 * items)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / items + z * z / (4 * items * items))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(share, min(share, low), max(share, high), items)


def clustered(mean: float, variance: float, items: int, *, confidence: float = 0.95) -> Estimate:
    """Return the mean of per-item means with a t interval between items.

    The variance between item means holds both the differences between items and what is left of
    the sampling noise within them, so that no further term is needed (Miller 2024, arXiv
    2411.00640, section 2).

    Args:
        mean: Mean of the per-item means.
        variance: Their sample variance (divisor ``items - 1``).
        items: Their number.
        confidence: Coverage of the interval.

    Raises:
        ValueError: ``items`` is not positive.
    """
    if items < 1:
        raise ValueError("no items")
    if items == 1:
        return Estimate(mean, 0.0, 1.0, 1)
    if variance == 0:
        # All items alike, for instance none solved at all: the t interval would have no width.
        return _wilson(mean, items, confidence)
    from scipy.stats import t

    half = float(t.ppf((1 + confidence) / 2, items - 1)) * math.sqrt(variance / items)
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), items)


def score(
    *, mean: float, variance: float, items: int, samples_per_item: int, correct: int
) -> Estimate:
    """Return a task's score: Wilson for one sample an item, clustered by item for more."""
    if samples_per_item <= 1:
        return wilson(correct, items)
    return clustered(mean, variance, items)


def _normal_quantile(confidence: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence) / 2)

"""Confidence intervals of a score. Items are the unit; the samples of one item are a cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

    Near 0 and 1 it is widened: with few right answers, its lower limit is above the truth in up to
    16 % of the cases, with any number of items. There the limit is that of the exact one-sided test
    at ``1 - confidence`` instead, as Brown, Cai & DasGupta (2001, "Interval estimation for a
    binomial proportion", section 4.1.1) do with a Poisson approximation.

    Raises:
        ValueError: ``items`` is not positive, or ``correct`` is outside [0, items].
    """
    if items < 1 or not 0 <= correct <= items:
        raise ValueError(f"{correct} of {items} is not a share")
    share = correct / items
    low, high = _wilson_limits(share, items, _normal_quantile(confidence), confidence)
    return Estimate(share, low, high, items)


def _wilson_limits(
    share: float, items: float, quantile: float, confidence: float
) -> tuple[float, float]:
    square = quantile * quantile
    scale = 1 + square / items
    centre = (share + square / (2 * items)) / scale
    half = quantile / scale * math.sqrt(share * (1 - share) / items + square / (4 * items * items))
    low = min(centre - half, _exact_lower(share, items, confidence))
    high = max(centre + half, 1 - _exact_lower(1 - share, items, confidence))
    return min(share, max(0.0, low)), max(share, min(1.0, high))


def _exact_lower(share: float, items: float, confidence: float) -> float:
    """Return the one-sided lower limit of Clopper & Pearson (1934)."""
    from scipy.special import betaincinv  # scipy.stats is slow to import, and this is asked mid-run

    right = share * items
    return float(betaincinv(right, items - right + 1, 1 - confidence)) if right > 0 else 0.0


def clustered(mean: float, variance: float, items: int, *, confidence: float = 0.95) -> Estimate:
    """Return the mean of per-item means with an interval that takes each item as one cluster.

    Wilson's interval at the effective number of items, with Student's quantile: the variance
    between item means, relative to that of as many single samples, is the design effect (Kish 1965;
    Dean & Pagano 2015). That variance holds both the differences between items and what is left of
    the sampling noise within them, so that no further term is needed (Miller 2024, arXiv
    2411.00640, section 2). One tossed item (variance 1/4) is added to both sides, since few right
    or few wrong answers say little about their own variance. Near 0 and 1 it is widened as
    :func:`wilson` is. Plain Student's covers 80 % at 30 items and a score of 0.05; this one at
    least 92 %.

    Args:
        mean: Mean of the per-item means, in [0, 1].
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
    from scipy.special import stdtrit

    single = mean * (1 - mean) * items
    design = min(1.0, ((items - 1) * variance + 0.25) / (single + 0.25))
    quantile = float(stdtrit(items - 1, (1 + confidence) / 2))
    low, high = _wilson_limits(mean, items / design, quantile, confidence)
    return Estimate(mean, low, high, items)


def suite(tasks: Sequence[Estimate]) -> Estimate:
    """Return the plain mean of several tasks' scores, each task counting the same.

    The tasks are the suite, not a sample of tasks. The distances of the limits from the scores are
    added in squares, below and above apart, which keeps their asymmetry near 0 and 1 (Zou & Donner
    2008).

    Raises:
        ValueError: There is no task.
    """
    if not tasks:
        raise ValueError("no tasks")
    value = sum(task.value for task in tasks) / len(tasks)
    below = math.hypot(*(task.value - task.low for task in tasks)) / len(tasks)
    above = math.hypot(*(task.high - task.value for task in tasks)) / len(tasks)
    return Estimate(value, value - below, value + above, sum(task.items for task in tasks))


def student(values: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Return the mean of a few independent numbers with Student's interval.

    For instance of one difference a training seed; ``items`` is how many numbers there are.

    Raises:
        ValueError: There are fewer than two.
    """
    count = len(values)
    if count < 2:
        raise ValueError("one number does not tell how it varies")
    from scipy.special import stdtrit

    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    reach = float(stdtrit(count - 1, (1 + confidence) / 2)) * math.sqrt(variance / count)
    return Estimate(mean, mean - reach, mean + reach, count)


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

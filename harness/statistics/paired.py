"""Two runs compared on the items they share, item by item."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, t

from harness.statistics.betting import Floats
from harness.statistics.power import detectable_drop


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs say about each other; the effect is the second minus the first.

    Attributes:
        items: Items shared.
        effect: Mean difference of the items' scores, in [-1, 1]; above 0 the second is better.
        low: Lower end of its interval.
        high: Upper end.
        p: Two-sided p-value of "no difference".
        better: Items with a higher score in the second run.
        worse: Items with a lower one.
            method: ``mcnemar`` (exact, scores 0 or 1) or ``t`` (on the items' means).
    """

    items: int
    effect: float
    low: float
    high: float
    p: float
    better: int
    worse: int
    detectable: float
    method: str


def compare(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Comparison:
    """Compare two runs by their scores on the same items, in the same order.

    The samples of an item are one cluster: only its mean counts. The interval is Student's on the
    differences with half an item added that flipped for the better and half a one for the worse,
    which keeps its promise also where few items flip (Agresti & Min 2005 and Bonett & Price 2012
    add one each; a half is enough in simulation). Where every score is 0 or 1 the p-value is
    McNemar's exact one, else that of the interval, so that the two agree.

    Args:
        first: Share of right samples by item in the first run; shape (n,).
        second: The same in the second.
        confidence: Coverage of the interval.

    Raises:
        ValueError: The shapes differ, there are no items, or a score is outside [0, 1].
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError("two runs are compared on the same items")
    if not all(((scores >= 0) & (scores <= 1)).all() for scores in (a, b)):
        raise ValueError("a score is a share")
    difference = b - a
    items = len(difference)
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    centre, error = _steadied(difference)
    freedom = max(1, items - 1)
    reach = float(t.ppf((1 + confidence) / 2, freedom)) * error
    effect = float(difference.mean())
    single = all(np.isin(scores, (0.0, 1.0)).all() for scores in (a, b))
    p = mcnemar(better, worse) if single else float(2 * t.sf(abs(centre) / error, freedom))
    return Comparison(
        items=items,
        effect=effect,
        low=max(-1.0, min(effect, centre - reach)),
        high=min(1.0, max(effect, centre + reach)),
        p=p,
        better=better,
        worse=worse,
        detectable=detectable_drop(error**2 * items, items, alpha=(1 - confidence) / 2),
        method="mcnemar" if single else "t",
    )


def mcnemar(better: int, worse: int) -> float:
    """Return the exact two-sided p-value of so many flips each way (McNemar 1947, exact binomial).

    Raises:
        ValueError: One of them is negative.
    """
    if min(better, worse) < 0:
        raise ValueError("a number of flips is not negative")
    flips = better + worse
    return float(binomtest(better, flips).pvalue) if flips else 1.0


def _steadied(difference: Floats) -> tuple[float, float]:
    """Return mean and standard error with half an item added that flipped each way."""
    items = len(difference) + 1
    centre = float(difference.sum()) / items
    variance = (float(difference @ difference) + 1) / items - centre**2
    return centre, math.sqrt(variance / items)

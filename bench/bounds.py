"""What tests that know more, or look only once, take: the measures of a gate's costs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.stats import norm


def fixed_items(variance: float, drop: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the items that a paired test of a size fixed beforehand needs; one-sided, normal.

    Args:
        variance: Variance of an item's difference.
        drop: What is to be detected, not 0.
        alpha: Probability of a false alarm.
        power: Probability of detecting the drop.
    """
    z = norm.ppf(1 - alpha) + norm.ppf(power)
    return max(1, math.ceil(z**2 * variance / drop**2))


def growth(values: ArrayLike, probabilities: ArrayLike, null: float) -> float:
    """Return the information per item against "the mean is ``null``", in nats.

    The smallest Kullback-Leibler divergence of the true distribution from any on [-1, 1] with that
    mean, which is also the growth rate of the best bet (Honda & Takemura 2010). For flips it is the
    divergence that Wald's test knowing drop and discordance has to work with.

    Args:
        values: What a difference can be, in [-1, 1].
        probabilities: How likely each is.
        null: The mean to be refuted, in (-1, 1).
    """
    x = np.asarray(values, dtype=float) - null
    p = np.asarray(probabilities, dtype=float)
    above = bool(p @ x >= 0)
    limit = (1 / (1 + null)) if above else (-1 / (1 - null))

    def loss(share: float) -> float:
        return -float(p @ np.log1p(share * limit * x))

    best = minimize_scalar(loss, bounds=(0, 1 - 1e-12), method="bounded", options={"xatol": 1e-10})
    return float(-best.fun)


def wald_bound(information: float, alpha: float, beta: float) -> float:
    """Return the fewest expected items of any test with these errors (Wald 1945).

    Args:
        information: Divergence per item of the true distribution from the refuted one, in nats.
        alpha: Probability of refuting it where it is true.
        beta: Probability of deciding against the truth here; 0 is allowed.
    """
    wrong = beta * math.log(beta / (1 - alpha)) if beta else 0.0
    return ((1 - beta) * math.log((1 - beta) / alpha) + wrong) / information

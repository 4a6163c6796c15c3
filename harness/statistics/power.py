"""What a decision takes: items, samples and tokens, said before they are spent.

Everything rests on the mean squared difference of an item, ``E[d^2]``: for one sample of each model
the discordance, the share of items on which the two disagree. See ``second_moment``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from harness.statistics.betting import Floats
from harness.statistics.sequential import Rule

# What the mixture of bets costs beside the one right bet, and the overshoot, in units of log
# wealth. Fitted to simulated gates (margins 1 to 5 points, discordance .06 to .35, alpha .05 and
# .01).
_COST_OF_FAILING = 0.9
_COST_OF_PASSING = 0.4


def second_moment(
    within: float,
    *,
    baseline_samples: float,
    candidate_samples: float,
    drop: float = 0.0,
    drop_variance: float | None = None,
) -> float:
    """Return the mean squared difference of an item's scores that is to be expected.

    Args:
        within: Sampling variance of one sample (``noise.decompose``), taken alike for both models.
        baseline_samples: Stored samples an item.
        candidate_samples: Samples an item the candidate is to make.
        drop: Mean drop, a share.
        drop_variance: How much the true drop varies between items. If left out, that of a drop
            concentrated in as few items as possible: ``|drop| (1 - |drop|)``.
    """
    spread = abs(drop) * (1 - abs(drop)) if drop_variance is None else drop_variance
    return drop**2 + spread + within * (1 / baseline_samples + 1 / candidate_samples)


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


def detectable_drop(
    variance: float, items: int, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest drop that such a test of so many items detects with this power."""
    return float((norm.ppf(1 - alpha) + norm.ppf(power)) * math.sqrt(variance / items))


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


def items_needed(rule: Rule, square: float, *, power: float = 0.8) -> int:
    """Return about how many items let a gate decide with this chance, at no drop and at the margin.

    The log wealth is taken as a random walk with drift, whose first passage has a known law
    (inverse Gaussian). A candidate whose drop lies between 0 and the margin takes longer, a worse
    or a better one less. ``simulation.prospect`` is exact for a given number of items.

    Args:
        rule: What is decided.
        square: Mean squared difference of an item.
        power: The chance.
    """
    return math.ceil(_drift_needed(rule, power) * square / rule.margin**2)


def margin_decided(items: int, rule: Rule, square: float, *, power: float = 0.8) -> float:
    """Return the smallest margin that these items decide with this chance; ``rule`` gives alpha."""
    return math.sqrt(_drift_needed(rule, power) * square / items)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would decide: one of the three, the others staying as they are.

    Attributes:
        items: Items in all, with the samples there are.
        samples: Samples an item by the candidate, on the items there are; none if no number would
            do or the sampling noise is not known. They need a gate of their own from the start.
        margin: The margin that the items and samples there are decide.
    """

    items: int
    samples: int | None
    margin: float


def what_it_would_take(
    rule: Rule,
    *,
    items: int,
    square: float,
    samples: int = 1,
    within: float | None = None,
    power: float = 0.8,
) -> Remedy:
    """Say what an undecided gate, or one that has not started, would need.

    Args:
        rule: What is decided.
        items: Items there are.
        square: Mean squared difference of an item, seen or expected.
        samples: Samples an item by the candidate.
        within: Sampling variance of one sample of the candidate, if known.
        power: Chance of a decision that is asked for, at no drop and at the margin.
    """
    needed = items_needed(rule, square, power=power)
    more: int | None = samples if needed <= items else None
    if more is None and within is not None:
        allowed = square * items / needed
        rest = square - within / samples
        if allowed > rest:
            more = math.ceil(within / (allowed - rest))
    return Remedy(needed, more, margin_decided(items, rule, square, power=power))


def _first_passage(drift: Floats, level: float) -> Floats:
    """Return the chance that a walk with this mean square drift has passed the level."""
    s = np.sqrt(drift)
    chance: Floats = norm.cdf((drift / 2 - level) / s) + np.exp(
        level + norm.logcdf(-(drift / 2 + level) / s)
    )
    return chance


def _drift_needed(rule: Rule, power: float) -> float:
    """Return ``items * margin^2 / square`` at which both chances reach the power."""
    fail_at = -math.log(rule.alpha_fail) + _COST_OF_FAILING
    pass_at = -math.log(rule.alpha_pass) + _COST_OF_PASSING
    drifts = np.geomspace(0.01, 1000, 20001)
    chance = np.minimum(_first_passage(drifts, fail_at), _first_passage(drifts, pass_at))
    return float(drifts[int(np.argmax(chance >= power))])

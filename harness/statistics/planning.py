"""Power and sample size of the fixed-size paired test and of the gate, under assumptions.

An item's difference is assumed to be one of three things: lost or gained outright, since the
candidate is another model; or what sampling alone does to an item that has not changed. Chances are
those of simulated tests on such items, so that they hold for few items and skewed differences too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaln, gammaln
from scipy.stats import binom, norm

from harness.statistics.betting import Floats
from harness.statistics.sequential import Rule
from harness.statistics.simulation import (
    Differences,
    OperatingCharacteristic,
    PlannedTask,
    simulate_gate,
)

# A chance is found to this, beside the simulation's own noise.
_CLOSE = 0.01
_GATES = 1000
# For remarks ("about 1,400 items"), of which a gate makes several before it starts.
_FEWER_GATES = 400
_MOST_STEPS = 8
# More samples of an item than this are never proposed.
_MOST_SAMPLES = 64
# Up to here a test of a size fixed beforehand is simulated where it is not one of single samples.
_FEW_ITEMS = 400
_TESTS = 2000


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Assumptions about a baseline's items and a candidate that has not been measured.

    Attributes:
        score: The baseline's score; it tells how skewed the noise of sampling is.
        within: Sampling variance of one sample (``noise.decompose``), taken alike for both models.
        changes: Variance of the true differences between items, at no drop: the share of the items
            that an equal candidate loses or gains outright, as many of either.
        baseline_samples: Stored samples an item.
        candidate_samples: Samples an item by the candidate.
    """

    score: float
    within: float
    changes: float
    baseline_samples: float
    candidate_samples: int

    def square(self, drop: float = 0.0) -> float:
        """Return the mean squared difference of an item, at most 1.

        Args:
            drop: Mean drop, a share: so many items are lost outright, and have no noise any more.
        """
        noise = self.within * (1 / self.baseline_samples + 1 / self.candidate_samples)
        return min(1.0, drop + (1 - drop) * (self.changes + noise))

    def as_seen(self, square: float, drop: float, *, noise_known: bool) -> Assumptions:
        """Return the same with the mean square that was seen.

        Args:
            square: Mean squared difference of the items read.
            drop: Their mean drop, assumed to be that of items lost outright.
            noise_known: Whether ``within`` was measured; else all is put down to it.
        """
        samples = 1 / self.baseline_samples + 1 / self.candidate_samples
        rest = max(0.0, square - abs(drop)) / max(1 - abs(drop), 1e-3)
        noise = self.within * samples
        if noise_known and noise <= rest:
            return replace(self, changes=rest - noise)
        return replace(self, within=rest / samples, changes=0.0)

    def differences(self, drop: float = 0.0) -> Differences:
        """Return what the difference of an item can be, and how likely each is."""
        others = 1 - drop
        lost, gained = drop + others * self.changes / 2, others * self.changes / 2
        noise = (self.baseline_samples, self.candidate_samples)
        if noise == (1, 1):
            lost, gained = lost + others * self.within, gained + others * self.within
        if lost + gained > 1:
            lost, gained = (1 + drop) / 2, (1 - drop) / 2
        rest = 1 - lost - gained
        points = [(1.0, lost), (-1.0, gained)]
        if noise != (1, 1) and self.within > 0 and rest > 0:
            within = min(others * self.within / rest, 0.25)
            below, above = _noise(self.score, within, round(noise[0]), round(noise[1]))
            points += [(value, rest * chance) for value, chance in (below, above)]
        points.append((0.0, max(0.0, 1 - sum(chance for _, chance in points))))
        values, chances = np.array(points).T
        return Differences(values, chances / chances.sum())


@lru_cache(maxsize=256)
def _noise(
    score: float, within: float, baseline: int, candidate: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return two differences, each with its chance, with the first four moments of the noise.

    It is that of items whose chances of a right sample follow a beta distribution with this mean
    and this sampling variance; a difference of 0 takes the rest.
    """
    mean = score if score * (1 - score) > within else 0.5
    spread = within / max(mean * (1 - mean) - within, 1e-3 * within)
    alpha, beta = mean * spread, (1 - mean) * spread
    first = np.arange(baseline + 1, dtype=float)[:, None]
    second = np.arange(candidate + 1, dtype=float)[None, :]
    right = first + second
    chances = np.exp(
        _log_choose(baseline, first)
        + _log_choose(candidate, second)
        + betaln(alpha + right, beta + baseline + candidate - right)
        - betaln(alpha, beta)
    )
    values = first / baseline - second / candidate
    variance, third, fourth = (float((chances * values**power).sum()) for power in (2, 3, 4))
    skew = third / variance
    product = fourth / variance - skew**2
    above = (skew + math.sqrt(skew**2 + 4 * product)) / 2
    below = above - skew
    mass = variance / (above + below)
    return (-below, mass / below), (above, mass / above)


def _log_choose(count: int, chosen: NDArray[np.intp]) -> Floats:
    found: Floats = gammaln(count + 1) - gammaln(chosen + 1) - gammaln(count - chosen + 1)
    return found


# --- a test of a size fixed beforehand ---------------------------------------------------------


def fixed_test_power(
    assumed: Assumptions, items: int, drop: float, *, alpha: float = 0.05
) -> float:
    """Return the power of a test of a fixed size against a drop: the paired sign-flip test.

    For single samples that is McNemar's exact test, one-sided.

    Args:
        assumed: What is assumed of the items.
        items: Their number.
        drop: The drop, a share.
        alpha: Probability of a false alarm.
    """
    values, chances = assumed.differences(drop)
    if (assumed.baseline_samples, assumed.candidate_samples) == (1, 1):
        return _mcnemar_power(items, float(chances[0]), float(chances[1]), alpha)
    needed = float(norm.isf(alpha))
    if items > _FEW_ITEMS:
        square = assumed.square(drop)
        beyond = drop * math.sqrt(items) - needed * math.sqrt(square)
        return float(norm.cdf(beyond / math.sqrt(max(square - drop**2, 1e-12))))
    counts = np.random.default_rng(0).multinomial(items, chances, size=_TESTS)
    sums, squares = counts @ values, counts @ values**2
    # The exact test's sums are this far apart, twice: a correction for continuity.
    step = 1 / max(assumed.baseline_samples, assumed.candidate_samples)
    return float((sums - step > needed * np.sqrt(squares)).mean())


def detectable_drop(
    assumed: Assumptions, items: int, *, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the minimum detectable drop of such a test with this power; none if there is none."""

    def missing(drop: float) -> float:
        return fixed_test_power(assumed, items, drop, alpha=alpha) - power

    return float(brentq(missing, 0.0, 1.0, xtol=1e-4)) if missing(1.0) > 0 else None


def fixed_items(
    assumed: Assumptions, drop: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Return the fewest items with which such a test has this power against a drop."""

    def missing(items: float) -> float:
        return fixed_test_power(assumed, round(items), drop, alpha=alpha) - power

    distance = float(norm.isf(alpha) + norm.ppf(power)) / drop
    high = max(1, math.ceil(distance**2 * assumed.square(drop)))
    while missing(high) < 0:
        high = math.ceil(1.2 * high) + 1
    return math.ceil(brentq(missing, 1, high, xtol=0.5)) if missing(1) < 0 else 1


def _mcnemar_power(items: int, lost: float, gained: float, alpha: float) -> float:
    """Return the exact power of McNemar's test, averaged over the number of flips (Duffy 1984)."""
    reach = 8 * math.sqrt(items * (lost + gained)) + 8
    middle = items * (lost + gained)
    flips = np.arange(max(1, math.floor(middle - reach)), min(items, math.ceil(middle + reach)) + 1)
    # Fewer lost items than this are no significant majority of the flips.
    enough = binom.isf(alpha, flips, 0.5) + 1
    share = lost / (lost + gained)
    return float(binom.pmf(flips, items, lost + gained) @ binom.sf(enough - 1, flips, share))


# --- the gate ----------------------------------------------------------------------------------


def operating_characteristic(
    rule: Rule, assumed: Assumptions, *, drop: float, budget: int, gates: int = _GATES
) -> OperatingCharacteristic:
    """Return a gate's operating characteristic at one drop, by simulation with a fixed seed.

    Args:
        rule: What it decides.
        assumed: What is assumed of the items.
        drop: The drop assumed, a share.
        budget: The most items it may read.
        gates: How many are simulated; with 1,000 a chance of .8 is known to 2.5 points (95 %).
    """
    (ended,) = simulate_gate([PlannedTask(rule, budget, assumed.differences(drop))], gates=gates)
    return OperatingCharacteristic(
        drop, float(ended.failed.mean()), float(ended.passed.mean()), float(ended.items.mean())
    )


def items_needed(
    rule: Rule, assumed: Assumptions, *, power: float = 0.8, gates: int = _GATES
) -> int:
    """Return how many items let a gate decide rightly with this chance, whichever is true.

    A gate of just so many items, since its bets plan for its end: it passes an equal candidate, and
    fails one that has dropped by the margin, each with this chance at least.

    Args:
        rule: What is decided.
        assumed: What is assumed of the items.
        power: The chance.
        gates: How many are simulated for each chance.
    """

    def needed(drop: float) -> int:
        square = assumed.square(drop)

        def at(drift: float) -> tuple[Rule, int]:
            return rule, max(1, math.ceil(drift**2 * square / rule.margin**2))

        return at(_drift_needed(at, assumed, drop > 0, power, gates))[1]

    items = needed(rule.margin)
    same = operating_characteristic(rule, assumed, drop=0.0, budget=items, gates=gates)
    return items if same.right >= power - _CLOSE else max(items, needed(0.0))


def margin_decided(
    items: int, rule: Rule, assumed: Assumptions, *, power: float = 0.8, gates: int = _GATES
) -> float | None:
    """Return the smallest margin that these items decide rightly with this chance, or none.

    Args:
        items: Items there are.
        rule: Gives the probabilities of error.
        assumed: What is assumed of the items.
        power: The chance, both of passing an equal candidate and of failing one at the margin.
        gates: How many are simulated for each chance.
    """
    largest = 0.99

    def margin_of(drift: float, drops: bool) -> float:
        def missing(margin: float) -> float:
            return margin**2 * items - drift**2 * assumed.square(margin if drops else 0.0)

        return float(brentq(missing, 1e-6, largest)) if missing(largest) > 0 else largest

    def needed(drops: bool) -> float:
        def at(drift: float) -> tuple[Rule, int]:
            return replace(rule, margin=margin_of(drift, drops)), items

        return at(_drift_needed(at, assumed, drops, power, gates))[0].margin

    margin = needed(True)
    same = operating_characteristic(
        replace(rule, margin=margin), assumed, drop=0.0, budget=items, gates=gates
    )
    if same.right < power - _CLOSE:
        margin = max(margin, needed(False))
    return margin if margin < largest else None


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would decide: one of the three, the others staying as they are.

    Attributes:
        items: Items in all, with the samples there are.
        samples: Samples an item by the candidate, on the items there are; none if no number would
            do or the sampling noise is not known. They need a gate of their own from the start.
        margin: The margin that the items and samples there are decide; none if there is none.
    """

    items: int
    samples: int | None
    margin: float | None


def power_remedy(
    rule: Rule, assumed: Assumptions, *, items: int, resample: bool = True, power: float = 0.8
) -> Remedy:
    """Return what would give an undecided gate, or one that has not started, the power asked for.

    Args:
        rule: What is decided.
        assumed: What is assumed of the items, or was seen.
        items: Items there are.
        resample: Whether more samples of an item would tell more.
        power: Chance of the right verdict, with no drop and at the margin.
    """
    needed = items_needed(rule, assumed, power=power, gates=_FEWER_GATES)
    more: int | None = assumed.candidate_samples if needed <= items else None
    if more is None and resample:
        more = _samples_needed(rule, assumed, items, needed, power)
    margin = margin_decided(items, rule, assumed, power=power, gates=_FEWER_GATES)
    return Remedy(needed, more, margin)


def _samples_needed(
    rule: Rule, assumed: Assumptions, items: int, needed: int, power: float
) -> int | None:
    """Return the candidate's samples with which these items are enough, or none."""
    allowed = assumed.square(rule.margin) * items / needed
    fixed = replace(assumed, candidate_samples=_MOST_SAMPLES).square(rule.margin)
    if allowed <= fixed:
        return None
    of_sampling = (1 - rule.margin) * assumed.within
    own = assumed.square(rule.margin) - of_sampling / assumed.candidate_samples
    more = min(_MOST_SAMPLES, math.ceil(of_sampling / (allowed - own)))
    asked = replace(assumed, candidate_samples=more)
    enough = items_needed(rule, asked, power=power, gates=_FEWER_GATES)
    # Few items need a little more or less than the mean square says.
    return more if enough <= 1.1 * items else None


def _drift_needed(
    at: Callable[[float], tuple[Rule, int]],
    assumed: Assumptions,
    drops: bool,
    power: float,
    gates: int,
) -> float:
    """Return ``sqrt(items) * margin / sqrt(square)`` at which a gate is right with this power.

    Args:
        at: The gate of such a drift.
        assumed: What is assumed of the items.
        drops: Whether the candidate has dropped by the margin; else it is equal.
        power: The chance of a right verdict.
        gates: How many are simulated for each chance.
    """
    wanted = float(norm.ppf(power))
    drift = _first_guess(at(1.0)[0], drops, wanted)
    low, high, before = 0.0, math.inf, None
    for _ in range(_MOST_STEPS):
        rule, items = at(drift)
        if (rule, items) == before:
            break
        before = rule, items
        drop = rule.margin if drops else 0.0
        found = operating_characteristic(rule, assumed, drop=drop, budget=items, gates=gates).right
        if abs(found - power) < _CLOSE:
            return drift
        low, high = (drift, high) if found < power else (low, drift)
        # The chance is nearly that of a normal variable with this mean.
        drift += wanted - float(norm.ppf(min(max(found, 0.01), 0.99)))
        if not low < drift < high:
            drift = (low + high) / 2 if high < math.inf else low + 1
    return high if high < math.inf else drift


def _first_guess(rule: Rule, drops: bool, wanted: float) -> float:
    # Seen in simulation at many items.
    return float(norm.isf(rule.alpha_fail if drops else rule.alpha_pass)) + 0.2 + 1.07 * wanted

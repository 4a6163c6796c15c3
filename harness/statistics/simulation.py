"""Many gates at once, to see how often they are right and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics.betting import Bets, Floats, Wealth
from harness.statistics.sequential import Rule

# The next differences of the gates named by number: those at steps first to last, the last
# excluded; shape (gates, steps).
Draw = Callable[[NDArray[np.intp], int, int], Floats]

# Numbers drawn at a time: as much as keeps the arrays in the cache.
_BLOCK = 8_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """How each simulated gate ended.

    Attributes:
        failed: Whether it failed; shape (gates,).
        passed: Whether it passed.
        items: How many items it read; the budget for those undecided.
    """

    failed: NDArray[np.bool_]
    passed: NDArray[np.bool_]
    items: NDArray[np.intp]

    def within(self, budget: int) -> Simulated:
        """Return what the same gates had said with a smaller budget."""
        in_time = self.items <= budget
        return Simulated(
            self.failed & in_time, self.passed & in_time, np.minimum(self.items, budget)
        )


def simulate(draw: Draw, rule: Rule, *, gates: int, budget: int) -> Simulated:
    """Run many gates, each looking after every item, with the evidence of ``sequential.Evidence``.

    Args:
        draw: Gives the next differences of those still running.
        rule: What they decide.
        gates: Their number.
        budget: The most items a gate may read.
    """
    failing = Wealth(Bets.for_drop(rule.margin), [0.0], gates)
    passing = Wealth(Bets.for_absence(rule.margin), [-rule.margin], gates)
    running = np.arange(gates)
    failed, passed = np.zeros(gates, dtype=bool), np.zeros(gates, dtype=bool)
    items = np.full(gates, budget)
    step = 0
    while step < budget and len(running):
        last = min(budget, step + max(1, _BLOCK // len(running)))
        x = draw(running, step, last)
        fails = failing.follow(x)[..., 0] >= -math.log(rule.alpha_fail)
        passes = passing.follow(-x)[..., 0] >= -math.log(rule.alpha_pass)
        over: NDArray[np.bool_] = np.any(fails | passes, axis=-1)
        if over.any():
            first = (fails | passes)[over].argmax(-1)
            failed[running[over]] = np.take_along_axis(fails[over], first[:, None], 1)[:, 0]
            passed[running[over]] = ~failed[running[over]]
            items[running[over]] = step + first + 1
            running = running[~over]
            failing.keep(~over)
            passing.keep(~over)
        step = last
    return Simulated(failed, passed, items)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a gate may hope for, if the candidate has dropped by so much.

    Attributes:
        drop: The drop that is supposed.
        fails: Chance of a fail within the budget.
        passes: Chance of a pass.
        items: Expected number of items read, at most the budget.
    """

    drop: float
    fails: float
    passes: float
    items: float

    @property
    def decided(self) -> float:
        """Chance of a decision."""
        return self.fails + self.passes


def prospect(
    rule: Rule, *, drop: float, square: float, budget: int, gates: int = 1000, seed: int = 0
) -> Prospect:
    """Say what a gate may hope for, before it starts; by simulation, within a second or so.

    Args:
        rule: What it decides.
        drop: The drop supposed, a share.
        square: Mean squared difference of an item (``power.second_moment``); for single samples the
            discordance. At least ``|drop|`` is taken, without which there is no such drop.
        budget: The most items it may read.
        gates: How many are simulated; a chance of .8 is then known to 2.5 points.
        seed: Of the simulation.
    """
    random = np.random.default_rng(seed)
    flips = max(square, abs(drop))

    def draw(running: NDArray[np.intp], first: int, last: int) -> Floats:
        at = random.random((len(running), last - first))
        return (at < (flips + drop) / 2).astype(float) - (at >= 1 - (flips - drop) / 2)

    ended = simulate(draw, rule, gates=gates, budget=budget)
    return Prospect(
        drop, float(ended.failed.mean()), float(ended.passed.mean()), float(ended.items.mean())
    )


def can_decide(rule: Rule, *, square: float, budget: int, power: float = 0.8) -> bool:
    """Return whether the budget decides with this chance, both at no drop and at the margin."""
    return all(
        prospect(rule, drop=drop, square=square, budget=budget).decided >= power
        for drop in (0.0, rule.margin)
    )

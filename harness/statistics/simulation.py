"""Many gates at once, to see how often they are right and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.statistics.betting import Floats, Wealth
from harness.statistics.sequential import Rule, bets_of

# The next differences of the gates named by number: those at steps first to last, the last
# excluded; shape (gates, steps).
Draw = Callable[[NDArray[np.intp], int, int], Floats]

# Numbers drawn at a time: as much as keeps the arrays in the cache.
_BLOCK = 8_000
# How often a simulated gate of ``simulate_gate`` looks; more looks change its chances by less than
# a point.
_LOOKS = 200


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


def simulate(draw: Draw, rule: Rule, *, gates: int, budget: int, planned: bool = True) -> Simulated:
    """Run many gates, each looking after every item, with the evidence of ``sequential.Evidence``.

    Args:
        draw: Gives the next differences of those still running.
        rule: What they decide.
        gates: Their number.
        budget: The most items a gate may read.
        planned: Whether its bets plan for that end.
    """
    fail, absence = bets_of(rule, budget if planned else None)
    failing = Wealth(fail, [0.0], gates)
    passing = Wealth(absence, [-rule.margin], gates)
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
    """What a gate on one task may hope for, if the candidate has dropped by so much.

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
    def right(self) -> float:
        """Chance of the right verdict: a pass with no drop, else a fail."""
        return self.fails if self.drop > 0 else self.passes


class Differences(NamedTuple):
    """What the difference of an item's scores can be, each in [-1, 1], and how likely each is."""

    values: Floats
    chances: Floats


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task of a gate that has not started.

    Attributes:
        rule: What is decided on it.
        units: How many items there are to read, or rounds of them.
        differences: What an item is supposed to show, or in each round one of these items.
        width: Differences in a unit: one of an item, as many as items in a round.
        in_suite: Whether it counts in the suite.
    """

    rule: Rule
    units: int
    differences: Differences
    width: int = 1
    in_suite: bool = True

    @property
    def size(self) -> int:
        """How many differences there are; its budget."""
        return self.units * self.width


def simulate_gate(
    tasks: Sequence[PlannedTask], suite: Rule | None = None, *, gates: int = 1000, seed: int = 0
) -> list[Simulated]:
    """Run many gates over several tasks, the evidence of each test read in some 200 looks.

    Between two looks items are only counted, so that a task of any size takes the same time. The
    bets are held meanwhile, which the real gate does not do; it looks after every item.

    Args:
        tasks: The tasks.
        suite: What is decided on all of them together, if anything.
        gates: Their number; with 1,000 a chance of .8 is known to 2.5 points (95 %).
        seed: Of the simulation.

    Returns:
        How each test ended, the tasks in their order and then the suite.
    """
    random = np.random.default_rng(seed)
    together = [task for task in tasks if task.in_suite]
    spans = min([_LOOKS, *(task.units for task in tasks)])
    least = min((task.size for task in together), default=1)
    ended, drawn, weights = [], [], []
    for task in tasks:
        looks = spans * math.ceil(min(task.units, _LOOKS) / spans)
        fresh = np.diff(np.arange(looks + 1) * task.units // looks) * task.width
        values = task.differences.values
        seen = random.multinomial(fresh, task.differences.chances, size=(gates, looks))
        ended.append(_ended(task.rule, task.size, values, seen, np.ones(len(values))))
        if task.in_suite:
            drawn.append(seen.reshape(gates, spans, looks // spans, -1).sum(2))
            # In a suite the tasks weigh alike, whatever their size.
            weights.append(np.full(len(values), least / task.size))
    if suite is not None:
        values = np.concatenate([task.differences.values for task in together])
        counts = np.concatenate(drawn, axis=2)
        budget = len(together) * least
        ended.append(_ended(suite, budget, values, counts, np.concatenate(weights)))
    return ended


def combined(tests: Sequence[Simulated]) -> Simulated:
    """Return how gates of several tests that all count end, as ``sequential.verdict`` has it.

    Its items are those of the test that reads most.
    """
    return Simulated(
        np.logical_or.reduce([test.failed for test in tests]),
        np.logical_and.reduce([test.passed for test in tests]),
        np.max([test.items for test in tests], axis=0),
    )


class _Counted(Wealth):
    """Wealth that takes in how often each difference was seen, the bet held meanwhile."""

    def observe_counts(self, values: Floats, counts: Floats, weights: Floats) -> None:
        """Take in counts; shape (values, gates)."""
        bet = self._bet(np.asarray(1.0))
        for value, weight, count in zip(values, weights, counts, strict=True):
            if (gains := weight * (value - self._nulls)).any():
                self.log += count[:, None, None] * np.log1p(bet * gains)
        self._squares = self._squares + (weights * values) ** 2 @ counts
        self._count = self._count + weights @ counts


def _ended(
    rule: Rule, budget: int, values: Floats, counts: NDArray[np.int64], weights: Floats
) -> Simulated:
    """Follow one test; ``counts`` by gate, look and value, ``weights`` by value."""
    gates, looks, _ = counts.shape
    # By look, value and gate, as it is read; and no conversions in the loop.
    by_look = np.ascontiguousarray(counts.transpose(1, 2, 0), dtype=float)
    fail, absence = bets_of(rule, budget)
    failing = _Counted(fail, [0.0], gates)
    passing = _Counted(absence, [-rule.margin], gates)
    running = np.arange(gates)
    failed, passed = np.zeros(gates, dtype=bool), np.zeros(gates, dtype=bool)
    items = np.full(gates, budget)
    read = np.cumsum(by_look[:, :, 0].sum(1))
    for look in range(looks):
        seen = by_look[look][:, running]
        failing.observe_counts(values, seen, weights)
        passing.observe_counts(-values, seen, weights)
        fails = failing.log_evidence()[:, 0] >= -math.log(rule.alpha_fail)
        over = fails | (passing.log_evidence()[:, 0] >= -math.log(rule.alpha_pass))
        if not over.any():
            continue
        ending = running[over]
        failed[ending], passed[ending] = fails[over], ~fails[over]
        items[ending] = read[look]
        running = running[~over]
        if not len(running):
            break
        failing.keep(~over)
        passing.keep(~over)
    return Simulated(failed, passed, items)

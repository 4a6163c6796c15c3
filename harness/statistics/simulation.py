"""Monte Carlo simulation of many gates: how often they are right, and what they read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.statistics.betting import Floats, Wealth
from harness.statistics.sequential import Rule, bets_of

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


AnyWealth = TypeVar("AnyWealth", bound=Wealth)


class ManyGates(Generic[AnyWealth]):
    """Many gates on one test at once; those that are decided are followed no longer.

    Args:
        rule: What they decide.
        failing: Evidence against "there is no drop", of one null.
        passing: Evidence against "the drop is at least the margin", of one null.
        budget: How many items each may read, or rounds.

    Attributes:
        running: The numbers of the gates that are undecided.
        ended: How each ended; undecided ones with all items read.
    """

    def __init__(self, rule: Rule, failing: AnyWealth, passing: AnyWealth, budget: int) -> None:
        self.failing, self.passing = failing, passing
        gates = len(failing.log)
        self.running = np.arange(gates)
        self.ended = Simulated(
            np.zeros(gates, dtype=bool), np.zeros(gates, dtype=bool), np.full(gates, budget)
        )
        self._needed = -math.log(rule.alpha_fail), -math.log(rule.alpha_pass)

    def look(self, read: int) -> NDArray[np.bool_]:
        """Look at the evidence after so many items; return which running gates go on."""
        fails = self.failing.log_evidence()[:, 0] >= self._needed[0]
        over = fails | (self.passing.log_evidence()[:, 0] >= self._needed[1])
        if over.any():
            ending = self.running[over]
            self.ended.failed[ending], self.ended.passed[ending] = fails[over], ~fails[over]
            self.ended.items[ending] = read
            self.running = self.running[~over]
            self.failing.keep(~over)
            self.passing.keep(~over)
        going_on: NDArray[np.bool_] = ~over
        return going_on


@dataclass(frozen=True, slots=True)
class OperatingCharacteristic:
    """Operating characteristic of a gate on one task at one drop of the candidate.

    Attributes:
        drop: The drop that is assumed.
        fails: Chance of a fail within the budget.
        passes: Chance of a pass.
        items: Expected sample number: items read, at most the budget.
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
        differences: What an item is assumed to show, or in each round one of these items.
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
        ended.append(_simulated(task.rule, task.size, values, seen, np.ones(len(values))))
        if task.in_suite:
            drawn.append(seen.reshape(gates, spans, looks // spans, -1).sum(2))
            # In a suite the tasks weigh alike, whatever their size.
            weights.append(np.full(len(values), least / task.size))
    if suite is not None:
        values = np.concatenate([task.differences.values for task in together])
        counts = np.concatenate(drawn, axis=2)
        budget = len(together) * least
        ended.append(_simulated(suite, budget, values, counts, np.concatenate(weights)))
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


def _simulated(
    rule: Rule, budget: int, values: Floats, counts: NDArray[np.int64], weights: Floats
) -> Simulated:
    """Follow one test; ``counts`` by gate, look and value, ``weights`` by value."""
    gates, looks, _ = counts.shape
    # By look, value and gate, as it is read; and no conversions in the loop.
    by_look = np.ascontiguousarray(counts.transpose(1, 2, 0), dtype=float)
    fail, absence = bets_of(rule, budget)
    many = ManyGates(
        rule,
        _Counted(fail, [0.0], gates),
        _Counted(absence, [-rule.margin], gates),
        budget,
    )
    read = np.cumsum(by_look[:, :, 0].sum(1))
    for look in range(looks):
        seen = by_look[look][:, many.running]
        many.failing.observe_counts(values, seen, weights)
        many.passing.observe_counts(-values, seen, weights)
        many.look(int(read[look]))
        if not len(many.running):
            break
    return many.ended

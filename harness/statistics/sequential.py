"""The regression gate: pass, fail or undecided, valid whenever it looks.

*What is inferred.* The items of a benchmark stand for the questions like them, and drop means the
expected score of the baseline minus that of the candidate, over such questions and over the
sampling of both models. Read in a seeded random order, the differences by item (baseline's mean
over its stored samples minus the candidate's mean over its own) are independent draws in [-1, 1]
whose mean is the drop. A candidate equal to the baseline, item by item or only on average, is
failed with probability at most ``alpha_fail``, and one that drops by the margin or more is passed
with probability at most ``alpha_pass``, however often one looks. The probability is over both
models' sampling: a baseline that was stored lucky is lucky in every gate that reuses it.

The items actually in the file, read as the whole population, are sampled without replacement. Then
nothing is lost: once the sum seen is above zero, the mean of the remaining items is below the
overall one and works against the evidence (simulated in the tests, also with items that differ
much). Nothing is gained either: the finite-population correction would need each item's expected
score, of which only samples are seen. For the same reason a second sample of an item already read
is no new evidence; the number of the candidate's samples per item is fixed before the start.

*Not used.* Betting more on items where the baseline is certain, or regressing on the baseline's
score, would save a little for a baseline of one sample. But given the baseline's score on an item
the expected difference is not zero (regression to the mean), also for an equal candidate: invalid.

The evidence itself is in ``betting``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.statistics.betting import Bets, Floats, Wealth

_GRID = np.arange(-399, 400) / 400


class Outcome(StrEnum):
    """What a gate says.

    Attributes:
        PASS: "The drop is at least the margin" is rejected.
        FAIL: "There is no drop" is rejected.
        UNDECIDED: Neither, so far or at the end of the budget.
    """

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a gate decides, and how often it may be wrong.

    Attributes:
        margin: The smallest drop that must not pass, as a share in (0, 1): 0.02 is two points.
        alpha_fail: Greatest probability of failing a candidate that has not dropped.
        alpha_pass: Greatest probability of passing one that dropped by the margin or more.

    Raises:
        ValueError: One of them is not within (0, 1).
    """

    margin: float
    alpha_fail: float = 0.05
    alpha_pass: float = 0.05

    def __post_init__(self) -> None:
        if not all(0 < value < 1 for value in (self.margin, self.alpha_fail, self.alpha_pass)):
            raise ValueError("margin and alpha are shares between 0 and 1")


@dataclass(frozen=True, slots=True)
class Decision:
    """The course of a gate over differences in order.

    Attributes:
        outcome: Fail or pass by the first crossing, else undecided.
        items: How many items were read until then.
        low: Lower ends of the interval for the drop after each item.
        high: Upper ends.
    """

    outcome: Outcome
    items: int
    low: Floats
    high: Floats


class LowerBound:
    """An anytime-valid lower bound of a mean in [-1, 1], and whether one null was ever rejected.

    Attributes:
        value: The greatest null rejected so far; with probability 1 - alpha never above the mean.
        crossed: Whether the null asked for has been rejected.
    """

    def __init__(self, bets: Bets, null: float, alpha: float) -> None:
        self._nulls = np.unique(np.append(_GRID, null))
        self._asked = int(np.searchsorted(self._nulls, null))
        self._needed = math.log(1 / alpha)
        self._wealth = Wealth(bets, self._nulls)
        self.value = -1.0
        self.crossed = False

    def observe(self, x: Floats, weights: Floats | None = None) -> None:
        """Take in one round of observations; see ``Wealth.observe``."""
        self._wealth.observe(x, weights)
        rejected = self._wealth.log_evidence() >= self._needed
        if rejected.any():
            self.value = max(self.value, float(self._nulls[rejected].max()))
        self.crossed = self.crossed or bool(rejected[self._asked])

    def progress(self) -> float:
        """Return how far the evidence is on its way, at most 1; below 0 it speaks for the null."""
        return min(1.0, float(self._wealth.log_evidence()[self._asked]) / self._needed)


class Evidence:
    """The gate on one task, item by item.

    Attributes:
        rule: What is decided.
        items: How many items have been read.
        weight: What they add up to when weighed; for a single task their number.
        outcome: The first crossing, which stays whatever follows.
        decided_at: The number of items at which it came, if it has.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.items = 0
        self.outcome = Outcome.UNDECIDED
        self.decided_at: int | None = None
        self._sum = 0.0
        self._squares = 0.0
        self.weight = 0.0
        self._fail = LowerBound(Bets.for_drop(rule.margin), 0.0, rule.alpha_fail)
        self._pass = LowerBound(Bets.for_absence(rule.margin), -rule.margin, rule.alpha_pass)

    def update(self, drop: float) -> Outcome:
        """Read the next item in the seeded order.

        Args:
            drop: The baseline's score on it minus the candidate's, in [-1, 1].

        Raises:
            ValueError: It is outside [-1, 1].
        """
        return self._observe(np.array([drop]), np.ones(1))

    def _observe(self, drops: Floats, weights: Floats) -> Outcome:
        if not (np.abs(drops) <= 1).all():
            raise ValueError("a difference of two shares is within [-1, 1]")
        self.items += len(drops)
        self._sum += float(weights @ drops)
        self._squares += float(((weights * drops) ** 2).sum())
        self.weight += float(weights.sum())
        self._fail.observe(drops, weights)
        self._pass.observe(-drops, weights)
        if self.outcome is Outcome.UNDECIDED and (self._fail.crossed or self._pass.crossed):
            self.outcome = Outcome.FAIL if self._fail.crossed else Outcome.PASS
            self.decided_at = self.items
        return self.outcome

    @property
    def drop(self) -> float:
        """The mean drop so far; 0 before the first item."""
        return self._sum / self.weight if self.items else 0.0

    @property
    def square(self) -> float:
        """The mean squared difference so far (for single samples: the discordance)."""
        return self._squares / self.weight if self.items else 0.0

    @property
    def low(self) -> float:
        """Lower end of the interval for the drop; at 0 or above once a fail is shown.

        With probability ``1 - alpha_fail`` it is never above the drop.
        """
        return self._fail.value

    @property
    def high(self) -> float:
        """Upper end of the interval for the drop; at the margin or below once a pass is shown.

        With probability ``1 - alpha_pass`` it is never below the drop.
        """
        return -self._pass.value

    @property
    def progress(self) -> tuple[float, float]:
        """How far the evidence is on its way to a fail and to a pass, each at most 1."""
        return self._fail.progress(), self._pass.progress()


class SuiteEvidence(Evidence):
    """The gate on a suite: the drop is the plain mean of its tasks' drops, whatever their sizes.

    Evidence is read round by round (``ordering.rounds``). A round holds items of every task; those
    of a task with many in it weigh less, so that the weighted mean of the expectations is the mean
    over tasks, and the bet is held during the round, which keeps the product fair although the
    drops of the single tasks are unknown (``Wealth.observe``). For planning (``power``,
    ``simulation.prospect``) the budget is the whole weight: number of tasks times the items of the
    smallest, if the round holds one of that.
    """

    def update_round(self, drops: Mapping[str, Sequence[float]]) -> Outcome:
        """Read the next round.

        Args:
            drops: By task, the differences of its items in this round; none empty.

        Raises:
            ValueError: A task has no item, or a difference is outside [-1, 1].
        """
        if not drops or not all(drops.values()):
            raise ValueError("a round has items of every task")
        fewest = min(map(len, drops.values()))
        weights = [fewest / len(values) for values in drops.values() for _ in values]
        flat = [value for values in drops.values() for value in values]
        return self._observe(np.array(flat, dtype=float), np.array(weights))


class RateGuard:
    """Watches a rate of mishaps (truncation, no answer, loops, grader failures) beside the gate.

    Breached if "the rate has risen by at most ``tolerance``" is rejected, at any time, with
    probability at most ``alpha`` where that is true.

    Attributes:
        items: How many items have been read.
    """

    def __init__(self, tolerance: float, alpha: float) -> None:
        self.items = 0
        self._sum = 0.0
        self._bound = LowerBound(Bets.for_drop(max(tolerance, 0.02)), tolerance, alpha)

    def update(self, increase: float) -> bool:
        """Read the next item: the candidate's rate on it minus the baseline's. Return ``breached``.

        Raises:
            ValueError: It is outside [-1, 1].
        """
        if not abs(increase) <= 1:
            raise ValueError("a difference of two shares is within [-1, 1]")
        self.items += 1
        self._sum += increase
        self._bound.observe(np.array([increase]))
        return self.breached

    @property
    def breached(self) -> bool:
        """Whether the rate has risen by more than the tolerance."""
        return self._bound.crossed

    @property
    def increase(self) -> float:
        """The mean increase so far; 0 before the first item."""
        return self._sum / self.items if self.items else 0.0

    @property
    def low(self) -> float:
        """Lower bound of the increase."""
        return self._bound.value


@dataclass(frozen=True, slots=True)
class Shares:
    """How the probability of a false fail is divided.

    Attributes:
        test: For each task, and for the suite where there is more than one task.
        guard: For each guard of each task.
    """

    test: float
    guard: float


def divide_alpha(alpha: float, *, tasks: int, guards: int, guard_share: float = 0.2) -> Shares:
    """Divide ``alpha`` over the tasks, the suite and the guards, so that their sum is ``alpha``.

    Args:
        alpha: Greatest probability that an equal candidate is failed for any reason.
        tasks: Number of tasks; with one the suite is the task and takes nothing.
        guards: Number of guards a task.
        guard_share: What the guards get together; nothing if there are none.

    Raises:
        ValueError: There is no task.
    """
    if tasks < 1:
        raise ValueError("a gate needs a task")
    for_guards = alpha * guard_share if guards else 0.0
    tests = tasks + (tasks > 1)
    return Shares((alpha - for_guards) / tests, for_guards / (tasks * guards) if guards else 0.0)


def verdict(tests: Iterable[Outcome], *, breached: bool = False) -> Outcome:
    """Combine the tests of a gate (tasks, and the suite if it has a margin) into one outcome.

    One failure or a breached guard fails. A pass needs every test to pass; that is an
    intersection-union test, whose error is at most the greatest of the single ones, so that
    ``alpha_pass`` is not divided (Berger 1982).
    """
    outcomes = list(tests)
    if breached or Outcome.FAIL in outcomes:
        return Outcome.FAIL
    if outcomes and all(outcome is Outcome.PASS for outcome in outcomes):
        return Outcome.PASS
    return Outcome.UNDECIDED


def decide(drops: Iterable[float], rule: Rule) -> Decision:
    """Run a gate over differences in their seeded order, to the first crossing or the end."""
    evidence = Evidence(rule)
    low, high = [], []
    for drop in drops:
        evidence.update(drop)
        low.append(evidence.low)
        high.append(evidence.high)
        if evidence.outcome is not Outcome.UNDECIDED:
            break
    return Decision(evidence.outcome, evidence.items, np.array(low), np.array(high))

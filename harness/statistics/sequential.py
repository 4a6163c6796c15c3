"""Anytime-valid sequential test of the regression gate: pass, fail or undecided.

*What is inferred.* Over *new items*: the items of a benchmark stand for the questions like them,
and drop means the expected score of the baseline minus that of the candidate, over such questions
and over the sampling of both models. (On *these items* alone: see ``rounds``.) Read in a seeded
random order, the differences by item (baseline's mean over its stored samples minus the candidate's
mean over its own) are independent draws in [-1, 1] whose mean is the drop. A candidate equal to the
baseline, item by item or only on average, is failed with probability at most ``alpha_fail``, and
one that drops by the margin or more is passed with probability at most ``alpha_pass``, however
often one looks. The probability is over both models' sampling: a baseline that was stored lucky is
lucky in every gate that reuses it.

The items actually in the file, read as the whole population, are sampled without replacement. Once
the sum seen is above zero, the mean of the remaining items is below the overall one and works
against the evidence, so that errors should be rarer still. That is simulated (the rates are in
``docs/statistics.md``, the tests have items that differ much), not proven for bets that
adapt. Nothing is gained either: the finite-population correction would need each item's expected
score, of which only samples are seen. For the same reason a second sample of an item already read
is no new evidence about new items; the number of the candidate's samples per item is fixed before
the start.

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

from harness.statistics.betting import Bets, Floats, Plan, Wealth

# Ends of intervals are among these: steps of a quarter of a point near no change, up to two points
# where nobody asks for so much. Each costs time with every item.
_ABOVE_ZERO = np.concatenate(
    [
        np.arange(0, 40) / 400,
        np.arange(20, 60) / 200,
        np.arange(30, 60) / 100,
        np.arange(30, 50) / 50,
    ]
)
_GRID = np.concatenate([-_ABOVE_ZERO[:0:-1], _ABOVE_ZERO])
# A guard without a tolerance bets as if it had this one.
_LEAST_TOLERANCE = 0.02


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


class LowerBound:
    """An anytime-valid lower bound of a mean in [-1, 1], and whether one null was ever rejected.

    Attributes:
        value: The greatest null of a grid up to which all have been rejected. It never falls, and
            with probability 1 - alpha it is never above the mean: else the least null that is above
            the mean would have been rejected. (The wealth of bets that plan for an end need not
            fall as the null rises, so that a null may be rejected before a lower one.)
    """

    def __init__(self, bets: Bets, null: float, alpha: float) -> None:
        self._null = null
        self._nulls = np.unique(np.append(_GRID, null))
        self._needed = math.log(1 / alpha)
        self._wealth = Wealth(bets, self._nulls)
        self._rejected = np.zeros(len(self._nulls), dtype=bool)
        self.value = -1.0

    def observe(self, x: Floats, weights: Floats | None = None, reach: float = 1.0) -> None:
        """Take in one round of observations; see ``Wealth.observe``."""
        self._wealth.observe(x, weights, reach)
        self._rejected |= self._wealth.log_evidence() >= self._needed
        count = int(np.append(self._rejected, False).argmin())
        if count:
            self.value = float(self._nulls[count - 1])
            self._nulls, self._rejected = self._nulls[count:], self._rejected[count:]
            self._wealth.drop_nulls(count)

    @property
    def crossed(self) -> bool:
        """Whether the null asked for has been rejected, and all below it."""
        return self.value >= self._null

    def progress(self, x: Floats | None = None, weights: Floats | None = None) -> float:
        """Return how far the evidence is on its way, at most 1; below 0 it speaks for the null.

        Args:
            x: Observations to count as if they had been observed (``Wealth.log_evidence_after``).
            weights: One for each; ones if left out.
        """
        if self.crossed:
            return 1.0
        asked = int(np.searchsorted(self._nulls, self._null))
        if x is None or not len(x):
            return min(1.0, float(self._wealth.log_evidence()[asked]) / self._needed)
        scale = np.ones(len(x)) if weights is None else weights
        return min(1.0, self._wealth.log_evidence_after(asked, x, scale) / self._needed)


def bets_of(rule: Rule, budget: float | None) -> tuple[Bets, Bets]:
    """Return the bets for a fail and for a pass; ``budget`` as :class:`Evidence` takes it."""
    margin = rule.margin
    if budget is None:
        return Bets.for_drop(margin), Bets.for_absence(margin)
    return (
        Bets.for_drop(margin, Plan(budget, margin, rule.alpha_fail)),
        Bets.for_absence(margin, Plan(budget, margin, rule.alpha_pass)),
    )


class Evidence:
    """The gate on one task, item by item.

    Args:
        rule: What is decided.
        budget: Weight of all there is to read, if it is fixed before the start; for a single task
            its number of items. The bets then plan for that end.

    Attributes:
        rule: What is decided.
        budget: As given.
        items: How many differences have been read: one an item, or one an item and round.
        rounds: In how many steps, each with a look at its end.
        weight: What the differences add up to when weighed; for a single task their number.
        outcome: The first crossing, which stays whatever follows.
        decided_at: The number of differences at which it came, if it has.
        decided_in: The number of steps.
    """

    def __init__(self, rule: Rule, budget: float | None = None) -> None:
        self.rule = rule
        self.items = 0
        self.rounds = 0
        self.outcome = Outcome.UNDECIDED
        self.decided_at: int | None = None
        self.decided_in: int | None = None
        self._sum = 0.0
        self._squares = 0.0
        self.weight = 0.0
        self.budget = budget
        fail, absence = bets_of(rule, budget)
        self._fail = LowerBound(fail, 0.0, rule.alpha_fail)
        self._pass = LowerBound(absence, -rule.margin, rule.alpha_pass)

    def update(self, drop: float) -> Outcome:
        """Read the next item in the seeded order.

        Args:
            drop: The baseline's score on it minus the candidate's, in [-1, 1].

        Raises:
            ValueError: It is outside [-1, 1].
        """
        return self._observe(np.array([drop]), np.ones(1))

    def update_together(self, drops: Floats, reach: float = 1.0) -> Outcome:
        """Read several differences with one look at the end, the bets held until then.

        Args:
            drops: Independent differences; what is tested is the mean of their expectations.
            reach: How far from 0 they may lie, known before they are; more than 1 where
                :class:`~harness.statistics.rounds.ItemEffects` are taken off.

        Raises:
            ValueError: One of them is outside [-reach, reach].
        """
        return self._observe(drops, np.ones(len(drops)), reach)

    def _observe(self, drops: Floats, weights: Floats, reach: float = 1.0) -> Outcome:
        if not (np.abs(drops) <= reach).all():
            raise ValueError(f"a difference lies outside [-{reach}, {reach}]")
        self.rounds += 1
        self.items += len(drops)
        self._sum += float(weights @ drops)
        self._squares += float(((weights * drops) ** 2).sum())
        self.weight += float(weights.sum())
        self._fail.observe(drops, weights, reach)
        self._pass.observe(-drops, weights, reach)
        if self.outcome is Outcome.UNDECIDED and (self._fail.crossed or self._pass.crossed):
            self.outcome = Outcome.FAIL if self._fail.crossed else Outcome.PASS
            self.decided_at, self.decided_in = self.items, self.rounds
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

    def least_left(self, drops: Floats, weights: Floats) -> tuple[float, float]:
        """Estimate the least weight that is left to be read until a fail and until a pass.

        As if the drop were half a standard error nearer to that verdict than its mean so far; 0
        before the first item. It serves to plan ahead: no guarantee rests on it.

        Args:
            drops: Differences to be counted as if they had been read.
            weights: One for each.
        """
        weight = self.weight + float(weights.sum())
        if not weight:
            return 0.0, 0.0
        drop = (self._sum + float(weights @ drops)) / weight
        # One flip is assumed, so that there is an error where none has been seen.
        square = (self._squares + float(((weights * drops) ** 2).sum()) + 1) / (weight + 1)
        error = 0.5 * math.sqrt(square / weight)
        to_fail = (1 - self._fail.progress(drops, weights)) * math.log(1 / self.rule.alpha_fail)
        to_pass = (1 - self._pass.progress(-drops, weights)) * math.log(1 / self.rule.alpha_pass)
        return (
            to_fail / _growth(drop + error, square),
            to_pass / _growth(self.rule.margin - drop + error, square),
        )


def _growth(gap: float, square: float) -> float:
    """Return about how much log wealth an observation brings whose mean is this far from a null."""
    if gap <= 0:
        return 1e-9  # it loses
    bet = min(1.0, gap / square)
    return bet * gap - bet**2 * square / 2


class SuiteEvidence(Evidence):
    """The gate on a suite: the drop is the plain mean of its tasks' drops, whatever their sizes.

    Evidence is read round by round (``ordering.rounds``). A round holds items of every task; those
    of a task with many in it weigh less, so that the weighted mean of the expectations is the mean
    over tasks, and the bet is held during the round, which keeps the product fair although the
    drops of the single tasks are unknown (``Wealth.observe``). For planning the
    budget is the whole weight: number of tasks times the items of the
    smallest, if the round holds one of that.
    """

    def update_round(self, drops: Mapping[str, Sequence[float]], reach: float = 1.0) -> Outcome:
        """Read the next round.

        Args:
            drops: By task, the differences of its items in this round; none empty.
            reach: As for :meth:`Evidence.update_together`.

        Raises:
            ValueError: A task has no item, or a difference is outside [-reach, reach].
        """
        if not drops or not all(drops.values()):
            raise ValueError("a round has items of every task")
        fewest = min(map(len, drops.values()))
        weights = [fewest / len(values) for values in drops.values() for _ in values]
        flat = [value for values in drops.values() for value in values]
        return self._observe(np.array(flat, dtype=float), np.array(weights), reach)


class RateGuard:
    """Watches a failure rate (truncation, no answer, loops, grader failures) beside the gate.

    Breached if "the rate has risen by at most ``tolerance``" is rejected, at any time, with
    probability at most ``alpha`` where that is true. A guard that is not breached need not be held:
    that is shown where "it has risen by more than ``tolerance``" is rejected in turn.

    Args:
        tolerance: By how much the rate may rise, as a share.
        alpha: Greatest probability that a rate within the tolerance is called breached.
        alpha_held: Greatest probability that the upper bound is ever below the rise.

    Attributes:
        items: How many increases have been read.
    """

    def __init__(self, tolerance: float, alpha: float, alpha_held: float = 0.05) -> None:
        self.items = 0
        self.alpha = alpha
        self.alpha_held = alpha_held
        self._sum = 0.0
        least = max(tolerance, _LEAST_TOLERANCE)
        self._bound = LowerBound(Bets.for_drop(least), tolerance, alpha)
        self._absence = LowerBound(Bets.for_absence(least), -tolerance, alpha_held)

    def update(self, increase: float) -> bool:
        """Read the next item: the candidate's rate on it minus the baseline's. Return ``breached``.

        Raises:
            ValueError: It is outside [-1, 1].
        """
        return self.update_together(np.array([increase]))

    def update_together(self, increases: Floats) -> bool:
        """Read several with one look at the end; see :meth:`Evidence.update_together`.

        Raises:
            ValueError: One of them is outside [-1, 1].
        """
        if not (np.abs(increases) <= 1).all():
            raise ValueError("a difference of two shares is within [-1, 1]")
        self.items += len(increases)
        self._sum += float(increases.sum())
        self._bound.observe(increases)
        self._absence.observe(-increases)
        return self.breached

    @property
    def breached(self) -> bool:
        """Whether the rate has been shown to have risen by more than the tolerance."""
        return self._bound.crossed

    @property
    def held(self) -> bool:
        """Whether the rate has been shown to have risen by less than the tolerance."""
        return self._absence.crossed and not self.breached

    @property
    def increase(self) -> float:
        """The mean increase so far; 0 before the first item."""
        return self._sum / self.items if self.items else 0.0

    @property
    def low(self) -> float:
        """Lower bound of the increase: never above it with probability ``1 - alpha``."""
        return self._bound.value

    @property
    def high(self) -> float:
        """Upper bound of the increase: never below it with probability ``1 - alpha_held``."""
        return -self._absence.value


@dataclass(frozen=True, slots=True)
class Shares:
    """How the probability of a false fail is divided.

    Attributes:
        test: For each test: a task, or the suite.
        guard: For each guard.
    """

    test: float
    guard: float


def divide_alpha(alpha: float, *, tests: int, guards: int, guard_share: float = 0.2) -> Shares:
    """Divide ``alpha`` over the tests and the guards of a gate, so that their sum is ``alpha``.

    Args:
        alpha: Greatest probability that an equal candidate is failed for any reason.
        tests: Number of tests that can fail the gate: tasks, and the suite if it is tested.
        guards: Number of guards that can, over all tasks.
        guard_share: What the guards get together; nothing if there are none.

    Raises:
        ValueError: There is no test.
    """
    if tests < 1:
        raise ValueError("a gate needs a test")
    for_guards = alpha * guard_share if guards else 0.0
    return Shares((alpha - for_guards) / tests, for_guards / guards if guards else 0.0)


def share_of_attempt(attempt: int) -> float:
    """Return the share of ``alpha`` that the n-th gate of one candidate may spend.

    The shares of all attempts add up to 1, so that one of them errs with probability at most
    ``alpha``, however they depend on one another: 0.9 for the first, then 0.05, 0.025, ...

    Raises:
        ValueError: The attempts count from 1.
    """
    if attempt < 1:
        raise ValueError("attempts count from 1")
    return 0.9 if attempt == 1 else 0.1 / 2.0 ** min(attempt - 1, 900)


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

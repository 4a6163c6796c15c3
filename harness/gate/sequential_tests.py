"""The sequential tests of a gate: one on every task and one on the suite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.gate.config import Tier
from harness.statistics.betting import Floats
from harness.statistics.ordering import rounds, whole_weight
from harness.statistics.rounds import MAX_DIFFERENCE, ItemEffects
from harness.statistics.sequential import Evidence, Outcome, Rule, SuiteEvidence, verdict


class Size(NamedTuple):
    """How much of a task there is to read.

    Attributes:
        units: Items, or rounds.
        width: Differences in each: one of an item, as many as items in a round.
    """

    units: int
    width: int


class SequentialTests:
    """The tests on every task and on the suite, one way of counting the grader's failures.

    The suite is about the mean of the tasks' drops, each over what its task is about.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        suite: Rule | None,
        sizes: Mapping[str, Size],
        tiers: Mapping[str, Tier],
    ) -> None:
        self.tasks = {
            name: Evidence(rule, sizes[name].units * sizes[name].width)
            for name, rule in rules.items()
        }
        self._required = [name for name, tier in tiers.items() if tier is Tier.REQUIRED]
        self._effects = {name: ItemEffects(sizes[name].width) for name in rules}
        together = {name: sizes[name] for name in rules if tiers[name] is not Tier.ADVISORY}
        self._rounds = (
            rounds({name: size.units for name, size in together.items()}) if suite else []
        )
        widths = {name: size.width for name, size in together.items()}
        self.suite = SuiteEvidence(suite, whole_weight(self._rounds, widths)) if suite else None
        self._reach = 1.0 if max(widths.values()) == 1 else MAX_DIFFERENCE
        self._round = 0
        self._left: dict[str, list[list[float]]] = {name: [] for name in together}

    @property
    def suite_rounds(self) -> int:
        """How many rounds of the suite there are."""
        return len(self._rounds)

    @property
    def outcome(self) -> Outcome:
        """What all tests that count say together."""
        required = [self.tasks[name] for name in self._required]
        return verdict(test.outcome for test in [*required, *([self.suite] if self.suite else [])])

    def needs(self, task: str) -> bool:
        """Say whether more of a task can still decide anything, be it only to be reported."""
        return self.counts(task) or self.tasks[task].outcome is Outcome.UNDECIDED

    def counts(self, task: str) -> bool:
        """Say whether more of a task can still change the verdict."""
        suite_open = (
            self.suite is not None
            and task in self._left
            and self.suite.outcome is Outcome.UNDECIDED
        )
        own_open = task in self._required and self.tasks[task].outcome is Outcome.UNDECIDED
        return suite_open or own_open

    def least_left(self, more: Mapping[str, Sequence[Sequence[float]]]) -> float:
        """Estimate the least share of everything that is left to be read until a verdict.

        Args:
            more: By task the drops of units to be counted as if they had been read.
        """
        drops = {
            name: np.concatenate(
                [np.zeros(0), *(np.asarray(unit) - self._effects[name].offsets() for unit in units)]
            )
            for name, units in more.items()
        }
        shares = [
            _shares_left(self.tasks[name], drops[name], np.ones(len(drops[name])))
            for name in self._required
        ]
        if self.suite is not None:
            together = [drops[name] for name in self._left]
            fewest = min(map(len, together))
            together = together if fewest else []
            weights = [np.full(len(of), fewest / len(of)) for of in together]
            nothing = np.zeros(0)
            shares.append(
                _shares_left(
                    self.suite,
                    np.concatenate([nothing, *together]),
                    np.concatenate([nothing, *weights]),
                )
            )
        # One test is enough for a fail; a pass takes them all.
        return min(min(fail for fail, _ in shares), max(passing for _, passing in shares))

    def read(self, task: str, drops: Sequence[float]) -> None:
        """Take in the next unit of a task, its items always in the same order."""
        effects = self._effects[task]
        taken_off = effects.offsets()
        left = np.asarray(drops) - taken_off
        self.tasks[task].update_together(left, 1 + float(np.abs(taken_off).max()))
        effects.update(np.asarray(drops))
        if self.suite is None or task not in self._left:
            return
        self._left[task].append(left.tolist())
        while self._round < len(self._rounds):
            positions = self._rounds[self._round]
            if any(len(self._left[name]) < span.stop for name, span in positions.items()):
                return
            self.suite.update_round(
                {
                    name: [
                        left for unit in self._left[name][span.start : span.stop] for left in unit
                    ]
                    for name, span in positions.items()
                },
                self._reach,
            )
            self._round += 1


def _shares_left(test: Evidence, drops: Floats, weights: Floats) -> tuple[float, float]:
    """Return the least share of a test's budget that is left until it fails and until it passes."""
    if test.outcome is Outcome.PASS:
        return math.inf, 0.0
    fail, absence = test.least_left(drops, weights)
    budget = test.budget or math.inf
    return fail / budget, absence / budget

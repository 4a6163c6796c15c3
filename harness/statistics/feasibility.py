"""Whether a gate can pass at all: the best case, in which no item shows any difference.

With differences of 0 the evidence for a fail stays where it is, so that only the test of "the drop
is at least the margin" is followed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from harness.statistics.betting import Floats, Wealth
from harness.statistics.ordering import rounds as rounds_of
from harness.statistics.ordering import whole_weight
from harness.statistics.sequential import Rule, bets_of

_TENTH = 0.001


def fewest_rounds(rule: Rule, items: int, rounds: int) -> int | None:
    """Return after how many rounds at the earliest a gate passes.

    Args:
        rule: What is decided.
        items: Items in a round; 1 for a gate on new items, which looks after each.
        rounds: The most rounds there can be, for which the bets plan.

    Returns:
        That number, or ``None`` where not even all of them are enough.
    """
    return _first_pass(rule, rounds * items, (np.ones(items) for _ in range(rounds)))


def can_pass(rule: Rule, items: int) -> bool:
    """Return whether a gate of so many new items can pass."""
    return fewest_rounds(rule, 1, items) is not None


def fewest_items(rule: Rule) -> int:
    """Return the fewest new items with which a gate can pass."""
    return _fewest(lambda items: can_pass(rule, items))


def least_margin(rule: Rule, items: int) -> float:
    """Return the smallest margin, in tenths of a point, that can pass with so many new items.

    Args:
        rule: Gives the probabilities of error.
        items: Items there are.
    """

    def passes(tenths: int) -> bool:
        return can_pass(replace(rule, margin=min(0.999, tenths * _TENTH)), items)

    return min(0.999, _fewest(passes, 999) * _TENTH)


def suite_can_pass(
    suite: Rule, sizes: Mapping[str, int], widths: Mapping[str, int] | None = None
) -> bool:
    """Return whether the mean over a suite's tasks can pass.

    Args:
        suite: What is decided on the tasks together.
        sizes: By task the number of items, or of rounds of them.
        widths: Differences in each; one if left out.
    """
    divided = rounds_of(sizes)

    def weights() -> Iterable[Floats]:
        for spans in divided:
            counts = [len(span) * (widths[task] if widths else 1) for task, span in spans.items()]
            yield np.concatenate([np.full(count, min(counts) / count) for count in counts])

    return _first_pass(suite, whole_weight(divided, widths), weights()) is not None


def fewest_items_of_suite(
    suite: Rule, sizes: Mapping[str, int], widths: Mapping[str, int] | None = None
) -> int:
    """Return the fewest items, or rounds, that each task needs so that the suite can pass."""

    def passes(items: int) -> bool:
        enough = {name: max(size, items) for name, size in sizes.items()}
        return suite_can_pass(suite, enough, widths)

    return _fewest(passes)


def _first_pass(rule: Rule, budget: float, rounds: Iterable[Floats]) -> int | None:
    """Return the number of the round that passes; each is the weights of its differences of 0."""
    _, absence = bets_of(rule, budget)
    wealth = Wealth(absence, [-rule.margin])
    for number, weights in enumerate(rounds, start=1):
        wealth.observe(np.zeros(len(weights)), weights)
        if wealth.log_evidence()[0] >= -math.log(rule.alpha_pass):
            return number
    return None


def _fewest(passes: Callable[[int], bool], most: int = 1 << 20) -> int:
    high = 1
    while high < most and not passes(high):
        high = min(most, 2 * high)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high

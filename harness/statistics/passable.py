"""The most favourable course of a gate: no item shows any difference. Could it pass then?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from harness.statistics.ordering import rounds, whole_weight
from harness.statistics.sequential import Outcome, Rule, SuiteEvidence
from harness.statistics.simulation import simulate

_TENTH = 0.001


def passable(rule: Rule, items: int) -> bool:
    """Return whether a gate of so many items passes if every difference is 0."""
    ended = simulate(
        lambda running, first, last: np.zeros((len(running), last - first)),
        rule,
        gates=1,
        budget=items,
    )
    return bool(ended.passed[0])


def fewest_items(rule: Rule) -> int:
    """Return the fewest items with which it does."""
    return _fewest(lambda items: passable(rule, items))


def least_margin(rule: Rule, items: int) -> float:
    """Return the smallest margin, in tenths of a point, that passes with so many items then.

    Args:
        rule: Gives the probabilities of error.
        items: Items there are.
    """

    def passes(tenths: int) -> bool:
        return passable(replace(rule, margin=min(0.999, tenths * _TENTH)), items)

    return min(0.999, _fewest(passes, 999) * _TENTH)


def suite_passable(
    suite: Rule, sizes: Mapping[str, int], widths: Mapping[str, int] | None = None
) -> bool:
    """Return whether a suite of tasks passes if every difference is 0.

    Args:
        suite: What is decided on the tasks together.
        sizes: By task the number of items, or of rounds of them.
        widths: Differences in each; one if left out.
    """
    wide = widths or dict.fromkeys(sizes, 1)
    divided = rounds(sizes)
    evidence = SuiteEvidence(suite, whole_weight(divided, wide))
    for spans in divided:
        drops = {name: [0.0] * len(span) * wide[name] for name, span in spans.items()}
        if evidence.update_round(drops) is not Outcome.UNDECIDED:
            break
    return evidence.outcome is Outcome.PASS


def fewest_items_of_suite(
    suite: Rule, sizes: Mapping[str, int], widths: Mapping[str, int] | None = None
) -> int:
    """Return the fewest items, or rounds, that each task needs so that the suite passes then."""

    def passes(items: int) -> bool:
        enough = {name: max(size, items) for name, size in sizes.items()}
        return suite_passable(suite, enough, widths)

    return _fewest(passes)


def _fewest(passes: Callable[[int], bool], most: int = 1 << 20) -> int:
    high = 1
    while high < most and not passes(high):
        high = min(most, 2 * high)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high

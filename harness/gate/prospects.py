"""What a gate may hope for before it starts: whether its items can decide the margin at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.gate.pairing import Pair
from harness.gate.report import percent, points, ways
from harness.statistics.noise import decompose
from harness.statistics.power import second_moment, what_it_would_take
from harness.statistics.sequential import Rule
from harness.statistics.simulation import prospect

# The share of items on which two models disagree that is supposed where one sample of the baseline
# cannot tell: common between checkpoints of one model.
_SUPPOSED_DISCORDANCE = 0.2
_NARROWEST, _WIDEST = 16, 256


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is expected of a gate.

    Attributes:
        within: By task, the sampling variance of one sample of the baseline, where it is known.
        requests: How many requests it takes until a decision if nothing has changed.
        remarks: Where the items can hardly decide the margin, and what would.
    """

    within: Mapping[str, float | None]
    requests: float
    remarks: list[str]

    def window(self) -> int:
        """Return how many requests may be under way: few enough that stopping early saves much."""
        return max(_NARROWEST, min(_WIDEST, math.ceil(self.requests / 4)))


def foresee(pairs: Sequence[Pair], rules: Mapping[str, Rule], power: float) -> Prospects:
    """Say what is to be expected of a gate, by simulation with the baseline's noise.

    Args:
        pairs: Its tasks.
        rules: What is decided on each.
        power: The chance of a decision that is asked for.
    """
    within: dict[str, float | None] = {}
    remarks = []
    requests = 0.0
    for pair in pairs:
        rule, items, samples = rules[pair.name], len(pair.baseline), pair.plan.run.samples
        of_the_baseline = list(pair.baseline.values())
        noise = decompose(
            [item.correct for item in of_the_baseline], [item.samples for item in of_the_baseline]
        )
        within[pair.name] = noise.within
        square, worse_square = (
            _expected_square(pair, noise.within, noise.samples, drop) for drop in (0.0, rule.margin)
        )
        same = prospect(rule, drop=0.0, square=square, budget=items)
        worse = prospect(rule, drop=rule.margin, square=worse_square, budget=items)
        requests += same.items * samples
        chance = min(same.decided, worse.decided)
        remedy = what_it_would_take(
            rule,
            items=items,
            square=worse_square,
            samples=samples,
            within=noise.within,
            power=power,
        )
        if chance >= power or remedy.items <= items:
            continue
        supposed = (
            ""
            if noise.within is not None
            else (f", supposing that the two disagree on {percent(square)} of the items")
        )
        remarks.append(
            f"{pair.name}: {items} items decide a margin of {points(rule.margin)} points with a "
            f"chance of {percent(chance)} only{supposed}; for {percent(power)} it would take "
            f"{ways(remedy, samples)}. A much larger drop or gain is still found."
        )
    return Prospects(within, requests, remarks)


def _expected_square(pair: Pair, within: float | None, stored: float, drop: float) -> float:
    samples = pair.plan.run.samples
    if within is None:
        score = sum(item.score for item in pair.baseline.values()) / len(pair.baseline)
        # Two models that know nothing of each other disagree on 2 p (1 - p) of the items.
        discordance = max(0.01, min(_SUPPOSED_DISCORDANCE, 2 * score * (1 - score)))
        within = discordance / 2
    return second_moment(within, baseline_samples=stored, candidate_samples=samples, drop=drop)

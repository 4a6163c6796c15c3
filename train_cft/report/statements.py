"""Sentences and figures that state what a comparison shows, and no more."""

from __future__ import annotations

from harness.statistics.intervals import Estimate
from harness.statistics.paired import Comparison
from harness.text import drop_size, p_is, points, points_interval

CONVINCING = 0.05
FEWEST_SEEDS = 3


def effect(compared: Comparison) -> str:
    """Return a paired difference with its interval, in points."""
    return points_interval(compared.effect, compared.low, compared.high)


def shown(compared: Comparison, p_adjusted: float) -> bool:
    """Say whether a comparison shows a difference at all."""
    return p_adjusted <= CONVINCING and compared.effect != 0


def detectable(compared: Comparison, comparisons: int) -> float | None:
    """Return the drop that is found with 80 % power among so many comparisons; none if no drop.

    ``Comparison.detectable`` is that of one alone. Holm's procedure judges a comparison at the
    level divided by their number or more leniently, so that this much is found at least so often.

    Args:
        compared: The comparison, with an interval of 95 %.
        comparisons: Over how many Holm's procedure goes.
    """
    return compared.detectable_at(alpha=CONVINCING / max(1, comparisons))


def power_statement(drop: float | None) -> str:
    """Say which drop such a comparison shows with 80 % power."""
    if drop is None:
        return "with so few items no drop is detectable"
    return f"the minimum detectable drop (80 % power) is {drop_size(drop)} points"


def verdict(
    first: str, second: str, compared: Comparison, p_adjusted: float, comparisons: int
) -> str:
    """Say what a paired comparison shows, or what it could have shown.

    Args:
        first: What to call the first.
        second: What to call the second, which the difference is of.
        compared: The comparison, the second less the first.
        p_adjusted: Its p-value after Holm.
        comparisons: Over how many; 1 for an unadjusted one.
    """
    after = f" after Holm over {comparisons} comparisons" if comparisons > 1 else ""
    if shown(compared, p_adjusted):
        better = "better" if compared.effect > 0 else "worse"
        return (
            f"{second} is {better} than {first} on these {compared.items} items by "
            f"{effect(compared)} points ({p_is(p_adjusted)}{after})."
        )
    text = (
        f"No difference is shown between {first} and {second}: {effect(compared)} points on "
        f"{compared.items} items{after}; {power_statement(detectable(compared, comparisons))}."
    )
    if compared.low > 0 or compared.high < 0:
        text += " Its own interval leaves 0 out, but one of several comparisons may by chance."
    return text


def method_statement(
    first: str, second: str, seeds: Estimate | None, count: int, comparisons: int
) -> str:
    """State what several trainings show about a method, or that they are too few.

    Args:
        first: What the method is compared with.
        second: The method.
        seeds: Mean difference over training seeds with its interval; ``None`` for too few seeds.
        count: How many seeds there are.
        comparisons: How many claims of this kind the report makes.
    """
    if seeds is None:
        have = "There is one training seed" if count == 1 else f"There are {count} training seeds"
        return (
            f"{have} of {second} against {first}: the comparisons above speak of these checkpoints "
            f"alone. Nothing is said about the method; that takes {FEWEST_SEEDS} or more trainings "
            "that differ in the seed only."
        )
    low, high = seeds.low, seeds.high
    text = (
        f"Over {seeds.items} training seeds {second} differs from {first} by "
        f"{points_interval(seeds.value, low, high)} points "
        "(Student's interval between seeds, one item each way at least, on these items)"
    )
    if low <= 0 <= high:
        text += (
            f": no difference between the methods is shown; the interval reaches from "
            f"{points(low)} to {points(high)}."
        )
    else:
        text += f": with this recipe and this data {second} is {'better' if low > 0 else 'worse'}."
    if comparisons > 1:
        text += f" It is one of {comparisons} such intervals, each for itself."
    return text

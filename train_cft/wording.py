"""What a comparison says in words, and no more than it says."""

from __future__ import annotations

from harness.statistics.intervals import Estimate
from harness.statistics.paired import Comparison

CONVINCING = 0.05
FEWEST_SEEDS = 3
_SMALLEST_P = 0.0001


def points(share: float) -> str:
    """Return a difference in points, with its sign; a zero has none."""
    rounded = round(100 * share, 1) + 0.0
    return f"{rounded:+.1f}" if rounded else "0.0"


def interval(low: float, high: float) -> str:
    """Return an interval in points."""
    return f"[{points(low)}, {points(high)}]"


def effect(compared: Comparison) -> str:
    """Return a paired difference with its interval, in points."""
    return compared.printed(points)


def p_value(p: float) -> str:
    """Return a p-value; very small ones as a bound."""
    return f"< {_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.4f}"


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
    return compared.could_see(alpha=CONVINCING / max(1, comparisons))


def could_see(drop: float | None) -> str:
    """Say what would have been found with 80 % power."""
    if drop is None:
        return "no drop at all could have been found with so few items"
    return f"a drop of {100 * drop:.1f} points would have been found with 80 % power"


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
        p = p_value(p_adjusted)
        return (
            f"{second} is {better} than {first} on these {compared.items} items by "
            f"{effect(compared)} points (p {'' if p.startswith('<') else '= '}{p}{after})."
        )
    told = (
        f"No difference is shown between {first} and {second}: {effect(compared)} points on "
        f"{compared.items} items{after}; {could_see(detectable(compared, comparisons))}."
    )
    if compared.low > 0 or compared.high < 0:
        told += " Its own interval leaves 0 out, but one of several comparisons may by chance."
    return told


def about_the_method(
    first: str, second: str, seeds: Estimate | None, count: int, comparisons: int
) -> str:
    """Say what several trainings tell of a method, or that these tell nothing.

    Args:
        first: What the method is held against.
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
    told = (
        f"Over {seeds.items} training seeds {second} differs from {first} by "
        f"{points(seeds.value)} {interval(low, high)} points "
        "(Student's interval between seeds, one item each way at least, on these items)"
    )
    if low <= 0 <= high:
        told += (
            f": no difference between the methods is shown; the interval reaches from "
            f"{points(low)} to {points(high)}."
        )
    else:
        told += f": with this recipe and this data {second} is {'better' if low > 0 else 'worse'}."
    if comparisons > 1:
        told += f" It is one of {comparisons} such intervals, each for itself."
    return told

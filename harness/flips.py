"""Items that came out differently in two runs, and how to look at them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.store.outcomes import ItemOutcome
from harness.types import DEFAULT_PROFILE

TELLING_FLIPS = 10
DEFAULT_RESULTS = Path("results.duckdb")


@dataclass(frozen=True, slots=True)
class Flip:
    """An item that came out differently.

    Attributes:
        item_id: The item.
        change: Its score in the second run less that in the first.
        first: What it came to in the first run.
        second: And in the second.
        show: Commands that show its samples, of the first and of the second run.
    """

    item_id: str
    change: float
    first: ItemOutcome
    second: ItemOutcome
    show: tuple[str, str]


@dataclass(frozen=True, slots=True)
class ShowCommand:
    """Makes the commands that show an item's samples, to be copied into a shell."""

    runs: tuple[str, str]
    results: Path
    profile: str

    def __call__(self, item_id: str) -> tuple[str, str]:
        rest = ["--item", item_id]
        if self.profile != DEFAULT_PROFILE:
            rest += ["--profile", self.profile]
        if self.results != DEFAULT_RESULTS:
            rest += ["--results", str(self.results)]
        first, second = (shlex.join(["harness", "show", run, *rest]) for run in self.runs)
        return first, second


def telling(
    first: Sequence[ItemOutcome], second: Sequence[ItemOutcome], show: ShowCommand
) -> tuple[Flip, ...]:
    """Return the items that tell most of how the two differ.

    The largest change goes first. Among equal ones those go first that were answered and judged in
    both runs, since a cut off answer tells of the budget only; then those with more samples, whose
    change is less likely to be chance; and losses and gains take turns, so that both are seen.
    """
    flips = [
        Flip(one.item_id, other.score - one.score, one, other, show(one.item_id))
        for one, other in zip(first, second, strict=True)
        if one.score != other.score
    ]
    ways = [
        sorted((flip for flip in flips if (flip.change > 0) is gain), key=_dullness)
        for gain in (False, True)
    ]
    chosen: list[Flip] = []
    while len(chosen) < TELLING_FLIPS and any(ways):
        # Sorting keeps the order of equals, and the one taken last goes to the end.
        ways.sort(key=lambda way: -abs(way[0].change) if way else 1.0)
        chosen.append(ways[0].pop(0))
        ways.append(ways.pop(0))
    return tuple(chosen)


def _dullness(flip: Flip) -> tuple[float, int, int]:
    sides = (flip.first, flip.second)
    mishaps = sum(side.truncated + side.no_answer + side.failures for side in sides)
    return -abs(flip.change), mishaps, -sum(side.samples for side in sides)

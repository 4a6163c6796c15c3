"""Flips: items whose score differs between two runs, and the commands that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.store.item_results import ItemResult
from harness.text import harness_command
from harness.types import DEFAULT_PROFILE

TOP_FLIPS = 10


@dataclass(frozen=True, slots=True)
class Flip:
    """An item whose score differs between two runs.

    Attributes:
        item_id: The item.
        change: Its score in the second run less that in the first.
        first: Its result in the first run.
        second: Its result in the second run.
        show: Commands that show its samples, of the first and of the second run.
    """

    item_id: str
    change: float
    first: ItemResult
    second: ItemResult
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
        first, second = (
            harness_command("show", run, *rest, results=self.results) for run in self.runs
        )
        return first, second


def top_flips(
    first: Sequence[ItemResult], second: Sequence[ItemResult], show: ShowCommand
) -> tuple[Flip, ...]:
    """Return the flips that show best how the two runs differ.

    The largest change goes first. Among equal ones those go first that were answered and graded in
    both runs, since a truncated answer reflects the budget only; then those with more samples,
    whose change is less likely to be chance; and losses and gains alternate, so that both are
    shown.
    """
    flips = [
        Flip(one.item_id, other.score - one.score, one, other, show(one.item_id))
        for one, other in zip(first, second, strict=True)
        if one.score != other.score
    ]
    ways = [
        sorted((flip for flip in flips if (flip.change > 0) is gain), key=_sort_key)
        for gain in (False, True)
    ]
    chosen: list[Flip] = []
    while len(chosen) < TOP_FLIPS and any(ways):
        # Sorting keeps the order of equals, and the one taken last goes to the end.
        ways.sort(key=lambda way: -abs(way[0].change) if way else 1.0)
        chosen.append(ways[0].pop(0))
        ways.append(ways.pop(0))
    return tuple(chosen)


def _sort_key(flip: Flip) -> tuple[float, int, int]:
    sides = (flip.first, flip.second)
    failures = sum(side.truncated + side.no_answer + side.failures for side in sides)
    return -abs(flip.change), failures, -sum(side.samples for side in sides)

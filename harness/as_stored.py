"""Runs of one task side by side as they are stored: nothing is judged again or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.comparability import differences, judged_differently
from harness.compare import (
    Alike,
    TaskComparison,
    TaskStandings,
    compare_task,
    rank_task,
    shared_items,
)
from harness.flips import ShowCommand
from harness.statistics import ranking
from harness.store import Store
from harness.store.outcomes import ItemOutcome
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE


@dataclass(frozen=True, slots=True)
class AsStored:
    """Runs of one task side by side as they stand: for it nothing is judged again or written.

    Attributes:
        runs: The runs, the one that the others are compared with first.
        items: Their outcomes on the items that all of them share, in one order.
        comparisons: Each other run against the first, with Holm's adjustment over them.
        standings: All of them, the best first.
    """

    runs: tuple[RunSummary, ...]
    items: tuple[tuple[ItemOutcome, ...], ...]
    comparisons: tuple[TaskComparison, ...]
    standings: TaskStandings


def as_stored(
    store: Store, runs: Sequence[RunSummary], *, profile: str = DEFAULT_PROFILE
) -> AsStored:
    """Compare runs of one task as they are stored; what speaks against it is told, not refused.

    Args:
        store: The results file, which is only read.
        runs: Two or more, the one that the others are compared with first.
        profile: Whose grades count.

    Raises:
        HarnessError: No item is shared.
    """
    judged = judged_differently(store, runs, profile)
    found = {}
    for run in runs[1:]:
        made = differences(runs[0], run)
        refused = (*made.refused, judged[run.id]) if run.id in judged else made.refused
        found[run.id] = replace(made, refused=refused)
    items = shared_items(store, runs, profile)
    compared = []
    for run, outcomes in zip(runs[1:], items[1:], strict=True):
        show = ShowCommand((runs[0].id, run.id), store.path, profile)
        compared.append(compare_task(Alike((runs[0], run), (items[0], outcomes), found, {}, show)))
    adjusted = ranking.holm([comparison.p_adjusted for comparison in compared])
    show = ShowCommand((runs[0].id, runs[-1].id), store.path, profile)
    return AsStored(
        tuple(runs),
        tuple(map(tuple, items)),
        tuple(replace(one, p_adjusted=p) for one, p in zip(compared, adjusted, strict=True)),
        rank_task(Alike(runs, items, found, {}, show)),
    )

"""Align matched runs: check their protocols and cut them to the items that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.completeness import check_complete, regrade_command
from harness.analysis.protocol import Comparability, differences, grader_differences
from harness.analysis.select import (
    SHOW_INCOMPLETE,
    CompareRequest,
    LeftOut,
    MatchedRuns,
    display_name,
)
from harness.errors import HarnessError
from harness.run.regrade import RegradedToMatch
from harness.store import Store, queries
from harness.store.item_results import ItemResult, item_results
from harness.store.queries import RunSummary
from harness.text import harness_command

_NOT_REGRADED = RegradedToMatch({}, {})


@dataclass(frozen=True, slots=True)
class AlignedRuns:
    """Runs of one task, on the items that all of them share.

    Attributes:
        runs: The runs.
        items: Their results on the shared items, in one order.
        differences: What differs from the first run, by run.
        regraded: How many generations were graded again first, by run.
        results: The results file.
        profile: Whose grades they are.
        without: The items they share that do not count.
    """

    runs: Sequence[RunSummary]
    items: Sequence[Sequence[ItemResult]]
    differences: Mapping[str, Comparability]
    regraded: Mapping[str, int]
    results: Path
    profile: str
    without: tuple[str, ...] = ()


def align_runs(
    store: Store, matched: MatchedRuns, regraded: RegradedToMatch
) -> tuple[list[AlignedRuns], list[LeftOut]]:
    """Return, task by task, the runs on the items they share, and the tasks left out.

    Args:
        store: The results file.
        matched: The runs.
        regraded: What was graded again before, so that their grader versions match.

    Raises:
        HarnessError: The protocols or the grader versions differ, the profile has graded nothing
            of a run, a run is incomplete, or no item is shared.
    """
    profile = matched.request.profile
    found, left_out = [], [*matched.left_out]
    for task in matched.tasks:
        # What had not been graded may have been now.
        ids = [run.id for run in task]
        now = {run.id: run for run in queries.runs(store, ids, profile=profile)}
        runs = align(store, [now[run_id] for run_id in ids], matched.request, regraded)
        if runs.items[0]:
            found.append(runs)
        else:
            reason = f"none of the {len(runs.without)} items that they share counts"
            left_out.append(LeftOut(task[0].task, reason))
    if not found:
        raise HarnessError(
            "Nothing is left to compare: "
            f"{'; '.join(f'{one.task}: {one.reason}' for one in left_out)}.",
            "Name other tasks.",
        )
    return found, left_out


def align(
    store: Store,
    runs: Sequence[RunSummary],
    request: CompareRequest,
    regraded: RegradedToMatch = _NOT_REGRADED,
) -> AlignedRuns:
    """Return runs of one task on the items they share; takes and raises as :func:`align_runs`."""
    profile = request.profile
    for run in runs:
        if not run.graded:
            raise HarnessError(
                f"{profile} has judged nothing of run {run.id}.",
                f"Run `{regrade_command(store, run.id, profile)}` first.",
            )
    by_version = grader_differences(store, runs, profile, regraded.obstacles)
    found = {}
    for run in runs[1:]:
        made = differences(runs[0], run)
        if run.id in by_version:
            made = replace(made, refused=(*made.refused, by_version[run.id]))
        if not request.allow_different:
            made.check(display_name(runs[0]), display_name(run))
        found[run.id] = made
    if not request.allow_incomplete:
        check_complete(store, runs, profile=profile, otherwise=SHOW_INCOMPLETE)
    shared = _shared_items(store, runs, profile)
    without = frozenset(request.without.get(runs[0].task, ()))
    return AlignedRuns(
        runs,
        [[item for item in of_a_run if item.item_id not in without] for of_a_run in shared],
        found,
        {run.id: regraded.regraded[run.id] for run in runs if run.id in regraded.regraded},
        store.path,
        profile,
        tuple(item.item_id for item in shared[0] if item.item_id in without),
    )


def _shared_items(store: Store, runs: Sequence[RunSummary], profile: str) -> list[list[ItemResult]]:
    """Return each run's results on the items that all have, under the same reference answer."""
    results = [item_results(store, run.id, profile=profile) for run in runs]
    shared = [
        item.item_id
        for item in results[0].values()
        if all(
            item.item_id in other and other[item.item_id].gold_id == item.gold_id
            for other in results[1:]
        )
    ]
    if not shared:
        listed = ", ".join(display_name(run) for run in runs)
        raise HarnessError(
            f"No item is shared by {listed}.",
            "Compare runs on the same items of one task; "
            f"`{harness_command('runs', results=store.path)}` lists them.",
        )
    return [[of_a_run[item_id] for item_id in shared] for of_a_run in results]

"""Grading stored runs again: to compare them under one grader version, or to see what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.grading import GRADER_VERSION, GraderPool
from harness.registry import TaskRegistry
from harness.run.grader import OnGrade, RunGrader
from harness.store import Journal, Store, item_results, queries
from harness.store.item_results import Grade
from harness.store.queries import RunSummary
from harness.task import scorers_of
from harness.types import SOURCE_PROFILE, Item


@dataclass(frozen=True, slots=True)
class RegradedToMatch:
    """What regrading did before a comparison.

    Attributes:
        regraded: How many generations were graded again, by run.
        obstacles: Why a run could not be graded again, by run.
    """

    regraded: Mapping[str, int] = field(default_factory=dict)
    obstacles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One sample whose verdict is another than it was; ``before`` and ``after`` are its grades."""

    item_id: str
    sample_index: int
    before: Grade
    after: Grade


@dataclass(frozen=True, slots=True)
class Regraded:
    """What regrading one run came to.

    Attributes:
        run_id: The run.
        task: The task of the run.
        judged: How many generations were graded.
        replaced: How many of them had a grade before, by the version of the grader.
        changes: Those whose verdict changed, in the order of item id and sample.
    """

    run_id: str
    task: str
    judged: int
    replaced: Mapping[str, int]
    changes: Sequence[Change]

    @property
    def gained(self) -> int:
        """How many samples were wrong and are right now."""
        return sum(change.after.correct for change in self.changes)

    @property
    def lost(self) -> int:
        """How many samples were right and are wrong now."""
        return len(self.changes) - self.gained


def regrade(
    store: Store, run_id: str, profile: str, on_grade: OnGrade, registry: TaskRegistry
) -> int:
    """Grade a run's stored generations under ``profile``, in addition to the grades they have.

    Args:
        store: The results file.
        run_id: The run.
        profile: Name of a grading profile.
        on_grade: Called with run id, item id and verdict as they come.
        registry: Where tasks are loaded from whose reference answers the store does not keep.

    Returns:
        How many generations were graded; those that this profile and grader version had graded
        before are left alone.

    Raises:
        HarnessError: What grading takes is not in the store and cannot be loaded, or the task no
            longer has one of the items as it was asked; nothing is graded then.
    """
    ungraded = queries.ungraded(store, [run_id], profile, GRADER_VERSION)
    if not ungraded:
        return 0
    complete = all(row.complete for row in ungraded)
    loaded = {} if complete else _items_of(store, run_id, registry)
    items = [_graded_against(row, loaded) for row in ungraded]
    with (
        Journal(store) as journal,
        GraderPool(profile=profile, scorers=scorers_of(items)) as pool,
    ):
        grader = RunGrader(pool, journal, profile, on_grade)
        for row, item in zip(ungraded, items, strict=True):
            grader.submit(row.run_id, item, row.key, row.answer, truncated=row.truncated)
        grader.wait()
    return len(ungraded)


def _graded_against(row: queries.Ungraded, loaded: Mapping[str, Item]) -> Item:
    # The stored reference answer counts: an import keeps the source's letter where the source had
    # the options in another order than we do.
    item = row.item if row.complete else loaded.get(row.item.id)
    if item is None or item.gold_id != row.gold_id:
        raise HarnessError(
            f"Run {row.run_id} cannot be regraded: its task no longer has item {row.item.id}, "
            "or grades it against something else.",
            "The grades it has stand; `harness eval` asks the task's items as they are now.",
        )
    return item


def _items_of(store: Store, run_id: str, registry: TaskRegistry) -> dict[str, Item]:
    """Load what the store does not keep: restricted reference answers, and scorers' references."""
    task = queries.find_run(store, run_id).task
    return {item.id: item for item in registry.load(task).items()}


def regrade_to_match(
    store: Store,
    comparisons: Sequence[Sequence[RunSummary]],
    profile: str,
    registry: TaskRegistry,
    on_grade: OnGrade,
) -> RegradedToMatch:
    """Grade stored generations again where runs to be compared have grades of several versions.

    Grades that came with imported responses cannot be made again; nor can those of a restricted
    run whose items cannot be loaded.

    Args:
        store: The results file.
        comparisons: Runs that are going to be compared with each other.
        profile: The grading profile.
        registry: Where tasks are loaded from whose reference answers the store does not keep.
        on_grade: Called with run id, item id and verdict as they come.
    """
    regraded: dict[str, int] = {}
    obstacles: dict[str, str] = {}
    for runs in comparisons:
        versions = queries.grader_versions(store, [run.id for run in runs], profile)
        one_version = len(set(versions.values())) == 1 and len(next(iter(versions.values()))) == 1
        if one_version or profile == SOURCE_PROFILE:
            continue
        for run_id, found in versions.items():
            if found != (GRADER_VERSION,):
                try:
                    regraded[run_id] = regrade(store, run_id, profile, on_grade, registry)
                except HarnessError as error:
                    obstacles[run_id] = error.message
    return RegradedToMatch(regraded, obstacles)


def regrade_run(
    store: Store, run: RunSummary, profile: str, on_grade: OnGrade, registry: TaskRegistry
) -> Regraded:
    """Regrade a run as :func:`regrade` does, and return what changed.

    Raises:
        HarnessError: As for :func:`regrade`.
    """
    before = item_results.grades(store, run.id, profile)
    judged = regrade(store, run.id, profile, on_grade, registry)
    after = item_results.grades(store, run.id, profile) if judged else before
    again = [sample for sample in before if before[sample] != after[sample]]
    return Regraded(
        run.id,
        run.task,
        judged,
        dict(sorted(Counter(before[sample].version for sample in again).items())),
        [
            Change(*sample, before[sample], after[sample])
            for sample in sorted(again)
            if before[sample].correct != after[sample].correct
        ],
    )

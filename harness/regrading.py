"""What judging a stored run again changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judging import Told, regrade
from harness.registry import TaskRegistry
from harness.store import Store, outcomes
from harness.store.outcomes import Grade
from harness.store.queries import RunSummary


@dataclass(frozen=True, slots=True)
class Change:
    """One sample whose verdict is another than it was; ``before`` and ``after`` are its grades."""

    item_id: str
    sample_index: int
    before: Grade
    after: Grade


@dataclass(frozen=True, slots=True)
class Regraded:
    """What judging one run again came to.

    Attributes:
        run_id: The run.
        task: The task of the run.
        judged: How many generations were judged.
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


def regrade_run(
    store: Store, run: RunSummary, profile: str, told: Told, registry: TaskRegistry
) -> Regraded:
    """Judge a run again as :func:`harness.judging.regrade` does, and say what changed.

    Raises:
        HarnessError: As there.
    """
    before = outcomes.grades(store, run.id, profile)
    judged = regrade(store, run.id, profile, told, registry)
    after = outcomes.grades(store, run.id, profile) if judged else before
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

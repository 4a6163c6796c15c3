"""Handing responses to the grader pool and keeping its verdicts, now or again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from harness.errors import HarnessError
from harness.grading import GRADER_VERSION, GraderPool
from harness.plan import now
from harness.registry import TaskRegistry
from harness.store import Journal, Store, queries
from harness.types import DEFAULT_PROFILE, Item, Verdict, flat

Told = Callable[[str, str, bool], None]

# Answers that wait for a grader take memory; generating them sooner would not end the run sooner.
_MOST_BEHIND = 10_000


class Judge:
    """Sends responses to a pool and writes what it says into the journal.

    Args:
        pool: Judges.
        journal: Keeps.
        profile: Name under which the grades are kept; the pool's own.
        told: Called with run id, item id and verdict, by the pool's threads.
    """

    def __init__(self, pool: GraderPool, journal: Journal, profile: str, told: Told) -> None:
        self._pool = pool
        self._journal = journal
        self._profile = profile
        self._told = told
        self._outstanding = 0
        self._judged = threading.Condition()

    def submit(
        self,
        run_id: str,
        item: Item,
        key: str,
        answer: str,
        *,
        truncated: bool,
        then: Callable[[Verdict], None] | None = None,
    ) -> None:
        """Have one response judged against one item's gold, and ``then`` told of the verdict.

        Waits where the pool has fallen far behind.
        """
        with self._judged:
            self._judged.wait_for(lambda: self._outstanding < _MOST_BEHIND)
            self._outstanding += 1
        self._pool.submit(
            gold=item.gold,
            response=answer,
            truncated=truncated,
            answer_type=item.answer_type,
            tolerance=item.tolerance,
            scorer=item.scorer if self._profile == DEFAULT_PROFILE else "",
            reference=item.reference,
        ).add_done_callback(partial(self._keep, run_id, item, key, then))

    def wait(self) -> None:
        """Wait until every verdict has been handed to the journal."""
        with self._judged:
            self._judged.wait_for(lambda: self._outstanding == 0)

    def _keep(
        self,
        run_id: str,
        item: Item,
        key: str,
        then: Callable[[Verdict], None] | None,
        future: Future[Verdict],
    ) -> None:
        try:
            if not future.cancelled() and future.exception() is None:
                verdict = future.result()
                # If this fails the main thread meets the same failure with its next row.
                with contextlib.suppress(HarnessError):
                    self._journal.append("grade", grade_row(key, item, verdict, self._profile))
                self._told(run_id, item.id, verdict.correct)
                if then is not None:
                    then(verdict)
        finally:
            # Not the future's own waiters: they are woken before its callbacks have run.
            with self._judged:
                self._outstanding -= 1
                self._judged.notify_all()


def grade_row(
    key: str, item: Item, verdict: Verdict, profile: str, version: str = GRADER_VERSION
) -> dict[str, Any]:
    """Return what the store keeps about a grade."""
    return flat(verdict) | {
        "key": key,
        "gold_id": item.gold_id,
        "profile": profile,
        "grader_version": version,
        "graded_at": now(),
    }


def regrade(store: Store, run_id: str, profile: str, told: Told, registry: TaskRegistry) -> int:
    """Judge a run's stored generations under ``profile``, beside what grades they have.

    Args:
        store: The results file.
        run_id: The run.
        profile: Name of a grading profile.
        told: Called with run id, item id and verdict as they come.
        registry: Where tasks whose golds the store does not keep are loaded from.

    Returns:
        How many generations were judged; those this profile and grader version had judged
        before are left alone.

    Raises:
        HarnessError: What judging takes is not in the store and cannot be loaded, or the task no
            longer has one of the items as it was asked; nothing is judged then.
    """
    waiting = queries.ungraded(store, [run_id], profile, GRADER_VERSION)
    complete = all(row.complete for row in waiting)
    loaded = {} if complete else _items_of(store, run_id, registry)
    items = [_judged_by(row, loaded) for row in waiting]
    with Journal(store) as journal, GraderPool(profile=profile) as pool:
        judge = Judge(pool, journal, profile, told)
        for row, item in zip(waiting, items, strict=True):
            judge.submit(row.run_id, item, row.key, row.answer, truncated=row.truncated)
        judge.wait()
    return len(waiting)


def _judged_by(row: queries.Ungraded, loaded: Mapping[str, Item]) -> Item:
    # A stored gold stands: an import keeps the source's letter where the source had the options in
    # another order than we do.
    item = row.item if row.complete else loaded.get(row.item.id)
    if item is None or item.gold_id != row.gold_id:
        raise HarnessError(
            f"Run {row.run_id} cannot be judged again: its task no longer has item {row.item.id}, "
            "or judges it by something else.",
            "The grades it has stand; `harness eval` asks the task's items as they are now.",
        )
    return item


def _items_of(store: Store, run_id: str, registry: TaskRegistry) -> dict[str, Item]:
    """Load what the store does not keep: restricted golds, and what own scorers judge by."""
    task = queries.find_run(store, run_id).task
    return {item.id: item for item in registry.load(task).items()}

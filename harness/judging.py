"""Handing responses to the grader pool and keeping its verdicts, now or again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from harness.errors import HarnessError
from harness.grading import GRADER_VERSION, GraderPool
from harness.grading.worker import crash
from harness.plan import now
from harness.registry import TaskRegistry
from harness.store import Journal, Store, queries
from harness.tasks_api import scorers_of
from harness.types import DEFAULT_PROFILE, Item, Verdict, flat

Told = Callable[[str, str, bool], None]

# Answers that wait for a grader take memory; generating them sooner would not end the run sooner.
_MOST_BEHIND = 10_000
_MOST_CHARACTERS_BEHIND = 100_000_000


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
        self._characters = 0
        self._failure: Exception | None = None
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

        Raises:
            Exception: What an earlier verdict's ``told`` or ``then`` raised, or its journal.
        """
        with self._judged:
            self._judged.wait_for(self._has_room)
            self._raise_failure()
            self._outstanding += 1
            self._characters += len(answer)
        try:
            future = self._pool.submit(
                gold=item.gold,
                response=answer,
                truncated=truncated,
                answer_type=item.answer_type,
                tolerance=item.tolerance,
                scorer=item.scorer if self._profile == DEFAULT_PROFILE else "",
                reference=item.reference,
            )
        except Exception:
            self._done_with(answer, None)
            raise
        future.add_done_callback(partial(self._keep, run_id, item, key, answer, then))

    def wait(self) -> None:
        """Wait until every verdict has been handed to the journal.

        Raises:
            Exception: What a verdict's ``told`` or ``then`` raised, or its journal.
        """
        with self._judged:
            self._judged.wait_for(lambda: self._outstanding == 0)
            self._raise_failure()

    def _has_room(self) -> bool:
        few = self._outstanding < _MOST_BEHIND and self._characters < _MOST_CHARACTERS_BEHIND
        return few or self._outstanding == 0

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _keep(
        self,
        run_id: str,
        item: Item,
        key: str,
        answer: str,
        then: Callable[[Verdict], None] | None,
        future: Future[Verdict],
    ) -> None:
        failure: Exception | None = None
        try:
            if not future.cancelled():
                error = future.exception()
                verdict = future.result() if error is None else crash(error)
                self._journal.append("grade", grade_row(key, item, verdict, self._profile))
                self._told(run_id, item.id, verdict.correct)
                if then is not None:
                    then(verdict)
        except Exception as error:  # noqa: BLE001 - raised where somebody can act on it
            failure = error
        finally:
            # Not the future's own waiters: they are woken before its callbacks have run.
            self._done_with(answer, failure)

    def _done_with(self, answer: str, failure: Exception | None) -> None:
        with self._judged:
            self._failure = self._failure or failure
            self._characters -= len(answer)
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
    with (
        Journal(store) as journal,
        GraderPool(profile=profile, scorers=scorers_of(items)) as pool,
    ):
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

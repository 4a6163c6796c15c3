"""One session: a model's requests through the engine and the graders into the journal.

Grading overlaps generation: each completion goes to the journal and to the grader pool the moment
it comes back, and the pool's verdicts go to the journal from the pool's own threads.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from harness.backends.base import Backend, start_label
from harness.errors import HarnessError, NotStarted
from harness.grading import GRADER_VERSION
from harness.run.callbacks import Callbacks
from harness.run.completion import read_completion
from harness.run.grader import RunGrader
from harness.run.plan import TaskPlan, run_names
from harness.store import Journal, Store, queries
from harness.store.rows import SessionStats, generation_row, session_row
from harness.types import DEFAULT_PROFILE, Completion, Generation, Item, Request, Verdict


class StoppingRule(Protocol):
    """Chooses what is generated next and when to stop, for an evaluation that may end early."""

    def requests(self) -> Iterable[Request | None]:
        """Yield the requests, as :meth:`harness.backends.base.Backend.generate` takes them."""

    def on_completion(self, key: str) -> bool:
        """Take note that a completion is back; return whether no more is needed."""

    def on_verdict(
        self, plan: TaskPlan, request: Request, generation: Generation, verdict: Verdict
    ) -> None:
        """Take note of a verdict; called by the pool's threads."""

    def status(self) -> str:
        """Say in a few words how it stands."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What a results file lacks of planned runs.

    Attributes:
        missing: Keys of the generations that it lacks.
        ungraded: Its generations that this version of the grader has not graded.
        stored: How many generations it has.
    """

    missing: set[str]
    ungraded: Sequence[queries.Ungraded]
    stored: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.ungraded)


def pending_work(store: Store, plans: Sequence[TaskPlan], callbacks: Callbacks) -> PendingWork:
    """Return what is to be generated and graded of planned runs, and announce how much it is."""
    run_ids = [plan.run.id for plan in plans]
    missing = queries.missing_keys(store, run_ids)
    ungraded = queries.ungraded(store, run_ids, DEFAULT_PROFILE, GRADER_VERSION)
    requests = len({request.key for plan in plans for request in plan.requests})
    stored = requests - len(missing)
    callbacks.planned(requests=requests, stored=stored, runs=run_names(plans))
    return PendingWork(missing, ungraded, stored)


class Session:
    """One model's part of an evaluation: what is missing of its runs is generated and graded.

    Args:
        plans: Its runs.
        journal: Keeps what comes back.
        callbacks: Called as it goes on.
        grader: Grades what comes back.
        stopping_rule: Chooses what is generated, in place of everything that is missing.
    """

    def __init__(
        self,
        plans: Sequence[TaskPlan],
        journal: Journal,
        callbacks: Callbacks,
        grader: RunGrader,
        stopping_rule: StoppingRule | None = None,
    ) -> None:
        self._plans = plans
        self._model = plans[0].model
        self._journal = journal
        self._callbacks = callbacks
        self._grader = grader
        self._stopping_rule = stopping_rule
        self._last_stored: str | None = None
        # One generation may answer several items, where two ask the same question.
        self._samples: dict[str, list[tuple[TaskPlan, Item, Request]]] = {}
        for plan in plans:
            items = {item.id: item for item in plan.items}
            for request in plan.requests:
                samples = self._samples.setdefault(request.key, [])
                samples.append((plan, items[request.item_id], request))

    def requests(self, missing: set[str]) -> list[Request]:
        """Return what is to be generated, long budgets first so that no tail runs alone."""
        longest_first = sorted(self._plans, key=lambda plan: -plan.run.protocol.sampling.max_tokens)
        requests = {
            request.key: request
            for plan in longest_first
            for request in plan.requests
            if request.key in missing
        }
        return list(requests.values())

    def grade_stored(self, ungraded: Iterable[queries.Ungraded]) -> None:
        """Grade stored responses, each for every item of this session that it answers."""
        for key, row in {row.key: row for row in ungraded}.items():
            for plan, item, _ in self._samples.get(key, ()):
                self._grader.submit(plan.run.id, item, key, row.answer, truncated=row.truncated)

    def run(
        self,
        backend: Backend,
        requests: Sequence[Request],
        stats: SessionStats,
        *,
        longest: int,
        wait: bool = True,
    ) -> None:
        """Generate and grade; leave a record of the session, however it ends.

        Args:
            backend: Generates.
            requests: Everything that is missing; with none the engine is not started.
            stats: Filled with times and counts.
            longest: As for :meth:`harness.backends.base.Backend.start`.
            wait: Wait until everything is graded.

        Raises:
            NotStarted: The engine could not start with this model.
            HarnessError: What was finished is kept.
        """
        outcome = "failed"
        try:
            if requests:
                self._start(backend, requests, stats, longest)
                self._generate(backend, requests, stats)
            if wait:
                self._callbacks.phase("grading what is left")
                with _timed(stats, "grade"):
                    self._grader.wait()
            outcome = "finished"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            stats.usage = backend.usage()
            if requests:
                row = session_row(stats, outcome)
                for plan in self._plans:
                    self._journal.append("run_session", row | {"run_id": plan.run.id})

    def _start(
        self, backend: Backend, requests: Sequence[Request], stats: SessionStats, longest: int
    ) -> None:
        self._callbacks.phase(start_label(backend, self._model))
        with _timed(stats, "start"):
            try:
                stats.engine_settings = backend.start(self._model, requests, longest=longest)
            except HarnessError as error:
                raise NotStarted(error.message, error.remedy) from error

    def _generate(self, backend: Backend, requests: Sequence[Request], stats: SessionStats) -> None:
        self._callbacks.phase("generating")
        rule = self._stopping_rule
        completion: Completion | None = None
        with (
            _timed(stats, "generate"),
            # Closed at once, not when the interpreter gets to it: what is under way costs.
            closing(backend.generate(rule.requests() if rule else requests)) as completions,
        ):
            try:
                for completion in completions:
                    self._grade(self._store(completion, backend, stats))
                    if rule and rule.on_completion(completion.key):
                        break
            except KeyboardInterrupt as stop:
                # A signal between two completions has not reached the backend, which may hold more.
                unstored = completion is not None and completion.key != self._last_stored
                left = [completion] if completion is not None and unstored else []
                for completion in (*left, *_drained(completions, stop)):
                    self._store(completion, backend, stats)
                raise

    def _store(self, completion: Completion, backend: Backend, stats: SessionStats) -> Generation:
        """Journal one completion as a generation."""
        samples, rule = self._samples[completion.key], self._stopping_rule
        count = partial(backend.count_tokens, self._model)
        generation = read_completion(samples[0][2], completion, count)
        restricted = any(plan.task.restricted for plan, _, _ in samples)
        self._journal.append("generation", generation_row(generation, restricted=restricted))
        self._last_stored = completion.key
        stats.generated += 1
        stats.completion_tokens += generation.completion_tokens or 0
        status = (backend.status(), rule.status() if rule else "")
        self._callbacks.generated(
            generation.completion_tokens or 0, "  ".join(filter(None, status))
        )
        return generation

    def _grade(self, generation: Generation) -> None:
        """Hand one generation to the grader, for every item that it answers."""
        rule = self._stopping_rule
        for plan, item, request in self._samples[generation.key]:
            self._grader.submit(
                plan.run.id,
                item,
                generation.key,
                generation.answer,
                truncated=generation.truncated,
                then=partial(rule.on_verdict, plan, request, generation) if rule else None,
            )


@contextmanager
def _timed(stats: SessionStats, phase: str) -> Iterator[None]:
    """Add the wall clock of a phase to the session's, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        setattr(stats, phase, getattr(stats, phase) + time.monotonic() - began)


def _drained(
    completions: Generator[Completion, None, None], stop: KeyboardInterrupt
) -> Iterator[Completion]:
    """Interrupt a backend, and yield what has come back already."""
    with suppress(KeyboardInterrupt, StopIteration, HarnessError):
        completion = completions.throw(stop)
        while True:
            yield completion
            completion = next(completions)

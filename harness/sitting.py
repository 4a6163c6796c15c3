"""One sitting: a model's requests through the engine and the graders into the journal.

Grading overlaps generation: each completion goes to the journal and to the grader pool the moment
it comes back, and the pool's verdicts go to the journal from the pool's own threads.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from harness.backends import Backend, beginning
from harness.completions import read_completion
from harness.errors import HarnessError, NotStarted
from harness.judging import Judge
from harness.plan import TaskPlan, now
from harness.store import Journal
from harness.types import (
    Completion,
    Generation,
    Item,
    Request,
    Verdict,
    flat,
    without_credentials,
)


class Observer(Protocol):
    """Is told how an evaluation goes on; the command line draws it."""

    def phase(self, text: str) -> None:
        """Something that takes a while begins."""

    def notice(self, text: str) -> None:
        """Something a user should know, in one sentence."""

    def planned(self, *, requests: int, stored: int, runs: Mapping[str, str]) -> None:
        """It is known how many requests there are, and how many the store already holds.

        Args:
            requests: Distinct requests of all runs.
            stored: How many of them need not be generated.
            runs: What to call each run, by its id.
        """

    def progressed(self, prompt_tokens: int, new_tokens: int, /) -> None:
        """The engine tells how far it is, as :attr:`BackendOptions.progress` says."""

    def generated(self, completion_tokens: int, status: str) -> None:
        """A generation has come back; the backend says how it stands."""

    def graded(self, run_id: str, item_id: str, correct: bool, /) -> None:
        """A sample has been judged."""


class Director(Protocol):
    """Says what is generated next, and when it is enough; for those who stop early."""

    def requests(self) -> Iterable[Request | None]:
        """Yield what is to be generated, as :meth:`harness.backends.Backend.generate` takes it."""

    def arrived(self, key: str) -> bool:
        """Take note that a completion is back; return whether no more is needed."""

    def judged(self, plan: TaskPlan, request: Request, of: Generation, verdict: Verdict) -> None:
        """Take note of a verdict; called by the pool's threads."""

    def status(self) -> str:
        """Say in a few words how it stands."""


@dataclass(slots=True)
class Phases:
    """Wall clock of one sitting in seconds, by phase."""

    start: float = 0.0
    generate: float = 0.0
    grade: float = 0.0
    generated: int = 0
    completion_tokens: int = 0
    engine_settings: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)


class Sitting:
    """One model's part of the work.

    Args:
        plans: Its runs.
        journal: Keeps what comes back.
        observer: Is told how it goes on.
        judge: Judges.
        director: Chooses what is generated, in place of everything that is missing.
    """

    def __init__(
        self,
        plans: Sequence[TaskPlan],
        journal: Journal,
        observer: Observer,
        judge: Judge,
        director: Director | None = None,
    ) -> None:
        self._journal = journal
        self._observer = observer
        self._judge = judge
        self._plans = plans
        self._director = director
        self._model = plans[0].model
        # One generation may answer several items, where two ask the same question.
        self._asked: dict[str, list[tuple[TaskPlan, Item, Request]]] = {}
        for plan in plans:
            items = {item.id: item for item in plan.items}
            for request in plan.requests:
                asked = self._asked.setdefault(request.key, [])
                asked.append((plan, items[request.item_id], request))

    def waiting(self, missing: set[str]) -> list[Request]:
        """Return what is to be generated, long budgets first so that no tail runs alone."""
        longest_first = sorted(self._plans, key=lambda plan: -plan.run.protocol.sampling.max_tokens)
        requests = {
            request.key: request
            for plan in longest_first
            for request in plan.requests
            if request.key in missing
        }
        return list(requests.values())

    def judge(self, key: str, answer: str, *, truncated: bool) -> None:
        """Have a stored response judged for every item of this sitting that it answers."""
        for plan, item, _ in self._asked.get(key, ()):
            self._judge.submit(plan.run.id, item, key, answer, truncated=truncated)

    def serve(
        self,
        backend: Backend,
        waiting: Sequence[Request],
        phases: Phases,
        *,
        longest: int,
        finish: bool = True,
    ) -> None:
        """Generate and have it judged; leave a record of the sitting, however it ends.

        Args:
            backend: Generates.
            waiting: Everything that is missing; with none the engine is not started.
            phases: Takes the times and counts.
            longest: As for :meth:`harness.backends.Backend.start`.
            finish: Wait until everything is judged.

        Raises:
            NotStarted: The engine could not start with this model.
            HarnessError: What was finished is kept.
        """
        outcome = "failed"
        try:
            if waiting:
                self._start(backend, waiting, phases, longest)
                self._observer.phase("generating")
                self._generate(backend, waiting, phases)
            if finish:
                self._grade(phases)
            outcome = "finished"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            phases.usage = backend.usage()
            if waiting:
                row = _session_row(phases, outcome)
                for plan in self._plans:
                    self._journal.append("run_session", row | {"run_id": plan.run.id})

    def _start(
        self, backend: Backend, waiting: Sequence[Request], phases: Phases, longest: int
    ) -> None:
        self._observer.phase(beginning(backend, self._model))
        began = time.monotonic()
        try:
            phases.engine_settings = backend.start(self._model, waiting, longest=longest)
        except HarnessError as error:
            raise NotStarted(error.message, error.remedy) from error
        finally:
            phases.start += time.monotonic() - began

    def _grade(self, phases: Phases) -> None:
        self._observer.phase("grading what is left")
        began = time.monotonic()
        try:
            self._judge.wait()
        finally:
            phases.grade = time.monotonic() - began

    def _generate(self, backend: Backend, waiting: Sequence[Request], phases: Phases) -> None:
        director = self._director
        began = time.monotonic()
        completions = backend.generate(director.requests() if director else waiting)
        kept: str | None = None
        completion: Completion | None = None
        try:
            for completion in completions:
                generation = self._keep(completion, backend, phases)
                kept = completion.key
                self._tell(generation, backend)
                self._submit(generation)
                if director and director.arrived(generation.key):
                    break
        except KeyboardInterrupt as stop:
            # A signal between two completions has not reached the backend, which may hold more.
            left = [] if completion is None or completion.key == kept else [completion]
            for completion in (*left, *_handed_over(completions, stop)):
                self._tell(self._keep(completion, backend, phases), backend)
            raise
        finally:
            # At once, not when the interpreter gets to it: what is under way costs.
            completions.close()
            phases.generate = time.monotonic() - began

    def _keep(self, completion: Completion, backend: Backend, phases: Phases) -> Generation:
        """Journal one completion."""
        request = self._asked[completion.key][0][2]
        count = partial(backend.count_tokens, self._model)
        generation = read_completion(request, completion, count)
        self._journal.append("generation", self._generation_row(generation))
        phases.generated += 1
        phases.completion_tokens += generation.completion_tokens or 0
        return generation

    def _tell(self, generation: Generation, backend: Backend) -> None:
        director = self._director
        told = [backend.status(), director.status() if director else ""]
        self._observer.generated(generation.completion_tokens or 0, "  ".join(filter(None, told)))

    def _submit(self, generation: Generation) -> None:
        director = self._director
        for plan, item, request in self._asked[generation.key]:
            self._judge.submit(
                plan.run.id,
                item,
                generation.key,
                generation.answer,
                truncated=generation.truncated,
                then=partial(director.judged, plan, request, generation) if director else None,
            )

    def _generation_row(self, generation: Generation) -> dict[str, Any]:
        restricted = any(plan.task.restricted for plan, _, _ in self._asked[generation.key])
        return flat(generation) | {"restricted": restricted, "finished_at": now()}


def _handed_over(
    completions: Generator[Completion, None, None], stop: KeyboardInterrupt
) -> Iterator[Completion]:
    """Tell a backend that it is stopped, and yield what has come back already."""
    with suppress(KeyboardInterrupt, StopIteration, HarnessError):
        completion = completions.throw(stop)
        while True:
            yield completion
            completion = next(completions)


def _session_row(phases: Phases, outcome: str) -> dict[str, Any]:
    seconds = phases.start + phases.generate + phases.grade
    ended = datetime.now(UTC)
    return {
        "id": uuid.uuid4().hex[:12],
        "started_at": (ended - timedelta(seconds=seconds)).isoformat(),
        "ended_at": ended.isoformat(),
        "outcome": outcome,
        "engine_settings": without_credentials(phases.engine_settings),
        "generated": phases.generated,
        "completion_tokens": phases.completion_tokens,
        "start_seconds": phases.start,
        "generate_seconds": phases.generate,
        "grade_seconds": phases.grade,
        "usage": dict(phases.usage),
    }

"""Items to requests to generations to grades to the store, streaming.

Grading overlaps generation: each completion goes to the journal and to the grader pool the moment
it comes back, and the pool's verdicts go to the journal from the pool's own threads.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from harness.backends import Backend
from harness.completions import read_completion
from harness.grading import GRADER_VERSION, GraderPool
from harness.judging import Judge
from harness.models import resolve_model
from harness.plan import Settings, TaskPlan, model_row, now, plan_task
from harness.registry import load_backend
from harness.store import Journal, Store, alone, queries, recover
from harness.tasks_api import Task
from harness.types import DEFAULT_PROFILE, Generation, Item, Request


class Observer(Protocol):
    """Is told how an evaluation goes on; the command line draws it."""

    def phase(self, text: str) -> None:
        """Something that takes a while begins."""

    def planned(self, *, requests: int, stored: int) -> None:
        """It is known how many requests there are, and how many the store already holds."""

    def generated(self, completion_tokens: int) -> None:
        """A generation has come back."""

    def graded(self, run_id: str, item_id: str, correct: bool, /) -> None:
        """A sample has been judged."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one command evaluates.

    Attributes:
        model: As the user named it.
        tasks: What to evaluate it on.
        results: The results file.
        settings: How to sample.
        revision: Commit of a hub model.
        backend: Name of the backend.
        engine_args: Passed through to the engine.
        trust_remote_code: Whether a checkpoint's own code may run.
    """

    model: str
    tasks: Sequence[Task]
    results: Path
    settings: Settings = field(default_factory=Settings)
    revision: str | None = None
    backend: str = "vllm"
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False


@dataclass(slots=True)
class Phases:
    """Wall clock of one sitting in seconds, by phase."""

    start: float = 0.0
    generate: float = 0.0
    grade: float = 0.0
    generated: int = 0
    completion_tokens: int = 0
    engine_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation leaves behind: the runs (their numbers are in the store) and its cost."""

    run_ids: list[str]
    stored: int
    phases: Phases


def evaluate(evaluation: Evaluation, observer: Observer) -> Outcome:
    """Carry out an evaluation, or what is missing of it.

    Raises:
        HarnessError: Something the user can mend. Whatever was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    evaluation.settings.check()
    observer.phase("checking the model")
    checkpoint = resolve_model(evaluation.model, revision=evaluation.revision)
    backend = load_backend(evaluation.backend)(
        checkpoint, evaluation.engine_args, trust_remote_code=evaluation.trust_remote_code
    )
    observer.phase("rendering prompts")
    plans = [plan_task(task, checkpoint, backend, evaluation.settings) for task in evaluation.tasks]
    store = Store(evaluation.results)
    observer.phase(f"opening {store.path.name}")
    with store.write():
        pass  # made, brought up to date, or refused, before anything is left beside it
    recover(store)
    run_ids = [plan.run.id for plan in plans]
    with alone(store, run_ids), Journal(store) as journal:
        journal.append("model", model_row(checkpoint))
        for plan in plans:
            for table, row in plan.rows():
                journal.append(table, row)
        journal.move()
        requests = {request.key: request for plan in plans for request in plan.requests}
        missing = queries.missing_keys(store, run_ids)
        waiting = [request for key, request in requests.items() if key in missing]
        observer.planned(requests=len(requests), stored=len(requests) - len(waiting))
        phases = Phases(start=time.monotonic() - began)
        sitting = _Sitting(plans, journal, observer, phases)
        outcome = "failed"
        try:
            _replay_grades(store, run_ids, observer)
            sitting.carry_out(store, backend, waiting)
            outcome = "finished"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            backend.close()
            if waiting:
                row = _session_row(phases, outcome)
                for run_id in run_ids:
                    journal.append("run_session", row | {"run_id": run_id})
    return Outcome(run_ids, len(requests) - len(waiting), phases)


class _Sitting:
    """One sitting: what is missing goes through the engine and the grader pool."""

    def __init__(
        self, plans: Sequence[TaskPlan], journal: Journal, observer: Observer, phases: Phases
    ) -> None:
        self._journal = journal
        self._observer = observer
        self._phases = phases
        self._restricted = {
            request.key: plan.task.restricted for plan in plans for request in plan.requests
        }
        self._longest = max(plan.longest for plan in plans)
        # One generation may answer several items, where two ask the same question.
        self._asked: dict[str, list[tuple[str, Item]]] = {}
        for plan in plans:
            items = {item.id: item for item in plan.items}
            for request in plan.requests:
                asked = self._asked.setdefault(request.key, [])
                asked.append((plan.run.id, items[request.item_id]))

    def carry_out(self, store: Store, backend: Backend, requests: Sequence[Request]) -> None:
        run_ids = sorted({run_id for asked in self._asked.values() for run_id, _ in asked})
        ungraded = queries.ungraded(store, run_ids, DEFAULT_PROFILE, GRADER_VERSION)
        if not requests and not ungraded:
            return
        began = time.monotonic()
        # Before the engine: on the CPU it binds this process, and workers would inherit that.
        with GraderPool() as pool:
            judge = Judge(pool, self._journal, DEFAULT_PROFILE, self._observer.graded)
            for row in {row.key: row for row in ungraded}.values():
                self._judge(judge, row.key, row.answer, truncated=row.truncated)
            if requests:
                self._observer.phase("starting the engine")
                self._phases.engine_settings = backend.start(requests, longest=self._longest)
                self._phases.start += time.monotonic() - began
                self._observer.phase("generating")
                began = time.monotonic()
                try:
                    self._generate(judge, backend, requests)
                finally:
                    self._phases.generate = time.monotonic() - began
                began = time.monotonic()
            self._observer.phase("grading what is left")
            judge.wait()
            self._phases.grade = time.monotonic() - began

    def _generate(self, judge: Judge, backend: Backend, requests: Sequence[Request]) -> None:
        by_key = {request.key: request for request in requests}
        for completion in backend.generate(requests):
            generation = read_completion(by_key[completion.key], completion)
            self._journal.append("generation", self._generation_row(generation))
            self._phases.generated += 1
            self._phases.completion_tokens += len(completion.token_ids)
            self._observer.generated(len(completion.token_ids))
            self._judge(judge, generation.key, generation.answer, truncated=generation.truncated)

    def _judge(self, judge: Judge, key: str, answer: str, *, truncated: bool) -> None:
        for run_id, item in self._asked[key]:
            judge.submit(run_id, item, key, answer, truncated=truncated)

    def _generation_row(self, generation: Generation) -> dict[str, Any]:
        restricted = self._restricted[generation.key]
        return asdict(generation) | {"restricted": restricted, "finished_at": now()}


def _replay_grades(store: Store, run_ids: list[str], observer: Observer) -> None:
    """Tell the observer what the store already knows, so that the running score covers it."""
    for sample in queries.judged(store, run_ids):
        observer.graded(sample.run_id, sample.item_id, sample.correct)


def _session_row(phases: Phases, outcome: str) -> dict[str, Any]:
    seconds = phases.start + phases.generate + phases.grade
    ended = datetime.now(UTC)
    return {
        "id": uuid.uuid4().hex[:12],
        "started_at": (ended - timedelta(seconds=seconds)).isoformat(),
        "ended_at": ended.isoformat(),
        "outcome": outcome,
        "engine_settings": dict(phases.engine_settings),
        "generated": phases.generated,
        "completion_tokens": phases.completion_tokens,
        "start_seconds": phases.start,
        "generate_seconds": phases.generate,
        "grade_seconds": phases.grade,
    }

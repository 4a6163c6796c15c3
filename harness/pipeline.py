"""Items to requests to generations to grades to the store, streaming.

Grading overlaps generation: each completion goes to the journal and to the grader pool the moment
it comes back, and the pool's verdicts go to the journal from the pool's own threads.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness.backends import Backend, BackendOptions
from harness.completions import read_completion
from harness.grading import GRADER_VERSION, GraderPool
from harness.judging import Judge
from harness.models import expand
from harness.plan import Settings, TaskPlan, model_row, now, plan_task
from harness.registry import load_backend
from harness.store import Journal, Store, alone, queries, recover
from harness.tasks_api import Task
from harness.types import DEFAULT_PROFILE, Generation, Item, Model, Request


class Observer(Protocol):
    """Is told how an evaluation goes on; the command line draws it."""

    def phase(self, text: str) -> None:
        """Something that takes a while begins."""

    def notice(self, text: str) -> None:
        """Something a user should know, in one sentence."""

    def planned(self, *, requests: int, stored: int) -> None:
        """It is known how many requests there are, and how many the store already holds."""

    def generated(self, completion_tokens: int, status: str) -> None:
        """A generation has come back; the backend says how it stands."""

    def graded(self, run_id: str, item_id: str, correct: bool, /) -> None:
        """A sample has been judged."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one command evaluates.

    Attributes:
        models: As the user named them; a pattern stands for all folders it matches.
        tasks: What to evaluate them on.
        results: The results file.
        settings: How to sample.
        revision: Commit of a hub model.
        backend: Name of the backend.
        engine_args: Passed through to the engine.
        backend_options: The backend's own options.
        trust_remote_code: Whether a checkpoint's own code may run.
    """

    models: Sequence[str]
    tasks: Sequence[Task]
    results: Path
    settings: Settings = field(default_factory=Settings)
    revision: str | None = None
    backend: str = "vllm"
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
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
    """What an evaluation leaves behind: the runs (their numbers are in the store) and its cost.

    Attributes:
        run_ids: The runs, model by model.
        stored: How many generations the store already held.
        phases: Wall clock and counts, one entry a model in the order of the models.
    """

    run_ids: list[str]
    stored: int
    phases: list[Phases]

    @property
    def total(self) -> Phases:
        """Wall clock and counts over all models."""
        total = Phases()
        for phases in self.phases:
            total.start += phases.start
            total.generate += phases.generate
            total.grade += phases.grade
            total.generated += phases.generated
            total.completion_tokens += phases.completion_tokens
        return total


def evaluate(evaluation: Evaluation, observer: Observer) -> Outcome:
    """Carry out an evaluation, or what is missing of it.

    Raises:
        HarnessError: Something the user can mend. Whatever was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    evaluation.settings.check()
    options = BackendOptions(
        engine_args=evaluation.engine_args,
        named=evaluation.backend_options,
        trust_remote_code=evaluation.trust_remote_code,
        tell=observer.notice,
    )
    with closing(load_backend(evaluation.backend)(options)) as backend:
        plans = _plan(evaluation, backend, observer)
        store = Store(evaluation.results)
        observer.phase(f"opening {store.path.name}")
        with store.write():
            pass  # made, brought up to date, or refused, before anything is left beside it
        recover(store)
        every_plan = [plan for of_a_model in plans for plan in of_a_model]
        run_ids = [plan.run.id for plan in every_plan]
        with alone(store, sorted(set(run_ids))), Journal(store) as journal:
            for plan in every_plan:
                journal.append("model", model_row(plan.model))
                for table, row in plan.rows():
                    journal.append(table, row)
            journal.move()
            missing = queries.missing_keys(store, run_ids)
            keys = {request.key for plan in every_plan for request in plan.requests}
            observer.planned(requests=len(keys), stored=len(keys) - len(missing))
            _replay_grades(store, run_ids, observer)
            longest = max(plan.longest for plan in every_plan)
            work = _Work(store, journal, backend, observer, longest)
            phases = work.carry_out(plans, missing, began)
    return Outcome(run_ids, len(keys) - len(missing), phases)


def _plan(evaluation: Evaluation, backend: Backend, observer: Observer) -> list[list[TaskPlan]]:
    """Return the plans of each model in turn."""
    observer.phase("checking the model")
    models: dict[str, Model] = {}
    for name in expand(evaluation.models):
        model = backend.open(name, evaluation.revision)
        twin = models.setdefault(model.fingerprint, model)
        if twin is not model:
            observer.notice(f"{model.source} is the same as {twin.source}: evaluated once.")
    observer.phase("rendering prompts")
    return [
        [plan_task(task, model, backend, evaluation.settings) for task in evaluation.tasks]
        for model in models.values()
    ]


class _Work:
    """What is missing goes through the engine and the grader pool, model by model."""

    def __init__(
        self, store: Store, journal: Journal, backend: Backend, observer: Observer, longest: int
    ) -> None:
        self._store = store
        self._journal = journal
        self._backend = backend
        self._observer = observer
        self._longest = longest

    def carry_out(
        self, plans: Sequence[Sequence[TaskPlan]], missing: set[str], began: float
    ) -> list[Phases]:
        run_ids = [plan.run.id for of_a_model in plans for plan in of_a_model]
        ungraded = queries.ungraded(self._store, run_ids, DEFAULT_PROFILE, GRADER_VERSION)
        every_phases = []
        if not missing and not ungraded:
            return [Phases(start=time.monotonic() - began)]
        # Before the engine: on the CPU it binds this process, and workers would inherit that.
        with GraderPool() as pool:
            judge = Judge(pool, self._journal, DEFAULT_PROFILE, self._observer.graded)
            for of_a_model in plans:
                sitting = _Sitting(of_a_model, self._journal, self._observer, judge)
                for row in {row.key: row for row in ungraded}.values():
                    sitting.judge(row.key, row.answer, truncated=row.truncated)
                phases = Phases(start=time.monotonic() - began)
                every_phases.append(phases)
                # The engine goes on with the next model while the last answers are judged.
                self._serve(sitting, missing, phases, last=of_a_model is plans[-1])
                began = time.monotonic()
        return every_phases

    def _serve(self, sitting: _Sitting, missing: set[str], phases: Phases, *, last: bool) -> None:
        waiting = sitting.waiting(missing)
        outcome = "failed"
        began = time.monotonic()
        try:
            if waiting:
                self._observer.phase(f"starting the engine for {sitting.model.name}")
                phases.engine_settings = self._backend.start(
                    sitting.model, waiting, longest=self._longest
                )
                phases.start += time.monotonic() - began
                self._observer.phase("generating")
                sitting.generate(self._backend, waiting, phases)
            if last:
                began = time.monotonic()
                self._observer.phase("grading what is left")
                sitting.wait()
                phases.grade = time.monotonic() - began
            outcome = "finished"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            if waiting:
                row = _session_row(phases, outcome, self._backend.usage())
                for run_id in sitting.run_ids:
                    self._journal.append("run_session", row | {"run_id": run_id})


class _Sitting:
    """One model's part of the work."""

    def __init__(
        self, plans: Sequence[TaskPlan], journal: Journal, observer: Observer, judge: Judge
    ) -> None:
        self._journal = journal
        self._observer = observer
        self._judge = judge
        self._plans = plans
        self.model = plans[0].model
        self.run_ids = [plan.run.id for plan in plans]
        # One generation may answer several items, where two ask the same question.
        self._asked: dict[str, list[tuple[TaskPlan, Item]]] = {}
        for plan in plans:
            items = {item.id: item for item in plan.items}
            for request in plan.requests:
                asked = self._asked.setdefault(request.key, [])
                asked.append((plan, items[request.item_id]))

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

    def generate(self, backend: Backend, requests: Sequence[Request], phases: Phases) -> None:
        """Generate, keep and hand to the graders."""
        by_key = {request.key: request for request in requests}
        count = partial(backend.count_tokens, self.model)
        began = time.monotonic()
        try:
            for completion in backend.generate(requests):
                generation = read_completion(by_key[completion.key], completion, count)
                self._journal.append("generation", self._generation_row(generation))
                tokens = generation.completion_tokens or 0
                phases.generated += 1
                phases.completion_tokens += tokens
                self._observer.generated(tokens, backend.status())
                self.judge(generation.key, generation.answer, truncated=generation.truncated)
        finally:
            phases.generate = time.monotonic() - began

    def judge(self, key: str, answer: str, *, truncated: bool) -> None:
        """Have a response judged for every item of this sitting that it answers."""
        for plan, item in self._asked.get(key, ()):
            self._judge.submit(plan.run.id, item, key, answer, truncated=truncated)

    def wait(self) -> None:
        """Wait until everything has been judged."""
        self._judge.wait()

    def _generation_row(self, generation: Generation) -> dict[str, Any]:
        restricted = any(plan.task.restricted for plan, _ in self._asked[generation.key])
        return asdict(generation) | {"restricted": restricted, "finished_at": now()}


def _replay_grades(store: Store, run_ids: list[str], observer: Observer) -> None:
    """Tell the observer what the store already knows, so that the running score covers it."""
    for sample in queries.judged(store, run_ids):
        observer.graded(sample.run_id, sample.item_id, sample.correct)


def _session_row(phases: Phases, outcome: str, usage: Mapping[str, Any]) -> dict[str, Any]:
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
        "usage": dict(usage),
    }

"""Items to requests to generations to grades to the store, streaming.

Grading overlaps generation: each completion goes to the journal and to the grader pool the moment
it comes back, and the pool's verdicts go to the journal from the pool's own threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from harness.backends import Backend, BackendOptions
from harness.errors import JournalRejected
from harness.grading import GRADER_VERSION, GraderPool, start_server
from harness.judging import Judge
from harness.models import expand
from harness.plan import Settings, TaskPlan, model_row, plan_task, run_names
from harness.registry import load_backend
from harness.sitting import Observer, Phases, Sitting
from harness.store import Journal, Store, alone, queries, recover
from harness.tasks_api import Task, scorers_of
from harness.types import DEFAULT_PROFILE, Model


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
            total.usage = phases.usage  # counted since the backend was made
        return total


def evaluate(evaluation: Evaluation, observer: Observer) -> Outcome:
    """Carry out an evaluation, or what is missing of it.

    Raises:
        HarnessError: Something the user can mend. Whatever was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    evaluation.settings.check()
    start_server()  # it loads what graders need while the prompts are rendered
    options = BackendOptions(
        engine_args=evaluation.engine_args,
        named=evaluation.backend_options,
        trust_remote_code=evaluation.trust_remote_code,
        tell=observer.notice,
        progress=observer.progressed,
    )
    with closing(load_backend(evaluation.backend)(options)) as backend:
        store = Store(evaluation.results)
        plans = _plan(evaluation, store, backend, observer)
        observer.phase(f"opening {store.path.name}")
        brought_up_to_date(store, observer.notice)
        every_plan = [plan for of_a_model in plans for plan in of_a_model]
        run_ids = [plan.run.id for plan in every_plan]
        with announced(store, every_plan) as journal:
            missing = queries.missing_keys(store, run_ids)
            keys = {request.key for plan in every_plan for request in plan.requests}
            observer.planned(
                requests=len(keys), stored=len(keys) - len(missing), runs=run_names(every_plan)
            )
            _replay_grades(store, run_ids, observer)
            longest = max(plan.longest for plan in every_plan)
            work = _Work(store, journal, backend, observer, longest)
            phases = work.carry_out(plans, missing, began)
    return Outcome(run_ids, len(keys) - len(missing), phases)


def brought_up_to_date(store: Store, notice: Callable[[str], None]) -> None:
    """Make, update or refuse a results file, and take in what dead writers left beside it.

    Args:
        store: The results file.
        notice: Is told what could not be taken in.
    """
    new = not store.path.exists()
    with store.write():
        pass  # before anything is left beside it
    try:
        recover(store, adopt=new)
    except JournalRejected as error:
        notice(str(error))


@contextmanager
def announced(store: Store, plans: Sequence[TaskPlan]) -> Iterator[Journal]:
    """Tell the store what is going to be asked for, and keep other processes from it meanwhile.

    Raises:
        HarnessError: Another process is at one of these runs, or the store cannot be written.
    """
    run_ids = {plan.run.id for plan in plans}
    with alone(store, sorted(run_ids)), Journal(store) as journal:
        for plan in plans:
            journal.append("model", model_row(plan.model))
            for table, row in plan.rows():
                journal.append(table, row)
        journal.move(keep=True)
        yield journal


def with_stored_fingerprint(model: Model, store: Store) -> Model:
    """Return a model under the fingerprint that its stored results have.

    Earlier versions took the fingerprint over files that no loader reads as well. Where those are
    as they were, what is stored under it is of these very files, and is gone on with.
    """
    earlier = model.earlier_fingerprint
    if earlier is None or not store.path.exists():
        return model
    known = {fingerprint for *_, fingerprint in queries.models(store)}
    if earlier in known and model.fingerprint not in known:
        return replace(model, fingerprint=earlier)
    return model


def _plan(
    evaluation: Evaluation, store: Store, backend: Backend, observer: Observer
) -> list[list[TaskPlan]]:
    """Return the plans of each model in turn."""
    observer.phase("checking the model")
    if store.path.exists():
        brought_up_to_date(store, observer.notice)
    models: dict[str, Model] = {}
    for name in expand(evaluation.models):
        model = with_stored_fingerprint(backend.open(name, evaluation.revision), store)
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
        scorers = scorers_of(item for plan in chain(*plans) for item in plan.items)
        with GraderPool(scorers=scorers) as pool:
            pool.wait_until_ready()
            judge = Judge(pool, self._journal, DEFAULT_PROFILE, self._observer.graded)
            for of_a_model in plans:
                sitting = Sitting(of_a_model, self._journal, self._observer, judge)
                for row in {row.key: row for row in ungraded}.values():
                    sitting.judge(row.key, row.answer, truncated=row.truncated)
                phases = Phases(start=time.monotonic() - began)
                every_phases.append(phases)
                sitting.serve(
                    self._backend,
                    sitting.waiting(missing),
                    phases,
                    longest=self._longest,
                    # The engine goes on with the next model while the last answers are judged.
                    finish=of_a_model is plans[-1],
                )
                began = time.monotonic()
        return every_phases


def _replay_grades(store: Store, run_ids: list[str], observer: Observer) -> None:
    """Tell the observer what the store already knows, so that the running score covers it."""
    for sample in queries.judged(store, run_ids):
        observer.graded(sample.run_id, sample.item_id, sample.correct)

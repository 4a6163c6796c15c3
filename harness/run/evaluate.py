"""Evaluate models on tasks: load, plan, start the engine, generate, grade, store.

Grading overlaps generation: :mod:`harness.run.session` hands each completion to the journal and to
the grader pool as it comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.backends.base import Backend, EngineOptions
from harness.errors import EngineError, HarnessError, JournalRejected, NotStarted
from harness.grading import GRADER_VERSION, GraderPool, start_server
from harness.models.resolve import expand
from harness.registry import load_backend
from harness.run.callbacks import Callbacks
from harness.run.grader import RunGrader
from harness.run.plan import (
    Settings,
    TaskPlan,
    plan_task,
    thought_budget_notice,
    with_stored_fingerprint,
    with_stored_items,
)
from harness.run.session import PendingWork, Session, pending_work
from harness.store import Journal, Store, queries, recover, run_lock
from harness.store.rows import SessionStats
from harness.task import Task, scorers_of
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
        engine: Which engine generates, and its options.
    """

    models: Sequence[str]
    tasks: Sequence[Task]
    results: Path
    settings: Settings = field(default_factory=Settings)
    revision: str | None = None
    engine: EngineOptions = EngineOptions()


@dataclass(frozen=True, slots=True)
class Failed:
    """One model of several that could not be evaluated.

    Attributes:
        model: As the user named it.
        error: What is wrong with it, and what to do about that.
    """

    model: str
    error: HarnessError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation leaves behind: the runs (their numbers are in the store) and its cost.

    Attributes:
        run_ids: The runs, model by model.
        stored: How many generations the store already held.
        sessions: Wall clock and counts, one entry a model in the order of the models.
        failed: The models that could not be evaluated; neither their runs nor their stats are
            among the others.
    """

    run_ids: list[str]
    stored: int
    sessions: list[SessionStats]
    failed: list[Failed] = field(default_factory=list)

    @property
    def total(self) -> SessionStats:
        """Wall clock and counts over all models."""
        total = SessionStats()
        for stats in self.sessions:
            total.start += stats.start
            total.generate += stats.generate
            total.grade += stats.grade
            total.generated += stats.generated
            total.completion_tokens += stats.completion_tokens
            total.usage = stats.usage  # counted since the backend was made
        return total


@dataclass(frozen=True, slots=True)
class _PlannedModel:
    """One model's runs.

    Attributes:
        name: The model, as the user named it.
        plans: One a task.
    """

    name: str
    plans: list[TaskPlan]


def evaluate(evaluation: Evaluation, callbacks: Callbacks) -> Outcome:
    """Evaluate, generating and grading only what the results file lacks.

    Of several models those that cannot be opened, or that the engine cannot start with, are left
    out and named in the outcome.

    Raises:
        HarnessError: Something the user can fix, or none of the models can be evaluated. Whatever
            was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    evaluation.settings.check()
    engine_class = load_backend(evaluation.engine.backend)
    with closing(
        engine_class(evaluation.engine, notify=callbacks.notice, on_progress=callbacks.progressed)
    ) as backend:
        # Loads what graders need while prompts are rendered; the backend has measured the load of
        # the machine by now, where it does.
        start_server()
        store = Store(evaluation.results)
        planned, failed = _plan_models(evaluation, store, backend, callbacks)
        plans = [plan for model in planned for plan in model.plans]
        callbacks.phase(f"opening {store.path.name}")
        if not store.path.exists():
            open_results(store, callbacks.notice)
        with register_runs(store, plans) as journal:
            pending = pending_work(store, plans, callbacks)
            # For the running score. What another grader version graded is graded again.
            for sample in queries.judged(store, [plan.run.id for plan in plans], GRADER_VERSION):
                callbacks.graded(sample.run_id, sample.item_id, sample.correct)
            not_started: list[Failed] = []
            if pending:
                sessions, not_started = _generate_and_grade(
                    planned, pending, journal, backend, callbacks, began
                )
            else:
                sessions = [SessionStats() for _ in planned]
                sessions[0].start = time.monotonic() - began
    failed += not_started
    _refuse_if_all_failed(failed, len(sessions))
    left_out = {one.model for one in not_started}
    evaluated = [
        plan.run.id for model in planned if model.name not in left_out for plan in model.plans
    ]
    return Outcome(evaluated, pending.stored, sessions, failed)


def _plan_models(
    evaluation: Evaluation, store: Store, backend: Backend, callbacks: Callbacks
) -> tuple[list[_PlannedModel], list[Failed]]:
    """Return the plans of each model in turn, and the models that cannot be used.

    Raises:
        HarnessError: None of them can.
    """
    settings = evaluation.settings
    replaced = [task.name for task in evaluation.tasks if settings.replaces_system(task)]
    if replaced:
        callbacks.notice(
            f"--system takes the place of the instruction that {', '.join(replaced)} would give, "
            "for instance how to state the answer."
        )
    callbacks.phase("checking the model")
    if store.path.exists():
        open_results(store, callbacks.notice)
    models: dict[str, tuple[str, Model]] = {}
    failed: list[Failed] = []
    for name in expand(evaluation.models):
        try:
            model = with_stored_fingerprint(backend.open(name, evaluation.revision), store)
        except EngineError:
            raise  # a server's: no other model could be asked either
        except HarnessError as error:
            failed.append(Failed(name, error))
            continue
        _, twin = models.setdefault(model.fingerprint, (name, model))
        if twin is not model:
            callbacks.notice(f"{model.source} is the same as {twin.source}: evaluated once.")
    if models:
        callbacks.phase("rendering prompts")
    asked = []
    for task in evaluation.tasks:
        of_the_task = with_stored_items(store, task, settings)
        if of_the_task.item_ids is not None:
            callbacks.notice(
                f"{store.path.name} has runs on the first {settings.limit} items of {task.name}, "
                "which is what --limit took in earlier versions: these items are asked again, so "
                "that runs can be completed and compared. In another results file they are drawn "
                "from the whole task."
            )
        asked.append((task, of_the_task))
    planned: list[_PlannedModel] = []
    for name, model in models.values():
        try:
            plans = [plan_task(task, model, backend, of_the_task) for task, of_the_task in asked]
        except HarnessError as error:
            failed.append(Failed(name, error))
            continue
        planned.append(_PlannedModel(name, plans))
        if notice := thought_budget_notice(plans, settings):
            callbacks.notice(notice)
    _refuse_if_all_failed(failed, len(planned))
    return planned, failed


def open_results(store: Store, notice: Callable[[str], None]) -> None:
    """Create, migrate or refuse a results file, and recover the journals of dead writers.

    Args:
        store: The results file.
        notice: Called with what could not be recovered.
    """
    new = not store.path.exists()
    with store.write():
        pass  # before a journal is made next to it
    try:
        recover(store, adopt=new)
    except JournalRejected as error:
        notice(str(error))


@contextmanager
def register_runs(store: Store, plans: Sequence[TaskPlan]) -> Iterator[Journal]:
    """Store what is going to be asked for, and lock these runs against other processes meanwhile.

    Raises:
        HarnessError: Another process works on one of these runs, or the store cannot be written.
    """
    run_ids = {plan.run.id for plan in plans}
    with run_lock(store, sorted(run_ids)), Journal(store) as journal:
        journal.register(row for plan in plans for row in plan.rows())
        yield journal
        # A signal from here on finds every row on disk.
        journal.sync()


def _generate_and_grade(
    planned: Sequence[_PlannedModel],
    pending: PendingWork,
    journal: Journal,
    backend: Backend,
    callbacks: Callbacks,
    began: float,
) -> tuple[list[SessionStats], list[Failed]]:
    """Generate what is missing, and grade that and what is ungraded, model by model.

    Args:
        planned: The models and their runs.
        pending: What the results file lacks of them.
        journal: Keeps what comes back.
        backend: Generates.
        callbacks: Called as it goes on.
        began: When the evaluation began; the first session starts then.

    Returns:
        The statistics of each model's session, and the models that the engine could not start with.
    """
    plans = [plan for model in planned for plan in model.plans]
    longest = max(plan.longest for plan in plans)
    sessions: list[SessionStats] = []
    failed: list[Failed] = []
    # Before the engine: on the CPU it binds this process, and workers would inherit that.
    with GraderPool(scorers=scorers_of(item for plan in plans for item in plan.items)) as pool:
        pool.wait_until_ready()
        grader = RunGrader(pool, journal, DEFAULT_PROFILE, callbacks.graded)
        for model in planned:
            session = Session(model.plans, journal, callbacks, grader)
            session.grade_stored(pending.ungraded)
            requests = session.requests(pending.missing)
            stats = SessionStats(start=time.monotonic() - began)
            # The engine goes on with the next model while the last answers are graded.
            last = model is planned[-1]
            try:
                session.run(backend, requests, stats, longest=longest, wait=last)
            except NotStarted as error:
                failed.append(Failed(model.name, error))
                backend.close()  # what it left of this model must not serve the next
                if last:
                    grader.wait()
            else:
                sessions.append(stats)
            began = time.monotonic()
    return sessions, failed


def _refuse_if_all_failed(failed: Sequence[Failed], others: int) -> None:
    """Raise what is wrong with the models where there are no others.

    Raises:
        HarnessError: As for one model alone, or with the sentence of each.
    """
    if others or not failed:
        return
    sentences = {str(one.error) for one in failed}
    if len(sentences) == 1:
        raise failed[0].error
    listed = " ".join(f"{one.model}: {one.error}" for one in failed)
    raise HarnessError(f"None of the {len(failed)} models can be evaluated. {listed}")

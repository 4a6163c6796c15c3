"""Items to requests to generations to grades to the store, streaming.

Grading overlaps generation: each completion goes to the journal and to the grader pool the moment
it comes back, and the pool's verdicts go to the journal from the pool's own threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.backends import Backend, BackendOptions
from harness.errors import EngineError, HarnessError, JournalRejected, NotStarted
from harness.grading import GRADER_VERSION, GraderPool, start_server
from harness.judging import Judge
from harness.models import expand
from harness.plan import Settings, TaskPlan, model_row, plan_task, run_names
from harness.registry import load_backend
from harness.sitting import Observer, Phases, Sitting
from harness.store import Journal, Store, alone, queries, recover
from harness.subset import drawn
from harness.tasks_api import Task, data_sha256, scorers_of
from harness.types import DEFAULT_PROFILE, Model

# Reasoning models write some thousand tokens before they answer a mathematical question.
_ENOUGH_FOR_THOUGHTS = 8192


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
        phases: Wall clock and counts, one entry a model in the order of the models.
        failed: The models that could not be evaluated; neither their runs nor their phases are
            among the others.
    """

    run_ids: list[str]
    stored: int
    phases: list[Phases]
    failed: list[Failed] = field(default_factory=list)

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


@dataclass(frozen=True, slots=True)
class _Planned:
    """One model's runs.

    Attributes:
        name: The model, as the user named it.
        plans: One a task.
    """

    name: str
    plans: list[TaskPlan]


def evaluate(evaluation: Evaluation, observer: Observer) -> Outcome:
    """Carry out an evaluation, or what is missing of it.

    Of several models those that cannot be opened, or that the engine cannot start with, are left
    out and named in the outcome.

    Raises:
        HarnessError: Something the user can mend, or none of the models can be evaluated. Whatever
            was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    evaluation.settings.check()
    options = BackendOptions(
        engine_args=evaluation.engine_args,
        named=evaluation.backend_options,
        trust_remote_code=evaluation.trust_remote_code,
        tell=observer.notice,
        progress=observer.progressed,
    )
    with closing(load_backend(evaluation.backend)(options)) as backend:
        # It loads what graders need while the prompts are rendered. A backend that looks how busy
        # the machine is has done so.
        start_server()
        store = Store(evaluation.results)
        planned, failed = _plan(evaluation, store, backend, observer)
        observer.phase(f"opening {store.path.name}")
        if not store.path.exists():
            brought_up_to_date(store, observer.notice)
        every_plan = [plan for of_a_model in planned for plan in of_a_model.plans]
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
            phases, not_started = work.carry_out(planned, missing, began)
            failed += not_started
    _refuse_if_all_failed(failed, len(phases))
    left_out = {one.model for one in not_started}
    return Outcome(
        [plan.run.id for one in planned if one.name not in left_out for plan in one.plans],
        len(keys) - len(missing),
        phases,
        failed,
    )


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
        journal.announce(
            row for plan in plans for row in (("model", model_row(plan.model)), *plan.rows())
        )
        yield journal
        # A signal from here on finds every row on disk.
        journal.sync()


def with_stored_fingerprint(model: Model, store: Store) -> Model:
    """Return a model under the fingerprint that its stored results or its training have.

    Earlier versions took the fingerprint over files that no loader reads as well. Where those are
    as they were, what is stored under it is of these very files, and is gone on with.
    """
    earlier = model.earlier_fingerprint
    if earlier is None or not store.path.exists():
        return model
    known = queries.fingerprints(store)
    if earlier in known and model.fingerprint not in known:
        return replace(model, fingerprint=earlier)
    return model


def _plan(
    evaluation: Evaluation, store: Store, backend: Backend, observer: Observer
) -> tuple[list[_Planned], list[Failed]]:
    """Return the plans of each model in turn, and the models that cannot be used.

    Raises:
        HarnessError: None of them can.
    """
    settings = evaluation.settings
    replaced = [task.name for task in evaluation.tasks if settings.replaces_system(task)]
    if replaced:
        observer.notice(
            f"--system takes the place of the instruction that {', '.join(replaced)} would give, "
            "for instance how to state the answer."
        )
    observer.phase("checking the model")
    if store.path.exists():
        brought_up_to_date(store, observer.notice)
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
            observer.notice(f"{model.source} is the same as {twin.source}: evaluated once.")
    if models:
        observer.phase("rendering prompts")
    asked = [(task, _asked(task, settings, store, observer)) for task in evaluation.tasks]
    planned: list[_Planned] = []
    for name, model in models.values():
        try:
            plans = [plan_task(task, model, backend, of_the_task) for task, of_the_task in asked]
        except HarnessError as error:
            failed.append(Failed(name, error))
            continue
        planned.append(_Planned(name, plans))
        if notice := short_for_thoughts(plans, settings):
            observer.notice(notice)
    _refuse_if_all_failed(failed, len(planned))
    return planned, failed


def with_items_of(store: Store, task: Task, settings: Settings) -> Settings:
    """Return the settings for one task with the items that a limit stands for in a results file.

    Earlier versions took the first items of a task. A file that has such a run, and none on the
    drawn items, goes on with the first ones: interrupted runs are completed, and its runs can be
    compared.
    """
    limit = settings.limit
    if limit is None or not store.path.exists():
        return settings
    items = task.items()
    data = data_sha256(items)
    first = frozenset(item.id for item in items[:limit])
    by_hash = {item.id for item in drawn(items, limit)}
    if (
        first == by_hash
        or queries.has_run_on(store, task.name, data, by_hash)
        or not queries.has_run_on(store, task.name, data, first)
    ):
        return settings
    return replace(settings, item_ids=first)


def _asked(task: Task, settings: Settings, store: Store, observer: Observer) -> Settings:
    found = with_items_of(store, task, settings)
    if found.item_ids is not None:
        observer.notice(
            f"{store.path.name} has runs on the first {settings.limit} items of {task.name}, which "
            "is what --limit took in earlier versions: these items are asked again, so that runs "
            "can be completed and compared. In another results file they are drawn from the whole "
            "task."
        )
    return found


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


def short_for_thoughts(plans: Sequence[TaskPlan], settings: Settings) -> str:
    """Say so where a model that thinks has budgets that nobody chose for it; else say nothing."""
    if settings.max_tokens is not None or settings.chat.thinking is False:
        return ""
    prompts = [request.prompt for plan in plans for request in plan.requests]
    marks = any(prompt.starts_in_thought or prompt.tags.closing_ids for prompt in prompts)
    short = [plan.task for plan in plans if plan.task.max_tokens < _ENOUGH_FOR_THOUGHTS]
    if not short or not (marks or settings.chat.thinking):
        return ""
    budgets = ", ".join(f"{task.max_tokens:,} for {task.name}" for task in short)
    return (
        f"{plans[0].model.name} can think, and the tasks' own budgets of new tokens may cut its "
        f"thoughts off ({budgets}): --max-tokens sets another."
    )


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
        self, planned: Sequence[_Planned], missing: set[str], began: float
    ) -> tuple[list[Phases], list[Failed]]:
        """Return the phases of each model, and the models the engine could not start with."""
        run_ids = [plan.run.id for one in planned for plan in one.plans]
        ungraded = queries.ungraded(self._store, run_ids, DEFAULT_PROFILE, GRADER_VERSION)
        every_phases: list[Phases] = []
        failed: list[Failed] = []
        if not missing and not ungraded:
            at_first = Phases(start=time.monotonic() - began)
            return [at_first, *(Phases() for _ in planned[1:])], failed
        # Before the engine: on the CPU it binds this process, and workers would inherit that.
        scorers = scorers_of(item for one in planned for plan in one.plans for item in plan.items)
        with GraderPool(scorers=scorers) as pool:
            pool.wait_until_ready()
            judge = Judge(pool, self._journal, DEFAULT_PROFILE, self._observer.graded)
            for one in planned:
                sitting = Sitting(one.plans, self._journal, self._observer, judge)
                for row in {row.key: row for row in ungraded}.values():
                    sitting.judge(row.key, row.answer, truncated=row.truncated)
                phases = Phases(start=time.monotonic() - began)
                # The engine goes on with the next model while the last answers are judged.
                last = one is planned[-1]
                try:
                    sitting.serve(
                        self._backend,
                        sitting.waiting(missing),
                        phases,
                        longest=self._longest,
                        finish=last,
                    )
                except NotStarted as error:
                    failed.append(Failed(one.name, error))
                    # What it left of this model must not serve the next.
                    self._backend.close()
                    if last:
                        judge.wait()
                else:
                    every_phases.append(phases)
                began = time.monotonic()
        return every_phases, failed


def _replay_grades(store: Store, run_ids: list[str], observer: Observer) -> None:
    """Tell the observer what the store already knows, so that the running score covers it.

    What another version of the grader judged is judged again, and told then.
    """
    for sample in queries.judged(store, run_ids, GRADER_VERSION):
        observer.graded(sample.run_id, sample.item_id, sample.correct)

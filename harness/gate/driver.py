"""Carrying out a gate: generation in order, and a stop as soon as the verdict is certain."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from harness.backends import Backend, BackendOptions
from harness.errors import HarnessError, NoVerdict
from harness.gate.anchors import find_anchors
from harness.gate.budget import Rules, budget_of, margin_remarks, rules_of
from harness.gate.config import GateConfig, task_names
from harness.gate.course import Course, TaskCourse, guards_of, order_of
from harness.gate.pairing import (
    Gate,
    Pair,
    compared_with_itself,
    heal,
    open_candidate,
    pair_up,
    plan_candidate,
    tell_apart,
)
from harness.gate.prospects import check_passable, foresee, refuse_shared_items
from harness.gate.report import GateReport
from harness.gate.summary import Costs, summarise
from harness.grading import GRADER_VERSION, GraderPool, start_server
from harness.judging import Judge
from harness.pipeline import announced, brought_up_to_date
from harness.plan import TaskPlan, run_names
from harness.registry import load_backend
from harness.sitting import Observer, Phases, Sitting
from harness.statistics.sequential import Evidence
from harness.store import Journal, Store, queries
from harness.store.outcomes import SampleOutcome, sample_outcomes
from harness.tasks_api import scorers_of
from harness.types import DEFAULT_PROFILE, Generation, Model, Request, Verdict

# Far beyond what the pool gives an answer, in seconds.
_LONGEST_GRADING = 600.0
# Requests that may be ahead of what has been read however near the verdict is: about what the
# clearest verdicts take.
_LEAST_AHEAD = 48


def carry_out(gate: Gate, observer: Observer) -> GateReport:
    """Carry out a gate, or go on with one that was interrupted.

    Raises:
        HarnessError: The question makes no sense as it stands; nothing was generated.
        NoVerdict: The machinery failed. Whatever was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    store = Store(gate.results)
    with store.read():
        pass  # a gate makes no results file: it needs one with a baseline
    brought_up_to_date(store, observer.notice)
    names, suite = task_names(gate.config, gate.tasks, gate.suite)
    anchors = find_anchors(
        store, gate.baselines, gate.config, names, suite, gate.registry, gate.engine
    )
    options = BackendOptions(
        engine_args=gate.engine_args,
        named=gate.backend_options,
        trust_remote_code=gate.trust_remote_code,
        tell=observer.notice,
        progress=observer.progressed,
    )
    with closing(load_backend(gate.backend)(options)) as backend:
        start_server()  # it loads what graders need while the gate is planned
        observer.phase("checking the candidate")
        model = open_candidate(gate, store, backend, anchors)
        observer.phase("rendering prompts")
        plans = [plan_candidate(gate, anchor, model, backend) for anchor in anchors]
        warnings = tell_apart(anchors, plans)
        with _machinery():
            heal(store, anchors, gate.registry, observer)
        pairs = [pair_up(store, *sides) for sides in zip(anchors, plans, strict=True)]
        budget, spent = budget_of(gate, store, pairs)
        rules = rules_of(gate.config, pairs, budget)
        course = _course(gate.config, pairs, model, rules)
        warnings += [*compared_with_itself(pairs), *spent, *margin_remarks(pairs, rules)]
        for warning in warnings:  # a refusal may follow from these
            observer.notice(warning)
        refuse_shared_items(pairs, rules)
        if not gate.aa:  # the noise of a model with itself is worth knowing whatever the margin
            check_passable(pairs, rules, budget)
        prospects = foresee(store, pairs, rules, gate.config.power)
        warnings += prospects.remarks
        for remark in (prospects.chances.sentence(), *prospects.remarks):
            observer.notice(remark)
        trial = Trial(course, [pair.plan for pair in pairs], gate.config.window)
        report: GateReport | None = None
        try:
            with _machinery(), announced(store, plans) as journal:
                costs = _run(trial, store, journal, backend, observer)
                costs.seconds = time.monotonic() - began
                report = summarise(gate, pairs, course, prospects, budget, warnings, costs)
                journal.append("gate_decision", report.row())
        except NoVerdict as error:
            if report is None:
                raise
            # The verdict stands; its row waits in the journal.
            observer.notice(str(error))
    return report


@contextmanager
def _machinery() -> Iterator[None]:
    """Whatever goes wrong from here on is no mistake in the question."""
    try:
        yield
    except NoVerdict:
        raise
    except HarnessError as error:
        raise NoVerdict(error.message, error.remedy) from error


def _course(config: GateConfig, pairs: Sequence[Pair], model: Model, rules: Rules) -> Course:
    tasks = [
        TaskCourse(
            name=pair.name,
            order=order_of(
                list(pair.plan.run.item_ids),
                config.order_seed,
                f"{model.fingerprint} {pair.plan.run.replicate}",
            ),
            samples=pair.plan.run.samples,
            baseline=pair.baseline,
            guards=guards_of(pair.config.guards, rules.guard, config.alpha),
            rounds=pair.rounds,
            tier=rules.tiers[pair.name],
            lower_is_better=pair.config.better == "lower",
        )
        for pair in pairs
    ]
    return Course(tasks, rules.tasks, rules.suite)


class Trial:
    """Directs a sitting: items in their order within a window, until the verdict is certain.

    A request is under way until it has been judged, so that a grader that lags cannot have more
    generated than is needed. How far requests may be ahead is counted from the oldest one under
    way: what comes back behind it cannot be read yet, and is in vain if the verdict comes first.
    Verdicts come from the pool's threads and wait in a queue; everything else happens in the one
    thread that takes the completions.

    Args:
        course: Takes in what has been judged.
        plans: The candidate's runs, one of each task of the course.
        window: Most requests under way, and half of how far they may be ahead; with ``None`` all
            may be that the verdict takes at the least (``Course.least_needed``), and a few more.

    Attributes:
        missing: Keys of the requests that are still to be generated; to be set before the start.
    """

    def __init__(self, course: Course, plans: Sequence[TaskPlan], window: int | None) -> None:
        self.course = course
        self.plans = plans
        self.missing: set[str] = set()
        self._window = window
        self._in_engine = 0
        self._handed_out = 0
        # The task of each request under way, and how many had been handed out before; oldest first.
        self._unjudged: dict[str, tuple[str, int]] = {}
        self._requests = {
            (plan.task.name, request.item_id, request.sample_index): request
            for plan in self.plans
            for request in plan.requests
        }
        self._names = {plan.run.id: plan.task.name for plan in self.plans}
        self._verdicts: queue.SimpleQueue[tuple[str, SampleOutcome]] = queue.SimpleQueue()

    def requests(self) -> Iterator[Request | None]:
        for task, item, sample in self.course.in_order():
            request = self._requests[task, item, sample]
            if request.key not in self.missing:
                continue  # stored, or asked for by an item with the same question
            unit = self.course.tasks[task].unit_of(item, sample)
            while not self._has_room(task, unit):
                if self._in_engine:
                    yield None
                else:
                    self._read(*self._verdicts.get(timeout=_LONGEST_GRADING))
            if not self.course.needs(task):
                continue
            self.missing.discard(request.key)
            self._unjudged[request.key] = (task, self._handed_out)
            self._handed_out += 1
            self._in_engine += 1
            yield request

    def _has_room(self, task: str, unit: int) -> bool:
        """Say whether a request may be handed out that belongs to this unit of the task."""
        needed = (place for name, place in self._unjudged.values() if self.course.needs(name))
        ahead = self._handed_out - next(needed, self._handed_out)
        if self._window is not None:
            return len(self._unjudged) < self._window and ahead < 2 * self._window
        # Nothing can be decided before the present unit is complete.
        at_hand = unit <= self.course.tasks[task].units_read
        return ahead < _LEAST_AHEAD or at_hand or unit < self.course.least_needed()[task]

    def arrived(self, key: str) -> bool:
        self._in_engine -= 1
        self.take_in()
        return self.course.decided

    def judged(self, plan: TaskPlan, request: Request, of: Generation, verdict: Verdict) -> None:
        sample = SampleOutcome(
            run_id=plan.run.id,
            item_id=request.item_id,
            sample_index=request.sample_index,
            correct=verdict.correct,
            status=verdict.status,
            truncated=of.truncated,
            loop=of.loop,
            completion_tokens=of.completion_tokens or 0,
        )
        self._verdicts.put((request.key, sample))

    def take_in(self) -> None:
        """Read the verdicts that have come in."""
        while not self._verdicts.empty():
            self._read(*self._verdicts.get())

    def read(self, samples: Sequence[SampleOutcome]) -> None:
        """Read samples that the store holds."""
        for sample in samples:
            self.course.arrive(self._names[sample.run_id], sample)

    def _read(self, key: str, sample: SampleOutcome) -> None:
        self._unjudged.pop(key, None)
        self.read([sample])

    def status(self) -> str:
        def said(name: str, evidence: Evidence) -> str:
            task = self.course.tasks[name]
            units = "items" if task.rounds is None else "rounds"
            return (
                f"{name}: drop {100 * evidence.drop:.1f} [{100 * evidence.low:.1f}, "
                f"{100 * evidence.high:.1f}] after {evidence.rounds:,} of {task.size.units:,} "
                f"{units}"
            )

        tests = self.course.reading.tasks.items()
        return "  ".join(said(name, evidence) for name, evidence in tests if evidence.rounds)


def _run(
    trial: Trial, store: Store, journal: Journal, backend: Backend, observer: Observer
) -> Costs:
    """Read what is stored, then generate what it takes; return what that cost."""
    run_ids = [plan.run.id for plan in trial.plans]
    trial.missing = queries.missing_keys(store, run_ids)
    ungraded = queries.ungraded(store, run_ids, DEFAULT_PROFILE, GRADER_VERSION)
    keys = {request.key for plan in trial.plans for request in plan.requests}
    observer.planned(
        requests=len(keys), stored=len(keys) - len(trial.missing), runs=run_names(trial.plans)
    )
    if not trial.missing and not ungraded:
        stored = sample_outcomes(store, run_ids, GRADER_VERSION)
        trial.read(stored)
        return Costs(stored=stored)
    # Before the engine: on the CPU it binds this process, and workers would inherit that.
    scorers = scorers_of(item for plan in trial.plans for item in plan.items)
    with GraderPool(scorers=scorers) as pool:
        pool.wait_until_ready()
        judge = Judge(pool, journal, DEFAULT_PROFILE, observer.graded)
        sitting = Sitting(trial.plans, journal, observer, judge, trial)
        if ungraded:
            observer.phase("grading what is stored")
            for row in {row.key: row for row in ungraded}.values():
                sitting.judge(row.key, row.answer, truncated=row.truncated)
            judge.wait()
            journal.move()
        stored = sample_outcomes(store, run_ids, GRADER_VERSION)
        trial.read(stored)
        # The engine is made for all that may be needed.
        waiting = [] if trial.course.decided else sitting.waiting(trial.missing)
        longest = max(plan.longest for plan in trial.plans)
        phases = Phases()
        sitting.serve(backend, waiting, phases, longest=longest)
        trial.take_in()
    if not trial.course.decided and trial.course.unread():
        raise NoVerdict(
            f"{trial.course.unread()} items or rounds came back without a verdict.",
            "What was finished is kept: run the same command again to go on.",
        )
    return Costs(
        stored=stored,
        generated_tokens=phases.completion_tokens,
        aborted_tokens=int(phases.usage.get("aborted_tokens", 0)),
    )

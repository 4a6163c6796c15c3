"""Run a gate: preflight, generation in seeded order, early stopping, report."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from harness.backends.base import Backend
from harness.errors import HarnessError, NoVerdict
from harness.gate.baseline import find_baselines
from harness.gate.budget import Rules, alpha_budget, margin_remarks, rules_of
from harness.gate.config import GateConfig, task_names
from harness.gate.evidence import GateEvidence, TaskEvidence, guards_of, order_of
from harness.gate.plan import (
    Gate,
    Pair,
    compared_with_itself,
    open_candidate,
    pair_runs,
    plan_candidate,
    protocol_warnings,
    regrade_baselines,
)
from harness.gate.preflight import check_passable, preflight, refuse_shared_items
from harness.gate.report import GateReport
from harness.gate.summary import Costs, summarise
from harness.grading import GRADER_VERSION, GraderPool, start_server
from harness.registry import load_backend
from harness.run.callbacks import Callbacks
from harness.run.evaluate import open_results, register_runs
from harness.run.grader import RunGrader
from harness.run.plan import TaskPlan
from harness.run.session import Session, pending_work
from harness.statistics.sequential import Evidence
from harness.store import Journal, Store
from harness.store.item_results import SampleResult, sample_results
from harness.store.rows import SessionStats
from harness.task import scorers_of
from harness.types import DEFAULT_PROFILE, Generation, Model, Request, Verdict

# Far beyond what the pool gives an answer, in seconds.
_LONGEST_GRADING = 600.0
# Requests that may be ahead of what has been read however near the verdict is: about what the
# clearest verdicts take.
_LEAST_AHEAD = 48


def carry_out(gate: Gate, callbacks: Callbacks) -> GateReport:
    """Run a gate, or resume one that was interrupted.

    Raises:
        HarnessError: The question makes no sense as it stands; nothing was generated.
        NoVerdict: The infrastructure failed. Whatever was finished is kept.
        KeyboardInterrupt: The user stopped it. Whatever was finished is kept.
    """
    began = time.monotonic()
    store = Store(gate.results)
    with store.read():
        pass  # a gate makes no results file: it needs one with a baseline
    open_results(store, callbacks.notice)
    names, suite = task_names(gate.config, gate.tasks, gate.suite)
    baselines = find_baselines(
        store, gate.baselines, gate.config, names, suite, gate.registry, gate.command_options
    )
    engine_class = load_backend(gate.engine.backend)
    with closing(
        engine_class(gate.engine, notify=callbacks.notice, on_progress=callbacks.progressed)
    ) as backend:
        start_server()  # it loads what graders need while the gate is planned
        callbacks.phase("checking the candidate")
        model = open_candidate(gate, store, backend, baselines)
        callbacks.phase("rendering prompts")
        plans = [plan_candidate(gate, baseline, model, backend) for baseline in baselines]
        warnings = protocol_warnings(baselines, plans)
        with _infrastructure():
            regrade_baselines(store, baselines, gate.registry, callbacks)
        pairs = [pair_runs(store, *sides) for sides in zip(baselines, plans, strict=True)]
        budget, spent = alpha_budget(gate, store, pairs)
        rules = rules_of(gate.config, pairs, budget)
        evidence = _evidence(gate.config, pairs, model, rules)
        warnings += [*compared_with_itself(pairs), *spent, *margin_remarks(pairs, rules)]
        for warning in warnings:  # a refusal may follow from these
            callbacks.notice(warning)
        callbacks.phase("preflight: simulating what the gate can decide")
        refuse_shared_items(pairs, rules)
        if not gate.aa:  # the noise of a model with itself is worth knowing whatever the margin
            check_passable(pairs, rules, budget)
        forecast = preflight(store, pairs, rules, gate.config.power)
        warnings += forecast.remarks
        for remark in (forecast.chances.sentence(), *forecast.remarks):
            callbacks.notice(remark)
        stopping = EarlyStopping(evidence, [pair.plan for pair in pairs], gate.config.window)
        report: GateReport | None = None
        try:
            with _infrastructure(), register_runs(store, plans) as journal:
                costs = _run(stopping, store, journal, backend, callbacks)
                costs.seconds = time.monotonic() - began
                report = summarise(gate, pairs, evidence, forecast, budget, warnings, costs)
                journal.append("gate_decision", report.row())
        except NoVerdict as error:
            if report is None:
                raise
            # The verdict stands; its row waits in the journal.
            callbacks.notice(str(error))
    return report


@contextmanager
def _infrastructure() -> Iterator[None]:
    """Whatever goes wrong from here on is no mistake in the question."""
    try:
        yield
    except NoVerdict:
        raise
    except HarnessError as error:
        raise NoVerdict(error.message, error.remedy) from error


def _evidence(
    config: GateConfig, pairs: Sequence[Pair], model: Model, rules: Rules
) -> GateEvidence:
    tasks = [
        TaskEvidence(
            name=pair.name,
            order=order_of(
                list(pair.plan.run.item_ids),
                config.order_seed,
                f"{model.fingerprint} {pair.plan.run.replicate}",
            ),
            samples=pair.plan.run.samples,
            baseline=pair.baseline_items,
            guards=guards_of(pair.config.guards, rules.guard, config.alpha),
            rounds=pair.rounds,
            tier=rules.tiers[pair.name],
            lower_is_better=pair.config.better == "lower",
        )
        for pair in pairs
    ]
    return GateEvidence(tasks, rules.tasks, rules.suite)


class EarlyStopping:
    """Stopping rule of a session: requests in seeded order, until the verdict is certain.

    A request is under way until it has been graded, so that a slow grader does not lead to
    generating more than is needed. How far requests may run ahead is counted from the oldest one
    under way: what comes back after it cannot be read yet, and is wasted if the verdict comes
    first. Verdicts come from the pool's threads and wait in a queue; everything else happens in the
    one thread that takes the completions.

    Args:
        evidence: Takes in what has been graded.
        plans: The candidate's runs, one for each task of the evidence.
        window: Most requests under way, and half of how far they may be ahead; ``None`` for as many
            as the verdict needs at the least (``GateEvidence.least_needed``), and a few more.

    Attributes:
        missing: Keys of the requests that are still to be generated; to be set before the start.
    """

    def __init__(
        self, evidence: GateEvidence, plans: Sequence[TaskPlan], window: int | None
    ) -> None:
        self.evidence = evidence
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
        self._verdicts: queue.SimpleQueue[tuple[str, SampleResult]] = queue.SimpleQueue()

    def requests(self) -> Iterator[Request | None]:
        for task, item, sample in self.evidence.in_order():
            request = self._requests[task, item, sample]
            if request.key not in self.missing:
                continue  # stored, or asked for by an item with the same question
            unit = self.evidence.tasks[task].unit_of(item, sample)
            while not self._has_room(task, unit):
                if self._in_engine:
                    yield None
                else:
                    self._read(*self._verdicts.get(timeout=_LONGEST_GRADING))
            if not self.evidence.needs(task):
                continue
            self.missing.discard(request.key)
            self._unjudged[request.key] = (task, self._handed_out)
            self._handed_out += 1
            self._in_engine += 1
            yield request

    def _has_room(self, task: str, unit: int) -> bool:
        """Say whether a request may be handed out that belongs to this unit of the task."""
        needed = (place for name, place in self._unjudged.values() if self.evidence.needs(name))
        ahead = self._handed_out - next(needed, self._handed_out)
        if self._window is not None:
            return len(self._unjudged) < self._window and ahead < 2 * self._window
        # Nothing can be decided before the present unit is complete.
        at_hand = unit <= self.evidence.tasks[task].units_read
        return ahead < _LEAST_AHEAD or at_hand or unit < self.evidence.least_needed()[task]

    def on_completion(self, key: str) -> bool:
        self._in_engine -= 1
        self.take_in()
        return self.evidence.decided

    def on_verdict(
        self, plan: TaskPlan, request: Request, generation: Generation, verdict: Verdict
    ) -> None:
        sample = SampleResult(
            run_id=plan.run.id,
            item_id=request.item_id,
            sample_index=request.sample_index,
            correct=verdict.correct,
            status=verdict.status,
            truncated=generation.truncated,
            loop=generation.loop,
            completion_tokens=generation.completion_tokens or 0,
        )
        self._verdicts.put((request.key, sample))

    def take_in(self) -> None:
        """Read the verdicts that have come in."""
        while not self._verdicts.empty():
            self._read(*self._verdicts.get())

    def read(self, samples: Sequence[SampleResult]) -> None:
        """Read samples that the store holds."""
        for sample in samples:
            self.evidence.arrive(self._names[sample.run_id], sample)

    def _read(self, key: str, sample: SampleResult) -> None:
        self._unjudged.pop(key, None)
        self.read([sample])

    def status(self) -> str:
        def said(name: str, evidence: Evidence) -> str:
            task = self.evidence.tasks[name]
            units = "items" if task.rounds is None else "rounds"
            return (
                f"{name}: drop {100 * evidence.drop:.1f} [{100 * evidence.low:.1f}, "
                f"{100 * evidence.high:.1f}] after {evidence.rounds:,} of {task.size.units:,} "
                f"{units}"
            )

        tests = self.evidence.tests.tasks.items()
        return "  ".join(said(name, evidence) for name, evidence in tests if evidence.rounds)


def _run(
    stopping: EarlyStopping, store: Store, journal: Journal, backend: Backend, callbacks: Callbacks
) -> Costs:
    """Read what is stored, then generate what it takes; return what that cost."""
    run_ids = [plan.run.id for plan in stopping.plans]
    pending = pending_work(store, stopping.plans, callbacks)
    stopping.missing = pending.missing
    if not pending:
        stored = sample_results(store, run_ids, GRADER_VERSION)
        stopping.read(stored)
        return Costs(stored=stored)
    # Before the engine: on the CPU it binds this process, and workers would inherit that.
    scorers = scorers_of(item for plan in stopping.plans for item in plan.items)
    with GraderPool(scorers=scorers) as pool:
        pool.wait_until_ready()
        grader = RunGrader(pool, journal, DEFAULT_PROFILE, callbacks.graded)
        session = Session(stopping.plans, journal, callbacks, grader, stopping)
        if pending.ungraded:
            callbacks.phase("grading what is stored")
            session.grade_stored(pending.ungraded)
            grader.wait()
            journal.move()
        stored = sample_results(store, run_ids, GRADER_VERSION)
        stopping.read(stored)
        # The engine is made for all that may be needed.
        waiting = [] if stopping.evidence.decided else session.requests(pending.missing)
        longest = max(plan.longest for plan in stopping.plans)
        stats = SessionStats()
        session.run(backend, waiting, stats, longest=longest)
        stopping.take_in()
    if not stopping.evidence.decided and stopping.evidence.unread():
        raise NoVerdict(
            f"{stopping.evidence.unread()} items or rounds came back without a verdict.",
            "What was finished is kept: run the same command again to go on.",
        )
    return Costs(
        stored=stored,
        generated_tokens=stats.completion_tokens,
        aborted_tokens=int(stats.usage.get("aborted_tokens", 0)),
    )

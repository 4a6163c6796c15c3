"""Build the report of a gate from its evidence."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from harness.analysis.assumptions import SourcedAssumptions
from harness.gate.config import Tier
from harness.gate.evidence import GateEvidence, TaskEvidence
from harness.gate.plan import Gate, Pair
from harness.gate.preflight import Preflight
from harness.gate.reasons import reason_of
from harness.gate.report import (
    Budget,
    GateReport,
    GuardReport,
    ModelReport,
    RuleReport,
    TaskReport,
)
from harness.gate.rounds import rounds_it_would_take
from harness.statistics.planning import Remedy, power_remedy
from harness.statistics.sequential import Evidence, Outcome, SuiteEvidence
from harness.store.item_results import SampleResult
from harness.types import THESE_ITEMS

_MOST_LOST = 10
_DIGITS = 4


@dataclass(slots=True)
class Costs:
    """What a gate took.

    Attributes:
        stored: The samples that the store already held.
        generated_tokens: New tokens of completions that were kept.
        aborted_tokens: New tokens of those that were cut off when the verdict was certain.
        seconds: Wall clock.
    """

    stored: list[SampleResult] = field(default_factory=list)
    generated_tokens: int = 0
    aborted_tokens: int = 0
    seconds: float = 0.0


def summarise(
    gate: Gate,
    pairs: Sequence[Pair],
    evidence: GateEvidence,
    forecast: Preflight,
    budget: Budget,
    warnings: Sequence[str],
    costs: Costs,
) -> GateReport:
    """Return the report of a gate that has come to its end."""
    tasks = [_task_report(pair, evidence, forecast.supposed[pair.name], gate) for pair in pairs]
    suite = evidence.tests.suite
    of_suite = None
    if suite is not None:
        counted = [task for task in tasks if task.tier != Tier.ADVISORY]
        of_suite = _suite_report(suite, counted, evidence.tests.suite_rounds)
    doubt = evidence.in_doubt
    outcome = "error" if doubt else str(evidence.outcome)
    first = pairs[0]
    return GateReport(
        id=uuid.uuid4().hex[:12],
        outcome=outcome,
        blocks=outcome != "pass" and (outcome != "undecided" or gate.config.undecided == "fail"),
        reason=reason_of(outcome, tasks, of_suite, doubt and (str(doubt[0]), str(doubt[1]))),
        candidate=ModelReport(first.plan.model.name, first.plan.model.fingerprint),
        baseline=ModelReport(first.baseline_run.model, first.baseline_run.fingerprint),
        aa=gate.aa,
        tasks=tasks,
        suite=of_suite,
        budget=budget,
        warnings=list(warnings),
        config=gate.config.as_dict(),
        results=str(gate.results),
        power=gate.config.power,
        chances=forecast.chances,
        stored=len(costs.stored),
        tokens_spent=costs.generated_tokens + costs.aborted_tokens,
        tokens_aborted=costs.aborted_tokens,
        tokens_stored=sum(sample.completion_tokens for sample in costs.stored),
        tokens_full=_tokens_full(tasks),
        seconds=costs.seconds,
    )


def _task_report(
    pair: Pair, evidence: GateEvidence, supposition: SourcedAssumptions, gate: Gate
) -> TaskReport:
    task, test = evidence.tasks[pair.name], evidence.tests.tasks[pair.name]
    read, drops = task.read, task.by_item()
    lost = sorted((of for of in drops if of[1] > 0), key=lambda of: -of[1])
    return TaskReport(
        **_test(test),
        tier=task.tier,
        lower_is_better=task.lower_is_better,
        decided_at=test.decided_in,
        read=len(drops),
        items=len(task.order),
        target=pair.config.target,
        rounds=task.size.units if task.rounds is not None else None,
        rounds_read=task.units_read if task.rounds is not None else None,
        task=pair.name,
        baseline_run=pair.baseline_run.id,
        candidate_run=pair.plan.run.id,
        baseline_samples=pair.baseline_run.samples,
        candidate_samples=pair.plan.run.samples,
        baseline_score=fmean(item.baseline for item in read) if read else 0.0,
        candidate_score=fmean(item.candidate for item in read) if read else 0.0,
        square=test.square,
        worse=len(lost),
        better=sum(drop < 0 for _, drop in drops),
        most_lost=[item for item, _ in lost[:_MOST_LOST]],
        guards=_guards(task, pair),
        would_take=_would_take(test, pair, supposition, gate),
        tokens=sum(item.tokens for item in read),
        low=[round(value, _DIGITS) for value in task.low],
        high=[round(value, _DIGITS) for value in task.high],
    )


def _suite_report(suite: SuiteEvidence, tasks: Sequence[TaskReport], rounds: int) -> RuleReport:
    targets = {task.target for task in tasks}
    in_rounds = THESE_ITEMS in targets
    return RuleReport(
        **_test(suite),
        tier=Tier.REQUIRED,
        lower_is_better=False,
        decided_at=suite.decided_in if in_rounds else suite.decided_at,
        read=sum(task.read for task in tasks) if in_rounds else suite.items,
        items=sum(task.items for task in tasks),
        target=targets.pop() if len(targets) == 1 else "each task's own target",
        rounds=rounds if in_rounds else None,
        rounds_read=suite.rounds if in_rounds else None,
    )


def _test(evidence: Evidence) -> dict[str, Any]:
    return {
        "outcome": str(evidence.outcome),
        "margin": evidence.rule.margin,
        "alpha_fail": evidence.rule.alpha_fail,
        "alpha_pass": evidence.rule.alpha_pass,
        "drop": evidence.drop,
        "least": evidence.low,
        "most": evidence.high,
    }


def _guards(task: TaskEvidence, pair: Pair) -> list[GuardReport]:
    def rate(side: str, name: str) -> float:
        return fmean(getattr(getattr(item, side), name) for item in task.read) if task.read else 0.0

    return [
        GuardReport(
            name=name,
            baseline=rate("baseline_rates", name),
            candidate=rate("candidate_rates", name),
            tolerance=getattr(pair.config.guards, name) / 100,
            at_least=guard.low,
            at_most=guard.high,
            alpha_breached=guard.alpha,
            alpha_held=guard.alpha_held,
            breached=guard.breached,
            held=guard.held,
        )
        for name, guard in task.guards.items()
    ]


def _would_take(
    evidence: Evidence, pair: Pair, supposition: SourcedAssumptions, gate: Gate
) -> Remedy | None:
    wanted = gate.aa or evidence.outcome is Outcome.UNDECIDED
    if not evidence.square or not wanted:
        return None
    measured = supposition.noise == "measured"
    seen = supposition.values.as_seen(evidence.square, evidence.drop, noise_known=measured)
    if pair.rounds is not None:
        items, rounds = len(pair.baseline_items), len(pair.rounds)
        return rounds_it_would_take(evidence.rule, items, rounds, seen, gate.config.power)
    return power_remedy(
        evidence.rule,
        seen,
        items=len(pair.baseline_items),
        resample=measured,
        power=gate.config.power,
    )


def _tokens_full(tasks: Sequence[TaskReport]) -> int | None:
    """Return what the whole evaluation takes, from the items that were read in their order.

    Those that came back beyond them are the short ones, and would make it too little.
    """
    if not all(task.share_read and task.tokens for task in tasks):
        return None
    return math.ceil(sum(task.tokens / task.share_read for task in tasks))

"""From the course of a gate to its report."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from harness.gate.course import Course, TaskCourse
from harness.gate.pairing import Gate, Pair
from harness.gate.prospects import Prospects
from harness.gate.report import (
    GateReport,
    GuardReport,
    ModelReport,
    RuleReport,
    TaskReport,
    reason_of,
)
from harness.statistics.power import Remedy, what_it_would_take
from harness.statistics.sequential import Evidence
from harness.store.outcomes import SampleOutcome

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

    stored: list[SampleOutcome] = field(default_factory=list)
    generated_tokens: int = 0
    aborted_tokens: int = 0
    seconds: float = 0.0


def summarise(
    gate: Gate,
    pairs: Sequence[Pair],
    course: Course,
    prospects: Prospects,
    warnings: Sequence[str],
    costs: Costs,
) -> GateReport:
    """Return the report of a gate that has come to its end."""
    tasks = [
        _task_report(pair, course, prospects.within[pair.name], gate.config.power) for pair in pairs
    ]
    suite = course.reading.suite
    of_suite = None
    if suite is not None:
        items = sum(task.items for task in tasks)
        of_suite = RuleReport(**_test(suite, items))
    doubt = course.in_doubt
    outcome = "error" if doubt else str(course.outcome)
    first = pairs[0]
    return GateReport(
        id=uuid.uuid4().hex[:12],
        outcome=outcome,
        blocks=outcome != "pass" and (outcome != "undecided" or gate.config.undecided == "fail"),
        reason=reason_of(outcome, tasks, of_suite, doubt and (str(doubt[0]), str(doubt[1]))),
        candidate=ModelReport(first.plan.model.name, first.plan.model.fingerprint),
        baseline=ModelReport(first.anchor.model, first.anchor.fingerprint),
        aa=gate.aa,
        tasks=tasks,
        suite=of_suite,
        warnings=list(warnings),
        config=gate.config.as_dict(),
        power=gate.config.power,
        stored=len(costs.stored),
        tokens_spent=costs.generated_tokens + costs.aborted_tokens,
        tokens_aborted=costs.aborted_tokens,
        tokens_stored=sum(sample.completion_tokens for sample in costs.stored),
        tokens_full=_tokens_full(tasks),
        seconds=costs.seconds,
    )


def _task_report(pair: Pair, course: Course, within: float | None, power: float) -> TaskReport:
    task, evidence = course.tasks[pair.name], course.reading.tasks[pair.name]
    read = task.read
    lost = sorted((item for item in read if item.drop > 0), key=lambda item: -item.drop)
    return TaskReport(
        **_test(evidence, len(task.order)),
        task=pair.name,
        baseline_run=pair.anchor.id,
        candidate_run=pair.plan.run.id,
        baseline_samples=pair.anchor.samples,
        candidate_samples=pair.plan.run.samples,
        baseline_score=fmean(item.baseline for item in read) if read else 0.0,
        candidate_score=fmean(item.candidate for item in read) if read else 0.0,
        square=evidence.square,
        worse=len(lost),
        better=sum(item.drop < 0 for item in read),
        most_lost=[item.item_id for item in lost[:_MOST_LOST]],
        guards=_guards(task, pair),
        would_take=_would_take(evidence, pair, within, power),
        tokens=sum(item.tokens for item in read),
        low=[round(value, _DIGITS) for value in task.low],
        high=[round(value, _DIGITS) for value in task.high],
    )


def _test(evidence: Evidence, items: int) -> dict[str, Any]:
    return {
        "outcome": str(evidence.outcome),
        "margin": evidence.rule.margin,
        "alpha_fail": evidence.rule.alpha_fail,
        "alpha_pass": evidence.rule.alpha_pass,
        "drop": evidence.drop,
        "least": evidence.low,
        "most": evidence.high,
        "decided_at": evidence.decided_at,
        "read": evidence.items,
        "items": items,
    }


def _guards(task: TaskCourse, pair: Pair) -> list[GuardReport]:
    def rate(side: str, name: str) -> float:
        return fmean(getattr(getattr(item, side), name) for item in task.read) if task.read else 0.0

    return [
        GuardReport(
            name=name,
            baseline=rate("baseline_rates", name),
            candidate=rate("candidate_rates", name),
            tolerance=getattr(pair.config.guards, name) / 100,
            at_least=guard.low,
            breached=guard.breached,
        )
        for name, guard in task.guards.items()
    ]


def _would_take(
    evidence: Evidence, pair: Pair, within: float | None, power: float
) -> Remedy | None:
    if not evidence.square:
        return None
    return what_it_would_take(
        evidence.rule,
        items=len(pair.baseline),
        square=evidence.square,
        samples=pair.plan.run.samples,
        within=within,
        power=power,
    )


def _tokens_full(tasks: Sequence[TaskReport]) -> int | None:
    """Return what the whole evaluation takes, from the items that were read in their order.

    Those that came back beyond them are the short ones, and would make it too little.
    """
    if not all(task.read and task.tokens for task in tasks):
        return None
    return math.ceil(sum(task.tokens * task.items / task.read for task in tasks))

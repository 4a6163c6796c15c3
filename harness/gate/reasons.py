"""Sentences that explain a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.gate.report import GuardReport, RuleReport, TaskReport
from harness.text import percent, trimmed


def reason_of(
    outcome: str,
    tasks: Sequence[TaskReport],
    suite: RuleReport | None,
    doubt: tuple[str, str] | None,
) -> str:
    """Say in plain sentences why a gate ended as it did."""
    said = _reason(outcome, tasks, suite, doubt)
    advisory = [
        f"{task.task}: {_interval(task)}."
        for task in tasks
        if not task.counts and task.outcome == "fail"
    ]
    advisory += [
        _breach(task, guard)
        for task in tasks
        if not task.guards_count
        for guard in task.guards
        if guard.breached
    ]
    return " ".join([said, *(f"Not counted: {sentence}" for sentence in advisory)])


def _reason(
    outcome: str,
    tasks: Sequence[TaskReport],
    suite: RuleReport | None,
    doubt: tuple[str, str] | None,
) -> str:
    tests: list[tuple[str, RuleReport]] = [(task.task, task) for task in tasks if task.counts]
    tests += [("the tasks together", suite)] if suite else []
    if doubt is not None:
        kind, harsh = doubt
        return (
            "The grader's infrastructure failed on some answers, and the verdict depends on them: "
            f"{kind} if they speak for the candidate, {harsh} if they speak against it."
        )
    if outcome == "pass":
        return _all_pass(tests)
    if outcome == "fail":
        said = [_said(name, test) for name, test in tests if test.outcome == "fail"]
        said += [
            _breach(task, guard)
            for task in tasks
            if task.guards_count
            for guard in task.guards
            if guard.breached
        ]
        return " ".join(said)
    return " ".join(_said(name, test) for name, test in tests if test.outcome == "undecided")


def _all_pass(tests: Sequence[tuple[str, RuleReport]]) -> str:
    """Say it once for tests that say the same of different tasks."""
    alike = {(test.alpha_pass, test.alpha_fail, test.about, test.change) for _, test in tests}
    if len(tests) == 1 or len(alike) > 1:
        return " ".join(_said(name, test) for name, test in tests)
    ((alpha_pass, alpha_fail, about, change),) = alike
    each = "; ".join(
        f"{name} under {trimmed(test.margin)} points (between {trimmed(test.least)} and "
        f"{trimmed(test.most)}, {_read(test)})"
        for name, test in tests
    )
    return (
        f"With {confidence(alpha_pass)} confidence each {change} is under its margin, {about}: "
        f"{each}. Each interval holds with {confidence(alpha_fail + alpha_pass)} confidence."
    )


def _read(test: RuleReport) -> str:
    all_there_is = test.extent.partition(" of ")[2]
    return f"after {test.extent}" if test.stopped else f"after all {all_there_is}"


def _said(name: str, test: RuleReport) -> str:
    return f"{name}, {test.about}: {_interval(test)}."


def _breach(task: TaskReport, guard: GuardReport) -> str:
    return (
        f"{task.task}: {guard.title} has risen from {percent(guard.baseline)} % to "
        f"{percent(guard.candidate)} % of the samples, with "
        f"{confidence(guard.alpha_breached)} confidence by at least {trimmed(guard.at_least)} "
        f"points where {trimmed(guard.tolerance)} are tolerated."
    )


def _interval(test: RuleReport) -> str:
    jointly = confidence(test.alpha_fail + test.alpha_pass)
    between = f"between {trimmed(test.least)} and {trimmed(test.most)}"
    seen = f"{between} with {jointly} confidence, {_read(test)}"
    if test.outcome == "pass":
        sure = confidence(test.alpha_pass)
        return (
            f"with {sure} confidence the {test.change} is under {trimmed(test.margin)} points "
            f"({seen})"
        )
    if test.outcome == "fail":
        sure = confidence(test.alpha_fail)
        moved = "risen" if test.lower_is_better else "dropped"
        return f"with {sure} confidence the score has {moved} ({test.change} {seen})"
    return f"undecided at a margin of {trimmed(test.margin)} points ({test.change} {seen})"


def confidence(alpha: float) -> str:
    """Return the confidence that a probability of error leaves, in percent, never rounded up."""
    return f"{math.floor(1e4 * (1 - alpha) + 1e-6) / 100:g} %"

"""The report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from harness.cli import render
from harness.gate.markdown import costs, noise_floor
from harness.gate.report import (
    GateReport,
    figures,
    guard_figures,
    guard_state,
    name_of,
    outcome_of,
    where_to_look,
    would_take,
)
from harness.text import clean, percent

_STYLES = {"pass": "bold green", "fail": "bold red", "undecided": "bold yellow"}


def print_report(report: GateReport) -> None:
    """Print the verdict, what it rests on, and what it took."""
    console = Console(soft_wrap=True)
    verdict = "NO VERDICT" if report.outcome == "error" else report.outcome.upper()
    console.print(
        Text(verdict, style=_STYLES.get(report.outcome, "bold red")),
        Text(clean(f"  {_sides(report)}")),
        Text(f" (attempt {report.budget.attempt})" if report.budget.attempt > 1 else ""),
        sep="",
    )
    console.print(Text(clean(report.reason)))
    console.print()
    head = ("task", "verdict", " drop", " at least", " at most", " margin", "target", " read")
    rows = [
        (
            name_of(task),
            outcome_of(task),
            *figures(task),
            f"{percent(task.baseline_score)} %",
            f"{percent(task.candidate_score)} %",
            f"{task.worse}/{task.better}",
        )
        for task in report.tasks
    ]
    if report.suite is not None:
        rows.append(("together", outcome_of(report.suite), *figures(report.suite), "", "", ""))
    render.print_table((*head, " baseline", " candidate", " worse/better"), rows)
    watched = [
        (
            task.task,
            guard.title,
            *guard_figures(guard),
            guard_state(task, guard.state.upper() if guard.breached else guard.state),
        )
        for task in report.tasks
        for guard in task.guards
        if guard.baseline or guard.candidate
    ]
    rise = (" rise", " at least", " at most", " tolerated")
    guards = ("task", "guard", " baseline", " candidate", *rise, "")
    if watched:
        render.print_table(guards, watched)
    for task in report.tasks:
        unseen = [guard for guard in task.guards if not (guard.baseline or guard.candidate)]
        for state in dict.fromkeys(guard.state for guard in unseen):
            titles = ", ".join(guard.title for guard in unseen if guard.state == state)
            said = f"{task.task}: 0 % on both sides: {titles} ({guard_state(task, state)})"
            console.print(Text(clean(said)))
    for task in report.tasks:
        lines = [would_take(report, task), noise_floor(task) if report.aa else ""]
        if command := where_to_look(report, task):
            shows = "the item most lost" if task.stopped else "what flipped"
            lines.append(f"{task.task}: `{command}` shows {shows}")
        for line in filter(None, lines):
            console.print(Text(clean(line)))
    console.print(Text(clean(costs(report))))


def _sides(report: GateReport) -> str:
    if report.aa:
        return f"{report.baseline.name} against itself, with fresh samples (A/A)"
    return f"{report.candidate.name} against the baseline {report.baseline.name}"

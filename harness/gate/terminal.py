"""The report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from harness import display
from harness.gate.markdown import costs, noise_floor
from harness.gate.report import GateReport, RuleReport, percent, points, would_take
from harness.terminal import clean

_STYLES = {"pass": "bold green", "fail": "bold red", "undecided": "bold yellow"}


def print_report(report: GateReport) -> None:
    """Print the verdict, what it rests on, and what it took."""
    console = Console(soft_wrap=True)
    against = "sampled anew against" if report.aa else "against the baseline"
    verdict = "NO VERDICT" if report.outcome == "error" else report.outcome.upper()
    console.print(
        Text(verdict, style=_STYLES.get(report.outcome, "bold red")),
        Text(clean(f"  {report.candidate.name} {against} {report.baseline.name}")),
        sep="",
    )
    console.print(Text(clean(report.reason)))
    console.print()
    head = ("task", "verdict", " drop", " at least", " at most", " margin", " items read")
    rows = [
        (
            task.task,
            *_figures(task),
            percent(task.baseline_score),
            percent(task.candidate_score),
            f"{task.worse}/{task.better}",
        )
        for task in report.tasks
    ]
    if report.suite is not None:
        rows.append(("together", *_figures(report.suite), "", "", ""))
    display.print_table((*head, " baseline", " candidate", " worse/better"), rows)
    watched = [
        (
            task.task,
            guard.title,
            percent(guard.baseline),
            percent(guard.candidate),
            points(guard.tolerance),
            "BREACHED" if guard.breached else "held",
        )
        for task in report.tasks
        for guard in task.guards
    ]
    guards = ("task", "guard", " baseline", " candidate", " may rise by", "")
    display.print_table(guards, watched)
    for task in report.tasks:
        lines = [would_take(report, task), noise_floor(task) if report.aa else ""]
        runs = f"{task.baseline_run} {task.candidate_run}"
        lines.append(f"{task.task}: `harness compare {runs}` shows what flipped")
        for line in filter(None, lines):
            console.print(Text(clean(line)))
    console.print(Text(clean(costs(report))))


def _figures(test: RuleReport) -> tuple[str, ...]:
    return (
        test.outcome,
        points(test.drop),
        points(test.least),
        points(test.most),
        points(test.margin),
        f"{test.read} of {test.items}",
    )

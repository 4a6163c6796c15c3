"""The report as Markdown, for a job's summary or a comment on a pull request."""

from __future__ import annotations

import string

from harness.gate.report import (
    GateReport,
    GuardReport,
    RuleReport,
    TaskReport,
    figures,
    guard_figures,
    guard_state,
    not_counted,
    where_to_look,
    would_take,
)
from harness.text import clean, percent, trimmed

_MARKS = {
    "pass": "\N{WHITE HEAVY CHECK MARK} pass",
    "fail": "\N{CROSS MARK} fail",
    "undecided": "\N{WHITE QUESTION MARK ORNAMENT} undecided",
    "error": "\N{WARNING SIGN} no verdict",
}
_HARMLESS = frozenset(string.ascii_letters + string.digits + " ")


def markdown(report: GateReport) -> str:
    """Return the report; names of models, runs and items are shown as they are and do nothing."""
    title = "A/A: the baseline against itself" if report.aa else "Gate"
    lines = [
        f"## {title}: {_MARKS[report.outcome]}",
        "",
        f"{_name(report.candidate.name)} against the baseline {_name(report.baseline.name)}"
        f"{f' (attempt {report.budget.attempt})' if report.budget.attempt > 1 else ''}",
        "",
        _text(report.reason),
        "",
        "| task | verdict | drop in points | at least | at most | margin | target | read |"
        " baseline | candidate | worse / better |",
        "|---|---|--:|--:|--:|--:|---|--:|--:|--:|--:|",
        *(_task_row(task) for task in report.tasks),
    ]
    if report.suite is not None:
        lines.append(f"| together | {_figures(report.suite)} | | | |")
    takes = [would_take(report, task) for task in report.tasks]
    lines += ["", *(f"{_text(take)}\n" for take in takes if take)]
    lines += _guards(report)
    lines += ["", _text(report.chances.sentence()), "", _text(costs(report)), ""]
    lines += [f"- {_text(warning)}" for warning in report.warnings]
    lines += ["", *(_lost(report, task) for task in report.tasks if task.most_lost)]
    return "\n".join(lines).rstrip() + "\n"


def markdown_of_error(message: str) -> str:
    """Return what there is to say where no verdict was reached."""
    return f"## Gate: {_MARKS['error']}\n\n{_text(message)}\n"


def costs(report: GateReport) -> str:
    """Say what the gate took, and what the whole evaluation takes."""
    spent = f"{report.tokens_spent:,} new tokens in {report.seconds:,.1f} s"
    if report.tokens_full is not None and report.share is not None:
        about = "about " if report.estimated else ""
        full = f"{about}{report.tokens_full:,} of a full evaluation"
        spent += f", {percent(report.share)} % of the {full}"
    more = []
    if report.tokens_aborted:
        more.append(f"{report.tokens_aborted:,} of them were cut off when the verdict was certain")
    if report.stored:
        more.append(f"{report.stored:,} samples were in the store already")
    return "; ".join([spent, *more]) + "."


def noise_floor(task: TaskReport) -> str:
    """Say how much two sets of samples of one model differ."""
    differing = (task.worse + task.better) / task.read if task.read else 0.0
    decidable = "any"
    if task.would_take is not None:
        margin = task.would_take.margin
        decidable = "none" if margin is None else f"{trimmed(margin, 1)} points"
    if task.rounds is not None:
        return (
            f"{task.task}: {task.about} the model differs from itself by {trimmed(task.drop)} "
            f"points after {task.extent}; the smallest margin that all {task.rounds} rounds "
            f"decide is {decidable}."
        )
    return (
        f"{task.task}: the model differs from itself on {percent(differing)} % of the items read; "
        f"the smallest margin that all {task.items} items decide is {decidable}."
    )


def _task_row(task: TaskReport) -> str:
    rise = " (rise)" if task.lower_is_better else ""
    return (
        f"| {_name(task.task)}{rise} | {_figures(task)} | {percent(task.baseline_score)} % |"
        f" {percent(task.candidate_score)} % | {task.worse} / {task.better} |"
    )


def _figures(test: RuleReport) -> str:
    mark = _MARKS[test.outcome] + ("" if test.counts else f" ({not_counted(test)})")
    return " | ".join([mark, *map(_text, figures(test))])


def _guards(report: GateReport) -> list[str]:
    def row(task: TaskReport, guard: GuardReport) -> str:
        state = guard_state(task, f"**{guard.state}**" if guard.breached else guard.state)
        cells = (_name(task.task), guard.title, *guard_figures(guard), state)
        return f"| {' | '.join(cells)} |"

    return [
        "| task | guard | baseline | candidate | rise in points | at least | at most |"
        " tolerated | |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
        *(row(task, guard) for task in report.tasks for guard in task.guards),
    ]


def _lost(report: GateReport, task: TaskReport) -> str:
    items = ", ".join(_name(item) for item in task.most_lost)
    shows = "shows the first" if task.stopped else "shows them"
    return (
        f"Lost most on {_name(task.task)}: {items}; {_name(where_to_look(report, task))} {shows}.\n"
    )


def _name(text: str) -> str:
    """Return untrusted text as code that cannot be ended, become a link or mention anybody."""
    return f"<code>{_entities(text, _HARMLESS)}</code>"


def _text(text: str) -> str:
    """Return a sentence of ours, which may hold an untrusted name, as plain text."""
    return _entities(text, _HARMLESS | set(",.;:%()'/+\N{MINUS SIGN}\N{EN DASH}"))


def _entities(text: str, harmless: frozenset[str] | set[str]) -> str:
    written = "".join(
        character if character in harmless else f"&#{ord(character)};"
        for character in " ".join(clean(text).split())
    )
    # Printed into a log, a line that begins with it could be a command.
    return written.replace("::", "&#58;&#58;")

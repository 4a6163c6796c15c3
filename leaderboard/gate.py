"""A verdict of the gate as text, table and figure; no drawing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.store.gate_decisions import GateDecision
from harness.store.queries import RunSummary
from harness.text import percent, trimmed
from harness.types import NEW_ITEMS, THESE_ITEMS
from leaderboard.figures import BLUE, GREY, ORANGE, framed, legend_of
from leaderboard.html_table import Column, Html, Line, badge, facts, grid, joined, link
from leaderboard.text import escaped, shortened

# The mark and the word tell a verdict; the colour of its frame only helps.
OUTCOMES = {
    "pass": ("right", "✓ pass"),
    "fail": ("wrong", "✗ fail"),
    "undecided": ("warning", "? undecided"),
    "error": ("broken", "! no verdict"),
}
GUARDS = {
    "truncation": "cut off by the budget",
    "no_answer": "no answer found",
    "loop": "ends in a repetition",
    "grader_failure": "the grader failed",
}

# Whether the test of a task counts for the verdict, by its tier.
_COUNTS = {
    "required": "yes",
    "suite": "only in the tasks together",
    "advisory": "no, advisory",
}

_LONGEST_REASON = 160
_HISTORY = (
    Column("when", "Decided", "UTC; opens the decision"),
    Column("verdict", "Verdict"),
    Column("candidate", "Candidate"),
    Column("baseline", "Baseline"),
    Column("drop", "Drop, points [interval]", "Baseline minus candidate, over what was read"),
    Column("tokens", "New tokens", "With those that were cut off at the end", numeric=True),
    Column("saved", "Saved, %", "Of the whole evaluation's tokens; stored ones too", numeric=True),
    Column("seconds", "Seconds", "Wall clock", numeric=True),
    Column("reason", "Reason", wide=True),
)
_GUARD_TABLE = (
    Column("guard", "Guard"),
    Column("was", "Baseline, %", numeric=True),
    Column("is", "Candidate, %", numeric=True),
    Column("rise", "Risen by at least, points", "Lower bound at any time", numeric=True),
    Column("most", "At most, points", "Upper bound at any time", numeric=True),
    Column("limit", "May rise by, points", numeric=True),
    Column("state", "State"),
)


def verdict(outcome: str) -> Html:
    """Return an outcome as a mark and a word in a frame."""
    kind, words = OUTCOMES.get(outcome, ("warning", outcome))
    return badge(kind, words)


def name_of(name: str, fingerprint: str) -> str:
    """Return what a model is called, or the beginning of its fingerprint."""
    return name or f"unknown model {fingerprint[:8]}"


def candidates(decisions: Iterable[GateDecision]) -> list[str]:
    """Return the candidates by name, the newest first."""
    return list(dict.fromkeys(name_of(one.candidate_name, one.candidate) for one in decisions))


def filtered(
    decisions: Iterable[GateDecision], outcomes: Sequence[str], candidate: str | None
) -> list[GateDecision]:
    """Keep the decisions with one of these outcomes (all if there is none) on this candidate."""
    return [
        one
        for one in decisions
        if (not outcomes or one.outcome in outcomes)
        and (candidate is None or name_of(one.candidate_name, one.candidate) == candidate)
    ]


def history(
    decisions: Sequence[GateDecision], opened: str | None, filters: Mapping[str, str | list[str]]
) -> str:
    """Return the decisions as a table; the links in it keep the filters."""
    lines = [_history_line(one, opened, filters) for one in decisions]
    return grid("Decisions", _HISTORY, lines)


def _history_line(
    one: GateDecision, opened: str | None, filters: Mapping[str, str | list[str]]
) -> Line:
    share = saved(one)
    when = f"{one.decided_at:%Y-%m-%d %H:%M}"
    cells = {
        "when": link("gate", when, "Open this decision", **filters, decision=one.id),
        "verdict": verdict(one.outcome),
        "candidate": name_of(one.candidate_name, one.candidate) + attempt(one),
        "baseline": "itself (A/A)" if one.aa else name_of(one.baseline_name, one.baseline),
        "drop": joined(_drop_of(task["task"], task) for task in one.tasks),
        "tokens": f"{one.tokens_spent:,}",
        "saved": "" if share is None else percent(share),
        "seconds": f"{one.seconds:,.0f}",
        "reason": shortened(one.reason, _LONGEST_REASON),
    }
    return Line(cells, "opened" if one.id == opened else "")


def _drop_of(name: str, test: Mapping[str, Any]) -> Html:
    interval = f"{trimmed(test['drop'])} [{trimmed(test['least'])}, {trimmed(test['most'])}]"
    written = interval if test["read"] else "nothing read"
    if test.get("target") == THESE_ITEMS:
        written += f" on {_about(test)}"
    return Html(f'<span class="task">{escaped(name)}</span> <span class="figures">{written}</span>')


def saved(one: GateDecision) -> float | None:
    """Return the share of the whole evaluation's tokens that was not spent."""
    if not one.tokens_full:
        return None
    return 1 - one.tokens_spent / one.tokens_full


def decision_facts(one: GateDecision) -> str:
    """Return what a decision took, and on whom it was."""
    full = "not known"
    if one.tokens_full:
        read_all = all(number == there_are for number, there_are, _ in map(_extent, one.tasks))
        full = f"{'' if read_all else 'about '}{one.tokens_full:,}"
    share = saved(one)
    pairs = {
        "Decided": f"{one.decided_at:%Y-%m-%d %H:%M %Z}",
        "Exit code": str(one.exit_code),
        "New tokens": f"{one.tokens_spent:,}",
        "of them cut off at the end": f"{one.tokens_aborted:,}",
        "Tokens in the store before": f"{one.tokens_stored:,}",
        "A full evaluation's tokens": full,
        "Saved, stored ones too": "–" if share is None else f"{percent(share)} %",
        "Wall clock": f"{one.seconds:,.1f} s",
        "Grader": one.grader_version,
    }
    return facts(pairs)


def attempt(one: GateDecision) -> str:
    """Return which attempt at its candidate a decision was; nothing for the first."""
    number = (one.budget or {}).get("attempt", 1)
    return f", attempt {number}" if number > 1 else ""


def _extent(task: Mapping[str, Any]) -> tuple[int, int, str]:
    """Return how much of a test was read, how much there is, and of what."""
    if task.get("rounds") is not None:
        return task["rounds_read"], task["rounds"], "rounds"
    return task["read"], task["items"], "items"


def _about(task: Mapping[str, Any]) -> str:
    """Return what a drop is about; older decisions are all over new items."""
    target = task.get("target", NEW_ITEMS)
    return f"these {task['items']:,} items" if target == THESE_ITEMS else target


def task_facts(task: Mapping[str, Any]) -> str:
    """Return how a task, or the suite, stood at the end."""
    change = "Rise" if task.get("lower_is_better") else "Drop"
    read, there_are, unit = _extent(task)
    pairs = {
        "Verdict": verdict(task["outcome"]),
        "Counts": _COUNTS.get(task.get("tier", "required"), "yes"),
        f"{change} on": _about(task),
        f"{change}, points": trimmed(task["drop"]),
        f"at least ({_certainty(task['alpha_fail'])} at any time)": trimmed(task["least"]),
        f"at most ({_certainty(task['alpha_pass'])} at any time)": trimmed(task["most"]),
        "Margin, points": trimmed(task["margin"]),
        f"{unit.capitalize()} read": f"{read:,} of {there_are:,}",
    }
    if task["decided_at"] is not None:
        pairs["Decided after"] = f"{task['decided_at']:,} {unit}"
    if "candidate_score" in task:
        pairs |= {
            "Baseline, %": percent(task["baseline_score"]),
            "Candidate, %": percent(task["candidate_score"]),
            "Worse / better on": f"{task['worse']:,} / {task['better']:,} items",
        }
    return facts(pairs)


def task_links(task: Mapping[str, Any]) -> str:
    """Return where the answers behind a task are, and the items that were lost most on."""
    ways = [
        link("samples", "the candidate's answers", run=task["candidate_run"]),
        link("samples", "the baseline's answers", run=task["baseline_run"]),
    ]
    lost = ", ".join(escaped(item) for item in task["most_lost"])
    lost_on = f"Lost most on {lost}. " if lost else ""
    return f'<p class="note">{lost_on}See {joined(ways, " and ")}.</p>'


def guard_table(tasks: Sequence[Mapping[str, Any]]) -> str:
    """Return how the failure rates stood in each task."""
    several = len(tasks) > 1
    lines = []
    for task in tasks:
        counts = "" if task.get("tier") != "advisory" else " (advisory)"
        for guard in task["guards"] if task["read"] else ():
            about = GUARDS.get(guard["name"], guard["name"])
            of_task = f"{task['task']}: " if several else ""
            most = guard.get("at_most")  # decisions of earlier versions do not say
            cells = {
                "guard": f"{of_task}{about}{counts}",
                "was": percent(guard["baseline"]),
                "is": percent(guard["candidate"]),
                "rise": trimmed(guard["at_least"]),
                "most": "–" if most is None else trimmed(most),
                "limit": trimmed(guard["tolerance"]),
                "state": _guard_state(guard),
            }
            lines.append(Line(cells))
    return grid("Guards", _GUARD_TABLE, lines)


def _guard_state(guard: Mapping[str, Any]) -> Html:
    if guard["breached"]:
        return badge("wrong", "✗ breached")
    if guard.get("held"):
        return badge("right", "✓ shown to be held")
    return badge("warning", "? not shown to be breached")


def sequence_chart(task: Mapping[str, Any]) -> Any:
    """Return the interval for the drop after each item or round, with the lines that decide."""
    import plotly.graph_objects as go

    unit = _extent(task)[2]
    low, high = ([100 * value for value in task[end]] for end in ("low", "high"))
    read = list(range(1, len(low) + 1))
    margin = 100 * task["margin"]
    figure = go.Figure()
    figure.add_scatter(
        x=read, y=high, mode="lines", line={"color": BLUE, "width": 2, "shape": "hv"},
        name="at most",
        hovertemplate=f"after %{{x}} {unit}: at most %{{y:.1f}} points<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=read, y=low, mode="lines", fill="tonexty", fillcolor="rgba(0, 114, 178, 0.15)",
        line={"color": ORANGE, "width": 2, "shape": "hv", "dash": "dash"},
        name="at least",
        hovertemplate=f"after %{{x}} {unit}: at least %{{y:.1f}} points<extra></extra>",
    )  # fmt: skip
    for value, words, where in (
        (0.0, "no drop: fails above", "bottom left"),
        (margin, f"margin {margin:.4g}: passes below", "top left"),
    ):
        figure.add_hline(
            y=value, line={"color": GREY, "width": 1.5, "dash": "dot"},
            annotation={"text": words, "font": {"size": 12}}, annotation_position=where,
        )  # fmt: skip
    if task["decided_at"] is not None:
        figure.add_vline(
            x=task["decided_at"], line={"color": GREY, "width": 1},
            annotation={"text": f"{escaped(task['outcome'])} after {task['decided_at']}"},
            annotation_position="top right" if 2 * task["decided_at"] < len(read) else "top left",
        )  # fmt: skip
    return framed(
        figure,
        height=320,
        top=28,
        x={"title": f"{unit} read", "rangemode": "tozero"},
        y={
            "title": f"drop, percentage points<br>({_both(task)} at any time)",
            "range": _reach(low, high, margin),
        },
    )


def sequence_legend(task: Mapping[str, Any]) -> str:
    """Return what the two lines of the chart mean, and how sure each is."""
    return legend_of(
        [
            (BLUE, "━", f"the drop is at most ({_certainty(task['alpha_pass'])})"),
            (ORANGE, "╍", f"the drop is at least ({_certainty(task['alpha_fail'])})"),
        ]
    )


def _reach(low: Sequence[float], high: Sequence[float], margin: float) -> tuple[float, float]:
    """Return the part that is drawn: the interval when it is no longer the whole of -100 to 100.

    Nothing is known after the first items; with them the rest could not be distinguished.
    """
    settled = len(low) // 5
    ends = [*low[settled:], *high[settled:], 0.0, 2 * margin]
    room = 0.08 * (max(ends) - min(ends))
    return max(-102.0, min(ends) - room), min(102.0, max(ends) + room)


def _certainty(alpha: float) -> str:
    return f"{100 * (1 - alpha):.4g} %"


def _both(task: Mapping[str, Any]) -> str:
    below, above = _certainty(task["alpha_fail"]), _certainty(task["alpha_pass"])
    return above if below == above else f"at least: {below}, at most: {above},"


def command(one: GateDecision, runs: Mapping[str, RunSummary], results: str) -> str:
    """Return the command line that asks the same again, to be read beside :func:`gate_toml`.

    Args:
        one: The decision.
        runs: The stored runs by id: they know the engine.
        results: The results file.
    """
    parts = ["harness gate", *_candidate(one)]
    parts += [f"--baseline {shlex.quote(task['baseline_run'])}" for task in one.tasks]
    asked = [runs[task["candidate_run"]] for task in one.tasks if task["candidate_run"] in runs]
    if asked:
        backend = asked[0].engine.split(" ")[0]
        parts += [f"--backend {shlex.quote(backend)}"] * (backend != "vllm")
        parts += [f"--replicate {asked[0].replicate}"] * bool(asked[0].replicate)
    parts += ["--config gate.toml", f"--results {shlex.quote(results)}", "--markdown gate.md"]
    return " \\\n    ".join(parts)


def _candidate(one: GateDecision) -> list[str]:
    if one.aa:
        return ["--aa"]
    kind, _, rest = one.candidate_source.partition(":")
    if kind == "hub":
        name, _, commit = rest.rpartition("@")
        return [f"--candidate {shlex.quote(name)}", f"--revision {shlex.quote(commit)}"]
    if kind == "builtin":
        return [f"--candidate {shlex.quote(rest)}"]
    is_folder = one.candidate_source and kind not in ("server", "imported")
    named = one.candidate_source if is_folder else one.candidate_name or one.candidate
    return [f"--candidate {shlex.quote(named)}"]


def gate_toml(config: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> str:
    """Return a decision's configuration as the file that says the same."""
    ours = {name: value for name, value in config.items() if name not in ("defaults", "by_task")}
    ours["tasks"] = [task["task"] for task in tasks]
    ours["suite"] = None
    defaults = dict(config["defaults"])
    guards = defaults.pop("guards")
    lines = [*_entries(ours | defaults), "", "[guards]", *_entries(guards)]
    for name, own in config["by_task"].items():
        table = f"task.{json.dumps(name, ensure_ascii=False)}"
        of_task = dict(own)
        own_guards = of_task.pop("guards")
        lines += ["", f"[{table}]", *_entries(of_task)]
        lines += ["", f"[{table}.guards]", *_entries(own_guards)]
    return "\n".join(lines) + "\n"


def _entries(values: Mapping[str, Any]) -> list[str]:
    # JSON writes numbers, texts, lists and switches as TOML does.
    return [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
        if value is not None and value != []
    ]

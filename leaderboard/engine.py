"""Sessions of the engine as a table and figures; no drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.store.queries import RunSummary
from harness.store.sessions import SessionRow
from harness.text import percent
from leaderboard.figures import BLUE, ORANGE, PURPLE, YELLOW, framed, legend_of
from leaderboard.html_table import Column, Html, Line, badge, facts, grid, joined, link
from leaderboard.text import escaped, shortened

_TABLE = (
    Column("number", "No.", "As in the charts", numeric=True),
    Column("when", "Started", "UTC; opens the session"),
    Column("model", "Model"),
    Column("tasks", "Tasks"),
    Column("engine", "Engine"),
    Column("device", "Device"),
    Column("generated", "Generated", "Generations", numeric=True),
    Column("speed", "Tokens/s", "New tokens per second of generation", numeric=True),
    Column("start", "Start, s", "Until the engine was there", numeric=True),
    Column("generate", "Generate, s", "", numeric=True),
    Column("grade", "Grade, s", "What was left of grading after the last generation", numeric=True),
    Column("truncated", "Truncated, %", "Of what its runs hold", numeric=True),
    Column("loops", "Loops, %", "Of what its runs hold", numeric=True),
    Column("replicas", "Replicas", "", numeric=True),
    Column("retries", "Retries", "Asked again, or given to another replica", numeric=True),
)
# Left out where no session has them.
_RARE = ("replicas", "retries")
# Distinguished by filling and shape as well as by colour (Okabe and Ito's).
_PHASES = (
    ("start", "start", "start_seconds", YELLOW, "/"),
    ("generate", "generate", "generate_seconds", BLUE, ""),
    ("grade", "grading left over", "grade_seconds", PURPLE, "."),
)
_HEIGHT = 300
_LONGEST_TASKS = 3


def rates(runs: Iterable[RunSummary]) -> tuple[float, float] | None:
    """Return the shares of truncated and of looping generations over some runs."""
    known = [run for run in runs if run.generated]
    generated = sum(run.generated for run in known)
    if not generated:
        return None
    truncated = sum(run.truncated * run.generated for run in known)
    loops = sum(run.loops * run.generated for run in known)
    return truncated / generated, loops / generated


def retries(usage: Mapping[str, Any]) -> int | None:
    """Return how often the backend had to ask again, where it counts that."""
    counted = [usage[name] for name in ("retries", "requeued") if isinstance(usage.get(name), int)]
    return sum(counted) if counted else None


def replicas(usage: Mapping[str, Any]) -> str:
    """Return how many replicas served, and how many of them were lost."""
    number, lost = usage.get("replicas"), usage.get("lost")
    if not isinstance(number, int):
        return ""
    return f"{number}, {lost} lost" if isinstance(lost, int) and lost else str(number)


def table(
    sessions: Sequence[SessionRow],
    runs: Mapping[str, RunSummary],
    opened: str | None,
    filters: Mapping[str, str | list[str]],
) -> str:
    """Return the sessions, the newest first, numbered from the oldest; links keep the filters."""
    lines = [
        _line(one, len(sessions) - place, runs, opened, filters)
        for place, one in enumerate(sessions)
    ]
    columns = [
        column
        for column in _TABLE
        if column.name not in _RARE or any(line.cells[column.name] for line in lines)
    ]
    return grid("Sessions", columns, lines)


def _line(
    one: SessionRow,
    number: int,
    runs: Mapping[str, RunSummary],
    opened: str | None,
    filters: Mapping[str, str | list[str]],
) -> Line:
    shares = rates(runs[run] for run in one.runs if run in runs)
    speed, asked_again = one.tokens_per_second, retries(one.usage)
    when = link(
        "engine", f"{one.started_at:%Y-%m-%d %H:%M}", "Open this session", **filters, session=one.id
    )
    cells = {
        "number": str(number),
        "when": joined([when, *_mishap(one)], " "),
        "model": one.model,
        "tasks": _tasks(one.tasks),
        "engine": one.engine,
        "device": one.device,
        "generated": f"{one.generated:,}",
        "speed": "" if speed is None else f"{speed:,.0f}",
        "start": f"{one.start_seconds:,.1f}",
        "generate": f"{one.generate_seconds:,.1f}",
        "grade": f"{one.grade_seconds:,.1f}",
        "truncated": "" if shares is None else percent(shares[0]),
        "loops": "" if shares is None else percent(shares[1]),
        "replicas": replicas(one.usage),
        "retries": "" if asked_again is None else f"{asked_again:,}",
    }
    return Line(cells, "opened" if one.id == opened else "")


def _mishap(one: SessionRow) -> list[Html]:
    return [] if one.outcome == "finished" else [badge("warning", one.outcome)]


def _tasks(tasks: Sequence[str]) -> str:
    names = list(dict.fromkeys(tasks))
    more = f" and {len(names) - _LONGEST_TASKS} more" if len(names) > _LONGEST_TASKS else ""
    return ", ".join(names[:_LONGEST_TASKS]) + more


def session_facts(one: SessionRow, runs: Mapping[str, RunSummary]) -> str:
    """Return what one session was and did."""
    speed = one.tokens_per_second
    ways = [
        link("samples", f"{task} ({run})", "See the samples", run=run)
        for run, task in zip(one.runs, one.tasks, strict=True)
    ]
    shares = rates(runs[run] for run in one.runs if run in runs)
    pairs = {
        "Model": one.model,
        "Outcome": one.outcome,
        "Started": f"{one.started_at:%Y-%m-%d %H:%M:%S %Z}",
        "Ended": f"{one.ended_at:%Y-%m-%d %H:%M:%S %Z}",
        "Engine": f"{one.engine}, {one.device}",
        "Generated": f"{one.generated:,} with {one.completion_tokens:,} new tokens",
        "Tokens per second of generation": "–" if speed is None else f"{speed:,.1f}",
        "Start, generate, grading left over": f"{one.start_seconds:,.1f} s, "
        f"{one.generate_seconds:,.1f} s, {one.grade_seconds:,.1f} s",
    }
    if shares is not None:
        pairs["Truncated, loops (of its runs)"] = f"{percent(shares[0])} %, {percent(shares[1])} %"
    return facts(pairs | {"Runs": joined(ways, ", ")})


def speed_legend() -> str:
    """Return what the marks of the speeds mean."""
    return legend_of([(BLUE, "●", "one session")])


def phase_legend() -> str:
    """Return what the parts of the bars mean."""
    marks = {"start": "▨", "generate": "■", "grade": "▩"}
    return legend_of((colour, marks[key], name) for key, name, _, colour, _ in _PHASES)


def rate_legend() -> str:
    """Return what the marks of the rates mean."""
    return legend_of([(BLUE, "●", "truncated"), (ORANGE, "◇", "loops")])


def speed_chart(sessions: Sequence[SessionRow]) -> Any:
    """Return the tokens per second of each session, the oldest first."""
    import plotly.graph_objects as go

    figure = go.Figure()
    numbered = _numbered(sessions)
    figure.add_scatter(
        x=[number for number, one in numbered if one.tokens_per_second],
        y=[one.tokens_per_second for _, one in numbered if one.tokens_per_second],
        mode="markers",
        marker={"color": BLUE, "size": 9},
        cliponaxis=False,
        hovertext=[_hover(number, one) for number, one in numbered if one.tokens_per_second],
        hoverinfo="text+y",
    )
    return _laid_out(figure, numbered, "new tokens per second")


def phase_chart(sessions: Sequence[SessionRow]) -> Any:
    """Return the seconds of each session by phase, as stacked bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    numbered = _numbered(sessions)
    for _, name, attribute, colour, shape in _PHASES:
        figure.add_bar(
            x=[number for number, _ in numbered],
            y=[getattr(one, attribute) for _, one in numbered],
            name=name,
            marker={
                "color": colour,
                "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff"},
            },
            hovertext=[f"{_hover(number, one)}<br>{name}, s:" for number, one in numbered],
            hoverinfo="text+y",
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    return _laid_out(figure, numbered, "seconds")


def rate_chart(sessions: Sequence[SessionRow], runs: Mapping[str, RunSummary]) -> Any:
    """Return the truncated and the looping share over the runs of each session."""
    import plotly.graph_objects as go

    figure = go.Figure()
    numbered = _numbered(sessions)
    known = [
        (number, one, shares)
        for number, one in numbered
        if (shares := rates(runs[run] for run in one.runs if run in runs)) is not None
    ]
    for place, name, symbol, colour in (
        (0, "truncated", "circle", BLUE),
        (1, "loops", "diamond-open", ORANGE),
    ):
        figure.add_scatter(
            x=[number for number, _, _ in known],
            y=[100 * shares[place] for _, _, shares in known],
            mode="markers",
            name=name,
            marker={
                "symbol": symbol,
                "color": colour,
                "size": 9,
                "line": {"width": 2, "color": colour},
            },
            cliponaxis=False,
            hovertext=[f"{_hover(number, one)}<br>{name}, %:" for number, one, _ in known],
            hoverinfo="text+y",
        )
    return _laid_out(figure, numbered, "generations of its runs, %")


def _numbered(sessions: Sequence[SessionRow]) -> list[tuple[int, SessionRow]]:
    return list(enumerate(reversed(sessions), start=1))


def _laid_out(figure: Any, numbered: Sequence[tuple[int, SessionRow]], title: str) -> Any:
    return framed(
        figure,
        height=_HEIGHT,
        x={
            "title": "session, the oldest first (No. in the table)",
            "range": [0.4, len(numbered) + 0.6],
            "tickformat": "d",
            "dtick": 1 if len(numbered) <= 12 else None,
        },
        y={"title": title, "rangemode": "tozero"},
    )


def _hover(number: int, one: SessionRow) -> str:
    return (
        f"No. {number}, {one.started_at:%Y-%m-%d %H:%M}<br>{escaped(shortened(one.model, 44))}"
        f"<br>{escaped(shortened(_tasks(one.tasks), 60))}"
    )

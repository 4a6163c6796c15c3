"""Trainings as figures and tables, and how their checkpoints fared; no drawing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.analysis.completeness import WHY, caveat, describe_progress
from harness.store.queries import RunSummary
from harness.store.training import (
    BASE_STEP,
    TrainingCheckpoint,
    TrainingChoice,
    TrainingRow,
    TrainingStep,
)
from harness.text import NONE, interval, percent
from leaderboard.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, error_bars, framed, legend_of
from leaderboard.html_table import Column, Html, Line, badge, facts, grid, joined, link
from leaderboard.text import escaped, shortened

MOST_POINTS = 800
# Distinguished by dash and shape as well as by colour (Okabe and Ito's).
_LINES = (
    (BLUE, "solid", "circle", "━ ●"),
    (ORANGE, "dash", "diamond", "╍ ◆"),
    (GREEN, "dot", "square", "┅ ■"),
    (PURPLE, "dashdot", "triangle-up", "╌ ▲"),
)
MOST_COMPARED = len(_LINES)
_CURVE_HEIGHT, _SWEEP_HEIGHT = 250, 340
_LONGEST_LABEL = 40
_SWEEP_TABLE = (
    Column("step", "Step", "Optimiser step; 0 is the base", numeric=True),
    Column("score", "Score, %", "Share of right answers", numeric=True),
    Column("interval", "95 % interval", "Of each score by itself", numeric=True),
    Column("items", "Items", "Times samples an item", numeric=True),
    Column("truncated", "Truncated, %", "", numeric=True),
    Column("loops", "Loops, %", "", numeric=True),
    Column("state", ""),
)
_DIFFERENCES = Column("name", "Recipe")


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over the steps of a training."""

    title: str
    axis: str
    of: Callable[[Sequence[TrainingStep]], list[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint's run on the task of a sweep."""

    step: int
    run: RunSummary


@dataclass(frozen=True, slots=True)
class Sweep:
    """The checkpoints of a training on one task under one protocol.

    Attributes:
        task: What they were measured on.
        points: Checkpoints that were measured, by step.
        base: The run of the model that the training started from.
        chosen: Rules by the step that they chose.
        warnings: What was said when they were chosen.
    """

    task: str
    points: list[Point]
    base: RunSummary | None
    chosen: dict[int, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def label(row: TrainingRow) -> str:
    """Name a training in a list."""
    done = f"{row.last_step:,} of {row.planned_steps:,} steps"
    return f"{row.name} · {row.objective} · {done} · {row.started_at:%Y-%m-%d %H:%M} · {row.id}"


def _plain(attribute: str) -> Callable[[Sequence[TrainingStep]], list[tuple[int, float]]]:
    def read(steps: Sequence[TrainingStep]) -> list[tuple[int, float]]:
        values = [(step.step, getattr(step, attribute)) for step in steps]
        return [(step, value) for step, value in values if _finite(value)]

    return read


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def throughput(steps: Sequence[TrainingStep]) -> list[tuple[int, float]]:
    """Return the tokens per second between each logged step and the one before."""
    found = []
    tokens, seconds = 0, 0.0
    for step in steps:
        if step.tokens is None or step.seconds is None:
            continue
        if step.seconds > seconds:
            found.append((step.step, (step.tokens - tokens) / (step.seconds - seconds)))
        tokens, seconds = step.tokens, step.seconds
    return found


CURVES = (
    Curve("Loss", "loss, nats per token", _plain("loss")),
    Curve("Learning rate", "learning rate", _plain("learning_rate")),
    Curve("Gradient norm", "gradient norm", _plain("grad_norm")),
    Curve("Throughput", "training tokens per second", throughput),
)


def curve_chart(
    curve: Curve, trainings: Sequence[tuple[TrainingRow, Sequence[TrainingStep]]]
) -> Any:
    """Return one quantity of some trainings over their steps."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for (row, steps), (colour, dash, symbol, _) in zip(trainings, _LINES, strict=False):
        drawn = _thinned(curve.of(steps))
        name = escaped(shortened(row.name, _LONGEST_LABEL))
        figure.add_scatter(
            x=[step for step, _ in drawn],
            y=[value for _, value in drawn],
            mode="lines+markers" if len(drawn) <= 40 else "lines",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 6},
            cliponaxis=False,
            name=name,
            hovertemplate=f"{name}<br>step %{{x}}: %{{y:.4g}}<extra></extra>",
        )
    last = max((steps[-1].step for _, steps in trainings if steps), default=0)
    return framed(
        figure,
        height=_CURVE_HEIGHT,
        x={
            "title": "optimiser step",
            "rangemode": "tozero",
            "dtick": 1 if last <= 10 else None,
        },
        y={"title": curve.axis, "exponentformat": "e", "rangemode": "tozero"},
    )


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return every n-th point and the last, few enough to be drawn."""
    stride = -(-len(points) // MOST_POINTS) or 1
    kept = points[::stride]
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def thinned(steps: Sequence[TrainingStep]) -> int:
    """Return of how many logged steps each one is drawn."""
    return -(-len(steps) // MOST_POINTS) or 1


def legend(trainings: Sequence[TrainingRow]) -> str:
    """Return which line is which training."""
    return legend_of(
        (colour, mark, f"{shortened(row.name, 60)} ({row.objective})")
        for row, (colour, _, _, mark) in zip(trainings, _LINES, strict=False)
    )


def training_facts(row: TrainingRow) -> str:
    """Return what a training is and how far it has come."""
    pairs = {
        "Objective": row.objective,
        "Base": f"{row.base_name} ({row.base[:8]})",
        "Steps": f"{row.last_step:,} of {row.planned_steps:,}",
        "Checkpoints": f"{row.checkpoints:,}",
        "Data": row.data_sha256[:12],
        "Seed": str(row.seed),
        "Started": f"{row.started_at:%Y-%m-%d %H:%M %Z}",
        "Id": row.id,
    }
    return facts(pairs)


def differences(trainings: Sequence[TrainingRow]) -> str:
    """Return what differs between the recipes of several trainings, as a table; else nothing."""
    flat = [_flat(row) for row in trainings]
    names = sorted({name for one in flat for name in one})
    differing = [name for name in names if len({one.get(name, "–") for one in flat}) > 1]
    if not differing:
        return ""
    columns = [_DIFFERENCES] + [
        Column(f"of-{place}", shortened(row.name, _LONGEST_LABEL), row.id)
        for place, row in enumerate(trainings)
    ]
    lines = [
        Line(
            {"name": name}
            | {f"of-{place}": shortened(one.get(name, "–"), 80) for place, one in enumerate(flat)}
        )
        for name in differing
    ]
    return grid("What differs", columns, lines)


def _flat(row: TrainingRow) -> dict[str, str]:
    whole = {
        "objective": row.objective,
        "base": f"{row.base_name} ({row.base[:8]})",
        "data": row.data_sha256[:12],
        "seed": row.seed,
        "steps": row.planned_steps,
        "recipe": row.recipe,
    }
    flat: dict[str, str] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                walk(f"{prefix}.{name}" if prefix else str(name), inner)
        else:
            flat[prefix] = value if isinstance(value, str) else json.dumps(value)

    for name, value in whole.items():
        walk("" if name == "recipe" else name, value)
    return flat


def sweeps(
    row: TrainingRow,
    checkpoints: Sequence[TrainingCheckpoint],
    choices: Sequence[TrainingChoice],
    runs: Sequence[RunSummary],
) -> list[Sweep]:
    """Return how the checkpoints fared, first on the tasks that one was chosen on.

    On the other tasks the newest run of each checkpoint counts, under the protocol that most of
    them share.
    """
    by_id = {run.id: run for run in runs}
    found: dict[str, Sweep] = {}
    for choice in choices:
        known = {step: by_id[run] for step, run in choice.runs.items() if run in by_id}
        sweep = found.get(choice.task)
        if sweep is None:
            points = [Point(step, run) for step, run in sorted(known.items()) if step != BASE_STEP]
            sweep = found[choice.task] = Sweep(choice.task, points, known.get(BASE_STEP))
        sweep.chosen.setdefault(choice.step, []).append(choice.rule)
        sweep.warnings.extend(text for text in choice.warnings if text not in sweep.warnings)
    steps = {one.fingerprint: one.step for one in checkpoints}
    measured = [run for run in runs if run.fingerprint in steps and run.graded]
    for task in sorted({run.task for run in measured} - found.keys()):
        found[task] = _measured(
            row, task, [run for run in measured if run.task == task], runs, steps
        )
    return list(found.values())


def _measured(
    row: TrainingRow,
    task: str,
    measured: Sequence[RunSummary],
    runs: Iterable[RunSummary],
    steps: Mapping[str, int],
) -> Sweep:
    by_protocol: dict[tuple[object, ...], dict[int, RunSummary]] = {}
    for run in sorted(measured, key=_preferred):
        by_protocol.setdefault(_protocol(run), {})[steps[run.fingerprint]] = run
    protocol, points = max(by_protocol.items(), key=lambda pair: len(pair[1]))
    base = [
        run
        for run in runs
        if run.fingerprint == row.base and run.task == task and _protocol(run) == protocol
    ]
    newest = max((run for run in base if run.graded), key=_preferred, default=None)
    return Sweep(task, [Point(step, run) for step, run in sorted(points.items())], newest)


def _preferred(run: RunSummary) -> tuple[bool, datetime]:
    return run.complete, run.created_at


def _protocol(run: RunSummary) -> tuple[object, ...]:
    return run.protocol_sha256, run.items, run.samples, run.grader_versions


def sweep_chart(sweep: Sweep) -> Any:
    """Return the score of each checkpoint with its interval, the base as a line."""
    import plotly.graph_objects as go

    figure = go.Figure()
    if sweep.base is not None and sweep.base.score is not None:
        score = sweep.base.score
        figure.add_hrect(
            y0=100 * score.low, y1=100 * score.high, fillcolor=GREY, opacity=0.16, line_width=0
        )
        figure.add_hline(
            y=100 * score.value,
            line={"color": GREY, "width": 2, "dash": "dash"},
        )
    for chosen, colour, symbol, size in (
        (False, BLUE, "circle", 9),
        (True, ORANGE, "star", 16),
    ):
        points = [
            (point.step, point.run, _drawn(point.run))
            for point in sweep.points
            if (point.step in sweep.chosen) is chosen and point.run.graded
        ]
        figure.add_scatter(
            x=[step for step, _, _ in points],
            y=[100 * value for _, _, (value, _, _) in points],
            error_y=error_bars([drawn for _, _, drawn in points], colour),
            mode="markers",
            marker={
                "symbol": [symbol if run.complete else f"{symbol}-open" for _, run, _ in points],
                "size": size,
                "color": colour,
            },
            hovertext=[
                f"step {step}: {percent(value)} % "
                + (interval(low, high) if run.complete else escaped(caveat(run)))
                for step, run, (value, low, high) in points
            ],
            hoverinfo="text",
        )
        for step, run, (value, _, high) in points if chosen else ():
            figure.add_annotation(
                x=step,
                y=100 * (high if run.complete else value),
                text=escaped(_chosen_by(sweep, step)),
                showarrow=False,
                yshift=12,
                font={"size": 12},
            )
    return framed(
        figure,
        height=_SWEEP_HEIGHT,
        top=24,
        x={"title": "optimiser step of the checkpoint", "range": _steps_drawn(sweep)},
        y={"title": "score: right answers, %<br>(95 % interval)"},
    )


def _drawn(run: RunSummary) -> tuple[float, float, float]:
    """Return a score and the ends of its interval, which are no numbers for an incomplete run."""
    if run.score is not None:
        return run.score.value, run.score.low, run.score.high
    assert run.so_far is not None, "runs without a grade are not drawn"
    return run.so_far.value, math.nan, math.nan


def _steps_drawn(sweep: Sweep) -> tuple[float, float]:
    last = max((point.step for point in sweep.points), default=1)
    return -0.05 * last, 1.2 * last


def _chosen_by(sweep: Sweep, step: int) -> str:
    return f"chosen: {', '.join(sweep.chosen[step])}"


def sweep_legend(sweep: Sweep) -> str:
    """Return what the marks of a sweep mean."""
    marks = [(BLUE, "●", "a checkpoint, with 95 % interval")]
    marks += [(ORANGE, "★", "the chosen one")] * bool(sweep.chosen)
    if any(not point.run.complete for point in sweep.points):
        marks.append((BLUE, "○", f"incomplete, without interval: {WHY}"))
    if sweep.base is not None and sweep.base.score is not None:
        base = f"the base: {percent(sweep.base.score.value)} %, with 95 % interval"
        marks.append((GREY, "╍", base))
    return legend_of(marks)


def sweep_table(sweep: Sweep) -> str:
    """Return the scores of a sweep, the base first."""
    lines = [] if sweep.base is None else [_sweep_line(sweep, BASE_STEP, sweep.base)]
    lines += [_sweep_line(sweep, point.step, point.run) for point in sweep.points]
    return grid("Checkpoints", _SWEEP_TABLE, lines)


def _sweep_line(sweep: Sweep, step: int, run: RunSummary) -> Line:
    marks: list[Html] = []
    if run is sweep.base:
        marks.append(badge("published", "base"))
    if step in sweep.chosen:
        marks.append(badge("measured", f"★ {_chosen_by(sweep, step)}"))
    if not run.complete:
        marks.append(badge("warning", f"incomplete: {describe_progress(run)}"))
    several = f" × {run.samples}" if run.samples > 1 else ""
    cells: dict[str, str] = {
        "step": f"{step:,}",
        "items": f"{run.items:,}{several}",
        "truncated": percent(run.truncated),
        "loops": percent(run.loops),
        "state": joined(marks, " "),
    }
    if run.graded:
        value, low, high = _drawn(run)
        cells["score"] = link("samples", percent(value), "See the samples", run=run.id)
        cells["interval"] = interval(low, high) if run.complete else NONE
    return Line(cells, "opened" if step in sweep.chosen else "")

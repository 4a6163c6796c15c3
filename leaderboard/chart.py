"""The ranking as Plotly figures; no drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.text import abbreviated, interval, percent, points, points_interval
from leaderboard.figures import error_bars
from leaderboard.model_lineage import Step
from leaderboard.ranking import METHODS, Row, estimate_of, value_of
from leaderboard.text import escaped, shortened

_LONGEST_LABEL = 44
_ROW_HEIGHT = 21
_FRAME_HEIGHT = 60

# Distinguished by shape and filling as well as by colour (Okabe and Ito's, for colour-blind eyes).
# Group: what it is called, the shape in the figure and in the legend, colour, size.
_GROUPS = {
    "measured": ("measured here, with 95 % interval", "circle", "●", "#0072B2", 11),
    "imported": ("imported, judged here, 95 % interval", "triangle-up", "▲", "#009E73", 11),
    "cft": ("published, CFT", "diamond-open", "◇", "#D55E00", 9),
    "baseline": ("published, baseline", "square-open", "□", "#B35C95", 9),
    "other": ("published, other", "circle-open", "○", "#8A8F98", 7),
}
_MEASURED, _GREY = "#0072B2", "#8A8F98"


def ranking_chart(rows: Sequence[Row], by: str) -> Any:
    """Return a dot plot of the scores, the best on top, with error bars on the measured ones."""
    figure = _figure(_FRAME_HEIGHT + _ROW_HEIGHT * max(3, len(rows)))
    places = {id(row): len(rows) - number for number, row in enumerate(rows)}
    for group in _GROUPS:
        _add(
            figure, group, rows, by,
            x=lambda row: 100 * (value_of(row, by) or 0), y=lambda row: places[id(row)], bars="x",
        )  # fmt: skip
    low, high = score_range(rows, by)
    figure.update_xaxes(title=_axis(by), range=[low, high], fixedrange=True, zeroline=False)
    figure.update_yaxes(
        title="Model",
        tickvals=[places[id(row)] for row in rows],
        ticktext=[_label(row) for row in rows],
        range=[0.3, len(rows) + 0.7],
        fixedrange=True,
        showgrid=True,
        zeroline=False,
        automargin=True,
    )
    return figure


def size_chart(rows: Sequence[Row], by: str) -> Any:
    """Return scores against parameters, on a logarithmic axis, with the measured intervals."""
    figure = _figure(420)
    for group in _GROUPS:
        _add(
            figure, group, rows, by,
            x=lambda row: row.parameters_b, y=lambda row: 100 * (value_of(row, by) or 0), bars="y",
        )  # fmt: skip
    sizes = [row.parameters_b for row in rows if row.parameters_b]
    ticks = [tick for tick in (0.1, 0.3, 1, 3, 7, 14, 32, 70, 200, 400)]
    ends = (math.log10(min(sizes) / 1.4), math.log10(max(sizes) * 1.4)) if sizes else (-1, 2)
    figure.update_xaxes(
        title="Parameters (B = billions)", type="log", range=ends, fixedrange=True,
        tickvals=ticks, ticktext=[abbreviated(1e9 * tick) for tick in ticks],
    )  # fmt: skip
    figure.update_yaxes(title=_axis(by), fixedrange=True, range=score_range(rows, by))
    return figure


def family_chart(trees: Sequence[Sequence[Step]], by: str) -> Any:
    """Return what each step of the trees gained, with the paired interval where there is one."""
    lines = [step for tree in trees for step in tree]
    figure = _figure(_FRAME_HEIGHT + (_ROW_HEIGHT + 3) * max(3, len(lines)))
    places = {id(step): len(lines) - number for number, step in enumerate(lines)}
    for name, tested, symbol, colour in (
        ("gain over its parent on the same items, with 95 % interval", True, "circle", _MEASURED),
        ("difference of published numbers, no test possible", False, "circle-open", _GREY),
    ):
        steps = [s for s in lines if s.gain is not None and (s.interval is not None) == tested]
        if not steps:
            continue
        figure.add_scatter(
            x=[100 * (step.gain or 0) for step in steps],
            y=[places[id(step)] for step in steps],
            error_x=error_bars([(s.gain or 0, *(s.interval or (0, 0))) for s in steps], colour)
            if tested
            else None,
            mode="markers",
            name=name,
            marker={"symbol": symbol, "color": colour, "size": 10, "line": {"width": 2}},
            hovertext=[_gain_words(step) for step in steps],
            hoverinfo="text",
        )
    figure.add_vline(x=0, line={"color": _GREY, "width": 1, "dash": "dash"})
    about = escaped(by) if by else "average"
    figure.update_xaxes(title=f"Gain over the parent, {about}, percentage points", fixedrange=True)
    figure.update_yaxes(
        title="Model, below what it was made from",
        tickvals=[places[id(step)] for step in lines],
        ticktext=[_tree_label(step, by) for step in lines],
        range=[0.3, len(lines) + 0.7],
        fixedrange=True,
        automargin=True,
        ticklabelposition="outside",
    )
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )
    return figure


def legend(rows: Sequence[Row]) -> str:
    """Return what the marks of these rows mean as HTML."""
    present = {row.group for row in rows}
    parts = "".join(
        f'<span><b style="color:{colour}">{mark}</b> {escaped(name)}</span>'
        for group, (name, _, mark, colour, _) in _GROUPS.items()
        if group in present
    )
    return f'<div class="legend">{parts}</div>'


def score_range(rows: Sequence[Row], by: str) -> tuple[float, float]:
    """Return the part of 0 to 100 that is drawn: whole tens around everything shown."""
    ends = [100 * end for row in rows for end in _ends(row, by)]
    if not ends:
        return 0.0, 100.0
    low, high = 10 * ((min(ends) - 1) // 10), -10 * ((-max(ends) - 1) // 10)
    return max(-1.0, low), min(101.0, max(high, low + 20))


def _figure(height: int) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 4, "b": 44},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
    )
    return figure


def _add(
    figure: Any, group: str, rows: Sequence[Row], by: str, *, x: Any, y: Any, bars: str
) -> None:
    name, symbol, _, colour, marker_size = _GROUPS[group]
    members = [row for row in rows if row.group == group and x(row) is not None]
    if not members:
        return
    error = (
        error_bars([(value_of(row, by) or 0, *_ends(row, by)) for row in members], colour)
        if group in ("measured", "imported")
        else None
    )
    figure.add_scatter(
        x=[x(row) for row in members],
        y=[y(row) for row in members],
        error_x=error if bars == "x" else None,
        error_y=error if bars == "y" else None,
        mode="markers",
        name=name,
        marker={
            "symbol": symbol,
            "color": colour,
            "size": marker_size,
            "line": {"width": 2, "color": colour},
        },
        hovertext=[_hover(row, by) for row in members],
        hoverinfo="text",
    )


def _axis(by: str) -> str:
    return f"{escaped(by) if by else 'Average'}: right answers, %"


def _ends(row: Row, by: str) -> tuple[float, float]:
    """Return the interval of a measured row; a published one's is assumed, and not drawn."""
    score, value = estimate_of(row, by), value_of(row, by) or 0.0
    return (score.low, score.high) if score and row.kind == "measured" else (value, value)


def _label(row: Row) -> str:
    # Plotly reads a few tags in labels, hence escaped like HTML.
    name = escaped(shortened(row.model, _LONGEST_LABEL))
    if row.kind == "measured":
        name = f"<b>{name}</b>"
    return f"{name} ≠" if row.differs else name


def _tree_label(step: Step, by: str) -> str:
    indent = "\N{NO-BREAK SPACE}" * 4 * (step.depth - 1) + "└ " if step.depth else ""
    method = METHODS.get(step.row.method, step.row.method)
    about = f" ({escaped(method)})" if method else ""
    return f"{indent}{_label(step.row)}{about} {percent(value_of(step.row, by) or 0)} %"


def _gain_words(step: Step) -> str:
    gain = step.gain or 0.0
    written = f"{points(gain)} points, not tested"
    if step.interval:
        written = f"{points_interval(gain, *step.interval)} points, 95 %"
    return f"<b>{escaped(step.row.model)}</b><br>{written}"


def _hover(row: Row, by: str) -> str:
    low, high = _ends(row, by)
    limits = f" {interval(low, high)}" if row.kind == "measured" else ""
    value = percent(value_of(row, by) or 0)
    lines = [f"<b>{escaped(row.model)}</b>", f"{value} %{limits} · {row.shown_kind}"]
    if row.method:
        lines[-1] += f" · {escaped(METHODS.get(row.method, row.method))}"
    cell = row.cells.get(by)
    pieces = (cell.differs, cell.source, cell.note, cell.doubt) if cell else ()
    lines += [escaped(shortened(text, 90)) for text in pieces if text]
    return "<br>".join(lines)

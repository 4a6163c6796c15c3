"""The ranking as a Plotly figure; no drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard.ranking import METHODS, Row
from leaderboard.text import escaped, percent, shortened

_LONGEST_LABEL = 44
_ROW_HEIGHT = 21
_FRAME_HEIGHT = 60

# Told apart by shape and filling as well as by colour (Okabe and Ito's, for colour-blind eyes).
# Group: what it is called, the shape in the figure and in the legend, colour, size.
_GROUPS = {
    "measured": ("measured here, with 95 % interval", "circle", "●", "#0072B2", 11),
    "cft": ("published, CFT", "diamond-open", "◇", "#D55E00", 9),
    "baseline": ("published, baseline", "square-open", "□", "#B35C95", 9),
    "other": ("published, other", "circle-open", "○", "#8A8F98", 7),
}


def ranking_chart(rows: Sequence[Row]) -> Any:
    """Return a dot plot of the scores, the best on top, with error bars on the measured ones."""
    import plotly.graph_objects as go

    figure = go.Figure()
    places = {id(row): len(rows) - number for number, row in enumerate(rows)}
    for group, (name, symbol, _, colour, marker_size) in _GROUPS.items():
        members = [row for row in rows if row.group == group]
        if not members:
            continue
        figure.add_scatter(
            x=[100 * row.score for row in members],
            y=[places[id(row)] for row in members],
            error_x=_error_bars(members, colour) if group == "measured" else None,
            mode="markers",
            name=name,
            marker={
                "symbol": symbol,
                "color": colour,
                "size": marker_size,
                "line": {"width": 2, "color": colour},
            },
            hovertext=[_hover(row) for row in members],
            hoverinfo="text",
        )
    low, high = score_range(rows)
    figure.update_layout(
        height=_FRAME_HEIGHT + _ROW_HEIGHT * max(3, len(rows)),
        margin={"l": 8, "r": 12, "t": 4, "b": 44},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
    )
    figure.update_xaxes(
        title="Score: right answers, %", range=[low, high], fixedrange=True, zeroline=False
    )
    figure.update_yaxes(
        tickvals=[places[id(row)] for row in rows],
        ticktext=[_label(row) for row in rows],
        range=[0.3, len(rows) + 0.7],
        fixedrange=True,
        showgrid=True,
        zeroline=False,
        automargin=True,
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


def score_range(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the part of 0 to 100 that is drawn: whole tens around everything shown."""
    ends = [100 * end for row in rows for end in (row.interval or (row.score,))]
    if not ends:
        return 0.0, 100.0
    low, high = 10 * ((min(ends) - 1) // 10), -10 * ((-max(ends) - 1) // 10)
    return max(-1.0, low), min(101.0, max(high, low + 20))


def _error_bars(rows: Sequence[Row], colour: str) -> dict[str, Any]:
    ends = [(row.score, *(row.interval or (row.score, row.score))) for row in rows]
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (high - score) for score, _, high in ends],
        "arrayminus": [100 * (score - low) for score, low, _ in ends],
        "color": colour,
        "thickness": 2,
        "width": 5,
    }


def _label(row: Row) -> str:
    # Plotly reads a few tags in labels, hence escaped like HTML.
    name = escaped(shortened(row.model, _LONGEST_LABEL))
    if row.kind == "measured":
        name = f"<b>{name}</b>"
    return f"{name} ≠" if row.differs else name


def _hover(row: Row) -> str:
    interval = " [{}, {}]".format(*map(percent, row.interval)) if row.interval else ""
    lines = [f"<b>{escaped(row.model)}</b>", f"{percent(row.score)} %{interval} · {row.kind}"]
    if row.method:
        lines[-1] += f" · {escaped(METHODS.get(row.method, row.method))}"
    lines += [escaped(shortened(text, 90)) for text in (row.differs, row.origin, row.note) if text]
    return "<br>".join(lines)

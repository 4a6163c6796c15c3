"""What figures and their legends have in common; no drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from leaderboard.text import escaped

# Okabe and Ito's, distinguishable for most people; shape or dash tells marks apart as well.
BLUE, ORANGE, GREEN, PURPLE, YELLOW = "#0072B2", "#D55E00", "#009E73", "#B35C95", "#E69F00"
GREY = "#8A8F98"


def framed(
    figure: Any,
    *,
    height: int,
    x: dict[str, Any],
    y: dict[str, Any],
    top: int = 8,
    bottom: int = 44,
) -> Any:
    """Return a figure in the frame of all: nothing to drag or zoom, its legend beside it.

    Args:
        figure: What is drawn.
        height: In pixels, with the margins.
        x: Settings of the x-axis; no grid unless they say so.
        y: Settings of the y-axis.
        top: Margin.
        bottom: Margin.
    """
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": top, "b": bottom},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
    )
    figure.update_xaxes({"fixedrange": True, "zeroline": False, "showgrid": False} | x)
    figure.update_yaxes({"fixedrange": True, "zeroline": False, "automargin": True} | y)
    return figure


def error_bars(shares: Sequence[tuple[float, float, float]], colour: str) -> dict[str, Any]:
    """Return error bars in percent of shares, each with its lower and upper bound."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (high - share) for share, _, high in shares],
        "arrayminus": [100 * (share - low) for share, low, _ in shares],
        "color": colour,
        "thickness": 2,
        "width": 5,
    }


def legend_of(marks: Iterable[tuple[str, str, str]]) -> str:
    """Return what marks mean as HTML: of each its colour, the mark, and its words, escaped."""
    parts = "".join(
        f'<span><b style="color:{colour}">{mark}</b> {escaped(words)}</span>'
        for colour, mark, words in marks
    )
    return f'<div class="legend">{parts}</div>'

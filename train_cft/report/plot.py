"""Plot a report: one HTML file that needs no network."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.text import clean
from train_cft.report.report import Report

# Okabe and Ito's, for colour-blind eyes; base, what is not CFT, CFT.
_BASE, _OTHER, _CFT, _PUBLISHED = "#5A6270", "#0072B2", "#D55E00", "#8A8F98"
_ROW_HEIGHT = 34
_FRAME_HEIGHT = 110


def write_plot(report: Report, file: Path) -> None:
    """Write scores and differences from the base, with their intervals, as a page of its own.

    Raises:
        HarnessError: Plotly is not installed, or the file cannot be written.
    """
    page = figure(report).to_html(include_plotlyjs=True, full_html=True)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{file} cannot be written: {error.strerror or error}.") from error


def check_plot(file: Path) -> None:
    """Refuse what could not be written, before anything is compared.

    Raises:
        HarnessError: The name does not end in ``.html``, or Plotly is not installed.
    """
    if file.suffix.lower() != ".html":
        raise HarnessError(
            f"--plot writes a page of HTML, and {file.name} is to be something else.",
            "Let its name end in .html.",
        )
    from importlib.util import find_spec

    if find_spec("plotly") is None:
        raise HarnessError(
            "--plot needs the package `plotly`.", "pip install 'cft-harness[leaderboard]'."
        )


def figure(report: Report) -> Any:
    """Return the figure: a row a task, scores on the left, differences from the base right."""
    from plotly.subplots import make_subplots

    tasks = [task.task for task in report.tasks]
    titles = [text for task in tasks for text in (f"{task}: score, %", f"{task}: less the base")]
    made = make_subplots(
        rows=len(tasks), cols=2, column_widths=[0.55, 0.45], subplot_titles=titles,
        horizontal_spacing=0.03, shared_yaxes=True,
    )  # fmt: skip
    longest = 0
    for row, task in enumerate(report.tasks, start=1):
        for entry, side in zip(report.entries, task.sides, strict=True):
            score, label = side.score, _label(entry.label)
            _add(made, row, 1, label, (score.value, score.low, score.high), _colour(report, label))
        for pair in report.pairs:
            if pair.task == task.task and pair.first == report.entries[0].label:
                compared, label = pair.paired, _label(pair.second)
                found = (compared.effect, compared.low, compared.high)
                _add(made, row, 2, label, found, _colour(report, label))
        printed = [one for one in report.published if one.task == task.task]
        for one in printed:
            made.add_scatter(
                x=[100 * one.score], y=[_label(f"published: {one.model}")], row=row, col=1,
                mode="markers", hoverinfo="x+y",
                marker={"symbol": "diamond-open", "size": 10, "color": _PUBLISHED},
            )  # fmt: skip
        made.add_vline(x=0, line_width=1, line_dash="dot", row=row, col=2)
        longest = max(longest, len(report.entries) + len(printed))
    made.update_yaxes(autorange="reversed", automargin=True)
    made.update_layout(
        title={"text": "Measured here with 95 % intervals; diamonds are published, not measured"},
        height=_FRAME_HEIGHT + len(tasks) * (60 + _ROW_HEIGHT * max(3, longest)),
        showlegend=False,
        template="plotly_white",
    )
    return made


def _add(
    made: Any, row: int, col: int, label: str, found: tuple[float, float, float], colour: str
) -> None:
    value, low, high = (100 * share for share in found)
    bars = {"type": "data", "symmetric": False, "array": [high - value]}
    made.add_scatter(
        x=[value], y=[label], row=row, col=col, mode="markers", hoverinfo="x+y",
        error_x=bars | {"arrayminus": [value - low], "color": colour},
        marker={"size": 10, "color": colour},
    )  # fmt: skip


def _colour(report: Report, label: str) -> str:
    for place, entry in enumerate(report.entries):
        if _label(entry.label) == label:
            if place == 0:
                return _BASE
            return _CFT if (entry.objective or "").startswith("cft") else _OTHER
    return _OTHER


def _label(text: str) -> str:
    """Escape an untrusted name: Plotly renders some HTML in labels."""
    return html.escape(clean(text))

"""The ranking as an HTML table; no drawing.

Streamlit's own tables either draw on a canvas, where nothing can be read out or searched, or read
their cells as Markdown. Here every cell is escaped text in a plain table.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.store.queries import RunSummary
from leaderboard.ranking import BASELINES, METHODS, Row
from leaderboard.text import escaped, percent, size

_HEAD = (
    ("rank", "Rank", "Among all models of this task, by score"),
    ("model", "Model", ""),
    ("kind", "Kind", "Measured here, or published by somebody else"),
    ("score", "Score, %", "Share of right answers"),
    ("interval", "95 % interval", "Of measured scores; published ones come without"),
    ("items", "Items", "Items a measured score rests on, times samples per item"),
    ("truncated", "Truncated, %", "Answers cut off by the token budget"),
    ("method", "Method", "How a published model was trained"),
    ("size", "Size", "Parameters"),
    ("origin", "Engine or source", ""),
    ("track", "Chart", ""),
)


def ranking_table(rows: Sequence[Row], *, samples_page: str = "samples") -> str:
    """Return the rows as an HTML table; every text in it is escaped.

    Args:
        rows: In the order to be shown.
        samples_page: Where a measured score leads to, relative to this page.
    """
    head = "".join(
        f'<th scope="col" class="{name}" title="{escaped(about)}">{escaped(title)}</th>'
        for name, title, about in _HEAD
    )
    body = "".join(_table_row(row, samples_page) for row in rows)
    return (
        '<table class="ranking" aria-label="Ranking">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _table_row(row: Row, samples_page: str) -> str:
    measured = row.kind == "measured"
    cells = {
        "rank": str(row.rank),
        "model": _model(row),
        "kind": f'<span class="badge {row.kind}">{row.kind}</span>',
        "score": f"{percent(row.score)}",
        "interval": "–".join(map(percent, row.interval)) if row.interval else "",
        "items": f"{row.items:,}" + (f" × {row.samples}" if row.samples > 1 else "")
        if row.items
        else "",
        "truncated": percent(row.truncated) if row.truncated is not None else "",
        "method": f'<span class="method-{escaped(row.method)}">'
        f"{escaped(METHODS.get(row.method, row.method))}</span>",
        "size": size(row.parameters_b),
        "origin": _origin(row),
        "track": _track(row),
    }
    if measured:
        link = f"{escaped(samples_page)}?run={escaped(row.run_id)}"
        cells["score"] = (
            f'<a href="{link}" target="_self" title="See the samples">{cells["score"]}</a>'
        )
    filled = "".join(
        f'<td class="{name}" data-label="{escaped(title)}">{cells[name]}</td>'
        for name, title, _ in _HEAD
    )
    return f'<tr class="{row.kind} group-{row.group}">{filled}</tr>'


def _model(row: Row) -> str:
    name = f'<span class="name">{escaped(row.model)}</span>'
    if row.model in BASELINES:
        name += ' <span class="tag">baseline</span>'
    if row.differs:
        name += (
            '<div class="differs"><span class="badge warning">other protocol</span> '
            f"{escaped(row.differs)}</div>"
        )
    return name


def _origin(row: Row) -> str:
    when = f'<span class="date">{row.date:%Y-%m-%d}</span> · ' if row.date else ""
    note = f'<div class="note">{escaped(row.note)}</div>' if row.note else ""
    return f"{when}{escaped(row.origin)}{note}"


def _track(row: Row) -> str:
    """Draw the score on a line from 0 to 100, for screens too narrow for the chart."""
    low, high = row.interval or (row.score, row.score)
    bar = f'<i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
    dot = f'<b style="left:{100 * row.score:.1f}%"></b>'
    return f'<span class="line" aria-hidden="true">{bar if row.interval else ""}{dot}</span>'


def unfinished_list(runs: Sequence[RunSummary], *, most: int = 5) -> str:
    """Return the runs that are still going on as an HTML list; every text in it is escaped."""
    items = "".join(_unfinished_item(run) for run in runs[:most])
    more = f"<li>and {len(runs) - most} more</li>" if len(runs) > most else ""
    return f'<ul class="unfinished" aria-label="Unfinished runs">{items}{more}</ul>'


def _unfinished_item(run: RunSummary) -> str:
    done = 100 * run.graded / run.requests if run.requests else 0
    so_far = ""
    if run.score is not None:
        low, high = percent(run.score.low), percent(run.score.high)
        so_far = f"so far {percent(run.score.value)} % [{low}, {high}], "
    return (
        f'<li><span class="badge warning">unfinished</span> <span class="name">'
        f'{escaped(run.model)}</span> <span class="bar"><i style="width:{done:.0f}%"></i></span> '
        f'{run.graded} of {run.requests} <span class="note">{so_far}not ranked yet</span></li>'
    )

"""The ranking as an HTML table; no drawing."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.completeness import WHY
from harness.store.queries import RunSummary
from harness.text import abbreviated, duration, interval, percent, rank_range
from leaderboard.ranking import BASELINES, METHODS, Cell, Row, is_imported
from leaderboard.text import escaped

_NO_TEST = "Placed by score: no test against a published number is possible"
_KINDS = "Measured here, judged here from imported responses, or published by others"
_ASSUMED = "Assumed: reckoned as if the printed score were k right of the benchmark's n items"


def ranking_table(
    rows: Sequence[Row],
    tasks: Sequence[str],
    *,
    average: bool = False,
    by: str = "",
    samples_page: str = "samples",
) -> str:
    """Return the rows as an HTML table; every text in it is escaped.

    Args:
        rows: In the order to be shown.
        tasks: A column each.
        average: There is one.
        by: The task the rows are ordered by; the average if empty.
        samples_page: Where a measured score leads to, relative to this page.
    """
    head = [("rank", "Rank", "Best and worst rank among the measured models shown, 95 %")]
    head += [("model", "Model", ""), ("kind", "Kind", _KINDS)]
    if average:
        head.append(("score average", "Average, %", "Plain mean of the benchmarks named above"))
    head += [("score", f"{task}, %", "Right answers, with 95 % interval") for task in tasks]
    if len(tasks) == 1:
        head += [
            ("items", "Items", "Items a measured score rests on, times samples per item"),
            ("truncated", "Truncated, %", "Answers cut off by the token budget"),
        ]
    head += [
        ("method", "Method", "How the model was made; empty where it is not recorded"),
        ("size", "Parameters", ""),
        ("date", "Measured", "Day of the newest score"),
        ("cost", "Cost", "New tokens, and their share of the engine's wall clock"),
    ]
    if len(tasks) == 1:
        head.append(("origin", "Engine or source", ""))
    titles = "".join(
        f'<th scope="col" class="{name}" title="{escaped(about)}"'
        f"{_sorted(name, title, by, average)}>{_breakable(title)}</th>"
        for name, title, about in head
    )
    body = "".join(_table_row(row, tasks, average, samples_page) for row in rows)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Ranking, scrolls sideways">'
        '<table class="ranking" aria-label="Ranking">'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _breakable(title: str) -> str:
    return escaped(title).replace("_", "_<wbr>")


def _sorted(name: str, title: str, by: str, average: bool) -> str:
    chosen = title == f"{by}, %" if by else average and "average" in name
    return ' aria-sort="descending"' if chosen else ""


def _table_row(row: Row, tasks: Sequence[str], average: bool, samples_page: str) -> str:
    cells = [("rank", "", _rank(row)), ("model", "", _model(row, tasks))]
    cells.append(("kind", "", f'<span class="badge {row.kind}">{row.shown_kind}</span>'))
    if average:
        found = row.average
        shown = _score(percent(found.value), interval(found.low, found.high)) if found else ""
        if found and row.kind == "published":
            shown = shown.replace('class="ci"', f'class="ci assumed" title="{_ASSUMED}"')
        cells.append(("score average", "Average", shown))
    cells += [("score", task, _cell(row.cells.get(task), samples_page)) for task in tasks]
    run = row.cells[tasks[0]].run if len(tasks) == 1 and tasks[0] in row.cells else None
    if len(tasks) == 1:
        items = f"{run.items:,}" + (f" × {run.samples}" if run.samples > 1 else "") if run else ""
        cells.append(("items", "Items", items))
        cells.append(("truncated", "Truncated, %", percent(run.truncated) if run else ""))
    method = METHODS.get(row.method, row.method)
    cells += [
        ("method", "", f'<span class="method-{escaped(row.method)}">{escaped(method)}</span>'),
        ("size", "", abbreviated(None if row.parameters_b is None else 1e9 * row.parameters_b)),
        ("date", "", f"{row.date:%Y-%m-%d}" if row.date else ""),
        ("cost", "", _cost(row)),
    ]
    if len(tasks) == 1:
        cells.append(("origin", "", _origin(row, tasks[0])))
    filled = "".join(
        f'<td class="{name}" data-label="{escaped(label)}">{content}</td>'
        for name, label, content in cells
    )
    return f'<tr class="{row.kind} group-{row.group}">{filled}</tr>'


def _rank(row: Row) -> str:
    if row.ranks is not None:
        return rank_range(*row.ranks)
    if row.place is None:
        return ""
    about = (
        _NO_TEST if row.kind == "published" else "Placed by score: there is nothing to test with"
    )
    return f'<span class="untested" title="{about}">({row.place})</span>'


def _model(row: Row, tasks: Sequence[str]) -> str:
    name = f'<span class="name">{escaped(row.model)}</span>'
    if row.model in BASELINES:
        name += ' <span class="tag">baseline</span>'
    if row.parent:
        name += f'<div class="note">from {escaped(row.parent)}</div>'
    several = len(tasks) > 1
    for task in tasks:
        if task in row.cells and row.cells[task].differs:
            named = f"{task}: " if several else ""
            name += (
                '<div class="differs"><span class="badge warning">other protocol</span> '
                f"{escaped(named + row.cells[task].differs)}</div>"
            )
    return name


def _cell(cell: Cell | None, samples_page: str) -> str:
    if cell is None:
        return '<span class="none">–</span>'
    value = percent(cell.value)
    limits = interval(cell.score.low, cell.score.high) if cell.score else ""
    if cell.run is not None:
        link = f"{escaped(samples_page)}?run={escaped(cell.run.id)}"
        pieces = [
            "See the samples",
            "imported responses" if is_imported(cell.run) else "",
            cell.note,
        ]
        about = escaped("; ".join(filter(None, pieces)))
        value = f'<a href="{link}" target="_self" title="{about}">{value}</a>'
        if cell.note:
            value += f'<span class="unseen"> {escaped(cell.note)}</span>'
        mark = '<span class="mark" title="Other protocol">≠</span>' if cell.differs else ""
        return _score(value + mark, limits) + _track(cell)
    about = f"Published: {cell.source}" + (f". {cell.note}" if cell.note else "")
    shown = f'<span title="{escaped(about)}">{value}</span>'
    if cell.doubt:
        shown += (
            f'<span class="mark" title="{escaped(cell.doubt)}">?</span>'
            f'<span class="unseen"> {escaped(cell.doubt)}</span>'
        )
    if limits:
        limits = f'<span class="ci assumed" title="{_ASSUMED}">≈ {limits}</span>'
    return f'<span class="value">{shown}</span>{limits}{_track(cell)}'


def _score(value: str, limits: str) -> str:
    shown = f'<span class="ci">{limits}</span>' if limits else ""
    return f'<span class="value">{value}</span>{shown}'


def _cost(row: Row) -> str:
    parts = [f"{abbreviated(row.tokens)} tokens"] if row.tokens else []
    parts += [duration(row.seconds)] if row.seconds else []
    return " · ".join(parts)


def _origin(row: Row, task: str) -> str:
    cell = row.cells.get(task)
    if cell is None:
        return ""
    computed_by = cell.run.computed_by if cell.run else cell.source
    notes = [cell.note] + ([f"Doubtful: {cell.doubt}"] if cell.doubt else [])
    shown = "".join(f'<div class="note">{escaped(note)}</div>' for note in notes if note)
    return escaped(computed_by) + shown


def _track(cell: Cell) -> str:
    """Draw the score on a line from 0 to 100, for screens too narrow for the chart."""
    low, high = (cell.score.low, cell.score.high) if cell.score else (cell.value, cell.value)
    bar = f'<i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
    dot = f'<b style="left:{100 * cell.value:.1f}%"></b>'
    return f'<span class="line" aria-hidden="true">{bar}{dot}</span>'


def doubts(rows: Sequence[Row], tasks: Sequence[str]) -> str:
    """Return what is doubtful among the published scores shown, as an HTML list, or nothing."""
    found = [
        f"<li><b>{escaped(row.model)}</b>, {escaped(task)}: {escaped(row.cells[task].doubt)}</li>"
        for row in rows
        for task in tasks
        if task in row.cells and row.cells[task].doubt
    ]
    if not found:
        return ""
    return (
        '<details class="doubts" open><summary>? Doubtful published numbers</summary>'
        f"<ul>{''.join(found)}</ul></details>"
    )


def unfinished_list(runs: Sequence[RunSummary], *, most: int = 5) -> str:
    """Return the runs that are still going on as an HTML list; every text in it is escaped."""
    items = "".join(_unfinished_item(run) for run in runs[:most])
    more = f"<li>and {len(runs) - most} more</li>" if len(runs) > most else ""
    return f'<ul class="unfinished" aria-label="Unfinished runs">{items}{more}</ul>'


def _unfinished_item(run: RunSummary) -> str:
    done = 100 * run.graded / run.requests if run.requests else 0
    so_far = f"so far {percent(run.so_far.value)} %, " if run.so_far is not None else ""
    return (
        f'<li><span class="badge warning">unfinished</span> <span class="name">'
        f'{escaped(run.model)}</span> on {escaped(run.task)} <span class="bar">'
        f'<i style="width:{done:.0f}%"></i></span> '
        f'{run.graded} of {run.requests} <span class="note">{so_far}not ranked: {WHY}</span></li>'
    )

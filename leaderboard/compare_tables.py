"""Verdicts, tables and the figure of the Compare page, as HTML and Plotly; no drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.compare import BaselineComparisons, RunScore, TaskComparison
from harness.analysis.protocol import Comparability, Difference
from harness.errors import HarnessError, StoreLocked
from harness.statistics.paired import Comparison, average
from harness.store.item_results import ItemResult
from harness.store.queries import RunSummary
from harness.text import (
    drop_size,
    interval,
    p_is,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    rank_range,
)
from leaderboard.figures import BLUE, GREY, error_bars, framed, legend_of
from leaderboard.html_table import Column, Html, Line, badge, grid, joined, link
from leaderboard.text import escaped, shortened

CONVINCING = 0.05
CELLS = {
    "right-right": "Both right",
    "right-wrong": "Only A right",
    "wrong-right": "Only B right",
    "wrong-wrong": "Both wrong",
}
"""The flip matrix, row by row: the item's outcome in A and in B."""

MOST_DRAWN = 20
_METHODS = {"mcnemar": "McNemar's exact test", "sign-flip": "the exact sign-flip test"}
_SMALLEST_P = 0.0001
_ROW_HEIGHT = 30
_FRAME_HEIGHT = 90
_LONGEST_LABEL = 34
_SURE, _UNSURE = BLUE, GREY


@dataclass(frozen=True, slots=True)
class Dot:
    """A difference in the figure.

    Attributes:
        label: What is compared.
        effect: The difference.
        low: Lower bound of its interval.
        high: Upper bound.
        shown: It is more than chance after Holm's adjustment.
        hover: The text shown on hover.
        differs: The two sides are not of one protocol.
    """

    label: str
    effect: float
    low: float
    high: float
    shown: bool
    hover: str
    differs: bool = False


def cells(first: Iterable[ItemResult], second: Iterable[ItemResult]) -> dict[str, list[str]]:
    """Return the ids of the items in each of :data:`CELLS`, in the order of the task.

    With several samples an item is right if at least half of its samples are.
    """
    found: dict[str, list[str]] = {name: [] for name in CELLS}
    for one, other in zip(first, second, strict=True):
        found[f"{_word(one)}-{_word(other)}"].append(one.item_id)
    return found


def verdict(comparison: TaskComparison, *, among: int = 1, runs: int = 2) -> str:
    """Return what the comparison comes to as HTML: the difference first, then how sure it is.

    Args:
        comparison: Two runs.
        among: How many comparisons its p-value is adjusted for.
        runs: How many runs the items are shared by.
    """
    paired, p = comparison.paired, comparison.p_adjusted
    sure = p <= CONVINCING and paired.effect != 0
    adjusted = f" (Holm, {among} comparisons)" if among > 1 else ""
    have = "both have" if runs == 2 else f"all {runs} runs have"
    if sure:
        said = "B is better" if paired.effect > 0 else "B is worse"
    else:
        said = "no difference is shown"
    same = paired.items - paired.better - paired.worse
    these, over = paired.on_these_items, "95 % interval"
    if these is not None:
        over += (
            f" over new items, and [{points(these.low)}, {points(these.high)}] on these items, of "
            f"which only the samples are chance ({p_is(these.p)})"
        )
    power = "With so few items no drop is detectable."
    if paired.detectable is not None:
        power = (
            f"Minimum detectable drop (80 % power): {drop_size(paired.detectable)} points; a "
            "smaller one may well be missed."
        )
    return (
        f'<div class="finding"><strong>B − A, points: {effect(paired)} — {said}</strong>'
        f"<span>{over}; {p_is(p)}{adjusted} by {_METHODS[paired.method]} on the "
        f"{paired.items:,} items {have}: {paired.better:,} better in B, {paired.worse:,} worse, "
        f"{same:,} as before. {power}</span></div>"
    )


def sides_table(sides: Sequence[tuple[str, RunScore]], comparison: TaskComparison) -> str:
    """Return the two runs as a table; every text in it is escaped."""
    columns = [
        Column("letter", ""),
        Column("model", "Model", wide=True),
        Column("score", "Score, %", numeric=True),
        Column("interval", "95 % interval", numeric=True),
        Column("samples", "Samples", numeric=True),
        *(Column(name, f"{title}, %", numeric=True) for name, title in _RATES.items()),
        Column("tokens", "Tokens/sample", "New tokens a sample", numeric=True),
        Column("run", "Run"),
    ]
    lines = []
    for number, (letter, side) in enumerate(sides):
        shares = {
            name: percent(rate.second if number else rate.first)
            for name, rate in comparison.rates.items()
        }
        tokens = side.tokens_per_sample
        lines.append(
            Line(
                {
                    "letter": Html(f'<span class="side-letter">{letter}</span>'),
                    "model": side.model,
                    "score": percent(side.score.value),
                    "interval": interval(side.score.low, side.score.high),
                    "samples": f"{side.samples:,}",
                    **shares,
                    "tokens": "–" if tokens is None else f"{tokens:,.0f}",
                    "run": link("samples", side.run, "See its samples", run=side.run),
                }
            )
        )
    return grid("The runs compared", columns, lines)


def differing(found: Comparability) -> str:
    """Return what differs between two runs, by what it means, as HTML; every text is escaped."""
    rows = (
        ("Protocol", found.refused, "NOT ONE PROTOCOL", "the same"),
        ("Model", found.shown, "differs, as it may", "nothing recorded differs"),
        ("Engine and hardware", found.warned, "differs; it should change nothing", "the same"),
    )
    entries = []
    for what, listed, bad, good in rows:
        if listed:
            style = "published" if what == "Model" else "warning"
            text = f'<span class="badge {style}">≠ {bad}</span> {_listed(listed)}'
        else:
            text = f'<span class="badge right">= {good}</span>'
        entries.append(f"<li><b>{what}</b> {text}</li>")
    return f'<ul class="differing" aria-label="What differs">{"".join(entries)}</ul>'


def groups_table(comparison: TaskComparison, by: str) -> str:
    """Return the break-down by subject or level as a table; every text in it is escaped."""
    columns = [
        Column("name", by.capitalize(), wide=True),
        Column("items", "Items", numeric=True),
        Column("first", "A, %", numeric=True),
        Column("second", "B, %", numeric=True),
        *_EFFECT_COLUMNS,
    ]
    lines = [
        Line(
            {
                "name": group.name or "–",
                "items": f"{group.paired.items:,}",
                "first": percent(group.first),
                "second": percent(group.second),
                **_effect_cells(group.paired, group.p_adjusted),
            }
        )
        for group in comparison.groups[by]
    ]
    return grid(f"By {by}", columns, lines)


def against_first_table(compared: BaselineComparisons) -> str:
    """Return several runs' differences from the first as a table; every text is escaped."""
    mixed = any(one.differences.refused for one in compared.comparisons)
    ranks = "Rank (≠ protocols mixed)" if mixed else "Rank"
    columns = [
        Column("letter", ""),
        Column("model", "Model", wide=True),
        Column("score", "Score, %", numeric=True),
        Column("ranks", ranks, "Ranks that cannot be ruled out, 95 % sure of all", numeric=True),
        *_EFFECT_COLUMNS,
        Column("run", "Run"),
    ]
    standing = {placed.side.run: placed.standing for placed in compared.standings.placed}
    lines = []
    for place, run in enumerate(compared.runs):
        model, cells = run.model, {}
        if place:
            comparison = compared.comparisons[place - 1]
            model, cells = (
                _marked(run.model, comparison),
                _effect_cells(comparison.paired, comparison.p_adjusted),
            )
        score = standing[run.id].score
        lines.append(
            Line(
                {
                    "letter": Html(
                        f'<span class="side-letter">{"A" if place == 0 else "B"}</span>'
                    ),
                    "model": model,
                    "score": percent_interval(score),
                    "ranks": rank_range(standing[run.id].best_rank, standing[run.id].worst_rank),
                    "effect": "baseline",
                    "run": link("samples", run.id, "See its samples", run=run.id),
                    **cells,
                }
            )
        )
    return grid("Differences from A", columns, lines)


def task_by_task(
    lines: Iterable[Sequence[RunSummary]],
    compare: Callable[[Sequence[RunSummary]], BaselineComparisons],
) -> tuple[dict[str, BaselineComparisons], dict[str, str]]:
    """Compare two models on each of their tasks.

    Args:
        lines: Of each task the two runs.
        compare: Compares them.

    Returns:
        The comparisons by task; and why a task could not be compared at all, by task.

    Raises:
        StoreLocked: The results file cannot be read now.
    """
    found, obstacles = {}, {}
    for line in lines:
        try:
            found[line[0].task] = compare(line)
        except StoreLocked:
            raise
        except HarnessError as error:
            obstacles[line[0].task] = error.message
    return found, obstacles


def refusals(of_task: Mapping[str, BaselineComparisons]) -> dict[str, tuple[Difference, ...]]:
    """Return the tasks on which two models were not measured under one protocol, and why."""
    refused = {task: one.comparisons[0].differences.refused for task, one in of_task.items()}
    return {task: found for task, found in refused.items() if found}


def tasks_table(comparisons: Sequence[TaskComparison], adjusted: Sequence[float]) -> str:
    """Return two models' differences task by task as a table, with their plain mean."""
    columns = [
        Column("name", "Benchmark", wide=True),
        Column("items", "Items", numeric=True),
        Column("first", "A, %", numeric=True),
        Column("second", "B, %", numeric=True),
        *_EFFECT_COLUMNS,
        Column(
            "detectable",
            "Min. detectable drop",
            "The smallest drop that such a comparison shows with 80 % power, in points",
            numeric=True,
        ),
    ]
    lines = [
        Line(
            {
                "name": _marked(comparison.task, comparison),
                "items": f"{comparison.items:,}",
                "first": percent(comparison.first.score.value),
                "second": percent(comparison.second.score.value),
                **_effect_cells(comparison.paired, p),
                "detectable": drop_size(comparison.paired.detectable),
            }
        )
        for comparison, p in zip(comparisons, adjusted, strict=True)
    ]
    if len(comparisons) > 1:
        mean = average([one.paired for one in comparisons])
        mixed = any(one.differences.refused for one in comparisons)
        lines.append(
            Line(
                {
                    "name": f"mean of {len(comparisons)}"
                    + (" (≠ protocols mixed)" if mixed else ""),
                    "effect": points_interval(mean.value, mean.low, mean.high),
                }
            )
        )
    return grid("By benchmark", columns, lines)


def dot(label: str, paired: Comparison, p: float, *, differs: bool = False) -> Dot:
    """Return a comparison, with its adjusted p-value, as a mark of the figure.

    Args:
        label: What is compared.
        paired: The comparison.
        p: Its p-value after Holm.
        differs: The two sides are not of one protocol; the label is marked then.
    """
    hover = f"{effect(paired)} points, {paired.items:,} items, {p_is(p)} (Holm)"
    if differs:
        label, hover = f"{label} ≠", f"{hover}; not one protocol"
    sure = p <= CONVINCING
    return Dot(label, paired.effect, paired.low, paired.high, sure, hover, differs)


def legend(dots: Sequence[Dot]) -> str:
    """Return what the marks of the figure mean as HTML."""
    marks = [(_SURE, "●", "p ≤ 0.05 after Holm"), (_UNSURE, "○", "no difference is shown")]
    if any(one.differs for one in dots):
        words = "not one protocol: the difference is the protocols' as much as the models'"
        marks.append((_UNSURE, "≠", words))
    return legend_of(marks)


def differences_chart(dots: Sequence[Dot], what: str) -> Any:
    """Return the differences with their intervals as a figure, in the order given.

    Args:
        dots: At most :data:`MOST_DRAWN` are sensible.
        what: What the rows are, for the axis.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    places = [len(dots) - number for number in range(len(dots))]
    for sure, colour, symbol in ((True, _SURE, "circle"), (False, _UNSURE, "circle-open")):
        drawn = [(place, one) for place, one in zip(places, dots, strict=True) if one.shown is sure]
        if not drawn:
            continue
        figure.add_scatter(
            x=[100 * one.effect for _, one in drawn],
            y=[place for place, _ in drawn],
            error_x=error_bars([(one.effect, one.low, one.high) for _, one in drawn], colour),
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 10,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            hovertext=[f"<b>{escaped(one.label)}</b><br>{escaped(one.hover)}" for _, one in drawn],
            hoverinfo="text",
        )
    figure.add_vline(x=0, line_width=1.5, line_dash="dot", line_color=_UNSURE)
    return framed(
        figure,
        height=_FRAME_HEIGHT + _ROW_HEIGHT * max(2, len(dots)),
        top=4,
        bottom=62,
        x={"title": "B − A, percentage points<br>(95 % interval)", "showgrid": True},
        y={
            "title": what,
            "tickvals": places,
            "ticktext": [escaped(shortened(one.label or "–", _LONGEST_LABEL)) for one in dots],
            "range": [0.4, len(dots) + 0.6],
        },
    )


def effect(paired: Comparison) -> str:
    """Return a difference with its interval, in points."""
    return points_interval(paired.effect, paired.low, paired.high)


_RATES = {
    "truncated": "Truncated",
    "no_answer": "No answer",
    "loops": "Loops",
    "grader_failures": "Grader failed",
}
_EFFECT_COLUMNS = (
    Column(
        "effect",
        "B − A, points [95 %]",
        "Difference on the items that all of them have",
        numeric=True,
    ),
    Column("p", "p (Holm)", "Adjusted for the number of rows", numeric=True),
    Column("flips", "Worse / better", "Items", numeric=True),
)


def _marked(name: str, comparison: TaskComparison) -> str:
    """Return a name, with what of the protocol differs where something does."""
    refused = comparison.differences.refused
    if not refused:
        return name
    return joined([name, badge("warning", f"≠ {', '.join(one.what for one in refused)}")], " ")


def _effect_cells(paired: Comparison, p: float) -> dict[str, str]:
    return {
        "effect": effect(paired),
        "p": p_value(p),
        "flips": f"{paired.worse:,} / {paired.better:,}",
    }


def _word(outcome: ItemResult) -> str:
    return "right" if 2 * outcome.correct >= outcome.samples else "wrong"


def _listed(found: Sequence[Difference]) -> str:
    return "; ".join(
        f"{escaped(one.what)}: {escaped(shortened(one.first, 80))} against "
        f"{escaped(shortened(one.second, 80))}"
        for one in found
    )

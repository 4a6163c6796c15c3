"""Draws the ranking: filters, one sentence, a chart, a row a model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import streamlit as st

from harness.registry import suites
from harness.text import interval, percent
from leaderboard import source
from leaderboard.chart import family_chart, legend, ranking_chart, size_chart
from leaderboard.error_card import problem_card
from leaderboard.html_table import link
from leaderboard.model_lineage import family_trees
from leaderboard.ranking import (
    METHODS,
    SIZES,
    Filters,
    Row,
    board,
    common_tasks,
    estimate_of,
    filtered,
    first_choice,
    highlights,
    ordered,
    protocol_words,
    tasks,
    unfinished,
    usual_runs,
    value_of,
)
from leaderboard.ranking_table import doubts, ranking_table, unfinished_list
from leaderboard.source import Snapshot
from leaderboard.text import escaped

_FEW = 12
_MANY = 40
_PAGE = 100
_HEAD_START_SECONDS = 0.4
_SUITE = "suite: "
_CHARTS = {"scores": "Scores", "size": "Score against size", "families": "Family trees"}
_KINDS = {"measured": "measured here", "imported": "imported", "published": "published"}
_BY_ITSELF = "This page tries again by itself."


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is on the page: rows in order, and what they are about."""

    rows: list[Row]
    chosen: list[str]
    common: list[str]
    by: str


def draw(snapshot: Snapshot) -> None:
    """Draw the filters, and below them what they leave, kept up to date."""
    known = tasks(snapshot.runs, snapshot.published, snapshot.chosen_on)
    if snapshot.missing is not None:
        st.html(problem_card(snapshot.missing.message, f"{snapshot.missing.remedy} {_BY_ITSELF}"))
    elif not snapshot.runs:
        _nothing_measured()
    if not known:
        return
    offered = _offered(known)
    chosen, methods, every_protocol = _choose(snapshot, known, offered)
    with st.expander("More filters", key="more", on_change="ignore"):
        filters = _more_filters(snapshot, chosen, tuple(methods))
    if snapshot.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(snapshot.stale)}</p>')
    if open_runs := unfinished(chosen, snapshot.runs, snapshot.decided):
        st.html(unfinished_list(open_runs))
    partial = [run for run in snapshot.runs if run.task in chosen and not run.complete]
    if stopped := len(partial) - len(open_runs):
        runs = "1 run" if stopped == 1 else f"{stopped} runs"
        where = link("gate", "the verdicts")
        st.html(f'<p class="note">Not ranked: {runs} that a gate stopped; see {where}.</p>')
    shown = _shown(snapshot, chosen, filters, every_protocol=every_protocol)
    if open_runs and not shown.rows:
        st.caption("Nothing finished is left to be ranked: a run comes here by itself at its end.")
    else:
        _draw_rows(shown, snapshot)
    st.fragment(_watch, run_every=source.REFRESH_SECONDS)(snapshot)


def prepare() -> None:
    """Have read and ranked what the first visitor will be shown, before anybody waits for it.

    Raises:
        HarnessError: The store cannot be read now.
    """
    snapshot = source.newest()
    known = tasks(snapshot.runs, snapshot.published, snapshot.chosen_on)
    offered = _offered(known)
    chosen = offered.get(first_choice(offered, snapshot.runs), known[:1])
    if not chosen:
        return
    rows = board(chosen, snapshot.runs, snapshot.published, snapshot.lineages)
    rows = filtered(rows, chosen, Filters(complete=len(chosen) > 1))
    common = common_tasks(rows, chosen)
    by = "" if len(common) > 1 else chosen[0]
    ranking_chart(ordered(rows, common, by, source.standings)[:_MANY], by)


def _offered(known: Sequence[str]) -> dict[str, list[str]]:
    """Return the suites of which there is something to show."""
    return {name: list(found) for name, found in suites().items() if set(found) & set(known)}


def _watch(seen: Snapshot) -> None:
    """Draw the page again once the results file has changed."""
    if source.changed(seen):
        st.rerun(scope="app")


def _choose(
    snapshot: Snapshot, known: list[str], offered: dict[str, list[str]]
) -> tuple[list[str], Sequence[str], bool]:
    """Choose what is ranked; it is always in the URL, as the default changes with the store."""
    options = [_SUITE + name for name in offered if len(offered[name]) > 1] + known
    state = st.session_state
    asked = state.setdefault("task_asked", st.query_params.get("task", ""))
    # What stood there while nothing was measured was nobody's choice.
    stopgap = bool(snapshot.runs) and state.get("task") == state.get("task_stopgap")
    if state.get("task") not in options or stopgap:
        wanted = asked if stopgap else st.query_params.get("task", "")
        default = first_choice(offered, snapshot.runs)
        first = _SUITE + default if default else known[0]
        state["task"] = wanted if wanted in options else first
        state["task_stopgap"] = None if snapshot.runs else state["task"]
    task_column, method_column, protocol_column = st.columns([2, 3, 1], vertical_alignment="top")
    with task_column:
        task = str(st.selectbox("Suite or task", options, key="task", persist_state="session"))
    st.query_params["task"] = task
    with method_column:
        methods = st.pills(
            "Method",
            list(METHODS),
            selection_mode="multi",
            format_func=METHODS.__getitem__,
            key="method",
            bind="query-params",
            persist_state="session",
            help="How a model was made. Known of published models, of checkpoints trained here, "
            "and of models that go by a published or an -Instruct name; other measured ones stay.",
        )
    with protocol_column:
        every_protocol = st.toggle(
            "Other protocols",
            key="protocols",
            bind="query-params",
            persist_state="session",
            help="Off: of each benchmark only runs under the protocol that most measured models "
            "share. On: the others too, each marked with what differs.",
        )
    chosen = offered[task.removeprefix(_SUITE)] if task.startswith(_SUITE) else [task]
    return chosen, methods, every_protocol


def _more_filters(snapshot: Snapshot, chosen: list[str], methods: tuple[str, ...]) -> Filters:
    kind_column, size_column, date_column = st.columns(3, vertical_alignment="top")
    kinds = kind_column.pills(
        "Rows", list(_KINDS), selection_mode="multi", format_func=_KINDS.__getitem__, key="kind",
        bind="query-params", persist_state="session",
    )  # fmt: skip
    sizes = size_column.pills(
        "Parameters", list(SIZES), selection_mode="multi", key="size", bind="query-params",
        persist_state="session",
    )  # fmt: skip
    days = date_column.date_input(
        "Measured from and until (published rows have no date and stay)", value=(), key="date",
        bind="query-params", persist_state="session",
    )  # fmt: skip
    # On by itself where it hides none of those who measured the whole suite.
    usual = not snapshot.runs or bool(first_choice({"chosen": chosen}, snapshot.runs))
    complete = len(chosen) > 1 and kind_column.toggle(
        "Only models with every benchmark", value=usual, key="complete", bind="query-params",
        persist_state="session", help="Then there is an average over all of them.",
    )  # fmt: skip
    since, until = _days(days)
    return Filters(tuple(kinds), methods, tuple(sizes), since, until, bool(complete))


def _days(chosen: object) -> tuple[date | None, date | None]:
    found = [day for day in chosen if isinstance(day, date)] if isinstance(chosen, tuple) else []
    return (found[0] if found else None), (found[1] if len(found) > 1 else None)


def _shown(
    snapshot: Snapshot, chosen: list[str], filters: Filters, *, every_protocol: bool
) -> _Shown:
    rows = board(
        chosen,
        snapshot.runs,
        snapshot.published,
        snapshot.lineages,
        every_protocol=every_protocol,
    )
    rows = filtered(rows, chosen, filters)
    common = common_tasks(rows, chosen)
    by = chosen[0]
    if len(chosen) > 1:
        offered = [""] * (len(common) > 1) + chosen
        by = _order(offered)
    return _Shown(ordered(rows, common, by, source.standings), chosen, common, by)


def _order(offered: list[str]) -> str:
    if st.session_state.get("by") not in offered:
        wanted = st.query_params.get("by", "")
        st.session_state["by"] = wanted if wanted in offered else offered[0]
    by = str(
        st.segmented_control(
            "Order by", offered, key="by", format_func=lambda name: name or "average",
            required=True, persist_state="session", wrap=True,
        )
    )  # fmt: skip
    st.query_params["by"] = by
    return by


def _draw_rows(shown: _Shown, snapshot: Snapshot) -> None:
    if not shown.rows:
        if snapshot.runs:
            st.html(problem_card("No model is left.", "Take a filter away."))
        return
    st.caption(_caption(shown, snapshot.chosen_on))
    st.html(f'<p class="verdict">{_verdict(shown)}</p>')
    draw_figure = _chart(shown)
    pages = -(-len(shown.rows) // _PAGE)
    number = 1
    if pages > 1:
        number = min(pages, int(st.pagination(pages, key="rows_page", bind="query-params")))
    page = shown.rows[(number - 1) * _PAGE : number * _PAGE]
    average = len(shown.common) > 1
    st.html(ranking_table(page, shown.chosen, average=average, by=shown.by))
    if len(shown.chosen) > 1 and (doubtful := doubts(page, shown.chosen)):
        st.html(doubtful)
    file = escaped(source.results_path().name)
    st.html(f'<p class="note">{_protocols(shown, snapshot)} From {file}, read again whenever it '
            "changes.</p>")  # fmt: skip
    if not st.session_state.get("figures_seen"):
        # A browser is busy for half a second when Plotly comes to it: what there is to read first.
        time.sleep(_HEAD_START_SECONDS)
        st.session_state["figures_seen"] = True
    draw_figure()


def _protocols(shown: _Shown, snapshot: Snapshot) -> str:
    """Name the protocol of each column."""
    usual = usual_runs(shown.chosen, snapshot.runs)
    pieces = [f"{escaped(task)}: {escaped(protocol_words(run))}" for task, run in usual.items()]
    return f"Protocol of the measured scores: {'; '.join(pieces)}." if pieces else ""


def _nothing_measured() -> None:
    st.html(
        problem_card(
            "Nothing has been measured yet.",
            "Run `harness eval --model smollm2-135m --suite quick` on this results file; it "
            "appears here by itself.",
        )
    )


def _caption(shown: _Shown, chosen_on: Collection[str]) -> str:
    rows = shown.rows
    kinds = Counter(row.shown_kind for row in rows)
    parts = []
    if measured := kinds["measured"]:
        parts.append(f"{measured} measured here, with 95 % intervals.")
    if imported := kinds["imported"]:
        parts.append(
            f"{imported} imported: responses generated elsewhere and judged here, with 95 % "
            "intervals."
        )
    if published := kinds["published"]:
        parts.append(
            f"{published} published: numbers that others printed, from other protocols, placed by "
            "score; no test against them is possible, and their intervals (≈) are assumed."
        )
    if len(shown.chosen) > 1:
        named = ", ".join(shown.common)
        if len(shown.common) > 1:
            parts.append(f"The average is over what every row has: {named}.")
        else:
            parts.append(
                "There is no average: the rows shown do not have two benchmarks in common. "
                "“Only models with every benchmark” leaves those that do."
            )
    if selected := [task for task in shown.chosen if task in chosen_on]:
        parts.append(
            f"Checkpoints were chosen on {', '.join(selected)}: the best of several looks better "
            "there than it is."
        )
    if any(row.differs for row in rows):
        parts.append("Scores marked *other protocol* (≠) are not comparable with the rest.")
    return " ".join(parts)


def _verdict(shown: _Shown) -> str:
    """Say which measured model is best, and whether that is known."""
    tested = [row for row in shown.rows if row.ranks is not None]
    if not tested:
        return ""
    best = tested[0]
    score = estimate_of(best, shown.by)
    written = ""
    if score is not None:
        written = f"{percent(score.value)} % {interval(score.low, score.high)}, "
    others = sum(row.ranks is not None and row.ranks[0] == 1 for row in tested) - 1
    known = (
        "shown to be better than the others tested"
        if best.ranks == (1, 1)
        else f"{others} other{'s' if others != 1 else ''} may be as good or better"
        if others
        else "not distinguishable from all others"
    )
    return (
        f"<b>{escaped(best.model)}</b> leads the {len(tested)} models measured on the same items: "
        f"{written}{known} (paired tests, 95 % for all ranks together)."
    )


def _chart(shown: _Shown) -> Callable[[], object]:
    """Draw the choice of a figure, keep its place, and return what draws it there."""
    rows = [row for row in shown.rows if value_of(row, shown.by) is not None]
    if not rows:
        return _nothing
    kind = st.segmented_control(
        "Chart", list(_CHARTS), default="scores", format_func=_CHARTS.__getitem__, key="chart",
        required=True, bind="query-params", persist_state="session", wrap=True,
    )  # fmt: skip
    if kind == "scores":
        return _score_chart(rows, shown)
    if kind == "size":
        st.html(legend(rows))
        figure = size_chart(rows, shown.by)
        return _plot(figure, f"Scores of {len(rows)} models against their parameters.")
    about = shown.common if not shown.by else [shown.by]
    trees = family_trees(rows, about, shown.by, source.item_scores)
    if not trees:
        message = "There is no model here together with what it was made from."
        st.html(problem_card(message, "Evaluate the base of a checkpoint under the same protocol."))
        return _nothing
    figure = family_chart(trees[:_FEW], shown.by)
    return _plot(figure, "Gains of models over what they were made from.")


def _score_chart(rows: Sequence[Row], shown: _Shown) -> Callable[[], object]:
    drawn = list(rows)
    story = highlights(rows)
    choosable = len(rows) > _FEW and 0 < len(story) < len(rows)
    # On a narrow screen style.css hides this: there each row of the table draws its own score.
    with st.container(key="chart-frame", gap="xsmall"):
        legend_column, toggle_column = st.columns([2, 1], vertical_alignment="center")
        if choosable:
            every = toggle_column.toggle(
                f"Draw all {len(rows)} models",
                key="all",
                bind="query-params",
                persist_state="session",
                help="Off: only measured models, CFT models and the baselines.",
            )
            drawn = drawn if every else story
        if len(drawn) > _MANY:
            st.caption(f"The first {_MANY} of {len(drawn)} are drawn.")
            drawn = drawn[:_MANY]
        legend_column.html(legend(drawn))
        return _plot(
            ranking_chart(drawn, shown.by),
            f"Scores of {len(drawn)} models; the table below holds the same numbers.",
        )


def _plot(figure: Any, alt: str) -> Callable[[], object]:
    place = st.container(key="figure-place", height=figure.layout.height, border=False)
    return partial(
        place.plotly_chart, figure, key="figure", config={"displayModeBar": False}, alt=alt
    )


def _nothing() -> None:
    """There is no figure to draw."""

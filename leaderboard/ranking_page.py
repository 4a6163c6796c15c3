"""Draws the ranking of one task."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from harness.errors import HarnessError
from leaderboard import source
from leaderboard.chart import legend, ranking_chart
from leaderboard.problem import problem_card
from leaderboard.ranking import METHODS, Row, filtered, highlights, ranked, tasks, unfinished
from leaderboard.source import Snapshot
from leaderboard.table import ranking_table, unfinished_list
from leaderboard.text import escaped

_FEW = 12


def draw(snapshot: Snapshot) -> None:
    """Draw the filters, and below them what they leave, kept up to date."""
    names = tasks(snapshot.runs, snapshot.published)
    if not names:
        _nothing_measured()
        return
    task_column, method_column = st.columns([1, 3], vertical_alignment="top")
    with task_column:
        task = _choose_task(names)
    with method_column:
        methods = st.pills(
            "Published methods",
            list(METHODS),
            selection_mode="multi",
            format_func=METHODS.__getitem__,
            key="method",
            bind="query-params",
            persist_state="session",
            disabled=all(score.task != task for score in snapshot.published),
            help="Measured models stay: how they were trained is not recorded.",
        )
    st.fragment(_body, run_every=source.REFRESH_SECONDS)(task, methods, names)


def _choose_task(names: list[str]) -> str:
    """Choose a task; the choice is always in the URL, since the default changes with the store."""
    if st.session_state.get("task") not in names:
        wanted = st.query_params.get("task")
        st.session_state["task"] = wanted if wanted in names else names[0]
    task = st.selectbox("Task", names, key="task", persist_state="session")
    st.query_params["task"] = task
    return str(task)


def _body(task: str, methods: Sequence[str], names: list[str]) -> None:
    try:
        snapshot = source.snapshot(patient=False)
    except HarnessError as error:
        st.html(problem_card(error.message, error.remedy))
        return
    if tasks(snapshot.runs, snapshot.published) != names:
        st.rerun(scope="app")
    if snapshot.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(snapshot.stale)}</p>')
    rows = ranked(task, snapshot.runs, snapshot.published)
    open_runs = unfinished(task, snapshot.runs)
    shown = filtered(rows, methods)
    if not snapshot.runs:
        _nothing_measured()
    if open_runs:
        st.html(unfinished_list(open_runs))
    if shown:
        st.caption(_caption(shown))
        _chart(shown, task)
        st.html(ranking_table(shown))
        file = escaped(source.results_path().name)
        st.html(f'<p class="note">From {file}, read again whenever it changes.</p>')
    elif not open_runs:
        st.html(problem_card("No model of this task is left.", "Choose other methods."))


def _nothing_measured() -> None:
    st.html(
        problem_card(
            "Nothing has been measured yet.",
            "Run `harness eval --model smollm2-135m --suite quick` on this results file; it "
            "appears here by itself.",
        )
    )


def _caption(rows: Sequence[Row]) -> str:
    measured = sum(row.kind == "measured" for row in rows)
    published = len(rows) - measured
    parts = []
    if measured:
        parts.append(f"{measured} measured here, with 95 % intervals.")
    if published:
        parts.append(
            f"{published} published: numbers that others printed, from other protocols, placed by "
            "score; no test against them is possible."
        )
    if any(row.differs for row in rows):
        parts.append("Measured rows marked *other protocol* (≠) are not comparable with the rest.")
    return " ".join(parts)


def _chart(rows: Sequence[Row], task: str) -> None:
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
        legend_column.html(legend(drawn))
        st.plotly_chart(
            ranking_chart(drawn),
            key="chart",
            config={"displayModeBar": False},
            alt=f"Scores of {len(drawn)} models on {task}; the table below holds the same numbers.",
        )

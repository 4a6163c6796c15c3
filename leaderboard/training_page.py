"""Draws trainings: their curves, how their checkpoints fared, and the review of critiques."""

from __future__ import annotations

import json

import streamlit as st

from harness.store.training import (
    TrainingRow,
    training_checkpoints,
    training_choices,
    training_steps,
    trainings,
)
from leaderboard import review, source, training
from leaderboard.cached_queries import ask, kept_fresh
from leaderboard.error_card import problem_card
from leaderboard.html_table import bullets, facts, heading
from leaderboard.source import Snapshot
from leaderboard.text import escaped, plain

_TRAININGS, _REVIEW = "Trainings", "Review"
_NO_BAR = {"displayModeBar": False}


def draw(snapshot: Snapshot) -> None:
    """Draw the trainings or the review queue, as the URL says."""
    view = st.segmented_control(
        "Show",
        [_TRAININGS, _REVIEW],
        default=_TRAININGS,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == _REVIEW:
        review.draw()
        return
    found = ask(trainings)
    if not found.value:
        st.html(
            problem_card(
                "Nothing has been trained yet.",
                "Run `train-cft train` on this results file; the curves appear here while it goes "
                "on.",
            )
        )
        kept_fresh(_until_there_is_one)
        return
    chosen = _choose(found.value)
    kept_fresh(_body, [row.id for row in chosen], [row.id for row in found.value])


def _until_there_is_one() -> None:
    if ask(trainings).value:
        st.rerun(scope="app")


def _choose(rows: list[TrainingRow]) -> list[TrainingRow]:
    """Choose a training and others beside it; the choice is always in the URL."""
    by_id = {row.id: row for row in rows}
    if st.session_state.get("training") not in by_id:
        wanted = st.query_params.get("training")
        st.session_state["training"] = wanted if wanted in by_id else rows[0].id
    one_column, others_column = st.columns(2, vertical_alignment="top")
    with one_column:
        one = st.selectbox(
            "Training",
            list(by_id),
            key="training",
            format_func=lambda row_id: training.label(by_id[row_id]),
            persist_state="session",
        )
    others = [row_id for row_id in by_id if row_id != one]
    if "with" not in st.session_state:
        st.session_state["with"] = st.query_params.get_all("with")
    st.session_state["with"] = [row_id for row_id in st.session_state["with"] if row_id in others]
    with others_column:
        beside = st.multiselect(
            "Compare with",
            others,
            key="with",
            format_func=lambda row_id: training.label(by_id[row_id]),
            max_selections=training.MOST_COMPARED - 1,
            placeholder="other trainings",
            disabled=not others,
            persist_state="session",
        )
    st.query_params["training"] = one
    st.query_params["with"] = beside
    return [by_id[row_id] for row_id in (one, *beside)]


def _body(ids: list[str], offered: list[str]) -> None:
    found = ask(trainings)
    if [row.id for row in found.value] != offered:
        st.rerun(scope="app")
    if found.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(found.stale)}</p>')
    by_id = {row.id: row for row in found.value}
    rows = [by_id[row_id] for row_id in ids]
    st.html(training.training_facts(rows[0]))
    _curves(rows)
    _recipes(rows)
    for row in rows:
        _sweeps(row, several=len(rows) > 1)


def _curves(rows: list[TrainingRow]) -> None:
    st.html(heading("Metrics"))
    st.html(training.legend(rows))
    logged = [(row, ask(training_steps, row.id).value) for row in rows]
    if not any(steps for _, steps in logged):
        st.caption("No step has been logged yet.")
        return
    thinned = max(training.thinned(steps) for _, steps in logged)
    if thinned > 1:
        st.caption(f"One of {thinned} logged steps is drawn.")
    columns = [*st.columns(2), *st.columns(2)]
    for column, curve in zip(columns, training.CURVES, strict=True):
        with column:
            st.html(f'<span class="label">{curve.title}</span>')
            st.plotly_chart(
                training.curve_chart(curve, logged),
                key=f"curve {curve.title}",
                config=_NO_BAR,
                alt=f"{curve.title} over the optimiser steps of {len(rows)} trainings.",
            )


def _recipes(rows: list[TrainingRow]) -> None:
    if len(rows) > 1:
        st.html(heading("What differs"))
        table = training.differences(rows)
        st.html(table or '<p class="note">Nothing in recipe, data, base and seed.</p>')
    for row in rows:
        if len(rows) > 1:
            st.html(f'<span class="label">{escaped(row.name)}</span>')
        # A label is Markdown: a name in it would be, too.
        with st.expander("Recipe, machine and libraries", key=f"recipe {row.id}"):
            st.code(
                plain(json.dumps(row.recipe, indent=2, ensure_ascii=False)),
                language=None,
                wrap_lines=True,
            )
            made_with = {name: str(value) for name, value in row.machine.items()} | row.libraries
            st.html(facts({"Checkpoints in": row.output, "Data": row.data_sha256} | made_with))


def _sweeps(row: TrainingRow, *, several: bool) -> None:
    runs = source.snapshot(patient=False).runs
    found = training.sweeps(
        row, ask(training_checkpoints, row.id).value, ask(training_choices, row.id).value, runs
    )
    note = row.name if several else ""
    st.html(heading("Checkpoints", note=note))
    if not found:
        st.caption(
            "No checkpoint has been measured yet: `train-cft select` measures them and chooses one."
        )
        return
    names = [sweep.task for sweep in found]
    if len(names) > 1:
        task = st.selectbox("Measured on", names, key=f"measured on {row.id}")
        sweep = next(sweep for sweep in found if sweep.task == task)
    else:
        sweep = found[0]
        st.html(f'<span class="label">Measured on {escaped(sweep.task)}</span>')
    st.html(training.sweep_legend(sweep))
    st.plotly_chart(
        training.sweep_chart(sweep),
        key=f"sweep {row.id}",
        config=_NO_BAR,
        alt=f"Score of each checkpoint on {sweep.task}; the table holds the same numbers.",
    )
    if sweep.chosen:
        st.caption(
            "The best of several looks better here than it is: what it was chosen on cannot say "
            "how good it is. Measure it on other tasks."
        )
    if sweep.warnings:
        st.html(bullets("Warnings", sweep.warnings))
    st.html(training.sweep_table(sweep))

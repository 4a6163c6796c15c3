"""Draws how fast and how well the engines worked, session by session."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from harness.store import Store
from harness.store.queries import RunSummary
from harness.store.sessions import SessionFacets, SessionRow, session_facets, sessions
from leaderboard import engine, source
from leaderboard.cached_queries import ask, kept_fresh
from leaderboard.error_card import problem_card
from leaderboard.html_table import heading
from leaderboard.source import Snapshot
from leaderboard.text import escaped, plain

MOST = 50
_NO_BAR = {"displayModeBar": False}


def draw(snapshot: Snapshot) -> None:
    """Draw the filters, and below them charts and a table of the sessions they leave."""
    kept_fresh(_body)


def _body() -> None:
    facets = ask(session_facets)
    if facets.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(facets.stale)}</p>')
    if not facets.value.total:
        st.html(
            problem_card(
                "No engine has worked for this results file yet.",
                "Run `harness eval --model smollm2-135m --suite quick` on it; the session appears "
                "here when it ends. What is imported has none.",
            )
        )
        return
    filters = _filters(facets.value)
    found, total = ask(_narrowed, *filters.values()).value
    runs = {run.id: run for run in source.snapshot(patient=False).runs}
    kept = {name: value or "" for name, value in filters.items()}
    if opened := st.query_params.get("session"):
        _opened(opened, found, runs)
    if not found:
        st.html(problem_card("No session matches.", "Choose another engine, device or model."))
        return
    newest = f"the newest {len(found)} of {total:,}" if total > len(found) else f"{total:,}"
    st.caption(
        f"Sessions: {newest}. A session serves all runs of one command on one model; its times and "
        "counts are those of all of them. Tokens per second are over generation alone."
    )
    _charts(found, runs)
    st.html(engine.table(found, runs, opened, kept))


def _filters(facets: SessionFacets) -> dict[str, str | None]:
    choices = {"engine": facets.engines, "device": facets.devices, "served": facets.models}
    titles = {"engine": "Engine", "device": "Device", "served": "Model"}
    chosen: dict[str, str | None] = {}
    for column, (name, options) in zip(st.columns(3), choices.items(), strict=True):
        with column:
            chosen[name] = st.selectbox(
                titles[name], options, index=None, placeholder="all", key=name, bind="query-params"
            )
    return chosen


def _narrowed(
    store: Store, name: str | None, device: str | None, model: str | None
) -> tuple[list[SessionRow], int]:
    return sessions(store, engine=name, device=device, model=model, limit=MOST)


def _one(store: Store, session_id: str) -> list[SessionRow]:
    return sessions(store, session_id=session_id)[0]


def _opened(session_id: str, found: list[SessionRow], runs: dict[str, RunSummary]) -> None:
    known = [one for one in found if one.id == session_id] or ask(_one, session_id).value
    if not known:
        st.html(problem_card("There is no such session.", "The table below lists them."))
        return
    (one,) = known
    with st.container(border=True, key="session-opened"):
        st.html(heading(f"Session {one.id}"))
        st.html(engine.session_facts(one, runs))
        _listed("Engine settings", one.settings)
        _listed("What the backend counted, since it was made", one.usage)
        _listed("Machine", one.machine)


def _listed(title: str, values: dict[str, Any]) -> None:
    with st.expander(title):
        shown = plain(json.dumps(values, indent=2, ensure_ascii=False)) if values else "(nothing)"
        st.code(shown, language=None, wrap_lines=True)


def _charts(found: list[SessionRow], runs: dict[str, RunSummary]) -> None:
    speed, phases, rates = st.columns(3)
    with speed:
        st.html(heading("Tokens per second"))
        st.html(engine.speed_legend())
        st.plotly_chart(
            engine.speed_chart(found),
            key="speed",
            config=_NO_BAR,
            alt="New tokens per second of each session; the table holds the same numbers.",
        )
    with phases:
        st.html(heading("Phases"))
        st.html(engine.phase_legend())
        st.plotly_chart(
            engine.phase_chart(found),
            key="phases",
            config=_NO_BAR,
            alt="Seconds of each session by phase; the table holds the same numbers.",
        )
    with rates:
        st.html(heading("Truncation and loops"))
        st.html(engine.rate_legend())
        st.plotly_chart(
            engine.rate_chart(found, runs),
            key="rates",
            config=_NO_BAR,
            alt="Truncated and looping generations of each session's runs, in percent; the table "
            "holds the same numbers.",
        )

"""Draws how fast and how well the engines worked, sitting by sitting."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from harness.store import Store
from harness.store.queries import RunSummary
from harness.store.sittings import SittingFacets, SittingRow, sitting_facets, sittings
from leaderboard import engine, source
from leaderboard.grid import heading
from leaderboard.problem import problem_card
from leaderboard.reading import ask, kept_fresh
from leaderboard.source import Snapshot
from leaderboard.text import escaped, plain

MOST = 50
_NO_BAR = {"displayModeBar": False}


def draw(snapshot: Snapshot) -> None:
    """Draw the filters, and below them charts and a table of the sittings they leave."""
    kept_fresh(_body)


def _body() -> None:
    facets = ask(sitting_facets)
    if facets.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(facets.stale)}</p>')
    if not facets.value.total:
        st.html(
            problem_card(
                "No engine has worked for this results file yet.",
                "Run `harness eval --model smollm2-135m --suite quick` on it; the sitting appears "
                "here when it ends. What is imported has none.",
            )
        )
        return
    filters = _filters(facets.value)
    found, total = ask(_narrowed, *filters.values()).value
    runs = {run.id: run for run in source.snapshot(patient=False).runs}
    kept = {name: value or "" for name, value in filters.items()}
    if opened := st.query_params.get("sitting"):
        _opened(opened, found, runs)
    if not found:
        st.html(problem_card("No sitting matches.", "Choose another engine, device or model."))
        return
    newest = f"the newest {len(found)} of {total:,}" if total > len(found) else f"{total:,}"
    st.caption(
        f"Sittings: {newest}. A sitting serves all runs of one command on one model; its times and "
        "counts are those of all of them. Tokens per second are over generation alone."
    )
    _charts(found, runs)
    st.html(engine.table(found, runs, opened, kept))


def _filters(facets: SittingFacets) -> dict[str, str | None]:
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
) -> tuple[list[SittingRow], int]:
    return sittings(store, engine=name, device=device, model=model, limit=MOST)


def _one(store: Store, sitting_id: str) -> list[SittingRow]:
    return sittings(store, sitting_id=sitting_id)[0]


def _opened(sitting_id: str, found: list[SittingRow], runs: dict[str, RunSummary]) -> None:
    known = [one for one in found if one.id == sitting_id] or ask(_one, sitting_id).value
    if not known:
        st.html(problem_card("There is no such sitting.", "The table below lists them."))
        return
    (one,) = known
    with st.container(border=True, key="sitting-opened"):
        st.html(heading(f"Sitting {one.id}"))
        st.html(engine.sitting_facts(one, runs))
        _listed("Engine settings", one.settings)
        _listed("What the backend counted, since it was made", one.usage)
        _listed("Machine", one.machine)


def _listed(title: str, values: dict[str, Any]) -> None:
    with st.expander(title):
        shown = plain(json.dumps(values, indent=2, ensure_ascii=False)) if values else "(nothing)"
        st.code(shown, language=None, wrap_lines=True)


def _charts(found: list[SittingRow], runs: dict[str, RunSummary]) -> None:
    speed, phases, rates = st.columns(3)
    with speed:
        st.html(heading("Tokens per second"))
        st.html(engine.speed_legend())
        st.plotly_chart(
            engine.speed_chart(found),
            key="speed",
            config=_NO_BAR,
            alt="New tokens per second of each sitting; the table holds the same numbers.",
        )
    with phases:
        st.html(heading("Phases"))
        st.html(engine.phase_legend())
        st.plotly_chart(
            engine.phase_chart(found),
            key="phases",
            config=_NO_BAR,
            alt="Seconds of each sitting by phase; the table holds the same numbers.",
        )
    with rates:
        st.html(heading("Truncation and loops"))
        st.html(engine.rate_legend())
        st.plotly_chart(
            engine.rate_chart(found, runs),
            key="rates",
            config=_NO_BAR,
            alt="Truncated and looping generations of each sitting's runs, in percent; the table "
            "holds the same numbers.",
        )

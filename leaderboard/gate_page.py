"""Draws what the gate has decided: the history, and one decision with its evidence."""

from __future__ import annotations

import streamlit as st

from harness.store import Store
from harness.store.gate_decisions import GateDecision, gate_decisions
from leaderboard import gate, source
from leaderboard.cached_queries import ask, kept_fresh
from leaderboard.error_card import problem_card
from leaderboard.html_table import bullets, facts, heading
from leaderboard.source import Snapshot
from leaderboard.text import escaped

MOST = 200
_PAGE_SIZE = 20


def draw(snapshot: Snapshot) -> None:
    """Draw the history of decisions, and above it the one that the URL names."""
    kept_fresh(_body)


def _body() -> None:
    found = ask(_newest)
    if found.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(found.stale)}</p>')
    decisions = found.value
    if not decisions:
        st.html(
            problem_card(
                "The gate has decided nothing yet.",
                "Run `harness gate --candidate CHECKPOINT --baseline RUN-OR-MODEL` on this results "
                "file; the decision appears here by itself.",
            )
        )
        return
    opened = st.query_params.get("decision")
    if opened:
        _opened(opened, decisions)
    _history(decisions, opened)


def _newest(store: Store) -> list[GateDecision]:
    return gate_decisions(store, limit=MOST)


def _one(store: Store, decision_id: str) -> list[GateDecision]:
    return gate_decisions(store, decision_id=decision_id)


def _history(decisions: list[GateDecision], opened: str | None) -> None:
    st.html(heading("History", note="newest first"))
    outcome_column, candidate_column = st.columns([3, 2], vertical_alignment="top")
    with outcome_column:
        outcomes = st.pills(
            "Verdict",
            list(gate.OUTCOMES),
            selection_mode="multi",
            format_func=lambda name: name if name != "error" else "no verdict",
            key="outcome",
            bind="query-params",
        )
    with candidate_column:
        candidate = st.selectbox(
            "Candidate",
            gate.candidates(decisions),
            index=None,
            placeholder="all",
            key="candidate",
            bind="query-params",
        )
    shown = gate.filtered(decisions, outcomes, candidate)
    if not shown:
        st.html(problem_card("No decision matches.", "Choose another verdict or candidate."))
        return
    pages = -(-len(shown) // _PAGE_SIZE)
    page = min(int(st.session_state.get("gate_page", 1)), pages)
    at_most = f" of the newest {MOST}" if len(decisions) == MOST else ""
    st.caption(
        f"{len(shown)}{at_most} decision{'s' * (len(shown) != 1)}. A drop is the baseline's score "
        "minus the candidate's, in percentage points; its interval holds at any time of looking."
    )
    kept = {"outcome": list(outcomes), "candidate": candidate or ""}
    st.html(gate.history(shown[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE], opened, kept))
    if pages > 1:
        st.pagination(pages, key="gate_page")


def _opened(decision_id: str, decisions: list[GateDecision]) -> None:
    known = [one for one in decisions if one.id == decision_id] or ask(_one, decision_id).value
    if not known:
        st.html(problem_card("There is no such decision.", "The history below lists them."))
        return
    (one,) = known
    with st.container(border=True, key="decision"):
        title = "itself, with fresh samples (A/A)" if one.aa else ""
        against = title or gate.name_of(one.baseline_name, one.baseline)
        st.html(
            f'<div class="sample-head">{gate.verdict(one.outcome)}<span class="name">'
            f"{escaped(gate.name_of(one.candidate_name, one.candidate))}</span>"
            f'<span class="note">against</span><span class="name">{escaped(against)}</span>'
            f'<span class="note">decision {escaped(one.id)}{gate.attempt(one)}</span></div>'
            f'<p class="reason">{escaped(one.reason)}</p>'
        )
        st.html(gate.decision_facts(one))
        if one.warnings:
            st.html(bullets("Warnings", one.warnings))
        for task in one.tasks:
            _task(task)
        if one.suite is not None:
            st.html(heading("The tasks together", note="plain mean of their drops"))
            st.html(gate.task_facts(one.suite))
        st.html(heading("Guards", note="rates over the samples of the items read"))
        st.html(gate.guard_table(one.tasks))
        _again(one)


def _task(task: dict[str, object]) -> None:
    name = str(task["task"])
    st.html(heading(name))
    st.html(gate.task_facts(task))
    if task["low"]:
        st.html(gate.sequence_legend(task))
        st.plotly_chart(
            gate.sequence_chart(task),
            key=f"sequence {name}",
            config={"displayModeBar": False},
            alt=f"The interval for the drop on {name} after each item or round read; its ends at "
            "the last one are in the list above.",
        )
    st.html(gate.task_links(task))


def _again(one: GateDecision) -> None:
    st.html(heading("Ask the same again", note="free where the candidate's answers are kept"))
    runs = {run.id: run for run in source.snapshot(patient=False).runs}
    st.code(gate.command(one, runs, str(source.results_path())), language=None, wrap_lines=True)
    st.caption(
        "`--markdown` writes the summary for a pull request. Engine arguments and a server's "
        "address are not part of a decision."
    )
    with st.expander("Configuration in force, as gate.toml"):
        st.code(gate.gate_toml(one.config, one.tasks), language=None, wrap_lines=True)
    with st.expander("Libraries"):
        st.html(facts(one.libraries))

"""Draws the samples of one run: what was asked, what came back, how it was judged.

Whatever a model wrote goes through ``st.text`` or ``st.code``, which read neither Markdown nor
HTML; elsewhere it is escaped.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from harness.store import Store, queries
from harness.store.queries import RunSummary, Sample
from leaderboard import source
from leaderboard.problem import problem_card
from leaderboard.source import Snapshot
from leaderboard.text import escaped, percent, plain

PAGE_SIZE = 5
_TALL_LINES = 16
_TALL_PIXELS = 360
_KEEP = {
    "all": "All",
    "right": "Right",
    "wrong": "Wrong",
    "truncated": "Truncated",
    "no_answer": "No answer",
}


def draw(snapshot: Snapshot) -> None:
    """Draw the choice of a run, and below it a page of its samples."""
    if not snapshot.runs:
        st.html(
            problem_card(
                "There is no run yet.", "Run `harness eval --model smollm2-135m --suite quick`."
            )
        )
        return
    run = _choose_run(snapshot.runs)
    st.html(run_facts(run))
    if run.restricted:
        st.html(
            problem_card(
                "This task's texts are restricted.",
                "Its questions and what models answered to them are not shown, so that they do "
                "not leak into training data.",
            )
        )
    _browse(run, source.store(patient=not snapshot.stale))


def _choose_run(runs: list[RunSummary]) -> RunSummary:
    by_id = {run.id: run for run in runs}
    if st.session_state.get("run") not in by_id:
        wanted = st.query_params.get("run")
        st.session_state["run"] = wanted if wanted in by_id else runs[0].id
    chosen = st.selectbox(
        "Run",
        list(by_id),
        key="run",
        format_func=lambda run_id: run_label(by_id[run_id]),
        on_change=_first_page,
        persist_state="session",
    )
    st.query_params["run"] = chosen
    return by_id[chosen]


def _browse(run: RunSummary, results: Store) -> None:
    filter_column, search_column = st.columns([3, 2], vertical_alignment="top")
    with search_column:
        search = st.text_input(
            "Search",
            key="q",
            type="search",
            placeholder="text in question, answer, gold or item id",
            bind="query-params",
            on_change=_first_page,
        )
    with filter_column:
        keep = st.segmented_control(
            "Show",
            list(_KEEP),
            default="all",
            required=True,
            format_func=_KEEP.__getitem__,
            key="show",
            wrap=True,
            bind="query-params",
            on_change=_first_page,
        )
    page_number = int(st.session_state.get("page_number", 1))
    page = queries.sample_page(
        results,
        run.id,
        keep=keep or "all",
        search=search or "",
        offset=(page_number - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )
    total = page.counts[keep or "all"]
    count_column, page_column = st.columns([3, 2], vertical_alignment="center")
    count_column.caption(
        " · ".join(f"{title} {page.counts[name]:,}" for name, title in _KEEP.items())
        + (" with this text" if search else "")
    )
    if not total:
        st.html(problem_card("No sample matches.", "Choose another filter or search text."))
        return
    with page_column:
        st.pagination(-(-total // PAGE_SIZE), key="page_number")
    for sample in page.samples:
        _draw_sample(run, sample)


def _first_page() -> None:
    st.session_state["page_number"] = 1


def _draw_sample(run: RunSummary, sample: Sample) -> None:
    with st.container(border=True, gap="xsmall"):
        st.html(sample_head(run, sample))
        if not run.restricted:
            st.html('<span class="label">Question</span>')
            st.text(plain(sample.question or ""))
            if sample.thought:
                with st.expander(f"Thought ({len(sample.thought):,} characters)"):
                    _model_text(sample.thought)
            st.html('<span class="label">Answer</span>')
            _model_text(sample.answer)
        st.html(grade_facts(run, sample))


def _model_text(text: str) -> None:
    shown = plain(text)
    tall = sum(1 + len(line) // 110 for line in shown.splitlines()) > _TALL_LINES
    st.code(
        shown or "(empty)",
        language=None,
        wrap_lines=True,
        height=_TALL_PIXELS if tall else "content",
    )


def run_label(run: RunSummary) -> str:
    """Name a run in a list."""
    score = f"{percent(run.score.value)} %" if run.score else "no score"
    done = "" if run.complete else f" · {run.graded} of {run.requests}"
    return f"{run.model} · {run.task} · {score}{done} · {run.created_at:%Y-%m-%d %H:%M} · {run.id}"


def run_facts(run: RunSummary) -> str:
    """Return what a run amounts to as HTML; every text in it is escaped."""
    score = "–"
    if run.score:
        low, high = percent(run.score.low), percent(run.score.high)
        score = f"{percent(run.score.value)} % [{low}, {high}]"
    facts = {
        "Score, 95 % interval": score,
        "Judged": f"{run.graded:,} of {run.requests:,}",
        "Truncated": f"{percent(run.truncated)} %",
        "No answer": f"{percent(run.no_answer)} %",
        "Loops": f"{percent(run.loops)} %",
        "Sampling": _sampling(run.protocol.get("sampling")),
        "Engine": f"{run.engine}, {run.device}",
    }
    return _facts(facts)


def _sampling(sampling: dict[str, Any] | None) -> str:
    if sampling is None:
        return "not known: the run was imported"
    return f"temperature {sampling['temperature']}, at most {sampling['max_tokens']} tokens"


def sample_head(run: RunSummary, sample: Sample) -> str:
    """Return the heading of a sample as HTML; every text in it is escaped."""
    verdict = {True: "right", False: "wrong", None: "not judged"}[sample.correct]
    style = {True: "right", False: "wrong", None: "warning"}[sample.correct]
    parts = [sample.subject, sample.level]
    if run.samples > 1:
        parts.append(f"sample {sample.sample_index + 1} of {run.samples}")
    parts.append(f"{sample.completion_tokens:,} tokens")
    parts += [word for word, so in (("truncated", sample.truncated), ("loop", sample.loop)) if so]
    about = " · ".join(escaped(part) for part in parts if part)
    return (
        f'<div class="sample-head"><span class="badge {style}">{verdict}</span>'
        f'<span class="name">{escaped(sample.item_id)}</span>'
        f'<span class="note">{about}</span></div>'
    )


def grade_facts(run: RunSummary, sample: Sample) -> str:
    """Return extracted answer, gold and grade as HTML; every text in it is escaped."""
    hidden = "not shown" if run.restricted else "–"
    facts = {
        "Extracted": plain(sample.extracted or hidden, longest=300),
        "Found by": sample.extraction or "–",
        "Gold": sample.gold or hidden,
        "Grade": f"{sample.status or 'not judged'}"
        + (f", {sample.method}" if sample.method else ""),
        "Finish": sample.finish_reason,
    }
    return _facts(facts)


def _facts(facts: dict[str, str]) -> str:
    pairs = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{pairs}</dl>'

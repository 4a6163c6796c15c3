"""The flip matrix of two runs, and the responses of both to the items of a cell."""

from __future__ import annotations

import streamlit as st

from harness.analysis.compare import TaskComparison
from harness.store import samples
from harness.store.queries import RunSummary
from harness.store.samples import Sample
from harness.text import percent
from leaderboard import cached_queries, compare_tables
from leaderboard.error_card import problem_card
from leaderboard.html_table import heading
from leaderboard.samples_page import (
    answer_pair,
    draw_answer,
    draw_question,
    sample_link,
    verdict_badge,
    view_toggle,
)
from leaderboard.text import escaped

PAGE_SIZE = 5


def draw(
    first: RunSummary, second: RunSummary, cells: dict[str, list[str]], focus: TaskComparison
) -> None:
    """Draw the four cells, and below them the items of the one that was pressed.

    Args:
        first: A.
        second: B.
        cells: The ids of the items in each of :data:`compare_tables.CELLS`.
        focus: The comparison of the two.
    """
    st.html(heading("Flips", note="how many items; press a number to read them side by side"))
    chosen = _chosen_cell(cells)
    with st.container(key="matrix", gap="xsmall"):
        for row in ("right", "wrong"):
            with st.container(horizontal=True, gap="xsmall"):
                for column in ("right", "wrong"):
                    name = f"{row}-{column}"
                    share = len(cells[name]) / focus.items
                    st.button(
                        f"{compare_tables.CELLS[name]}: {len(cells[name]):,} ({percent(share)} %)",
                        key=f"cell-{name}",
                        type="primary" if name == chosen else "secondary",
                        on_click=_choose_cell,
                        args=[name],
                        disabled=not cells[name],
                        width="stretch",
                    )
    if max(first.samples, second.samples) > 1:
        st.caption("An item with several samples counts as right if at least half of them are.")
    if chosen:
        _side_by_side(first, second, cells[chosen], compare_tables.CELLS[chosen])


def _chosen_cell(cells: dict[str, list[str]]) -> str:
    chosen = str(st.session_state.get("cell", st.query_params.get("cell", "")))
    if not cells.get(chosen):
        st.query_params.pop("cell", None)
        return ""
    st.query_params["cell"] = chosen
    return chosen


def _choose_cell(name: str) -> None:
    st.session_state["cell"] = name
    st.session_state["flip_page"] = 1


def forget_cell() -> None:
    """Close the open cell: what it held is of another comparison."""
    _choose_cell("")


def _side_by_side(first: RunSummary, second: RunSummary, ids: list[str], what: str) -> None:
    st.html(heading(what, note=f"{len(ids):,} items"))
    restricted = first.restricted or second.restricted
    if restricted:
        st.html(
            problem_card(
                "This task's texts are restricted.",
                "Which items these are is shown; what was asked and answered is not.",
            )
        )
    page_column, view_column = st.columns([3, 2], vertical_alignment="center")
    rendered = False
    if not restricted:
        with view_column:
            rendered = view_toggle()
    with page_column:
        number = st.pagination(-(-len(ids) // PAGE_SIZE), key="flip_page")
    shown = ids[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    both_runs = [
        cached_queries.ask(samples.of_items, run.id, tuple(shown)).value for run in (first, second)
    ]
    for place, item_id in enumerate(shown):
        both = [of_run.get(item_id, []) for of_run in both_runs]
        if not all(both):
            continue
        with st.container(border=True, gap="xsmall"):
            one = both[0][0]
            about = " · ".join(escaped(part) for part in (one.subject, one.level) if part)
            st.html(
                f'<div class="sample-head"><span class="name">{escaped(item_id)}</span>'
                f'<span class="note">{about}</span></div>'
            )
            if not restricted:
                draw_question(one, str(place), rendered=rendered)
            columns = st.columns(2)
            for letter, run, found, column in zip(
                "AB", (first, second), both, columns, strict=True
            ):
                with column:
                    _one_side(
                        letter,
                        run,
                        found,
                        f"{place}-{letter}",
                        rendered=rendered,
                        restricted=restricted,
                    )


def _one_side(
    letter: str,
    run: RunSummary,
    found: list[Sample],
    place: str,
    *,
    rendered: bool,
    restricted: bool,
) -> None:
    """Draw what one run made of an item: its first sample, and how many others there are.

    What either of the two runs may not show, neither does: they were asked the same.
    """
    sample = found[0]
    right = sum(bool(other.correct) for other in found)
    among = f"{right} of {len(found)} samples right; the first:" if len(found) > 1 else ""
    link = escaped(sample_link(run.id, sample.item_id))
    st.html(
        f'<div class="sample-head"><span class="side-letter">{letter}</span>'
        f'{verdict_badge(sample.correct)}<span class="note">{among}</span>'
        f'<a href="{link}" target="_self">{escaped(run.model)}: all of it</a></div>'
    )
    if not restricted:
        draw_answer(sample, place, rendered=rendered)
    st.html(answer_pair(run, sample, hidden=restricted))

"""The review queue of critiques, and the form in which a reviewer judges each.

Question, response and critique are shown as plain text only. A review is one short write; while
another process holds the results file it waits in a journal, also when the page is closed.
"""

from __future__ import annotations

import getpass

import streamlit as st

from harness.errors import HarnessError, StoreLocked
from harness.statistics.intervals import wilson
from harness.store import Store, annotation_queue
from harness.store.reviews import (
    ReviewSummary,
    critiques_with_pending_reviews,
    review_critique,
    review_summaries,
)
from harness.store.training import CritiqueRow, critiques_to_review
from harness.text import percent_interval
from leaderboard import source
from leaderboard.cached_queries import ask, kept_fresh
from leaderboard.error_card import problem_card
from leaderboard.html_table import Column, Line, badge, facts, grid
from leaderboard.text import escaped, plain

REASONS = {
    "conflict": "our grader says otherwise",
    "unreadable": "no conclusion can be read",
    "bare": "nothing but a conclusion",
    "audit": "drawn at random",
}
_SHOWN = {"waiting": "Waiting", "reviewed": "Reviewed"}
_RIGHT = {True: "right", False: "wrong"}
_SOUND = {True: "sound", False: "not sound"}
_SUMMARIES = (
    Column("critic", "Critic"),
    Column("reason", "Queued because"),
    Column("done", "Reviewed", numeric=True),
    Column("misjudged", "Critic misjudges, % [95 %]", "Its conclusion is not the reviewer's", True),
    Column("unsound", "Not sound, % [95 %]", "There is a mistake in the critique", True),
    Column("misgraded", "Our grader differs, % [95 %]", "From the reviewer, on the response", True),
)
_WAIT_SECONDS = 0.5
_BATCH = 10
_TALL_PIXELS = 340
_TALL_LINES = 15


def draw() -> None:
    """Draw the progress of the review and the next critique."""
    kept_fresh(_body)


def _body() -> None:
    waiting = _flush_pending()
    found = ask(review_summaries)
    if found.stale and not waiting:
        st.html(f'<p class="note">Not the newest state: {escaped(found.stale)}</p>')
    if not found.value:
        st.html(
            problem_card(
                "No critique waits for review.",
                "Run `train-cft build --from-run RUN --critic openai --teacher MODEL --out FOLDER` "
                "on this results file: critiques that our grader contradicts, and some drawn at "
                "random, are queued here.",
            )
        )
        return
    _progress(found.value)
    reason, shown = _filters(found.value)
    row, place, total = _at(reason, shown, waiting)
    if row is None:
        what = "Nothing waits" if shown == "waiting" else "Nothing has been reviewed"
        st.html(problem_card(f"{what} here.", "Choose another reason, or the others."))
        return
    _critique(row, place, total)


def _progress(summaries: list[ReviewSummary]) -> None:
    queued, reviewed = (
        sum(getattr(one, name) for one in summaries) for name in ("queued", "reviewed")
    )
    st.progress(reviewed / queued, text=f"{reviewed:,} of {queued:,} reviewed")
    with st.expander("What the reviews found", key="review-findings"):
        st.html(summary_table(summaries))
        st.html(
            '<p class="note">Intervals are Wilson’s at 95 %. Critiques drawn at random come from '
            "those without a conflict, the others were queued because of one: the reasons are not "
            "added up.</p>"
        )


def summary_table(summaries: list[ReviewSummary]) -> str:
    """Return what the reviews found, by critic and reason."""
    lines = [
        Line(
            {
                "critic": one.critic,
                "reason": REASONS.get(one.reason, one.reason),
                "done": f"{one.reviewed:,} of {one.queued:,}",
                "misjudged": _rate(one.misjudged, one.concluded),
                "unsound": _rate(one.unsound, one.read),
                "misgraded": _rate(one.misgraded, one.graded),
            }
        )
        for one in summaries
    ]
    return grid("Reviews", _SUMMARIES, lines)


def _rate(some: int, of: int) -> str:
    if not of:
        return "–"
    share = wilson(some, of)
    return percent_interval(share)


def _filters(summaries: list[ReviewSummary]) -> tuple[str | None, str]:
    queued = {one.reason for one in summaries}
    reasons = [reason for reason in REASONS if reason in queued]
    reason_column, shown_column = st.columns([3, 2], vertical_alignment="top")
    with reason_column:
        reason = st.pills(
            "Queued because",
            reasons,
            key="reason",
            help="; ".join(f"{reason}: {REASONS[reason]}" for reason in reasons),
            on_change=_from_the_start,
            bind="query-params",
        )
    with shown_column:
        shown = st.segmented_control(
            "Show",
            list(_SHOWN),
            default="waiting",
            required=True,
            format_func=_SHOWN.__getitem__,
            key="shown",
            on_change=_from_the_start,
            bind="query-params",
        )
    return reason, shown or "waiting"


def _queue(
    store: Store, reason: str | None, reviewed: bool, start: int
) -> tuple[list[CritiqueRow], int]:
    return critiques_to_review(store, reason=reason, reviewed=reviewed, offset=start, limit=_BATCH)


def _at(reason: str | None, shown: str, waiting: set[str]) -> tuple[CritiqueRow | None, int, int]:
    """Return the critique to look at, its place in the queue, and the queue's length.

    A critique stays until it is reviewed, also while others review the same queue. Those with a
    pending review are skipped.
    """
    reviewed = shown == "reviewed"
    skipped = set() if reviewed else waiting
    place = int(st.session_state.get("review_place", 0))
    kept = st.session_state.get("review_kept")
    once_more = place > 0
    while True:
        # Some at a time, so that one can go on while the store is held.
        start = place - place % _BATCH
        rows, total = ask(_queue, reason, reviewed, start).value
        if not isinstance(kept, CritiqueRow):
            left = (row for row in rows[place - start :] if row.id not in skipped)
            kept = next(left, None)
            if kept is not None:
                place = start + rows.index(kept)
        if kept is not None:
            break
        if start + _BATCH < total:
            place = start + _BATCH
        elif once_more:
            place, once_more = 0, False
        else:
            break
    st.session_state["review_place"] = place
    st.session_state["review_kept"] = kept
    return kept, place, total


def _from_the_start() -> None:
    _go_to(0)


def _go_to(place: int) -> None:
    st.session_state["review_place"] = place
    st.session_state["review_kept"] = None


def _critique(row: CritiqueRow, place: int, total: int) -> None:
    with st.container(border=True, gap="xsmall", key="critique"):
        st.html(critique_head(row, place, total))
        for title, text, as_code in (
            ("Question", row.question, False),
            ("Response", row.response, True),
            ("Critique", row.critique, True),
        ):
            st.html(f'<span class="label">{title}</span>')
            if as_code:
                _model_text(text)
            else:
                st.text(plain(text))
        st.html(critique_facts(row))
        _form(row, place, total)


def critique_head(row: CritiqueRow, place: int, total: int) -> str:
    """Return the heading of a critique as HTML; every text in it is escaped."""
    return (
        f'<div class="sample-head"><span class="badge warning">'
        f"{escaped(REASONS.get(row.reason, row.reason))}</span>"
        f'<span class="name">{escaped(row.critic)}</span>'
        f'<span class="note">{place + 1:,} of {total:,} · from {escaped(row.source)} · '
        f"{escaped(row.outcome)} · {row.queued_at:%Y-%m-%d}</span></div>"
    )


def critique_facts(row: CritiqueRow) -> str:
    """Return both verdicts on the response, and what they rest on, as HTML."""
    pairs = {
        "Our grader says of the response": _verdict(row.graded_right, "no verdict"),
        "The critic concludes": _verdict(row.concludes_right, "nothing that can be read"),
        "Reference answer": "–" if row.gold is None else plain(row.gold, longest=300),
        "Extracted": "–" if row.extracted is None else plain(row.extracted, longest=300),
    }
    if row.reviewed_at is not None:
        pairs |= {
            "Review": f"response {_word(_RIGHT, row.human_right)}, "
            f"critique {_word(_SOUND, row.human_sound)}",
            "Reviewed": f"{row.reviewed_by or 'unknown'}, {row.reviewed_at:%Y-%m-%d %H:%M %Z}",
        }
    return facts(pairs)


def _word(words: dict[bool, str], said: bool | None) -> str:
    return "left open" if said is None else words[said]


def _verdict(right: bool | None, unknown: str) -> str:
    if right is None:
        return unknown
    return badge("right", "✓ right") if right else badge("wrong", "✗ wrong")


def _form(row: CritiqueRow, place: int, total: int) -> None:
    right_column, sound_column = st.columns(2, vertical_alignment="top")
    with right_column:
        right = _choice("The response is", _RIGHT, f"right {row.id}", row.human_right)
    with sound_column:
        sound = _choice("The critique is", _SOUND, f"sound {row.id}", row.human_sound)
    note = st.text_area(
        "Note, or how it should be fixed",
        key=f"note {row.id}",
        value=row.human_note or "",
        height=80,
    )
    name_column, buttons_column = st.columns([2, 3], vertical_alignment="bottom")
    with name_column:
        st.text_input("Your name", value=_user(), key="reviewer", persist_state="session")
    with buttons_column, st.container(horizontal=True):
        st.button(
            "Save and next" if row.reviewed_at is None else "Save",
            key=f"save {row.id}",
            type="primary",
            disabled=right is None and sound is None and not note.strip(),
            on_click=_save,
            args=[row.id],
        )
        st.button("Skip", disabled=place + 1 >= total, on_click=_go_to, args=[place + 1])
        st.button("Back", disabled=place == 0, on_click=_go_to, args=[place - 1])


def _choice(title: str, words: dict[bool, str], key: str, before: bool | None) -> bool | None:
    said: bool | None = st.segmented_control(
        title,
        [True, False],
        default=before,
        format_func=words.__getitem__,
        key=key,
        help="Leave it open where you cannot tell.",
    )
    return said


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _model_text(text: str) -> None:
    shown = plain(text)
    tall = sum(1 + len(line) // 110 for line in shown.splitlines()) > _TALL_LINES
    st.code(
        shown or "(empty)",
        language=None,
        wrap_lines=True,
        height=_TALL_PIXELS if tall else "content",
    )


def _save(critique_id: str) -> None:
    """Store the values of this critique's widgets, or leave them pending on disk."""
    state = st.session_state
    try:
        review_critique(
            Store(source.results_path(), wait_seconds=_WAIT_SECONDS),
            critique_id,
            right=state.get(f"right {critique_id}"),
            sound=state.get(f"sound {critique_id}"),
            note=str(state.get(f"note {critique_id}", "")).strip(),
            reviewer=str(state.get("reviewer", "")).strip() or "unnamed",
        )
    except HarnessError as error:
        state["review_problem"] = error
        return
    state["review_problem"] = state["review_kept"] = None


def _flush_pending() -> set[str]:
    """Flush pending reviews; show and return the critiques of those that stay pending."""
    problem = st.session_state.get("review_problem")
    if isinstance(problem, HarnessError):
        st.html(problem_card(f"The review is not stored. {problem.message}", problem.remedy))
    results = Store(source.results_path())
    try:
        annotation_queue.flush(results)
    except StoreLocked as error:
        waiting = critiques_with_pending_reviews(results)
        if waiting:
            number = len(waiting)
            what = "1 review waits" if number == 1 else f"{number} reviews wait"
            st.html(
                problem_card(
                    f"{what} outside the results file: {error.message}",
                    "Nothing is lost: it is on disk, and goes in when the file is free. You can "
                    "go on reviewing, or close this page.",
                )
            )
        return waiting
    except HarnessError as error:
        st.html(problem_card(f"What waits cannot be stored yet. {error.message}", error.remedy))
        return critiques_with_pending_reviews(results)
    return set()

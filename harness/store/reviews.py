"""Human reviews of critiques: stored, and counted by critic and reason."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import HarnessError, StoreLocked
from harness.store import annotation_queue
from harness.store.ingest import REVIEW
from harness.store.store import Store


@dataclass(frozen=True, slots=True)
class ReviewSummary:
    """The critiques that one critic wrote and that were queued for one reason.

    Attributes:
        critic: Who wrote them.
        reason: Why they were queued: conflict, unreadable, bare or audit.
        queued: How many there are.
        reviewed: How many a human has reviewed.
        concluded: Reviewed ones of which both the critic and the human say whether the response is
            right.
        misjudged: Those of them on which the two differ.
        graded: Reviewed ones of which both our grader and the human say so.
        misgraded: Those of them on which the two differ.
        read: Reviewed ones of which the human says whether they are free of mistakes.
        unsound: Those of them that are not.
        accepted: Of the misgraded ones, those that our grader takes for right.
    """

    critic: str
    reason: str
    queued: int
    reviewed: int
    concluded: int
    misjudged: int
    graded: int
    misgraded: int
    read: int
    unsound: int
    accepted: int


def review_summaries(store: Store) -> list[ReviewSummary]:
    """Return how far the review has come and what it found, by critic and reason.

    The reasons stand apart: critiques queued as ``audit`` were drawn at random from those that
    nothing spoke against, the others were queued because something did.
    """
    with store.read() as connection:
        rows = connection.execute(
            "SELECT critic, reason, count(*), count(reviewed_at),"
            " count(*) FILTER (WHERE concludes_right IS NOT NULL AND human_right IS NOT NULL),"
            " count(*) FILTER (WHERE concludes_right <> human_right),"
            " count(*) FILTER (WHERE graded_right IS NOT NULL AND human_right IS NOT NULL),"
            " count(*) FILTER (WHERE graded_right <> human_right),"
            " count(human_sound), count(*) FILTER (WHERE NOT human_sound),"
            " count(*) FILTER (WHERE graded_right AND NOT human_right)"
            " FROM critique GROUP BY critic, reason ORDER BY critic, reason"
        ).fetchall()
    return [ReviewSummary(*row) for row in rows]


def review_critique(
    store: Store,
    critique_id: str,
    *,
    right: bool | None,
    sound: bool | None,
    note: str,
    reviewer: str,
) -> bool:
    """Store a human's review of a critique, in place of an earlier one.

    Args:
        store: The results file.
        critique_id: Its id.
        right: Whether the *response* is right; ``None`` where that is not known.
        sound: Whether the critique is free of mistakes; ``None`` where that is not known.
        note: Anything else; may be empty.
        reviewer: Who says so.

    Returns:
        Whether it is in the results file already. If not, another process holds that; the review
        is queued, and has no effect if the critique gets a newer one meanwhile.

    Raises:
        HarnessError: There is no such critique, or nothing can be written.
    """
    if not _is_uuid(critique_id):
        raise _unknown(store, critique_id)
    now = datetime.now(UTC)
    row = {
        "id": critique_id,
        "human_right": right,
        "human_sound": sound,
        "human_note": note,
        "reviewed_by": reviewer,
        "reviewed_at": now.isoformat(),
    }
    stored = annotation_queue.record(store, REVIEW, row)
    # While the file is held nobody can tell what became of it.
    with contextlib.suppress(StoreLocked):
        if stored:
            _refuse_if_lost(store, critique_id, now)
    return stored


def critiques_with_pending_reviews(store: Store) -> set[str]:
    """Return the critiques of which a review is queued."""
    return {str(row["id"]) for row in annotation_queue.pending(store, REVIEW)}


def _refuse_if_lost(store: Store, critique_id: str, said_at: datetime) -> None:
    with store.read() as connection:
        found = connection.execute(
            "SELECT reviewed_at FROM critique WHERE id = ?", [critique_id]
        ).fetchone()
    if found is None:
        raise _unknown(store, critique_id)
    (stands,) = found
    if stands is not None and stands > said_at:
        raise HarnessError(
            f"This critique's review of {stands:%Y-%m-%d %H:%M:%S} stays: it is later than now by "
            "this machine's clock.",
            "Set the clocks right, and review it again.",
        )


def _unknown(store: Store, critique_id: str) -> HarnessError:
    return HarnessError(
        f"{store.path.name} holds no critique {critique_id}.",
        "`train-cft review --json` lists them.",
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True

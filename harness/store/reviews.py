"""What humans say of critiques, counted: no text of a critique is read for it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.store.store import Store


@dataclass(frozen=True, slots=True)
class ReviewTally:
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


def review_tallies(store: Store) -> list[ReviewTally]:
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
    return [ReviewTally(*row) for row in rows]

"""What humans say of critiques, held against what the critic and our grader say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from harness.statistics.intervals import Estimate, wilson
from harness.store.reviews import ReviewTally

EVERY_REASON = "all"


@dataclass(frozen=True, slots=True)
class Findings:
    """What humans found in the critiques that one critic wrote, queued for one reason.

    Attributes:
        critic: Who wrote them.
        reason: Why they were queued; :data:`EVERY_REASON` for all of them.
        waiting: How many nobody has reviewed.
        reviewed: How many somebody has.
        misjudged: Share whose conclusion on the response is not the human's; ``None`` where none
            can be compared.
        unsound: Share with a mistake in them, whatever they conclude.
        agreement: Share of responses that our grader judges as the human does.
        wrongly_accepted: Responses right to our grader and wrong to the human.
        wrongly_rejected: The other way round.
    """

    critic: str
    reason: str
    waiting: int
    reviewed: int
    misjudged: Estimate | None
    unsound: Estimate | None
    agreement: Estimate | None
    wrongly_accepted: int
    wrongly_rejected: int


def findings(tallies: Sequence[ReviewTally]) -> list[Findings]:
    """Put shares with intervals to counts, by critic and reason, and over a critic's reasons.

    Args:
        tallies: By critic and reason, those of one critic next to each other.
    """
    found = []
    for critic, group in groupby(tallies, key=lambda tally: tally.critic):
        of_the_critic = list(group)
        found += [_of(tally) for tally in of_the_critic]
        if len(of_the_critic) > 1:
            found.append(_of(_together(critic, of_the_critic)))
    return found


def _together(critic: str, tallies: Sequence[ReviewTally]) -> ReviewTally:
    counts = [asdict(tally) for tally in tallies]
    summed = {
        name: sum(count[name] for count in counts)
        for name in counts[0]
        if name not in ("critic", "reason")
    }
    return ReviewTally(critic=critic, reason=EVERY_REASON, **summed)


def _of(tally: ReviewTally) -> Findings:
    return Findings(
        critic=tally.critic,
        reason=tally.reason,
        waiting=tally.queued - tally.reviewed,
        reviewed=tally.reviewed,
        misjudged=_share(tally.misjudged, tally.concluded),
        unsound=_share(tally.unsound, tally.read),
        agreement=_share(tally.graded - tally.misgraded, tally.graded),
        wrongly_accepted=tally.accepted,
        wrongly_rejected=tally.misgraded - tally.accepted,
    )


def _share(part: int, whole: int) -> Estimate | None:
    return wilson(part, whole) if whole else None

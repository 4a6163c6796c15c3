"""Human reviews of critiques against the critic's conclusions and our grader's verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from harness.statistics.intervals import Estimate, wilson
from harness.store.reviews import ReviewSummary

EVERY_REASON = "all"


@dataclass(frozen=True, slots=True)
class Findings:
    """What reviewers found in the critiques of one critic that were queued for one reason.

    Attributes:
        critic: Who wrote them.
        reason: Why they were queued; :data:`EVERY_REASON` for all of them.
        waiting: How many are not reviewed.
        reviewed: How many are reviewed.
        misjudged: Share whose conclusion on the response is not the reviewer's; ``None`` where none
            can be compared.
        unsound: Share with a mistake in them, whatever they conclude.
        agreement: Share of responses that our grader judges as the reviewer does.
        wrongly_accepted: Responses right to our grader and wrong to the reviewer.
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


def findings(summaries: Sequence[ReviewSummary]) -> list[Findings]:
    """Return shares with intervals, by critic and reason, and over a critic's reasons.

    Args:
        summaries: By critic and reason, those of one critic next to each other.
    """
    found = []
    for critic, group in groupby(summaries, key=lambda summary: summary.critic):
        of_the_critic = list(group)
        found += [_of(summary) for summary in of_the_critic]
        if len(of_the_critic) > 1:
            found.append(_of(_together(critic, of_the_critic)))
    return found


def _together(critic: str, summaries: Sequence[ReviewSummary]) -> ReviewSummary:
    counts = [asdict(summary) for summary in summaries]
    summed = {
        name: sum(count[name] for count in counts)
        for name in counts[0]
        if name not in ("critic", "reason")
    }
    return ReviewSummary(critic=critic, reason=EVERY_REASON, **summed)


def _of(summary: ReviewSummary) -> Findings:
    return Findings(
        critic=summary.critic,
        reason=summary.reason,
        waiting=summary.queued - summary.reviewed,
        reviewed=summary.reviewed,
        misjudged=_share(summary.misjudged, summary.concluded),
        unsound=_share(summary.unsound, summary.read),
        agreement=_share(summary.graded - summary.misgraded, summary.graded),
        wrongly_accepted=summary.accepted,
        wrongly_rejected=summary.misgraded - summary.accepted,
    )


def _share(part: int, whole: int) -> Estimate | None:
    return wilson(part, whole) if whole else None

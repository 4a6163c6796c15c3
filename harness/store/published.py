"""What is made of a published score: the interval it might have, and the reasons to doubt it."""

from __future__ import annotations

from dataclasses import replace

from harness.statistics.intervals import Estimate, wilson
from harness.store.queries import PublishedScore

# Items of each benchmark, on which an interval of a published score is reckoned: nobody prints it.
ITEMS = {
    "math": 5000, "math500": 500, "gsm8k": 1319, "minerva_math": 272, "olympiadbench": 675,
    "aime24": 30, "aime25": 30, "amc23": 40, "gpqa_diamond": 198, "gpqa_main": 448,
    "theoremqa": 800, "mmlu_pro": 12032,
}  # fmt: skip


def assumed(score: PublishedScore) -> Estimate | None:
    """Return a score with the interval of one answer an item; ``None`` where items are unknown."""
    items = ITEMS.get(score.task)
    if not items:
        return None
    return replace(wilson(min(items, round(score.score * items)), items), value=score.score)


def doubts(score: PublishedScore) -> str:
    """Say why a number, or another one printed for the same, is likely wrong; mostly nothing."""
    found = [score.doubt] if score.doubt else []
    found += [
        f"{other.source} prints {100 * other.score:.1f}, which is not shown; {other.doubt}"
        for other in score.others
        if other.doubt
    ]
    return "; ".join(found)

"""Which samples of an item gave the same answer, by the grader's judgement and not by string."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from harness.grading import GraderPool
from harness.store.samples import Sample
from harness.types import AnswerType


def answer_classes(
    samples: Sequence[Sample], answer_type: AnswerType, pool: GraderPool
) -> list[int | None]:
    """Return the equivalence class of each sample's extracted answer.

    Right answers are one class, since each equals the gold; wrong ones are compared with each
    other, and classes joined where either is judged equal to the other.

    Args:
        samples: The samples of one item.
        answer_type: The item's; ``auto`` is inferred from each answer.
        pool: Judges the comparisons, under its deadline.

    Returns:
        A class number for each sample, ``None`` where no answer was found.
    """
    right = {sample.extracted for sample in samples if sample.correct and sample.extracted}
    wrong = list(
        dict.fromkeys(s.extracted for s in samples if s.extracted and s.extracted not in right)
    )
    joined = {answer: number for number, answer in enumerate(wrong, start=1)}
    pairs = list(combinations(wrong, 2))
    verdicts = [
        pool.submit(
            gold=first, response=second, truncated=False, answer_type=answer_type, is_answer=True
        )
        for first, second in pairs
    ]
    for (first, second), verdict in zip(pairs, verdicts, strict=True):
        old, new = joined[second], joined[first]
        if verdict.result().correct and old != new:
            joined = {answer: new if name == old else name for answer, name in joined.items()}
    joined |= dict.fromkeys(right, 0)
    return [joined.get(sample.extracted or "") for sample in samples]

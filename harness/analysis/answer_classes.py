"""Equivalence classes of the answers to an item, by the grader and not by string."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.store.samples import Sample
from harness.types import INFRASTRUCTURE_FAILURES, AnswerType, Status, Tolerance


def answer_classes(samples: Sequence[Sample], pool: GraderPool) -> list[int | None]:
    """Return the equivalence class of each sample's extracted answer.

    Right answers are one class, since each equals the reference answer. Wrong ones are compared
    with each other in both directions, and the classes are the connected components (the transitive
    closure), so that they do not depend on the order of the samples. An answer that the grader
    failed on is equal only to its own text.

    Args:
        samples: The samples of one item.
        pool: Judges the comparisons, under its deadline and by its profile.

    Returns:
        A class number for each sample, 0 for right ones, ``None`` where no answer was found.
    """
    right = {sample.extracted for sample in samples if sample.correct and sample.extracted}
    wrong = sorted({s.extracted for s in samples if s.extracted and s.extracted not in right})
    failed = {s.extracted for s in samples if s.status in INFRASTRUCTURE_FAILURES}
    joined = {answer: number for number, answer in enumerate(wrong, start=1)}
    for first, second in _equal([each for each in wrong if each not in failed], samples[0], pool):
        old, new = joined[second], joined[first]
        joined = {answer: new if name == old else name for answer, name in joined.items()}
    joined |= dict.fromkeys(right, 0)
    return [joined.get(sample.extracted or "") for sample in samples]


def _equal(answers: Sequence[str], asked: Sample, pool: GraderPool) -> Iterator[tuple[str, str]]:
    """Yield the pairs of answers of which either equals the other, as the item compares them."""
    absolute, relative = asked.tolerance_absolute, asked.tolerance_relative
    tolerance = None if absolute is None else Tolerance(absolute, relative or 0.0)
    pairs = list(combinations(answers, 2))
    verdicts = [
        [
            pool.submit(
                gold=gold,
                response=answer,
                truncated=False,
                answer_type=AnswerType(asked.answer_type),
                tolerance=tolerance,
                is_answer=True,
            )
            for gold, answer in (pair, pair[::-1])
        ]
        for pair in pairs
    ]
    for pair, both in zip(pairs, verdicts, strict=True):
        if any(verdict.result().correct for verdict in both):
            yield pair


def check_answers(samples: Sequence[Sample], reducer: str) -> None:
    """Refuse to count votes where it is not known what the samples answered.

    Raises:
        HarnessError: A sample was judged, and its answer is not stored.
    """
    missing = sum(sample.status == Status.OK and not sample.extracted for sample in samples)
    if missing:
        raise HarnessError(
            f"{reducer} counts equal answers, and {missing} of the {len(samples)} grades do not "
            "say which answer they are of.",
            "Take the grades of another profile with --profile, for instance strict.",
        )

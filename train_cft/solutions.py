"""What a teacher's solution comes to, and who a solution is by.

:func:`score` runs in a grader's worker: it is how the harness judges a solution where there is no
gold answer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from harness.types import INFRASTRUCTURE_FAILURES, Status, Verdict

if TYPE_CHECKING:
    from harness.store.samples import Sample

BY_SOURCE = "source"
BY_TEACHER = "teacher"


class Finding(StrEnum):
    """What became of one solution that a teacher was asked for."""

    RIGHT = "right"
    UNCHECKED = "unchecked"
    WRONG = "wrong"
    CUT_OFF = "cut off"
    EMPTY = "empty"
    NOT_JUDGED = "not judged"
    REPEATS = "repeats a benchmark"


KEPT = (Finding.RIGHT, Finding.UNCHECKED)


def examine(sample: Sample, *, has_gold: bool) -> Finding:
    """Say whether a solution may be learnt: whole, and right as far as that can be told.

    Args:
        sample: What the teacher wrote, as our grader judged it.
        has_gold: There was something to judge it by.
    """
    if not sample.answer.strip():
        return Finding.EMPTY
    if sample.truncated or sample.loop:
        return Finding.CUT_OFF
    if not has_gold:
        return Finding.UNCHECKED
    if sample.correct is None or sample.status in INFRASTRUCTURE_FAILURES:
        return Finding.NOT_JUDGED
    return Finding.RIGHT if sample.correct else Finding.WRONG


def score(reference: str, response: str, truncated: bool = False) -> Verdict:
    """Let every solution count that says something: there is nothing to judge it by.

    Args:
        reference: Nothing.
        response: The solution.
        truncated: Its budget ran out.
    """
    if not response.strip():
        return Verdict(False, Status.TRUNCATED if truncated else Status.NO_ANSWER)
    return Verdict(True, Status.OK, extraction="solution", method="unchecked")

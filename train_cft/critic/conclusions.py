"""Parse and write the conclusion of a critique.

It reads ``Conclusion: right [END]`` or ``Conclusion: wrong [END]``.

:func:`score` runs in a grader's worker: it is how the harness judges a teacher's critique.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.types import Status, Verdict

RIGHT, WRONG = "right", "wrong"
_MEANING = {"right": True, "correct": True, "wrong": False, "incorrect": False}
_MARK = re.compile(
    r"[*#_ ]*\bconclusion\b[\s*_]*:[\s*_]*"
    r"(?:the\s+(?:student's\s+)?(?:solution|answer|response)\s+is\s+)?"
    r"(right|wrong|correct|incorrect)\b(?!\s*(?:/|or\b|and\b))",
    re.IGNORECASE,
)
# What may follow the conclusion: anything more could revoke it.
_AFTER = re.compile(r"[\s.*_!]*(?:\[END\])?[\s.*_]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a critique comes to.

    Attributes:
        right: Whether it calls the solution right.
        reasons: The critique without its conclusion.
    """

    right: bool
    reasons: str


def word(right: bool) -> str:
    """Return the paper's word for a verdict."""
    return RIGHT if right else WRONG


def read(critique: str) -> Conclusion | None:
    """Read the conclusion a critique closes with.

    Returns:
        ``None`` where it ends with none, has more text after it, or concludes both ways.
    """
    marks = list(_MARK.finditer(critique))
    if not marks or not _AFTER.fullmatch(critique, marks[-1].end()):
        return None
    said = {_MEANING[mark[1].lower()] for mark in marks}
    if len(said) > 1:
        return None
    return Conclusion(said.pop(), critique[: marks[-1].start()].rstrip())


def write(reasons: str, right: bool) -> str:
    """Return a critique with the conclusion in the paper's form."""
    return f"{reasons.strip()}\n\nConclusion: {word(right)} [END]"


def score(reference: str, response: str, truncated: bool = False) -> Verdict:
    """Judge whether a critique concludes what our grader found.

    Args:
        reference: ``right`` or ``wrong``; empty where the solution could not be graded, and any
            readable conclusion counts.
        response: The critique.
        truncated: Its budget ran out.
    """
    found = read(response)
    if found is None:
        return Verdict(False, Status.TRUNCATED if truncated else Status.NO_ANSWER)
    said = word(found.right)
    return Verdict(
        reference in ("", said), Status.OK, said, extraction="conclusion", method="conclusion"
    )

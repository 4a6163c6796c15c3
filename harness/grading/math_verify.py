"""The bare math-verify library as a profile.

Its own SIGALRM time-outs stay off: they work in no thread but the main one and cannot interrupt
big integers. The deadline belongs to ``GraderPool``.
"""

from __future__ import annotations

import logging

from harness.grading.extraction.result import Extraction
from harness.types import AnswerType, Status, Tolerance, Verdict


def find(response: str, answer_type: AnswerType, gold: str) -> Extraction:
    """Hand the whole response over: the library extracts for itself."""
    return Extraction(response.strip(), "boxed" if "\\boxed" in response else "library")


def compare(
    gold: str, answer: str, answer_type: AnswerType, tolerance: Tolerance | None
) -> Verdict:
    """Parse and verify as the library's own documentation does.

    Returns:
        The verdict; ``extracted`` is the part of ``answer`` that the library read.
    """
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    expected = parse(f"${gold}$", parsing_timeout=None)
    given = parse(_wrapped(answer), parsing_timeout=None)
    if not given:
        return Verdict(correct=False, status=Status.UNPARSED, method="math-verify")
    correct = bool(verify(expected, given, timeout_seconds=None))
    # Beside what it parsed, the library returns the text that it parsed, where there is one.
    read = next((each for each in given if isinstance(each, str)), None) or str(given[0])
    return Verdict(correct=correct, status=Status.OK, extracted=read, method="math-verify")


def _wrapped(answer: str) -> str:
    if "\\boxed" in answer or "$" in answer or "\n" in answer:
        return answer
    return f"$\\boxed{{{answer}}}$"

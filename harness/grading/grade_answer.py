"""Entry points of grading: extract the answer of a response by a profile's rules, and compare it.

The functions run in the calling process without a deadline; model outputs go through
``GraderPool``.
"""

from __future__ import annotations

import time
from dataclasses import replace

from harness.grading import profiles
from harness.grading.extraction.result import EXPLICIT_RULES, Extraction
from harness.types import AnswerType, Status, Tolerance, Verdict


def grade(
    *,
    gold: str,
    answer: str,
    answer_type: AnswerType = AnswerType.AUTO,
    tolerance: Tolerance | None = None,
    profile: str = "strict",
) -> Verdict:
    """Judge an answer that has already been extracted.

    The relation is not symmetric: what is compared, and how, is chosen by the reference.

    Args:
        gold: The reference answer, bare.
        answer: The answer to judge.
        answer_type: How to compare; ``auto`` infers it from ``gold``.
        tolerance: For numbers; ``None`` leaves it to the profile.
        profile: Name of a profile, see ``harness.grading.PROFILES``.

    Returns:
        The verdict. This function itself knows no deadline: ``GraderPool`` does.
    """
    rules = profiles.get(profile)
    if not answer.strip():
        return Verdict(correct=False, status=Status.NO_ANSWER)
    started = time.process_time()
    try:
        verdict = rules.compare(gold, answer, answer_type, tolerance)
    except RecursionError:
        verdict = Verdict(correct=False, status=Status.UNPARSED, method="recursion")
    extracted = answer if rules.extracts else verdict.extracted
    return replace(verdict, extracted=extracted, seconds=time.process_time() - started)


def find_answer(
    *,
    gold: str,
    response: str,
    truncated: bool,
    answer_type: AnswerType = AnswerType.AUTO,
    profile: str = "strict",
) -> tuple[Extraction, Verdict | None]:
    """Extract a response's answer; where there is none to judge, return the verdict as well."""
    found = profiles.get(profile).find(response, answer_type, gold)
    if truncated and not (found.rule in EXPLICIT_RULES and found.complete):
        # A number seen before the budget ran out is not an answer.
        return found, Verdict(correct=False, status=Status.TRUNCATED)
    if not found.answer.strip():
        return found, Verdict(correct=False, status=Status.NO_ANSWER, extraction=found.rule)
    return found, None


def grade_response(
    *,
    gold: str,
    response: str,
    truncated: bool,
    answer_type: AnswerType = AnswerType.AUTO,
    tolerance: Tolerance | None = None,
    profile: str = "strict",
) -> Verdict:
    """Extract the answer of a response (without its thought) and judge it.

    Args:
        gold: The reference answer, bare.
        response: The text after the thought.
        truncated: The budget ran out: only an explicit, complete answer counts.
        answer_type: How to compare; ``auto`` infers it from ``gold``.
        tolerance: For numbers; ``None`` leaves it to the profile.
        profile: Name of a profile.

    Returns:
        The verdict, with the extracted answer and the rule that found it.
    """
    found, settled = find_answer(
        gold=gold, response=response, truncated=truncated, answer_type=answer_type, profile=profile
    )
    if settled is not None:
        return settled
    verdict = grade(
        gold=gold,
        answer=found.answer,
        answer_type=answer_type,
        tolerance=tolerance,
        profile=profile,
    )
    return replace(verdict, extraction=found.rule)

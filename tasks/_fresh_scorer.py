"""Judges answers by a reasoning-gym generator's own scorer; runs in a grader's worker.

Importing this module imports reasoning_gym, so that its time is not counted as the first answer's.
"""

from __future__ import annotations

import ast
import json
import time
from functools import cache
from typing import Any

import reasoning_gym

from harness.grading import EXPLICIT_RULES, extract, infer_type
from harness.types import AnswerType, Status, Verdict
from tasks._fresh_guard import GUARDS

_ROUNDING = 1e-9


def score(reference: str, response: str, truncated: bool = False) -> Verdict:
    """Extract a response's answer and have the generator's own scorer judge it.

    Args:
        reference: JSON of generator, seed, gold and metadata.
        response: What the model wrote.
        truncated: The budget ran out; only an answer stated before then counts.

    Returns:
        Right where the scorer gives full marks. An answer that the scorer cannot read, or that
        must not reach it, is wrong with status ``unparsed``.
    """
    started = time.process_time()
    known = json.loads(reference)
    gold = known["answer"]
    # Only a number may be picked out of a sentence; any other answer is taken as it stands.
    numeric = infer_type(gold or "") in (AnswerType.INTEGER, AnswerType.NUMBER)
    answer_type = AnswerType.NUMBER if numeric else AnswerType.TEXT
    found = extract(response, answer_type=answer_type, gold=gold or "")
    if truncated and not (found.rule in EXPLICIT_RULES and found.complete):
        return Verdict(correct=False, status=Status.TRUNCATED)
    if not found.answer.strip():
        return Verdict(correct=False, status=Status.NO_ANSWER, extraction=found.rule)
    guard = GUARDS.get(known["generator"])
    given = _with_closing_mark(found.answer, gold or "", response)
    answer = guard(given) if guard else given
    if answer is None:
        correct, status, method = False, Status.UNPARSED, "guard"
    else:
        correct, status, method = _judge(known, answer)
    return Verdict(
        correct,
        status,
        extracted=found.answer,
        extraction=found.rule,
        method=method,
        seconds=time.process_time() - started,
    )


def _with_closing_mark(answer: str, gold: str, response: str) -> str:
    """Restore the full stop that extraction takes off, where the reference is a sentence."""
    closed = answer + gold[-1:]
    ends_in_mark = gold[-1:] in tuple(".,:;") and not answer.endswith(gold[-1:])
    return closed if ends_in_mark and closed in response else answer


def _judge(known: dict[str, Any], answer: str) -> tuple[bool, Status, str]:
    entry = {"answer": known["answer"], "metadata": ast.literal_eval(known["metadata"])}
    try:
        points = float(_dataset(known["generator"], known["seed"]).score_answer(answer, entry))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - scorers raise whatever an odd answer makes them
        return False, Status.UNPARSED, type(error).__name__
    # Some give more than full marks to wrong answers: e^(-5 d/n) where the reference n is negative.
    return 1 <= points <= 1 + _ROUNDING, Status.OK, "reasoning-gym"


@cache
def _dataset(generator: str, seed: int) -> Any:
    return reasoning_gym.create_dataset(generator, seed=seed, size=1)

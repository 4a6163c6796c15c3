"""Outputs of TheoremQA's own script: ``question``, ``correct``, ``solution``, ``pred``.

``correct`` is the answer as text and as value; ``solution`` is what the model wrote. Under the
few-shot prompt a response ends with a line "The answer is …", but a base model runs on into code
and further questions; what stands after the first such line is cut off. ``pred`` is left alone: it
was taken from the end of what ran on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.interop.imported import ImportedSample
from harness.interop.untrusted import Row
from harness.types import AnswerType, Tolerance

_LAST_LINE = re.compile(r"^The answer is .*$", re.MULTILINE)
# TheoremQA's evaluation takes numbers within 4 % of each other for equal
# (arXiv 2305.12524, github.com/wenhuchen/TheoremQA, utils.compare_answer_with_groundtruth).
_NUMBER_TOLERANCE = Tolerance(relative=0.04)


def read(row: Row, number: int) -> Iterator[ImportedSample]:
    """Make one sample of a row."""
    text, value = row["correct"]
    response = row["solution"]
    if last := _LAST_LINE.search(response):
        response = response[: last.end()]
    answer_type = _type(value)
    yield ImportedSample(
        item_id=f"{number:04d}",
        question=row["question"],
        gold=str(text),
        response=response,
        answer_type=answer_type,
        tolerance=_NUMBER_TOLERANCE if isinstance(value, float) else None,
    )


def _type(value: object) -> AnswerType:
    if isinstance(value, bool):
        return AnswerType.BOOLEAN
    if isinstance(value, int):
        return AnswerType.INTEGER
    if isinstance(value, float):
        return AnswerType.NUMBER
    return AnswerType.LIST if isinstance(value, list) else AnswerType.AUTO

"""The rules of the CFT paper's evaluator (arXiv 2501.17703), to reproduce its numbers.

This is a description in our own code, and it is meant to be as lenient and as blind as the
original: numbers that round to the same decimal are equal, a factor of 100 is forgiven, commas
between digits are dropped, order counts, and the last number is the answer when nothing else is.
One thing differs on purpose: expressions are compared by our own parser, never evaluated.
"""

from __future__ import annotations

import math
import re

from harness.grading.equivalence import identity, numeric
from harness.grading.extraction.result import MAX_RESPONSE, Extraction
from harness.grading.parsing.normalize import balanced
from harness.grading.parsing.numerals import number_word
from harness.grading.parsing.parser import parse
from harness.grading.parsing.tree import Node, ParseError
from harness.types import AnswerType, Status, Tolerance, Verdict

_MINERVA = ("final answer is $", "$. I hope")
_LAST_NUMBER = re.compile(r"-?\d*\.?\d+")


def find(response: str, answer_type: AnswerType, gold: str) -> Extraction:
    """Extract in the evaluator's order: Minerva's phrase, box, "he answer is", last number."""
    text = response[-MAX_RESPONSE:]
    for line in text.split("\n"):
        _, said, after = line.partition(_MINERVA[0])
        answer, closed, _ = after.partition(_MINERVA[1])
        if said and closed:
            return Extraction(answer, "phrase")
    if "boxed" in text:
        return Extraction(_boxed(text), "boxed")
    _, found, rest = text.rpartition("he answer is")
    if found:
        answer = rest.strip().split("\n")[0].split(". ")[0].rstrip(".")
        return Extraction(answer, "phrase")
    numbers = _LAST_NUMBER.findall(text[-4000:].replace(",", ""))
    return Extraction(numbers[-1] if numbers else "", "last_number", complete=False)


def _boxed(text: str) -> str:
    """Return the content of the last box, to the end of the line where it never closes."""
    rest = text[text.rfind("boxed") + len("boxed") :]
    if rest.startswith("{"):
        end = balanced(rest, 0)
        return rest[1 : end - 1] if end > 0 else rest[1:].partition("\n")[0]
    return rest.partition("$")[0].strip()


def compare(
    gold: str, answer: str, answer_type: AnswerType, tolerance: Tolerance | None
) -> Verdict:
    """Judge as the evaluator does; declared types and tolerances are not looked at."""
    return Verdict(
        correct=_equal(_strip(answer), _strip(gold)), status=Status.OK, method="cft-paper"
    )


_REMOVED = re.compile(
    r"\\left|\\right|\\!|\\,|\\;|\\ |\\\$|\$|\\%|%|\^\{?\\circ\}?|\\displaystyle|\\quad|°"
)
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}")


def _strip(text: str) -> str:
    r"""Normalise a string; units in ``\text`` behind a number, signs and spaces disappear."""
    text = text.strip().replace("\n", "").rstrip(".")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    text = _REMOVED.sub("", text)
    unit = _TEXT.search(text)
    if unit and unit.start() > 0:
        text = text[: unit.start()]
    text = _TEXT.sub(r"\1", text)
    text = text.replace("infinity", "\\infty").replace("{,}", ",")
    parts = text.split("=")
    if len(parts) == 2 and len(parts[0].strip()) <= 2:
        text = parts[1]
    words = number_word(text)
    if words is not None:
        return str(words)
    text = text.replace(" ", "")
    text = re.sub(r"(?<![\d])\.(?=\d)", "0.", text)
    return re.sub(r"(?<=\d)\.0+(?=\D|$)", "", text)


def _digits(text: str) -> float | None:
    try:
        return float(text.replace(",", "")) if re.search(r"\d", text) else None
    except ValueError:
        return None


def _equal(answer: str, gold: str, depth: int = 0) -> bool:
    """Compare two stripped strings."""
    if answer.lower() == gold.lower():
        return True
    if gold in ("A", "B", "C", "D", "E"):
        letters = re.findall(r"\b([A-E])\b", answer.upper())
        return bool(letters) and letters[-1] == gold
    given, expected = _digits(answer), _digits(gold)
    if given is not None and expected is not None:
        return any(_near(given, value) for value in (expected / 100, expected, expected * 100))
    if not answer or depth > 3:
        return False
    bare = _without_brackets(answer, gold)
    if bare and bare == re.sub(r"[{}()]", "", gold.strip("[]()")).lower():
        return True
    ours, theirs = _parts(gold), _parts(answer)
    if ours is not None and theirs is not None:
        return len(ours) == len(theirs) and all(
            _equal(a, b, depth + 1) for a, b in zip(theirs, ours, strict=True)
        )
    if "=" in answer or "=" in gold:
        return _equal_equations(answer, gold, depth)
    return _equal_symbols(answer, gold)


def _near(left: float, right: float) -> bool:
    """Equal to one decimal, or to one part in ten thousand."""
    if math.isinf(left) or math.isinf(right):
        return left == right
    return round(left, 1) == round(right, 1) or math.isclose(left, right, rel_tol=1e-4)


def _without_brackets(answer: str, gold: str) -> str:
    """Drop the answer's brackets, unless the reference begins with a bracket of the other kind."""
    for opening, closing, other in ("[](", "()["):
        if answer.startswith(opening) and answer.endswith(closing) and not gold.startswith(other):
            return re.sub(r"[{}()]", "", answer[1:-1]).lower()
    return ""


def _parts(text: str) -> list[str] | None:
    """Split a bracketed list at its commas."""
    if len(text) < 2 or text[0] not in "([" or text[-1] not in ")]":
        return None
    return [part.strip() for part in text[1:-1].split(",")]


def _equal_equations(answer: str, gold: str, depth: int) -> bool:
    """Compare the last segments behind "=", else the differences of both sides."""
    if _equal(answer.split("=")[-1].strip(), gold.split("=")[-1].strip(), depth + 1):
        return True
    sides = [text.split("=") for text in (answer, gold)]
    if any(len(pair) != 2 for pair in sides):
        return False
    left, right = (f"({pair[0]})-({pair[1]})" for pair in sides)
    return _equal_symbols(left, right) or _equal_symbols(f"-({left})", right)


def _equal_symbols(answer: str, gold: str) -> bool:
    """Compare as expressions, constants to one part in ten thousand."""
    try:
        ours, theirs = parse(gold), parse(answer)
    except ParseError:
        return False
    if identity.same_value(ours, theirs):
        return True
    values = [_constant(node) for node in (ours, theirs)]
    if values[0] is None or values[1] is None:
        return False
    return math.isclose(values[0], values[1], rel_tol=1e-4)


def _constant(node: Node) -> float | None:
    value = numeric.approximate(node)
    try:
        return None if value is None else float(value)
    except OverflowError:
        return None

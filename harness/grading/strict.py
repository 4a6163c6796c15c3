"""The default profile: an answer is right if it is mathematically the gold."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.grading import library
from harness.grading.extract import Extraction, choice_letter, clean, extract
from harness.grading.parse import infer_type, normalise, same_text, too_complex, truth
from harness.grading.syntax import Unreadable
from harness.types import AnswerType, Status, Tolerance, Verdict


def find(response: str, answer_type: AnswerType, gold: str) -> Extraction:
    """Find the answer in a response."""
    return extract(response, answer_type=answer_type, gold=gold)


def compare(
    gold: str, answer: str, answer_type: AnswerType, tolerance: Tolerance | None
) -> Verdict:
    """Judge an answer, cheapest comparison first."""
    if answer_type is AnswerType.AUTO:
        answer_type = infer_type(gold)
    gold_text, answer_text = normalise(clean(gold)), normalise(clean(answer))
    if same_text(gold_text, answer_text):
        return _verdict(True, "text")
    if answer_type is AnswerType.CHOICE:
        return _verdict(choice_letter(gold) == choice_letter(answer) != "", "choice")
    if answer_type is AnswerType.BOOLEAN:
        return _verdict(truth(gold_text) is truth(answer_text), "boolean")
    from harness.grading.compare import same_wording

    if answer_type is AnswerType.TEXT:
        return _verdict(same_wording(gold_text, answer_text), "text")
    if too_complex(gold_text) or too_complex(answer_text):
        return Verdict(correct=False, status=Status.UNPARSED, method="caps")
    if _has_words(gold_text) and same_wording(gold_text, answer_text):
        return _verdict(True, "text")
    if re.fullmatch(r"[a-e]", gold_text) and gold_text.upper() == choice_letter(answer_text):
        return _verdict(True, "choice")
    verdict = _by_value(gold_text, answer_text, tolerance)
    if verdict is not None:
        return verdict
    if _is_prose(gold_text) or _is_prose(answer_text):
        return _verdict(False, "text")
    return library.compare(gold_text, answer_text, answer_type, tolerance)


def _by_value(gold: str, answer: str, tolerance: Tolerance | None) -> Verdict | None:
    """Compare as mathematics of our own; ``None`` where that cannot tell."""
    from harness.grading.compare import same
    from harness.grading.reading import read

    try:
        expected, given = read(gold), read(answer)
    except Unreadable:
        return None
    verdict = same(expected, given, tolerance)
    if verdict:
        return _verdict(True, "value")
    # A comma may separate list items, thousands or decimals; the readings are tried in turn.
    for ours, theirs in _comma_readings(gold, answer):
        try:
            if same(read(ours, thousands=False), read(theirs, thousands=False), tolerance):
                return _verdict(True, "value")
        except Unreadable:
            continue
    return None if verdict is None else _verdict(False, "value")


#: Three digits after the comma are thousands, unless a zero stands before it.
_DECIMAL_COMMA = re.compile(r"[-+]?(?:0,\d+|\d+,(?!\d{3}\Z)\d+)\Z")


def _comma_readings(gold: str, answer: str) -> list[tuple[str, str]]:
    """List other readings of commas between digits."""
    if not re.search(r"\d,\d", gold + " " + answer):
        return []
    readings = [(gold, answer)]
    for ours, theirs in ((gold, answer), (answer, gold)):
        if _DECIMAL_COMMA.match(ours) and re.fullmatch(r"[-+]?\d*\.\d+", theirs):
            pair = ours.replace(",", "."), theirs
            readings.append(pair if ours is gold else (pair[1], pair[0]))
    return readings


_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def _has_words(text: str) -> bool:
    return "\\text" in text or bool(re.search(r"(?<![\\A-Za-z])[A-Za-z]{3,}", text))


def _is_prose(text: str) -> bool:
    """Say whether a text is made of words rather than formulas."""
    plain = re.sub(r"\\(?:text|mathrm|textbf|mbox|mathbf|textit)\s*\{", " {", text)
    words = _WORD.findall(plain)
    return sum(len(word) > 2 for word in words) >= 2 and not re.search(
        r"\\[a-z]{2,}.*\\[a-z]{2,}", plain
    )


def _verdict(correct: bool, method: str) -> Verdict:
    return Verdict(correct=correct, status=Status.OK, method=method)


def allowed_error(tolerance: Tolerance, expected: Fraction) -> Fraction:
    """Return how far a number may be off under a task's tolerance."""
    return Fraction(tolerance.absolute) + Fraction(tolerance.relative) * abs(expected)

"""The default profile: an answer is right if it is mathematically the gold."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.grading import library
from harness.grading.extract import Extraction, choice_letter, clean, extract
from harness.grading.parse import infer_type, normalise, rational, same_text, too_complex, truth
from harness.grading.syntax import Unreadable
from harness.types import AnswerType, Status, Tolerance, Verdict

if TYPE_CHECKING:
    from harness.grading.reading import Answer


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
    from harness.grading.wording import same_wording

    if answer_type is AnswerType.TEXT:
        return _verdict(same_wording(gold_text, answer_text), "text")
    if too_complex(gold_text) or too_complex(answer_text):
        return Verdict(correct=False, status=Status.UNPARSED, method="caps")
    if tolerance is None and _plain(gold_text) and _plain(answer_text):
        expected, given = rational(gold_text), rational(answer_text)
        if expected is not None and given is not None:
            return _verdict(expected == given, "rational")
    if _has_words(gold_text) and same_wording(gold_text, answer_text):
        return _verdict(True, "text")
    if re.fullmatch(r"[a-e]", gold_text) and gold_text.upper() == choice_letter(answer_text):
        return _verdict(True, "choice")
    verdict = _by_value(gold_text, answer_text, answer_type, tolerance)
    if verdict is not None:
        return verdict
    if _is_prose(gold_text) or _is_prose(answer_text):
        return _verdict(False, "text")
    return library.compare(gold_text, answer_text, answer_type, tolerance)


def _by_value(
    gold: str, answer: str, answer_type: AnswerType, tolerance: Tolerance | None
) -> Verdict | None:
    """Compare as mathematics of our own; ``None`` where that cannot tell."""
    from harness.grading.compare import same
    from harness.grading.reading import read

    try:
        expected, given = (_as_declared(read(text), answer_type) for text in (gold, answer))
    except Unreadable:
        return None
    verdict = same(expected, given, tolerance)
    if verdict:
        return _verdict(True, "value")
    # A comma may separate list items, thousands or decimals; the readings are tried in turn.
    for pair in _comma_readings(gold, answer):
        try:
            ours, theirs = (_as_declared(read(text, thousands=False), answer_type) for text in pair)
        except Unreadable:
            continue
        if same(ours, theirs, tolerance):
            return _verdict(True, "value")
    return None if verdict is None else _verdict(False, "value")


def _as_declared(side: Answer, answer_type: AnswerType) -> Answer:
    """Give a bare list of parts the order, or the lack of it, that its type declares."""
    tree = side.tree
    if answer_type is AnswerType.TUPLE and tree.kind == "list":
        return replace(side, tree=replace(tree, kind="tuple", value="(("))
    if answer_type is AnswerType.SET and tree.kind in ("list", "tuple") and len(tree.args) > 1:
        return replace(side, tree=replace(tree, kind="set", value=None))
    return side


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


def _plain(text: str) -> bool:
    """Say whether a number can be read in one way only: no point, comma or percent sign."""
    return len(text) < 100 and not any(mark in text for mark in ".,%")


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

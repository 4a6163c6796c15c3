"""The default profile: an answer is right if it equals the reference answer mathematically.

Comparisons of text come first (same text, option letters, words, plain fractions). Other answers
are parsed into trees (``equivalence/answer.py``) and compared as mathematics
(``equivalence/compare.py``).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.grading.extraction.choices import choice_letter
from harness.grading.extraction.extract import extract
from harness.grading.extraction.result import Extraction, clean
from harness.grading.parsing.normalize import (
    balanced,
    infer_type,
    normalise,
    rational,
    same_text,
    too_complex,
    truth,
)
from harness.grading.parsing.numerals import with_bars, with_currency
from harness.grading.parsing.tree import ParseError
from harness.types import AnswerType, Status, Tolerance, Verdict

if TYPE_CHECKING:
    from harness.grading.equivalence.answer import Answer


def find(response: str, answer_type: AnswerType, gold: str) -> Extraction:
    """Find the answer in a response."""
    return extract(response, answer_type=answer_type, gold=gold)


def compare(
    gold: str, answer: str, answer_type: AnswerType, tolerance: Tolerance | None
) -> Verdict:
    """Judge an answer, cheapest comparison first."""
    if answer_type is AnswerType.AUTO:
        answer_type = infer_type(gold)
    gold_text, answer_text = _canonical(gold), _canonical(answer)
    if same_text(gold_text, answer_text):
        return _verdict(True, "text")
    if answer_type is AnswerType.CHOICE:
        return _verdict(
            choice_letter(gold) == choice_letter(_without_announcement(answer)) != "", "choice"
        )
    if answer_type is AnswerType.BOOLEAN:
        return _verdict(truth(gold_text) is truth(answer_text) is not None, "boolean")
    from harness.grading.parsing.wording import same_wording, unwrapped

    if answer_type is AnswerType.TEXT:
        return _verdict(same_wording(gold_text, answer_text), "text")
    if too_complex(gold_text) or too_complex(answer_text):
        return Verdict(correct=False, status=Status.UNPARSED, method="caps")
    if tolerance is None and _is_unambiguous(gold_text) and _is_unambiguous(answer_text):
        expected, given = rational(gold_text), rational(answer_text)
        if expected is not None and given is not None:
            return _verdict(expected == given, "rational")
    if same_wording(gold_text, answer_text):
        return _verdict(True, "text")
    if _reordered(unwrapped(gold_text), unwrapped(answer_text)):
        return _verdict(False, "text")
    if re.fullmatch(r"[a-e]", gold_text) and _BRACKETED_LETTER.fullmatch(answer_text):
        return _verdict(gold_text.upper() == choice_letter(answer_text), "choice")
    if (
        ":" in gold_text
        and ":" in answer_text
        and _is_clock_time(gold_text) != _is_clock_time(answer_text)
    ):
        return _verdict(False, "text")
    verdict = _by_value(gold_text, answer_text, answer_type, tolerance)
    if verdict is not None:
        return verdict
    if _is_prose(gold_text) or _is_prose(answer_text):
        return _verdict(False, "text")
    return Verdict(correct=False, status=Status.UNPARSED, method="undecided")


def _canonical(text: str) -> str:
    """Normalise a text: boxes, sums of money, repeating decimals, quotes, announcements."""
    text = _unboxed(clean(_without_announcement(clean(text))))
    text = _QUOTED.sub(r"\1", text)
    text = _unboxed(normalise(with_bars(with_currency(text))))
    return text[1:-1] if _BRACKETED_THOUSANDS.fullmatch(text) else text


def _by_value(
    gold: str, answer: str, answer_type: AnswerType, tolerance: Tolerance | None
) -> Verdict | None:
    """Compare as mathematics; ``None`` where that is undecided."""
    from harness.grading.equivalence.answer import read
    from harness.grading.equivalence.compare import same

    try:
        expected, given = (_as_declared(read(text), answer_type) for text in (gold, answer))
    except ParseError:
        return None
    verdict = same(expected, given, tolerance)
    if verdict:
        return _verdict(True, "value")
    # A comma may separate list items, thousands or decimals; the readings are tried in turn.
    for pair in _comma_readings(gold, answer):
        try:
            ours, theirs = (_as_declared(read(text, thousands=False), answer_type) for text in pair)
        except ParseError:
            continue
        if same(ours, theirs, tolerance):
            return _verdict(True, "value")
    return None if verdict is None else _verdict(False, "value")


def _as_declared(side: Answer, answer_type: AnswerType) -> Answer:
    """Give a bare list of parts the order, or the lack of it, that its type declares."""
    tree = side.tree
    if tree.kind == "list":  # "2, 3 and 4" is one list
        parts = [arg.args if arg.kind in ("and", "or") else (arg,) for arg in tree.args]
        tree = replace(tree, args=tuple(itertools.chain.from_iterable(parts)))
    if answer_type is AnswerType.TUPLE and tree.kind == "list":
        return replace(side, tree=replace(tree, kind="tuple", value="(("))
    if answer_type is AnswerType.SET and tree.kind in ("list", "tuple") and len(tree.args) > 1:
        return replace(side, tree=replace(tree, kind="set", value=None))
    return side


def _without_announcement(text: str) -> str:
    """Take off "Answer:" in front of an answer."""
    match = _ANNOUNCED.match(text)
    if match is None:
        return text
    opening = (match["wrapped"] or "") if not match["closed"] else ""
    return opening + text[match.end() :]


#: The letter of a choice in brackets, which no formula would have.
_BRACKETED_LETTER = re.compile(r"\((?:\\text\{)?[A-Ea-e]\}?\)|\\text\{\(?[A-Ea-e]\)?\}|[a-e][.)]")


def _unboxed(text: str) -> str:
    r"""Take off a box, or ``\text{}``, around all of a text."""
    for _ in range(3):
        opened = _BOX.match(text)
        if opened is None or balanced(text, opened.end() - 1) != len(text):
            break
        text = text[opened.end() : -1].strip()
    return text


_ANNOUNCED = re.compile(
    r"\A\s*(?P<wrapped>\\text(?:bf)?\s*\{\s*)?(?:(?:the )?(?:final )?(?:answer|result|solution)"
    r"\s*(?:is\b:?|[:=])|ans\s*[:=])\s*(?P<closed>\}?)\s*(?=\S)",
    re.I,
)
#: No part of a point begins with zeros.
_BRACKETED_THOUSANDS = re.compile(r"\(\d{1,3}(?:,\d{3})*,0\d\d(?:,\d{3})*\)")
_QUOTED = re.compile(r'\A\\?"(.*?)\\?"\Z', re.S)
_BOX = re.compile(r"\\(?:boxed|fbox|framebox|text|textbf|mbox)\s*\{")
#: Three digits after the comma are thousands, unless a zero stands before it.
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+")
_DECIMAL_COMMA = re.compile(r"[-+]?(?:0,\d+|\d+,(?!\d{3}\Z)\d+)\Z")


def _comma_readings(gold: str, answer: str) -> list[tuple[str, str]]:
    """List other readings of commas between digits."""
    if not re.search(r"\d,\d", gold + " " + answer):
        return []
    # No part of a list begins with zeros: "14,000" is one number, and so is a reference of "1,234".
    listed = not re.search(r",0\d", gold + " " + answer) and not _GROUPED.fullmatch(gold)
    # Nor is an answer of "1,234" the pair (1,234), or 234, 1.
    if _GROUPED.fullmatch(answer):
        listed = listed and answer == re.sub(r"\s", "", gold)
    readings = [(gold, answer)] if listed else []
    for ours, theirs in ((gold, answer), (answer, gold)):
        if _DECIMAL_COMMA.match(ours) and re.fullmatch(r"[-+]?\d*\.\d+", theirs):
            pair = ours.replace(",", "."), theirs
            readings.append(pair if ours is gold else (pair[1], pair[0]))
    return readings


def _reordered(gold: str, answer: str) -> bool:
    """Say whether runs of letters differ in the order of their letters: HHT is not HTH.

    A lower-case run is a product if one side has its letters in alphabetical order: xyz is zyx.
    """
    ours, theirs = (_letter_runs(text) for text in (gold, answer))
    if sorted(map(sorted, ours)) != sorted(map(sorted, theirs)):
        return False
    for run in ours:
        product = "".join(sorted(run)) if run.islower() else None
        others = [other for other in theirs if sorted(other) == sorted(run)]
        alike = [run, *others] if run == product else [run, product]
        match = next((other for other in alike if other in theirs), None)
        if match is None:
            return True
        theirs.remove(match)
    return False


def _letter_runs(text: str) -> list[str]:
    """List the runs of letters that a text is made of, with or without brackets and commas."""
    plain = re.fullmatch(r"(?:[A-Za-z]|[\s,;(){}\[\]]|\\[{}])+", text)
    return re.findall(r"[A-Za-z]+", text) if plain else []


def _is_clock_time(text: str) -> bool:
    """Say whether a text holds a time of day such as 3:04, which is not the ratio 3 : 4."""
    return re.search(r":0\d", text) is not None


def _is_unambiguous(text: str) -> bool:
    """Say whether a number can be read in one way only: no point, comma or percent sign."""
    return len(text) < 100 and not any(mark in text for mark in ".,%")


_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def _is_prose(text: str) -> bool:
    """Say whether a text is made of words rather than formulas."""
    plain = re.sub(r"\\(?:text|mathrm|textbf|mbox|mathbf|textit)\s*\{", " {", text)
    words = _WORD.findall(plain)
    return sum(len(word) > 2 for word in words) >= 2 and not re.search(
        r"\\[a-z]{2,}.*\\[a-z]{2,}", plain
    )


def _verdict(correct: bool, method: str) -> Verdict:
    return Verdict(correct=correct, status=Status.OK, method=method)

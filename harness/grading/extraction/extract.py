"""Finding the answer inside a response whose thought has already been cut off.

The rules are tried in order of how plainly they mark an answer; the one that found it is part of
the result. Every scan is linear in the length of the text, though the pool has a deadline: models
that loop are common, and their answers should cost no more than others.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

from harness.grading.extraction.answer_phrases import denied_number, marked_answer
from harness.grading.extraction.boxes import Box, answer_boxes, boxed, is_unclosed, last_box_end
from harness.grading.extraction.chat_template import answer_turn
from harness.grading.extraction.choices import extract_choice
from harness.grading.extraction.claimed_number import (
    NUMBER,
    claimed_number,
    last_number,
    with_word_behind,
)
from harness.grading.extraction.context import (
    AFTER_A_WORD,
    is_retracted,
    own_retraction,
    states_result,
)
from harness.grading.extraction.result import (
    MAX_RESPONSE,
    NOTHING,
    SENTENCE_END,
    TAIL,
    Extraction,
    clean,
    is_denied,
    is_prose,
    math_spans,
    without_markdown,
)
from harness.grading.extraction.yes_no import extract_yes_no
from harness.grading.parsing.normalize import infer_type, list_length
from harness.types import AnswerType

#: A last line longer than this is prose, not an answer.
_MAX_LINE = 300

_BY_BOX = frozenset(("answer_tag", "boxed", "boxes"))
_LATER = re.compile(
    r"(?<![^\W\d_])final\s{1,4}(?:answer|result|value)[*_`]{0,3}\s{0,4}(?:is(?![^\W\d_])|[:=])|####",
    re.I,
)
#: Words by which a response gives another value than the one in its box.
_CORRECTS = re.compile(
    r"\b(?:corrected|correct|should|true|actual|real|instead|forgot|forget|mistake|incorrect|wrong|error)\b",
    re.I,
)
#: A text in which another answer follows on a box is no shorter.
_SHORTEST_LATER = 6
_STRUCK_OUT = re.compile(r"~~[^~\n]{1,200}~~")
_NEXT_QUESTION = re.compile(
    r"\n[ \t]{0,4}(?:#{1,4} ?|\*\*)?(?:(?:User|Human|Q|Question|Problem)(?:\*\*)?[ \t]?:"
    r"|(?<=\n\n)(?:Problem|Question|Example|Exercise)[ \t]\d{1,3}[ \t]?[:.]"
    r"|(?<=# )(?:Problem|Question|Example)[ \t]\d)"
)
_ASKS = ("User", "Human", "Q:", "Question", "Problem", "Ex")


def extract(text: str, *, answer_type: AnswerType = AnswerType.AUTO, gold: str = "") -> Extraction:
    """Find the answer in a response.

    Args:
        text: The response. Special tokens of its chat template are taken out, thoughts marked by
            them and later turns cut off.
        answer_type: The declared type; ``auto`` infers it from ``gold``.
        gold: The reference answer, used for its type and its number of parts only.

    Returns:
        The answer and the rule that found it; an empty answer with rule ``none`` if nothing did.
    """
    text = answer_turn(text[-MAX_RESPONSE:]).replace("\x08oxed{", "\\boxed{").rstrip()
    if "~~" in text:
        text = _STRUCK_OUT.sub("", text)
    text = _without_next_question(text)
    if not text:
        return NOTHING
    if answer_type is AnswerType.AUTO:
        answer_type = infer_type(gold)
    if answer_type is AnswerType.CHOICE:
        return extract_choice(text, _last_tag(text))
    if answer_type is AnswerType.BOOLEAN:
        return extract_yes_no(text, _extract_explicit(text, parts=1, numeric=False))
    numeric = answer_type in (AnswerType.INTEGER, AnswerType.NUMBER)
    found = _extract_explicit(text, parts=list_length(gold), numeric=numeric)
    if not found.answer:
        found = _extract_implicit(text, numeric=numeric)
    # A box in it holds no answer: it never closes, is empty, or says what belongs into it.
    return NOTHING if found.rule not in _BY_BOX and "boxed" in found.answer else found


def _without_next_question(text: str) -> str:
    """Cut off the next question that a response writes for itself once it has given an answer."""
    for word in _ASKS:
        if word in text:
            break
    else:
        return text
    if _NEXT_QUESTION.match("\n\n" + text[:60].lstrip(), 1):
        # It works in questions and answers of its own.
        return text
    for question in islice(_NEXT_QUESTION.finditer(text), 20):
        head = text[: question.start()]
        if answer_boxes(head) or marked_answer(head, numeric=False).answer:
            return head + "\n"
    return text


def _extract_explicit(text: str, *, parts: int, numeric: bool) -> Extraction:
    """Apply the rules by which a response itself marks its answer."""
    tagged = _last_tag(text)
    if tagged:
        inner = boxed(tagged, answer_boxes(tagged), parts)
        answer = inner.answer or clean(without_markdown(tagged))
        if numeric and not inner.answer:
            answer = clean(claimed_number(answer))
        return Extraction(answer, "answer_tag")
    boxes = answer_boxes(text)
    if not boxes:
        return marked_answer(text, numeric=numeric)
    found = boxed(text, boxes, parts)
    if found.rule == "boxed":
        after = text[boxes[-1].end : boxes[-1].end + 60]
        answer = with_word_behind(found.answer, after, numeric=numeric)
        found = found if answer == found.answer else replace(found, answer=answer)
    later = _later(text, boxes[-1], numeric=numeric)
    if later.answer and later.complete and (not numeric or NUMBER.search(later.answer)):
        return later
    return found if found.answer else marked_answer(text, numeric=numeric)


def _later(text: str, box: Box, *, numeric: bool) -> Extraction:
    """Read the answer that goes before a box: a final one behind it, or one that replaces it."""
    if len(text) - box.end < _SHORTEST_LATER:
        return NOTHING
    start = max(text.rfind("\n", 0, box.start), text.rfind(". ", 0, box.start), box.start - 80)
    taken_back = is_retracted(text, max(0, start), box.start) or is_retracted(
        text, box.end, len(text)
    )
    if not taken_back and not _LATER.search(text, box.end):
        return NOTHING
    later = marked_answer(text[box.end :], numeric=numeric)
    if later.answer or not numeric or (at := own_retraction(text, box.end)) < 0:
        return replace(later, complete=later.complete or taken_back or text.endswith("."))
    if not _CORRECTS.search(text, box.end):
        # "Wait, let me verify" takes nothing back.
        return NOTHING
    number = last_number(text[at:].lstrip(AFTER_A_WORD))
    return Extraction(number, "last_number") if number else NOTHING


def _extract_implicit(text: str, *, numeric: bool) -> Extraction:
    """Apply the rules for responses that do not mark their answer."""
    if is_unclosed(text):
        return NOTHING
    # What is in a box was no answer, or it would have been found.
    text = text[last_box_end(text) :]
    last_line = text[text.rfind("\n") + 1 :].strip()
    short = "\n" not in text.strip() and len(text) <= _MAX_LINE
    spans = list(math_spans(text[-TAIL:]))
    if short and not is_prose(last_line):
        return Extraction(clean(last_line), "last_line", complete=False)
    if numeric:
        denied = denied_number(text)
        number = last_number(last_line, denied) or (
            "" if NUMBER.search(last_line[-TAIL:]) else last_number(text, denied)
        )
        return Extraction(number, "last_number", complete=False) if number else NOTHING
    if spans and _is_stated(text[-TAIL:], *spans[-1][:2]):
        return Extraction(clean(spans[-1][2]), "last_math", complete=False)
    if not spans and len(last_line) <= _MAX_LINE:
        return Extraction(clean(without_markdown(last_line)), "last_line", complete=False)
    return NOTHING


def _is_stated(text: str, start: int, end: int) -> bool:
    """Say whether a text states a formula as its result."""
    if is_denied(text, start, end):
        return False
    ends = [match.end() for match in SENTENCE_END.finditer(text, max(0, start - 300), start)]
    first = max(text.rfind("\n", 0, start) + 1, ends[-1] if ends else 0)
    after = SENTENCE_END.search(text, end)
    last = after.end() if after else len(text)
    return states_result(text[first:last], start - first, end - first)


def _last_tag(text: str) -> str:
    """Return what the last complete pair of answer tags encloses."""
    end = text.rfind("</answer>")
    if end < 0:
        return ""
    start = text.rfind("<answer>", 0, end)
    return text[start + len("<answer>") : end].strip() if start >= 0 else ""

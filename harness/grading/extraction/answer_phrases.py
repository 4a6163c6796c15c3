"""Phrases that announce an answer: "the answer is", "Answer:", "####", a heading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from harness.grading.extraction.claimed_number import (
    NUMBER,
    claimed_number,
    last_number,
    with_word_behind,
)
from harness.grading.extraction.context import (
    AFTER_A_WORD,
    changed_behind,
    has_cases,
    is_another,
    own_retraction,
)
from harness.grading.extraction.result import (
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

#: How many marks are looked at, from the last one back.
_MOST = 20
_CLOSE = r"[*_`\"'\u201d)\]]{0,4}"
_WORD = (
    r"(?<![^\W\d_])(?:answers?|réponse|respuesta|resposta|risposta|antwort|lösung(?=\s?:)|ответ|odpowied\u017a|antwoord)"
    r"(?![^\W\d_])"
)
_PHRASE = re.compile(
    rf"(?:{_WORD}|答案|答え)(?:{_CLOSE}\s{{1,20}}"
    r"(?:(?:to\s{1,3}(?:the|this|our)\s{1,3}(?:question|problem|exercise)|here|then|therefore|thus|now)\s{1,3})?"
    r"(?:(?:is|are|equals|est|es|ist|é|è)(?![^\W\d_])|(?:should|must|would|will|has\s{1,3}to)\s{1,3}be(?=[\s:*_(]{0,4}[$\\]?[-+\d\\]))"
    rf"\s*+:?{_CLOSE}|{_CLOSE}\s{{0,8}}[:=：](?!=){_CLOSE}|[是为は][:：]?{_CLOSE})",
    re.I,
)
_DASH = re.compile(r"(?<![^\W\d_])final\s{1,4}answer[*_`]{0,3}\s{0,4}[-\u2013\u2014]{1,2}\s", re.I)
_BEFORE_MATH = re.compile(
    r"(?<![^\W\d_])(?:final\s{1,4})?answer[*_]{0,3}:?\s{1,20}(?=\\\(|\\\[|\$)", re.I
)
_HEADING = re.compile(
    r"^[^\w\n]{0,12}(?:\d{1,2}[.)][^\w\n]{0,6})?(?:the\s)?(?:(?:final|correct)\s)?answer[^\w\n]{0,8}$",
    re.M | re.I,
)
_HASHES = re.compile(r"(?<!#)####++[ \t]{0,40}(?=[^\s#])")
_SHORT = re.compile(r"^[^\S\n]{0,20}A:[^\S\n]{0,20}(?=\S)", re.M)
_AFTER = re.compile(
    r"(?<![^\W\d_])(?:is|are|was)\s{1,4}(?:the|our|my|your)\s{1,4}(?:(?:final|correct|right|only)\s{1,4})?answer(?![^\W\d_])",
    re.I,
)
#: What praises, announces or denies an answer and states none.
_COMMENT = re.compile(
    r"[\s*]{0,12}+(?:(?:in)?correct|wrong|right(?!\s{1,3}angle)|valid|as\s{1,3}follows|obtained|found\s{1,3}(?:by|in)|reached|derived"
    r"|below|above|therefore\s{1,3}(?:in)?correct)(?![^\W\d_])",
    re.I,
)
_DENIAL = re.compile(
    r"[\s*_:]{0,6}(?:(?:clearly|certainly|definitely|obviously)\s)?(?:not|neither|never)(?![^\W\d_])",
    re.I,
)
#: Words between "is" and the answer.
_FILLER = re.compile(
    r"(?:(?:thus|therefore|then|simply|just|indeed|exactly|actually|clearly|hence|equal\s{1,3}to|given\s{1,3}by|found\s{1,3}to\s{1,3}be|that"
    r"|approximately|about|roughly|also|still|again|now)(?:[,:]|(?=\s))\s{0,4}){1,3}(?=[*_]{0,3}\\?[-+\d$\\({])",
    re.I,
)
_SPEAKER = re.compile(
    r"(?:let|we|i|to|first|the|so|sure|ok|okay|since|in|there|this|if|as|step)(?![^\W\d_])", re.I
)
_NUMBER_FIRST = re.compile(r"[^\w\n]{0,8}(?:\\[dt]?frac|\\text|\d|[\u00bc-\u00be\u2150-\u215e])")
_QUOTE = re.compile(r"^[ \t]{0,3}(?:>[ \t]?){1,4}", re.M)

#: "not clear, but it is 42"
_TURNS = re.compile(r"[,;](?:\s|\Z)|\bbut\b")
#: "1, 2, ..." is no end of a sentence.
_GOES_ON = re.compile(r",\s?\.\.\.\Z")
_NUMBER_LINE = re.compile(r"\n[ \t]{0,4}(-?\d{1,20}(?:\.\d{1,20})?)[ \t]{0,4}(?:\n|\Z)")
_RESULT = re.compile(
    r"(?<![^\W\d_])final\s{1,4}(?:result|value|total|count|number)\s{1,4}(?:is(?![^\W\d_])|[:=])\s*+",
    re.I,
)

_BULLET = re.compile(r"\A[-\u2022*][ \t]{1,4}(?=\S)")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place where a response says that its answer follows, or stands before.

    Attributes:
        start: Where the mark begins.
        end: Where it ends.
        kind: ``phrase``, ``heading``, ``hashes``, ``short`` or ``after``.
    """

    start: int
    end: int
    kind: str


#: One of these stands in every mark that is a word; a search for them is cheap.
_KEYS = (
    "nswer",
    "NSWER",
    "ntwor",
    "NTWOR",
    "ponse",
    "spuesta",
    "sposta",
    "ösung",
    "твет",
    "dpowied",
    "答",
    "final res",
    "final val",
    "final tot",
    "final cou",
    "final num",
)
_BY_WORD = (
    (_PHRASE, "phrase"),
    (_DASH, "phrase"),
    (_BEFORE_MATH, "phrase"),
    (_HEADING, "heading"),
    (_AFTER, "after"),
    (_RESULT, "phrase"),
)


def marks(text: str) -> list[Mark]:
    """List the marks of a text that are no praise and no announcement, last one first."""
    found: list[Mark] = []
    first = min((at for key in _KEYS if (at := text.find(key)) >= 0), default=-1)
    if first >= 0:
        line = text.rfind("\n", 0, max(0, first - 60)) + 1
        end = _line_end(text, max(map(text.rfind, _KEYS)) + TAIL)
        for pattern, kind in _BY_WORD:
            found += _matches(pattern, kind, text, max(line, first - 300), end)
    if "####" in text:
        found += _matches(_HASHES, "hashes", text, 0, len(text))
    if "A:" in text:
        found += _matches(_SHORT, "short", text, 0, len(text))
    return sorted(found, key=lambda mark: mark.end, reverse=True)[:_MOST]


def _matches(pattern: re.Pattern[str], kind: str, text: str, start: int, end: int) -> list[Mark]:
    statements = (
        Mark(match.start(), match.end(), kind)
        for match in reversed(list(pattern.finditer(text, start, end)))
        if not _COMMENT.match(text, match.end()) and not is_another(text, match.start())
    )
    return list(islice(statements, _MOST))


def marked_answer(text: str, *, numeric: bool) -> Extraction:
    """Read the answer at the last mark that has one.

    Args:
        text: The response.
        numeric: The reference answer is a number: a sentence is narrowed to the one it claims.
    """
    denied = set()
    for mark in marks(text):
        if mark.kind != "after" and (denial := _DENIAL.match(text, mark.end)):
            denied.add(_first_number(text, denial.end()))
            continue
        found = _read(text, mark, numeric=numeric)
        if found.answer and found.answer not in denied:
            return _corrected(text, mark, found) if numeric else found
    return NOTHING


def _corrected(text: str, mark: Mark, found: Extraction) -> Extraction:
    """Return the number by which a response replaces an answer that it takes back."""
    at = own_retraction(text, mark.end)
    later = last_number(text[at:].lstrip(AFTER_A_WORD)) if at >= 0 else ""
    return Extraction(later, "last_number", complete=False) if later else found


def denied_number(text: str) -> str:
    """Return the number that a response says last is not the answer."""
    for mark in marks(text):
        if mark.kind != "after" and (denial := _DENIAL.match(text, mark.end)):
            return _first_number(text, denial.end())
    return ""


def _first_number(text: str, at: int) -> str:
    number = NUMBER.search(text, at, at + 40)
    return number[0].strip() if number and not _TURNS.search(text, at, number.start()) else ""


def _read(text: str, mark: Mark, *, numeric: bool) -> Extraction:
    if mark.kind == "after":
        return _sentence_before(text, mark.start, numeric=numeric)
    if mark.kind == "hashes" and numeric and not _NUMBER_FIRST.match(text, mark.end):
        heads = text[_line_end(text, mark.end) :].strip()
        if heads:
            # A heading of Markdown with something under it.
            return NOTHING
    rest = following(text, mark)
    if mark.kind == "short" and _SPEAKER.match(rest):
        return NOTHING
    return statement(rest, numeric=numeric)


def following(text: str, mark: Mark) -> str:
    """Return the text behind a mark, from the answer's first character on."""
    rest = text[mark.end : mark.end + TAIL].lstrip(" \t:")
    if rest[:6].lstrip("*_`").startswith("\n") or not rest.strip("*_` "):
        rest = _BULLET.sub("", _QUOTE.sub("", rest.lstrip("*_`")).lstrip())
    rest = rest.lstrip()
    filler = _FILLER.match(rest)
    return rest[filler.end() :] if filler else rest


def statement(rest: str, *, numeric: bool) -> Extraction:
    """Read the answer that a text begins with."""
    start, span_end, content = next(math_spans(rest), (-1, 0, ""))
    if start > 0 and not rest[:start].strip('*_`"([ '):
        rest, span_end, start = rest[start:], span_end - start, 0
    line_end = _line_end(rest, span_end if start == 0 else 0)
    sentence = SENTENCE_END.search(rest, span_end if start == 0 else 0, line_end)
    end = sentence.start() if sentence else line_end
    if start == 0 and is_denied(rest, 0, span_end):
        return NOTHING
    if start == 0:
        several = any(math_spans(rest[span_end:end]))
        answer = without_markdown(rest[:end])
        if not several and (changed_behind(rest, span_end) or has_cases(rest[span_end:line_end])):
            return Extraction(clean(_undelimited(answer)), "phrase")
        if not several:
            answer = with_word_behind(clean(content), rest[span_end:end], numeric=numeric)
        if several and numeric:
            answer = claimed_number(_undelimited(answer))
        return Extraction(clean(answer), "phrase") if clean(answer) else NOTHING
    complete = line_end < len(rest) or (sentence is not None and sentence.end() < len(rest))
    if (
        sentence
        and not numeric
        and sentence[0] == "!"
        and rest[end - 1 : end] in tuple("0123456789)!")
    ):
        # In an answer that is no plain number it is a factorial.
        end += 1
    if sentence and _GOES_ON.search(rest, 0, sentence.end()):
        end = sentence.end()
    answer = clean(without_markdown(rest[:end]))
    if numeric and (second := _NUMBER_LINE.match(rest, line_end)) and NUMBER.fullmatch(answer):
        both = f"{answer}, {second[1]}"
        return Extraction(answer if second[1] == answer else both, "phrase", complete)
    if numeric:
        answer = clean(claimed_number(answer))
    return Extraction(answer, "phrase", complete) if answer else NOTHING


def _undelimited(text: str) -> str:
    """Take the delimiters off formulas, so that a sentence is read as one text."""
    for delimiter in ("$", "\\(", "\\)", "\\[", "\\]"):
        text = text.replace(delimiter, " ")
    return " ".join(text.split())


def _sentence_before(text: str, at: int, *, numeric: bool) -> Extraction:
    """Read the answer in "50 is the answer"."""
    before = text[max(0, at - 300) : at]
    before = before[before.rfind("\n") + 1 :]
    ends = [match.end() for match in SENTENCE_END.finditer(before)]
    sentence = without_markdown(before[ends[-1] :] if ends else before)
    spans = [content for _, _, content in math_spans(sentence)]
    if len(spans) == 1:
        return Extraction(clean(spans[0]), "phrase")
    if spans:
        return NOTHING
    if numeric:
        numbers = list(NUMBER.finditer(sentence))
        answer = claimed_number(sentence) if numbers else ""
        return Extraction(clean(answer), "phrase") if answer else NOTHING
    return NOTHING if is_prose(sentence) or not sentence else Extraction(clean(sentence), "phrase")


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end

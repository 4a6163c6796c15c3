"""Finding the answer inside a response whose thought has already been cut off.

The rules are tried in order of how plainly they mark an answer; the one that found it is part of
the result. Every scan is linear in the length of the text, though the pool has a deadline: models
that loop are common, and their answers should cost no more than others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.grading.parse import balanced, infer_type, list_length
from harness.types import AnswerType

#: A response is searched from its end; nothing further back than this is looked at.
MAX_RESPONSE = 200_000
#: How many unbalanced boxes are skipped before giving up on boxes.
_MAX_BOX_TRIES = 50
#: A last line longer than this is prose, not an answer.
_MAX_LINE = 300
#: Numbers and formulas are looked for this far from the end.
_TAIL = 4000

#: Rules that mark an answer as final and complete; only these count in a truncated response.
EXPLICIT_RULES = frozenset({"answer_tag", "boxed", "boxes", "phrase"})


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found, and how.

    Attributes:
        answer: The answer as text; empty where none was found.
        rule: ``answer_tag``, ``boxed``, ``boxes``, ``phrase``, ``choice``, ``last_math``,
            ``last_line``, ``last_number``, ``last_word`` (yes or no) or ``none``.
        complete: Whether something after the answer shows that it was not cut off.
    """

    answer: str
    rule: str
    complete: bool = True


_NOTHING = Extraction("", "none", complete=False)

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])[ \t]*")
_BARE = re.compile(r"[^\s$.,;]{1,100}")
_PHRASE = re.compile(
    r"(?:\banswers?\b|\b(?:réponse|respuesta|resposta|risposta|antwort|ответ)\b|答案|答え)"
    r"(?:\s+(?:to\s+(?:the|this)\s+(?:question|problem)\s*)?(?:is|are|equals|est|es|ist)\b\s*:?"
    r"|\*{0,2}\s*[:=：]|[是为は][:：]?)",
    re.I,
)
_COMMENT = re.compile(r"[\s*]*(?:in)?(?:correct|wrong|right|valid|not|as follows)\b", re.I)
_FINAL_ANSWER = re.compile(r"\bfinal\s+answer\s+is\b", re.I)
_ANSWER_MATH = re.compile(r"\b(?:final\s+)?answer\*{0,2}:?\s+(?=\\\(|\\\[|\$)", re.I)
_HASHES = re.compile(r"^[^\S\n]*####[ \t]*(?=\S)", re.M)
_SHORT_ANSWER_LINE = re.compile(r"^[^\S\n]*A:\s*(?=\S)", re.M)
_MATH_OPENS = re.compile(r"\$\$?|\\[(\[]")
_MATH_CLOSES = {"$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]"}
# Without a bound on the groups of digits, a long list is read to its end from each of its numbers.
_DIGITS = (
    r"(?:\d{1,3}(?:(?:,|\\,|\{,\})\d{3}){1,100}(?![\d,])|\d+,\d{1,2}(?![\d,])|\d+)(?:\.\d+)?|\.\d+"
)
_NUMBER = re.compile(
    rf"(?:(?<![\w)}}])[-+\u2212])?(?:\\[dt]?frac\{{[^{{}}]{{1,20}}\}}\{{[^{{}}]{{1,20}}\}}"
    rf"|(?:{_DIGITS})(?:[eE][-+]?\d+)?(?:\s?/\s?\d+)?(?:\s?\\?%)?)"
)
_MONEY = re.compile(rf"[$€£]\s?(?:{_DIGITS})|(?:{_DIGITS})\s?[$€£]")
_TRUTH = re.compile(r"(?<!not )\b(?:true|false|yes|no(?!\s+[a-z]))\b", re.I)
_OPTION = re.compile(r"\A\([a-eA-E]\)\s+(?=[\d\\$-])")
_PROSE = re.compile(r"[^\W\d_]{3,}|[\u4e00-\u9fff]")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$|[*_\"')\]]*(?:\s|$))|。")
_SPECIAL_TOKEN = re.compile(r"<\|[a-z_]+\|>.*|</?s>|\[/?(?:END|INST)\]", re.S)


def extract(text: str, *, answer_type: AnswerType = AnswerType.AUTO, gold: str = "") -> Extraction:
    """Find the answer in a response.

    Args:
        text: The response, without its thought.
        answer_type: The declared type; ``auto`` infers it from ``gold``.
        gold: The reference answer, used for its type and its number of parts only.

    Returns:
        The answer and the rule that found it; an empty answer with rule ``none`` if nothing did.
    """
    text = text[-MAX_RESPONSE:]
    if "<|" in text or "s>" in text or "END]" in text or "INST]" in text:
        text = _SPECIAL_TOKEN.sub("", text)
    text = text.rstrip()
    if not text:
        return _NOTHING
    if answer_type is AnswerType.AUTO:
        answer_type = infer_type(gold)
    if answer_type is AnswerType.CHOICE:
        return _extract_choice(text)
    if answer_type is AnswerType.BOOLEAN:
        return _extract_boolean(text)
    numeric = answer_type in (AnswerType.INTEGER, AnswerType.NUMBER)
    found = _extract_explicit(text, parts=list_length(gold), numeric=numeric)
    if found.answer:
        return found
    return _extract_implicit(text, numeric=numeric)


def _extract_explicit(text: str, *, parts: int, numeric: bool) -> Extraction:
    """Apply the rules by which a response itself marks its answer."""
    tagged = _last_tag(text)
    if tagged:
        inner = _boxes(tagged)
        return Extraction(clean(inner[-1][2] if inner else tagged), "answer_tag")
    boxes = _boxes(text)
    if parts > 1 and boxes:
        joined = _adjacent_boxes(text, _boxes(text, parts + 1), parts)
        if joined:
            return Extraction(joined, "boxes")
    if boxes and boxes[-1][2].strip():
        _, end, content = boxes[-1]
        # "... = \\boxed{255}. ... Final Answer: The final answer is $10,455$."
        later = _phrase(text[end:]) if _FINAL_ANSWER.search(text, end) else _NOTHING
        return later if later.answer and later.complete else Extraction(clean(content), "boxed")
    found = _phrase(text)
    if numeric and _in_prose(found.answer):
        money = _MONEY.findall(found.answer)
        sentence = str(money[0]) if len(money) == 1 else found.answer
        return replace(found, answer=_number_in(sentence))
    return found


def _extract_implicit(text: str, *, numeric: bool) -> Extraction:
    """Apply the rules for responses that do not mark their answer."""
    last_line = text[text.rfind("\n") + 1 :].strip()
    short = "\n" not in text.strip() and len(text) <= _MAX_LINE
    spans = list(_math_spans(text[-_TAIL:]))
    words = _PROSE.search(_COMMAND.sub("", last_line))
    if short and not words:
        return Extraction(clean(last_line), "last_line", complete=False)
    if numeric:
        number = _number_in(last_line) or _number_in(text[-_TAIL:])
        return Extraction(number, "last_number", complete=False) if number else _NOTHING
    if spans:
        return Extraction(clean(spans[-1][2]), "last_math", complete=False)
    if len(last_line) <= _MAX_LINE:
        return Extraction(clean(last_line), "last_line", complete=False)
    return _NOTHING


def _extract_boolean(text: str) -> Extraction:
    """Find a yes or no: the one marked as the answer, else the one in the last sentence."""
    found = _extract_explicit(text, parts=1, numeric=False)
    words = _TRUTH.findall(found.answer)
    if words:
        return replace(found, answer=words[0])
    last_line = text[text.rfind("\n") + 1 :][-_MAX_LINE:]
    sentences = [part for part in _SENTENCE_END.split(last_line) if part.strip()]
    words = _TRUTH.findall(sentences[-1]) if sentences else []
    return Extraction(words[-1], "last_word", complete=False) if words else found


def _math_spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the formulas between two delimiters, as (start, end, content)."""
    unclosed: set[str] = set()
    at = 0
    while opening := _MATH_OPENS.search(text, at):
        right = _MATH_CLOSES[opening[0]]
        end = -1 if right in unclosed else text.find(right, opening.end() + 1)
        if end < 0:
            unclosed.add(right)
            at = opening.start() + 1
        else:
            yield opening.start(), end + len(right), text[opening.end() : end]
            at = end + len(right)


def _in_prose(answer: str) -> bool:
    """Say whether words stand before the first number ("She has 5 left")."""
    number = _NUMBER.search(answer)
    before = answer[: number.start()] if number else ""
    return bool(_PROSE.search(_COMMAND.sub("", before)))


def _number_in(text: str) -> str:
    """Return the last number of a text."""
    found = ""
    for match in _NUMBER.finditer(text):
        found = match.group()
    return found.strip()


def _last_tag(text: str) -> str:
    """Return what the last complete pair of answer tags encloses."""
    end = text.rfind("</answer>")
    if end < 0:
        return ""
    start = text.rfind("<answer>", 0, end)
    return text[start + len("<answer>") : end].strip() if start >= 0 else ""


def _boxes(text: str, most: int = 1) -> list[tuple[int, int, str]]:
    """List the last complete boxes of a text, first to last, as (start, end, content)."""
    found: list[tuple[int, int, str]] = []
    if "boxed" not in text and "fbox" not in text:
        return found
    end = len(text)
    for _ in range(_MAX_BOX_TRIES):
        start = max(text.rfind("\\boxed", 0, end), text.rfind("\\fbox", 0, end))
        if start < 0 or len(found) == most:
            break
        box = _box_at(text, start)
        if box is not None:
            found.append(box)
        end = start
    return found[::-1]


def _box_at(text: str, start: int) -> tuple[int, int, str] | None:
    """Read the box that begins at a place."""
    command = _BOX.match(text, start)
    if command is None:
        return None
    if text[command.end() : command.end() + 1] == "{":
        end = balanced(text, command.end())
        return (start, end, text[command.end() + 1 : end - 1]) if end > 0 else None
    # "\\boxed 5$": TeX would take one token; people mean everything up to the end of maths.
    bare = _BARE.match(text, command.end())
    return (start, bare.end(), bare.group()) if bare else None


def _adjacent_boxes(text: str, boxes: list[tuple[int, int, str]], parts: int) -> str:
    """Join boxes of one closing sentence, for a gold answer that has that many parts."""
    run: list[str] = []
    following: int | None = None
    for start, end, content in reversed(boxes):
        if following is not None and (
            end > following or following - end > 80 or "\n" in text[end:following].strip("\n")
        ):
            break
        run.append(content)
        following = start
    if len(run) != parts:
        return ""
    return ", ".join(clean(part) for part in reversed(run))


def _phrase(text: str) -> Extraction:
    """Read what follows the last "the answer is", "Answer:", "####" or "A:"."""
    last: re.Match[str] | None = None
    for pattern in (_PHRASE, _ANSWER_MATH, _HASHES, _SHORT_ANSWER_LINE):
        for match in pattern.finditer(text):
            # "The answer is correct" praises an answer and is none.
            if _COMMENT.match(text, match.end()):
                continue
            if last is None or match.end() > last.end():
                last = match
    if last is None:
        return _NOTHING
    rest = text[last.end() :].lstrip(" \t*_:")
    if rest.startswith("\n"):
        rest = rest.lstrip()
    if not rest:
        return _NOTHING
    start, span_end, content = next(_math_spans(rest), (-1, 0, ""))
    if start == 0:
        # Several formulas in one sentence ("$1$ and $2$") belong together.
        line_end = _line_end(rest, span_end)
        sentence = _SENTENCE_END.search(rest, span_end, line_end)
        end = sentence.start() if sentence else line_end
        several = any(_math_spans(rest[span_end:end]))
        return Extraction(clean(rest[:end] if several else content), "phrase")
    line_end = _line_end(rest, 0)
    sentence = _SENTENCE_END.search(rest, 0, line_end)
    end = sentence.start() if sentence else line_end
    complete = line_end < len(rest) or (sentence is not None and sentence.end() < len(rest))
    answer = clean(rest[:end])
    return Extraction(answer, "phrase", complete) if answer else _NOTHING


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


#: What an answer that has something to take off ends on.
_CLOSERS = "$)]*.。:;,"
_MARKS = ".。:;,"


def clean(answer: str) -> str:
    """Take off what surrounds an answer without belonging to it."""
    answer = _OPTION.sub("", answer.strip())
    previous = None
    while previous != answer:
        previous = answer
        if answer[-1:] not in _CLOSERS:
            break
        for left, right in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**")):
            if (
                answer.startswith(left)
                and answer.endswith(right)
                and len(answer) >= len(left) + len(right)
                and left not in answer[len(left) : -len(right)]
            ):
                answer = answer[len(left) : -len(right)].strip()
        end = len(answer)
        while end and answer[end - 1] in _MARKS and not answer.endswith("...", 0, end):
            end -= 1
            while end and answer[end - 1].isspace():
                end -= 1
        answer = answer[:end]
    return answer


# Spaces are taken possessively where nothing behind them could begin with one: several optional
# runs in a row would otherwise be tried in every division.
_LETTER = r"\(?\s*+(?:\\(?:text|mathrm|mathbf|textbf)\s*+\{\s*+)?\(?([A-J])\)?\s*(?:\}\s*\)?|\))?"
_CHOICE_BOX = re.compile(rf"\s*+(?:(?:option|choice)\s++)?{_LETTER}\s*+(?:$|[.:,)]|\\|-)", re.I)
_CHOICE_LEAD = r"\s*+(?:(?:option|choice)\s*+:?\s*+)?[*$\"'`]*+\s*+"
_CHOICE_AFTER = re.compile(rf"{_CHOICE_LEAD}{_LETTER}(?![a-zA-Z])(?!(?<=A)\s+[a-z]+\b)")
_CHOICE_AFTER_OPEN = re.compile(rf"{_CHOICE_LEAD}\(([A-Ja-j])\)")
_CHOICE_NAMED = re.compile(r"\b(?:option|choice|select|choose)\s*+:?\s*+\**+\(?([A-J])\b\)?")
_SPACES = re.compile(r"\s{2,}")
_CHOICE_PARENTHESES = re.compile(r"\(([A-J])\)")
_CHOICE_ALONE = re.compile(r"(?<![A-Za-z'])([A-HJ])(?![A-Za-z'])(?!(?<=A)\s+[a-z])")
_CHOICE_FIRST = re.compile(r"\s*\(?([A-J])(?:[.):,。]|[\u3000-\u9fff]|\s*\Z)")


def choice_letter(answer: str) -> str:
    """Read the letter of a bare multiple-choice answer such as ``(B)`` or ``B. Monday``."""
    match = _CHOICE_BOX.match(_SPACES.sub(" ", clean(answer)))
    return match.group(1).upper() if match else ""


def _extract_choice(text: str) -> Extraction:
    """Find a choice letter, never taking the article "a" for one."""
    tagged = _last_tag(text)
    boxes = _boxes(tagged or text)
    if tagged or boxes:
        content = boxes[-1][2] if boxes else tagged
        letter = choice_letter(content)
        return Extraction(letter or clean(content), "answer_tag" if tagged else "boxed")
    for phrase in reversed(list(_PHRASE.finditer(text[-_TAIL:]))):
        rest = text[-_TAIL:][phrase.end() : phrase.end() + 200]
        match = (
            _CHOICE_AFTER.match(rest)
            or _CHOICE_AFTER_OPEN.match(rest)
            or _CHOICE_ALONE.search(rest.partition("\n")[0])
        )
        if match:
            complete = match.end() < len(rest) or rest[: match.end()].endswith(")")
            return Extraction(match.group(1).upper(), "phrase", complete)
    first = _CHOICE_FIRST.match(text)
    if first and "\n" not in text.strip():
        return Extraction(first.group(1), "last_line", complete=False)
    last_line = text[text.rfind("\n") + 1 :]
    for pattern, where in (
        (_CHOICE_NAMED, text[-_TAIL:]),
        (_CHOICE_PARENTHESES, last_line),
        (_CHOICE_ALONE, last_line),
        (_CHOICE_PARENTHESES, text[-_TAIL:]),
    ):
        letters = pattern.findall(where)
        if letters:
            return Extraction(letters[-1].upper(), "choice", complete=False)
    letter = choice_letter(last_line)
    return Extraction(letter, "last_line", complete=False) if letter else _NOTHING

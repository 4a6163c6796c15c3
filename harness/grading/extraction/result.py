"""The result type of extraction, and the removal of delimiters, Markdown and punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


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


NOTHING = Extraction("", "none", complete=False)

#: Rules that mark an answer as final and complete; only these count in a truncated response.
EXPLICIT_RULES = frozenset({"answer_tag", "boxed", "boxes", "phrase"})

#: A response is searched from its end; nothing further back than this is looked at.
MAX_RESPONSE = 200_000
#: Numbers, formulas and letters are looked for this far from the end.
TAIL = 4000

SENTENCE_END = re.compile(
    r"(?<!\bi\.e)(?<!\be\.g)(?<!\bapprox)(?<!\bca)(?:[.?](?=\s|$|[*_\"')\]]{1,4}(?:\s|$))|!(?=\s|$|[*_\"']{1,4}(?:\s|$))|。)"
)
COMMAND = re.compile(r"\\[a-zA-Z]{1,30}")
PROSE = re.compile(r"[^\W\d_]{3}|[\u4e00-\u9fff]")
_MATH_OPENS = re.compile(r"(?<!\\)\$\$?|\\[(\[]")
_MATH_CLOSES = {
    "$$": re.compile(r"\$\$"),
    "$": re.compile(r"(?<!\\)\$"),
    "\\(": re.compile(r"\\\)"),
    "\\[": re.compile(r"\\\]"),
}
_MONEY_START = re.compile(r"\d[\d,.]{0,20}[^\w$]")
_BLANK_LINE = re.compile(r"\n[ \t]{0,20}\n")


def math_spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the formulas between two delimiters, as (start, end, content).

    Two dollar signs of two sums of money ("$5 and $6 more") are no delimiters.
    """
    unclosed: set[str] = set()
    at = 0
    while opening := _MATH_OPENS.search(text, at):
        left = opening[0]
        closing = None if left in unclosed else _MATH_CLOSES[left].search(text, opening.end() + 1)
        if closing is None:
            unclosed.add(left)
            at = opening.start() + 1
            continue
        end = closing.start()
        content = text[opening.end() : end]
        if left == "$" and _is_money(content[:TAIL]):
            at = opening.end()
            continue
        yield opening.start(), closing.end(), content
        at = closing.end()


def _is_money(content: str) -> bool:
    """Say whether what stands between two dollar signs is the text between two sums of money."""
    if not _MONEY_START.match(content):
        return False
    plain = COMMAND.sub("", content)
    return bool(_BLANK_LINE.search(plain)) or len(_WORDS.findall(plain)) > 1


_WORDS = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,30}(?![^\W\d_])(?!\})")


def is_prose(text: str) -> bool:
    """Say whether a text has words besides the commands of its formulas."""
    return bool(PROSE.search(COMMAND.sub("", text)))


_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|isn['\u2019]t|wasn['\u2019]t|never|can(?:['\u2019]t|\s?not)\s{1,3}be|instead\s{1,3}of|rather\s{1,3}than|unlike|doubt\s{1,3}(?:that\s{1,3})?(?:it|this)(?:['\u2019]s|\s{1,3}is))"
    r"|\u2260|\\neq?(?![a-z])|\\not\s?=|!=)\s{0,3}"
    r"(?:(?:equal(?:\s{1,3}to)?|be|just|simply|exactly|the|definitely|clearly)\s{1,3}){0,2}"
    r"[\s$*:({]{0,6}(?:\\[(\[])?\s{0,4}\Z",
    re.I,
)
#: One of these stands in every denial; a search for them is cheap.
_DENIALS = (
    "not",
    "n't",
    "n\u2019t",
    "never",
    "ins",
    "rather",
    "unli",
    "doubt",
    "\u2260",
    "\\ne",
    "!=",
)
_DENIED_AFTER = re.compile(
    r"[\s$*.})\]\"'\\]{0,12}+(?:is|was|are|would\s{1,3}be|can(?:['\u2019]t|not)\s{1,3}be)(?:\s{1,3}(?:both|all))?"
    r"(?:n['\u2019]t|\s(?:(?:clearly|obviously|also|definitely|simply)\s)?"
    r"(?:not|wrong|incorrect|false|impossible|too\s(?:big|small|large|low|high)))\b",
    re.I,
)


def is_denied(text: str, start: int, end: int) -> bool:
    r"""Say whether a text denies what stands at a place ("not 5", "\ne 5", "5 is wrong")."""
    near = text[max(0, start - 40) : start].lower()
    for key in _DENIALS:
        if key in near:
            if _DENIED_BEFORE.search(text, max(0, start - 40), start):
                return True
            break
    return bool(_DENIED_AFTER.match(text, end))


_OPTION = re.compile(
    r"\A(?:\([a-eA-E]\)|\\(?:text|textbf|mathrm|mathbf)\{\([a-eA-E]\)[ ~]?\})(?:\s|~|\\[ ,;])+"
    r"(?=[\d\\$-])"
)
_LATER_OPTION = re.compile(r"\s\(?[a-eA-E]\)")
_EMPHASIS = re.compile(
    r"(?<![\w)}*])(\*{2,3}|_{2})(?=[^\s*_])([^*\n]{1,300}?)(?<=[^\s*_])\1(?![\w({*])"
)
_ITALIC = re.compile(r"\A\*([^*\n]{1,300})\*(?![*\w(])")
_LEADING = re.compile(
    r"(?:[#\u2705\u2611\u2714\U0001f3af]\ufe0f?|[-\u2022](?= [^\s\d.\\$])|\*\*|__|`{1,3})[ \t]{0,8}"
)
#: What closes an emphasis that began before the answer ("**Answer: 73** apples").
_CLOSING = re.compile(r"(?<=[^\s*_`])(?:\*\*|__|`{1,3}|#{1,6})(?=[\s.,;:!?)]|\Z)|(?<=\d)\*\Z")
_WRAPPERS = (
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("**", "**"),
    ("__", "__"),
    ("*", "*"),
    ("```", "```"),
    ("`", "`"),
    ('"', '"'),
    ("\u201c", "\u201d"),
)
#: What an answer that has something to take off ends on.
_CLOSERS = '$)]*_`"\u201d.。:;,'
_MARKS = ".。:;,"


def clean(answer: str) -> str:
    """Take off what surrounds an answer without belonging to it."""
    answer = answer.strip()
    if _OPTION.match(answer) and not _LATER_OPTION.search(answer, 3):
        # "(a) 3 (b) 4" are two answers, "(a) 3" is one.
        answer = _OPTION.sub("", answer)
    previous = None
    while previous != answer:
        previous = answer
        if answer[-1:] not in _CLOSERS:
            break
        for left, right in _WRAPPERS:
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


def without_markdown(text: str) -> str:
    """Take the emphasis of Markdown out of a sentence; ``**`` between two factors stays."""
    text = _EMPHASIS.sub(r"\2", _ITALIC.sub(r"\1", text.strip()))
    while (marks := _LEADING.match(text)) and marks.end() < len(text):
        text = text[marks.end() :]
    return _CLOSING.sub("", text).rstrip("# \t\n")

"""The boxes of a response: which are answers, and which of them belong together."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.grading.extraction.context import changed_before, changed_behind
from harness.grading.extraction.result import NOTHING, SENTENCE_END, Extraction, clean, is_denied
from harness.grading.parsing.normalize import MAX_DEPTH, MAX_LENGTH, normalise, rational

#: No more than the last boxes are read: a response that loops may have thousands.
_MOST = 20
#: Boxes further apart than this do not stand in one sentence.
_APART = 80

_BOX = re.compile(
    r"(?:\\(?:boxed|fbox|framebox)(?![a-zA-Z])|\\bbox\[[^\[\]\n]{0,60}\](?=\{)"
    r"|(?<![a-zA-Z\\])boxed(?=\{))[ \t]{0,20}(?:\[[^\[\]\n]{0,20}\][ \t]{0,4}(?=[\[{])){0,2}"
)
#: "\\boxed 5$": TeX would take one token; people mean everything up to the end of maths.
_BARE = re.compile(r"(?=[^\s$]{0,99}[\d\\]|[A-Za-z]\$)[^\s$.,;]{1,100}(?:\.\d{1,100})?")
_BRACE = re.compile(r"\\[\\{}]|[{}]")
#: What stands in a box that the task asks for, not in one that is an answer.
_PLACEHOLDER = re.compile(
    r"[\[<(]?(?:insert|put|write|place)?\s?(?:the|your|my|a)?\s?(?:final|correct)?\s?"
    r"(?:(?:numerical|numeric)?\s?answers?|result|solution)\s?(?:goes)?\s?(?:here)?[\]>)]?"
    r"|[\s._?\u2026\u25a1]{0,20}|\\[lc]?dots|\\square|\\Box",
    re.I,
)
_LABEL = re.compile(
    r"\A(\\(?:text|mathrm|textbf|mathbf)\{)?\s{0,4}(?:the\s)?(?:final\s|correct\s)?answer\s?(?:is|[:=])"
    r"\s{0,4}(\})?",
    re.I,
)
_APPROXIMATELY = re.compile(r"\\approx|\\simeq|\u2248|\b(?:approximately|roughly|about)\b", re.I)
_JOINT = re.compile(r"[,;&]|\\\\|\\q?quad|\b(?:and|or)\b", re.I)
_CLAIM = re.compile(r"[;&/]|\b(?:and|or)\b", re.I)
_NEW_LABEL = re.compile(
    r"\n\s{0,4}(?:[-*\u2022]\s|(?:\*\*)?\(?[a-z0-9]{1,3}[).:]|\$?[a-z]\w{0,9}\s?=)", re.I
)
_GAP_WORD = re.compile(r"[^\W\d_]{2,}")
_GAP_WORDS = frozenset(
    ("and", "or", "for", "part", "parts", "the", "is", "are", "other", "roots", "root", "with")
    + ("case", "when", "respectively", "text", "textbf", "mathrm", "mbox", "quad", "qquad", "left")
    + ("right", "big", "bigl", "bigr", "if", "as", "well", "both", "also", "either", "at", "where")
)
#: Words between two boxes by which the second replaces the first or follows from it.
_CORRECTIONS = frozenset(
    ("then", "not", "but", "instead", "so", "hence", "thus", "therefore", "wait", "actually")
    + ("reflection", "however", "rather", "corrected", "because", "since", "which", "gives")
    + ("approx", "implies", "rightarrow", "longrightarrow", "maybe", "perhaps", "possibly", "step")
    + ("rejecting", "reject", "rejected", "discard", "discarding", "extraneous", "plus", "minus")
)

_OPERATOR = (
    r"(?:[\u2264\u2265\u2260\u00b1\u00d7\u00f7\u221a]"
    r"|\\(?:times|cdot|div|pm|mp|leq?|geq?|neq?|lt|gt|pi|bmod)(?![a-zA-Z]))"
)
#: What stands before a box and makes it a part of a formula.
_BEFORE = re.compile(
    rf"(?:(?<![\w\s)*])[-\u2212+]|(?<![\w\s])\s[-\u2212+](?=\Z)"
    r"|(?:[\d})=(\]$]|(?<![a-zA-Z])[a-zA-Z])\s?[-\u2212+]\s?\$?|\\\(\s?[-\u2212+]\s?|[\w})$]\s?[<>/^]\s?|\d\s?\*\s?|(?<![\w.])\d{1,9}|\d\.\d{1,9}"
    rf"|(?<![\w\\)])[a-zA-Z]|[\^_]\{{\s?|{_OPERATOR}\s?|\\(?:log|ln|exp|sin|cos|tan)(?:_\{{?\w{{1,3}}\}}?)?\s?|\\sqrt\s?(?:\[\d{{1,3}}\])?|\\sqrt(?:\[\d{{1,3}}\])?\{{\s?"
    r"|\\[dt]?(?:frac|binom)\{(?:[^{}\n]{0,40}\}\{)?\s?|\\[dt]?frac\{[^{}\n]{1,40}\}\{[^{}\n]{1,40}\}\s?)\Z"
)
_OPENS = re.compile(r"(?:\\left)?(?<!\\)\(\s?\Z")
_CLOSES = re.compile(r"\s?(?:\\right)?\)")
_TAG = re.compile(r"</?[a-z]{1,9}[0-9]?>[\s$]{0,4}\Z", re.I)
#: What stands behind a box and makes it a part of a formula.
_BEHIND = re.compile(
    rf"\^(?!\{{?\s?(?:\\circ|\u00b0|(?:\\[a-z]{{4,6}}\{{)?(?:st|nd|rd|th)\}}))|_(?=[\d{{])|\.\d|\d|\{{,\}}\d|,\d{{3}}(?!\d)|\s?{_OPERATOR}"
    r"|\s?\\(?:sqrt|[dt]?frac|left|ln|log|sin|cos|tan|theta|alpha|beta|omega|lambda)(?![a-zA-Z])"
    r"|\s?/\s?(?=[\d\\(a-z{])|\s?\*\s?(?=\d)|\s[<>]\s|[<>:](?=\d)|\s?\$?\s?\+\s?\$?(?=[\d\\(a-zA-Z])"
    r"|\s?[-\u2212]\s?(?=\d|\\(?!text|quad|qquad)[a-z]|[a-z](?![a-z'])\s?[$^)+*/\\])"
    r"|(?![mgshNJWVALCKF])[a-zA-Z](?![a-zA-Z])|!(?=\s?(?:[$=*/+^]|\\[)\]]))"
)
_PERCENT = re.compile(r"(?:\s|\\,|\\ )?\\?%")
#: Where the formula around a box begins and ends.
_FORMULA_BEGINS = re.compile(
    r"\$|\\[(\[]|[\n=:;]|[,.]\s|(?<![\\a-zA-Z])[a-zA-Z]{2,40}[^\w\\]"
    r"|\\(?:implies|Rightarrow|q?quad|therefore|approx|to|left\.)(?![a-zA-Z])"
)
_FORMULA_ENDS = re.compile(
    r"\$|\\[)\]]|[\n=;]|[,.](?:\s|\Z)|\s[a-zA-Z]{2}"
    r"|\\(?:implies|Rightarrow|q?quad|approx|to|text|tag|end)(?![a-zA-Z])|\Z"
)
_REACH = 80
_SUM_OF = re.compile(
    r"\b(?:sum|product|difference|ratio|quotient|mean|average)\s{1,3}of\s{1,3}\$?\s?\Z", re.I
)


class Box(NamedTuple):
    """A box in a text."""

    start: int
    end: int
    content: str


def answer_boxes(text: str) -> list[Box]:
    """List the last boxes of a text that hold an answer, first to last.

    Boxes that never close, are empty, hold only an instruction, stand within another box or are
    said to be wrong are left out.
    """
    found: list[Box] = []
    for opening in _openings(text):
        if found and opening.start() < found[-1].end:
            continue
        box = _read(text, opening)
        if box and _holds_something(box):
            found.append(box)
    return [box for box in found if not is_denied(text, box.start, box.end)]


def is_unclosed(text: str) -> bool:
    """Say whether the last box of a text never closes."""
    openings = _openings(text)
    last = openings[-1] if openings else None
    return last is not None and text[last.end() : last.end() + 1] == "{" and not _read(text, last)


def last_box_end(text: str) -> int:
    """Return where the last box that holds something ends; 0 where there is none."""
    for opening in reversed(_openings(text)):
        box = _read(text, opening)
        if box and _holds_something(box):
            return box.end
    return 0


def _openings(text: str) -> list[re.Match[str]]:
    """List where the last boxes of a text begin, first to last."""
    found: list[re.Match[str]] = []
    at = len(text)
    while len(found) < _MOST and (at := text.rfind("box", 0, at)) >= 0:
        for before in ("\\", "\\f", "\\b", "\\frame", ""):
            start = at - len(before)
            if start >= 0 and text.startswith(before, start) and text[start] in "\\b":
                opening = _BOX.match(text, start)
                if opening:
                    found.append(opening)
                    break
    return found[::-1]


def _read(text: str, opening: re.Match[str]) -> Box | None:
    start, end = opening.span()
    if text[end : end + 1] != "{":
        bare = _BARE.match(text, end)
        return Box(start, bare.end(), bare[0]) if bare else None
    close = text.find("}", end, end + MAX_LENGTH)
    plain = text[end + 1 : close] if close >= 0 else "{"
    if "{" not in plain and not plain.endswith("\\"):
        return Box(start, close + 1, plain)
    depth = 0
    for brace in _BRACE.finditer(text, end, end + MAX_LENGTH):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return Box(start, brace.end(), text[end + 1 : brace.start()])
        if depth > MAX_DEPTH:
            break
    return None


_DRESS = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)(?![a-zA-Z])|(?<!\\)[{}]|\\?_")


def _bare(content: str) -> str:
    return " ".join(_DRESS.sub(" ", content[:200]).split()) if content.strip() else ""


def _holds_something(box: Box) -> bool:
    return box.content.isdigit() or not _PLACEHOLDER.fullmatch(_bare(box.content))


def content_of(box: Box) -> str:
    """Return the answer in a box, without a box within it or the label "Answer:"."""
    content = box.content.strip()
    if content.isdigit():
        return content
    while (inner := _BOX.match(content)) and (whole := _read(content, inner)):
        if whole.end < len(content):
            break
        content = whole.content.strip()
    label = _LABEL.match(content)
    if label and label.end() < len(content):
        # "\\text{Answer: 5}" opens a brace that closes at the end, "\\text{Answer: }5" does not.
        wrapped = label[1] and not label[2] and content.endswith("}")
        content = content[label.end() : -1] if wrapped else content[label.end() :]
    return clean(content)


def boxed(text: str, boxes: list[Box], parts: int) -> Extraction:
    """Read the answer in the last box, or in the last boxes where one sentence joins them.

    Args:
        text: What the boxes stand in.
        boxes: As ``answer_boxes`` lists them.
        parts: How many parts the reference answer has.
    """
    if not boxes:
        return NOTHING
    # In "\\boxed{\\sqrt2} \\approx \\boxed{1.414}" the exact value counts.
    while len(boxes) > 1 and _approximates(text, boxes[-2], boxes[-1]):
        boxes = boxes[:-1]
    run = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        if not _joined(text[box.end : run[-1].start], several=parts > 1):
            break
        run.append(box)
    if len(run) == 1 and (whole := _with_surroundings(text, run[0])) is not None:
        return Extraction(whole, "boxed") if whole else NOTHING
    if len(run) > 1 and _SUM_OF.search(text, max(0, run[-1].start - 40), run[-1].start):
        return NOTHING
    contents = [content_of(box) for box in reversed(run)]
    if len(contents) > 1 and (parts > 1 or not _all_same(contents)):
        return Extraction(", ".join(contents), "boxes")
    return Extraction(contents[-1], "boxed") if contents[-1] else NOTHING


def _with_surroundings(text: str, box: Box) -> str | None:
    r"""Return a box with what belongs to it: "-\boxed{5}", "\boxed{5}^2", "at least \boxed{5}".

    Returns:
        The whole formula or wording; empty where it is ambiguous; None for a box by itself.
    """
    before, behind = changed_before(text, box.start), changed_behind(text, box.end)
    if before in ("negative", "minus") and not behind:
        return f"-({content_of(box)})"
    if before or behind:
        return f"{before} {content_of(box)} {behind}".strip()
    first = max(0, box.start - _REACH)
    start, end = box.start, box.end
    opens, closes = _OPENS.search(text, max(0, start - 8), start), _CLOSES.match(text, end)
    if opens and closes:
        start, end = opens.start(), closes.end()
    left, right = _glued_before(text, start), _BEHIND.match(text, end)
    if not left and right is None:
        percent = box.content[-1:].isdigit() and _PERCENT.match(text, box.end)
        return f"{content_of(box)}\\%" if percent else None
    content = content_of(box)
    begins = [match.end() for match in _FORMULA_BEGINS.finditer(text, first, box.start)]
    ends = _FORMULA_ENDS.search(text, box.end, box.end + _REACH)
    head = text[begins[-1] if begins else first : box.start].strip()
    tail = text[box.end : ends.start() if ends else box.end + _REACH].strip()
    if head[-1:].isdigit() and content[:1].isdigit():
        # "2\\boxed{5}" may be 10 or 25.
        return ""
    if (left and not head) or (right and not tail) or "box" in head + tail:
        return ""
    # Digits and the base of a number go on in "\\boxed{5}.3", "\\boxed{101}_2".
    goes_on = not head and tail[:1] in tuple("_.,{0123456789")
    return f"{head}{content}{tail}" if goes_on else f"{head}({content}){tail}"


def _glued_before(text: str, at: int) -> bool:
    """Say whether what stands before a box makes it a part of a formula."""
    near = text[max(0, at - 60) : at]
    last = near.rstrip(" $")[-1:]
    if not last or last in "=\n:,.;([" or (last == ">" and _TAG.search(near)):
        return False
    if last.isalpha() and "\\" not in near and near[-1] in " $":
        # A word stands before the box.
        return False
    reach = 60 if last in "{}" else 16
    return bool(_BEFORE.search(text, max(0, at - reach), at))


def _approximates(text: str, exact: Box, other: Box) -> bool:
    between = text[exact.end : other.start]
    if len(between) > _APART or "\n\n" in between or SENTENCE_END.search(between):
        return False
    if _APPROXIMATELY.match(other.content.strip()):
        return True
    return bool(_APPROXIMATELY.search(between)) and not _CLAIM.search(between)


def _joined(between: str, *, several: bool) -> bool:
    """Say whether two boxes with this between them are parts of one answer.

    Args:
        between: The text between the two.
        several: The reference answer has several parts: boxes on labelled lines of their own
            are parts then, and any words but those of a correction may stand between two.
    """
    if len(between) > _APART or SENTENCE_END.search(between.rstrip()):
        return False
    labelled = several and bool(_NEW_LABEL.search(between))
    if not labelled and ("\n" in between.strip() or not _JOINT.search(between)):
        return False
    words = {word.lower() for word in _GAP_WORD.findall(between)}
    return not words & _CORRECTIONS if several else words <= _GAP_WORDS


def _all_same(contents: list[str]) -> bool:
    first, *rest = (normalise(content) for content in contents)
    value = rational(first)
    return all(other == first or (value is not None and rational(other) == value) for other in rest)

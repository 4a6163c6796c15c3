"""Extract the option letter of a multiple-choice response (no pronoun, article or formula)."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.grading.extraction.answer_phrases import Mark, following, marks
from harness.grading.extraction.boxes import Box, answer_boxes, boxed, content_of
from harness.grading.extraction.letter_claims import (
    ENDS,
    RIGHT,
    STOP,
    WRONG,
    claimed_letters,
    is_chosen,
    is_conditional,
    is_hypothetical,
)
from harness.grading.extraction.result import NOTHING, SENTENCE_END, TAIL, Extraction, clean
from harness.grading.extraction.retractions import retractions

_SPACES = re.compile(r"\s{2,}")
_DRESS = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|bf|rm|boxed|mbox)(?![a-zA-Z])|[{}$]|\\[()\[\]]|\*\*|__|`"
    r"|</?(?:b|strong|i|em|u|code|span|p)>"
)
#: What decorates a line: a heading, a quotation, an item, a tick.
_DECORATION = re.compile(
    r"(?:(?:#{1,6}|[>*\u2022\u2705\u2611\u2713\u2714\U0001f3af\U0001f449-]\ufe0f?)[ \t]{1,3}){1,3}"
)
_SPACING = re.compile(r"\\(?:q?quad(?![a-zA-Z])|[ ,;:!])|~")
_NAMED = re.compile(
    r"[\s\"'\u201c(\[]{0,4}(?:(?:the\s)?(?:(?:final|correct|best|right)\s)?(?:answer|option|choice|selection|letter)s?"
    r"(?:\s(?:is|letter|[a-z]{0,8}\s?is))?\s?[:#]?\s{0,4}){0,3}",
    re.I,
)
#: A letter, bare or in brackets, at the place where an answer begins.
_LETTER = re.compile(
    r"[\s\"'\u201c*_]{0,4}(?P<open>[(\[]?)\s?(?P<letter>[A-Za-z])(?![^\W_]|['\u2019]\w)\s?(?P<close>[)\]]?)"
)
_OTHER = re.compile(
    r"[\s\"'\u201d.]{0,3}(?:[/,;&+|]|,?\s?\b(?:and|or|und|oder|et|ou)\b(?:/or)?)\s{0,2}(?:(?:option|choice)\s)?"
    r"[(\[\"'*]{0,2}((?-i:[B-HJ-Z]|[AI](?!\s(?!and\b|or\b|are\b|is\b|both\b)[a-z']))(?![\w'\u2019])"
    r"|(?-i:[a-z])(?=[)\]\"'*]{0,2}\s?(?:[.,;:/&!?]|\Z|\n|\s(?:and|or|are|both)\b)))[)\]\"'*]{0,2}",
    re.I,
)
_REASON = re.compile(
    r"\s(?:because|since|as|for|which|where|due|given|rather|not|non|and\s(?:not|i)|but|that|so|with|\(|is(?!\s(?:not|in)))",
    re.I,
)
_CHOSEN = re.compile(
    r"(?:(?<![^\W\d_])(?:options?|choices?|selected|select|choose|chose|chosen|pick(?:ed)?|go\s(?:with|for)|selection(?:\sis)?"
    r"|(?:final|correct|best|right)\s(?:option|choice)(?:\s(?:selected|is))?)(?![^\W\d_])|\u9009\u62e9?|\u9078)"
    r"(?:\s(?:option|choice|answer|letter|is|selected))?[*_]{0,3}\s{0,3}[:：]?[*_]{0,3}\s{0,4}(?=[(\[\"'*_$]{0,4}[A-Z](?![^\W_]))",
    re.I,
)
_IS_CORRECT = re.compile(
    r"(?<![^\W_])(?<!\band\s)(?<!\bor\s)(?<!,\s)(?<![(\['\u2019/&-])[(\[*\"]{0,4}([A-Z])[)\]*\"]{0,4}(?=\s(?:is|seems|must|would|looks)\s)"
)
_FIRST = re.compile(
    r"\s{0,20}[*\"(\[]{0,4}([A-HJ-Z]|I(?=[.)\]]))[)\]]{0,2}(?:[.):,。\uff0c\uff1a]|[\u4e00-\u9fff]|\s[-\u2013\u2014]\s)"
)
_NO_OPTION = re.compile(
    r"[\s\"'*_(]{0,6}(?:none|neither|no\s(?:option|choice|answer|correct|valid)|n/a|all\s(?:of|are)|cannot|can't|unknown|undetermined)\b",
    re.I,
)
_LISTING = re.compile(r"(?:options|choices)[*_\s]{0,4}[:\uff1a]", re.I)
_OPTION_HEADING = re.compile(
    r"(?:option|choice)s?[\s(*_]{1,4}(?P<letter>[A-Z])(?:[\s*_]{0,3}\([^()\n]{0,80}\))?[)*_\s]{0,3}[:.\u2014-]",
    re.I,
)
#: Another letter behind the first one, which is no better than it.
_OR_ELSE = re.compile(
    r"[\s\"'*_)\].,;!(\u2014-]{0,6}(?:(?:or\s)?(?:no|maybe|perhaps|possibly|probably|otherwise|else)\s|\?[\s*]{1,4}"
    r"|(?:[\u2192\u21d2]|[-=]{1,2}>|\\(?:to|(?:long)?rightarrow|Rightarrow))\s{0,3})(?:option\s)?[(\[\"'*]{0,3}[A-Z](?![\w'\u2019])"
    r"|[*_)\]]{0,4}\s{1,2}[(\[*_]{0,3}[B-HJ-Z][)\]*_.]{0,4}\s{0,3}\Z"
)
#: A letter that is a part of a name ("B cells").
_PART_OF_NAME = re.compile(r"[\s-](?:cells?|lymphocytes?|dimers?|coli|major|minor|sharp|flat)\b")
_STRUCK = re.compile(
    r"~~[^~\n]{1,100}~~|<(?P<tag>del|strike)>[^<\n]{1,100}</(?P=tag)>|\\(?:x?cancel|sout|st)\{[^{}\n]{1,60}\}"
)
_INLINE_LIST = re.compile(r"(?<![^\W_])A[.)]\s[^\n]{1,120}?[\s(]B[.)]\s(?=\S)")
#: "However, option C is better" names the letter within so many characters.
_AT_ONCE = 12
_LABEL = re.compile(r"[\s*_>#-]{0,6}(?:option\s|choice\s)?\(?([A-J])[).:]", re.I)
#: Something else is claimed beside the letter.
_ALTERNATIVE = re.compile(
    r"[\s\"'\u201d*_)\]]{0,4},?\s?\bor\s(?!(?:more|in)\b)|\s{0,2}\([A-Za-z]\)(?!\w)", re.I
)
_RETRACTION = re.compile(
    r"\b(?:wrong|mistaken|mistake|wait|actually|correction|rather|no|reflection|instead)\b", re.I
)
#: "The answer is a" was cut off before its noun.
_CUT_OFF = re.compile(r"[^\W\d_]\s[ai]\s{0,4}\Z")
_BARE_LETTER = re.compile(r"[*\"(\[_\s]{0,4}([A-Z])[*\")\]_.:\s]{0,4}")
#: "A:" where an answer begins and not an option.
_SPEAKER = re.compile(
    r"\AA:(?=\s{0,4}(?:let\b|we\b|i\b|to\s(?:find|solve|determine)|first\b|the\sanswer|so\b|sure|okay?\b|since\b|step\b))",
    re.I,
)


def choice_letter(answer: str) -> str:
    """Read the letter of a bare multiple-choice answer such as ``(B)`` or ``B. Monday``.

    Returns:
        The letter in upper case; empty where there is none, or more than one.
    """
    text = plain(answer)
    named = _NAMED.match(text)
    found = _letter(text, named.end() if named else 0, bare=True)
    return _after_retractions(found[0], text[found[1] :]) if found else ""


def _after_retractions(letter: str, after: str) -> str:
    """Return what is left of a claim when the text behind it has been read.

    Args:
        letter: The letter that was claimed.
        after: The text behind it.

    Returns:
        The letter, or the one that it was corrected to; empty where it was only taken back.
    """
    for instead, denies, contrasts in retractions(after):
        end = SENTENCE_END.search(instead)
        later = claimed_letters(instead[: end.end()] if end else instead)
        if len(later) == 1 and not (contrasts and later[0].start() > _AT_ONCE):
            letter = later[0][1]
        elif denies:
            letter = ""
    return letter


def plain(text: str) -> str:
    """Take fonts, formula delimiters and emphasis off."""
    text = _SPACING.sub(" ", text[:TAIL])
    return _SPACES.sub(" ", _DRESS.sub("", text)).strip()


def _letter(text: str, at: int, *, bare: bool) -> tuple[str, int] | None:
    """Read the one letter that stands at a place, and where it ends.

    Args:
        text: The text.
        at: The place.
        bare: The text is an answer, and not a sentence that goes on.

    Returns:
        ``None`` where no letter stands there; an empty letter where several are claimed.
    """
    match = _LETTER.match(text, at)
    if match is None:
        return None
    letter, end = match["letter"], match.end()
    closed = bool(match["close"])
    bracketed = bool(match["open"] and closed)
    if match["open"] and not closed:
        # "(A, B)", or a bracket that closes behind the option's text.
        closed = False
    end = end if closed else match.end("letter")
    others = {letter.upper()}
    while other := _OTHER.match(text, end):
        others.add(other[1].upper())
        end = other.end()
    if len(others) > 1 or _ALTERNATIVE.match(text, end) or _OR_ELSE.match(text, end):
        return "", end
    if closed and _GLUED.match(text, end):
        return "", end
    if is_conditional(text, end, bracketed=closed) or (
        not closed and _PART_OF_NAME.match(text, end)
    ):
        return None
    if end > match.end():
        return letter.upper(), end
    if WRONG.match(text, end):
        return None
    if ENDS.match(text, end) or RIGHT.match(text, end):
        return letter.upper(), end
    if letter.islower() and not bracketed and not closed:
        # "a dog" and "i think" are words; "c. Monday" and "b because" are choices.
        followed = STOP.match(text, end) or (letter not in "ai" and _REASON.match(text, end))
        return (letter.upper(), end) if followed and letter not in "ai" else None
    if bracketed:
        # "(A)" is a choice, "(A)B" and "(A)(B)" are formulas.
        return (letter, end) if text[end : end + 1] in " \n.,:;*_\"'!?-" else None
    if closed or STOP.match(text, end):
        pronoun = letter == "I" and not closed and text[end : end + 1] == ","
        return None if pronoun else (letter.upper(), end)
    if bare:
        return None
    follows = text[end : end + 2]
    if letter in "AI":
        return (
            (letter, end)
            if _REASON.match(text, end) and letter == "A" and not _article(text, end)
            else None
        )
    return (letter, end) if follows[:1] in " *_" and not _formula(text, end) else None


_GLUED = re.compile(r"[A-Z](?![\w'\u2019])")
_ARTICLE = re.compile(r"\s(?:for|with|as|so|that|non|not)\b", re.I)
_FORMULA = re.compile(r"\s?(?:[=+*/^<>(]|\\)")


def _article(text: str, end: int) -> bool:
    return bool(_ARTICLE.match(text, end))


def _formula(text: str, end: int) -> bool:
    return bool(_FORMULA.match(text, end))


def extract_choice(text: str, tagged: str) -> Extraction:
    """Find the letter that a response chooses.

    Args:
        text: The response.
        tagged: What its last pair of answer tags encloses, if there is one.
    """
    text, tagged = _STRUCK.sub(" ", text), _STRUCK.sub(" ", tagged)
    boxes = answer_boxes(tagged or text)
    if tagged:
        content = content_of(boxes[-1]) if boxes else clean(tagged)
        letter = choice_letter(content) or choice_letter(boxes[-1].content if boxes else tagged)
        return Extraction(letter or content, "answer_tag")
    explicit = _in_box(text, boxes)
    after = boxes[-1].end if boxes else -1
    tail = max(0, len(text) - TAIL)
    found = _marked(text, max(tail, after if explicit else tail))
    if found is not None:
        return found
    if explicit is not None:
        return _unless_taken_back(explicit, text[after : after + TAIL])
    if boxes and content_of(boxes[-1]):
        return Extraction(content_of(boxes[-1]), "boxed")
    return _weakly_marked(text) or NOTHING


def _unless_taken_back(found: Extraction, after: str) -> Extraction:
    """Return what was found, or what the text behind it says instead."""
    if len(found.answer) != 1:
        return found
    letter = _after_retractions(found.answer, plain(after))
    return replace(found, answer=letter) if letter else NOTHING


def _in_box(text: str, boxes: list[Box]) -> Extraction | None:
    """Read the last box that has a letter, or several."""
    joined = boxed(text, boxes, 1)
    if joined.rule == "boxes":
        return Extraction(" or ".join(joined.answer.split(", ")), "boxes")
    for box in reversed(boxes):
        content = content_of(box)
        if box is not boxes[-1] and _RETRACTION.search(text, box.end, boxes[-1].start):
            break
        if letter := choice_letter(content) or choice_letter(box.content):
            return Extraction(letter, "boxed")
        if _several(content):
            return Extraction(content, "boxed")
    return None


def _several(content: str) -> bool:
    found = _letter(plain(content), 0, bare=True)
    return found is not None and not found[0]


def _marked(text: str, since: int) -> Extraction | None:
    """Read the letter behind the last mark that has one."""
    for mark in _places(text, since):
        if is_hypothetical(text, mark):
            continue
        rest = following(text, mark)
        line = _plain_line(rest)
        named = _NAMED.match(line)
        start = named.end() if named else 0
        found = _letter(line, start, bare=False)
        if found and _CUT_OFF.search(text[mark.start : mark.end][-20:] + line[start:]):
            continue
        if found is None and mark.kind == "phrase":
            found = _in_sentence(line)
        if found and mark.kind == "chosen" and not is_chosen(line, found[1]):
            continue
        if found is None:
            if _NO_OPTION.match(line) and mark.kind != "chosen":
                return Extraction(line[:200].strip(), "phrase")
            before = max(0, mark.start - 40)
            if mark.kind != "chosen" and _RETRACTION.search(text, before, mark.start) and line:
                return Extraction(line[:200].strip(), "phrase")
            continue
        letter, end = found
        if not letter or _ALTERNATIVE.match(line, end):
            return Extraction(line[:200].strip(), "phrase")
        complete = end < len(line) or "\n" in rest or line[:end].endswith((")", "]"))
        after = line[end:] + "\n" + rest.lstrip().partition("\n")[2]
        return _unless_taken_back(Extraction(letter, "phrase", complete), after)
    return None


def _places(text: str, since: int) -> list[Mark]:
    """List what marks a choice, last one first."""
    found = [
        mark for mark in marks(text) if mark.end >= since and mark.kind not in ("after", "short")
    ]
    chosen = [match for match in _CHOSEN.finditer(text, since) if not _LISTING.match(match[0])]
    chosen = chosen[-20:]
    headings = {match.start(): _OPTION_HEADING.match(text, match.start()) for match in chosen}
    if len({heading["letter"] for heading in headings.values() if heading}) > 1:
        # "Option A: … Option B: …" goes through the options.
        chosen = [match for match in chosen if not headings[match.start()]]
    found += [Mark(match.start(), match.end(), "chosen") for match in chosen]
    for match in list(_IS_CORRECT.finditer(text, since))[-20:]:
        if RIGHT.match(text, match.end()) and not is_conditional(text, match.end()):
            found.append(Mark(match.start(), match.start(), "chosen"))
    return sorted(found, key=lambda mark: mark.end, reverse=True)


def _plain_line(rest: str) -> str:
    line = rest.lstrip()[:400]
    return plain(line.partition("\n")[0])


def _in_sentence(line: str) -> tuple[str, int] | None:
    """Read the only letter that a sentence claims ("for sure D")."""
    end = SENTENCE_END.search(line)
    kept = claimed_letters(line[: end.end()] if end else line)
    if len({match[1] for match in kept}) != 1:
        return None
    return kept[0][1], kept[0].end()


def _weakly_marked(text: str) -> Extraction | None:
    """Read the letter of a response that marks none: its last line, its first, the last named."""
    lines = _SPEAKER.sub("", text.strip()).strip().split("\n")
    if alone := _BARE_LETTER.fullmatch(lines[0]):
        first_line: str | None = alone[1]
    else:
        first_line = None
    last_line = lines[-1].strip()[-TAIL:]
    if decoration := _DECORATION.match(last_line):
        last_line = last_line[decoration.end() :]
    if _lists_options(lines):
        last_line = ""
    letter = "" if _CUT_OFF.search(last_line) else choice_letter(last_line)
    if letter or _several(last_line):
        if first_line and letter and letter != first_line and len(lines) == 2:
            return None
        return Extraction(letter or last_line, "choice", complete=False)
    after = "\n".join(lines[1:])[:TAIL]
    first = None if not last_line else _FIRST.match(lines[0])
    if first and WRONG.match(lines[0], first.end(1)):
        first = None
    if first and len(lines) == 1:
        return _unless_taken_back(
            Extraction(first[1], "choice", complete=False), lines[0][first.end() :]
        )
    if first_line:
        return _unless_taken_back(Extraction(first_line, "choice", complete=False), after)
    if found := _last_claimed(plain(last_line)):
        return found
    if first:
        after = lines[0][first.end() :] + "\n" + after
        return _unless_taken_back(Extraction(first[1], "choice", complete=False), after)
    return _last_claimed(plain(text[-TAIL:]), parenthesised=True) if last_line else None


def _lists_options(lines: list[str]) -> bool:
    """Say whether the last line is a list of options, or the last of one."""
    if _INLINE_LIST.search(lines[-1][-TAIL:]):
        return True
    last = _LABEL.match(lines[-1])
    before = next((line for line in reversed(lines[:-1]) if line.strip()), "")
    label = _LABEL.match(before)
    return bool(last and label and ord(label[1]) + 1 == ord(last[1]))


def _last_claimed(text: str, *, parenthesised: bool = False) -> Extraction | None:
    """Read the letter of the last sentence that claims one, or its letters."""
    at = len(text)
    # "2. D" is no sentence that ends before the letter.
    ends = (match for match in SENTENCE_END.finditer(text) if not text[match.start() - 1].isdigit())
    starts = [0, *(match.end() for match in ends)]
    for start in reversed(starts):
        sentence = text[start:at].strip()
        at = start
        kept = [
            match for match in claimed_letters(sentence) if not parenthesised or match[0][0] == "("
        ]
        if not kept:
            continue
        several = len({match[1] for match in kept}) > 1
        return Extraction(sentence[:200] if several else kept[-1][1], "choice", complete=False)
    return None

"""Decide from its context whether an option letter in a sentence is claimed as the answer."""

from __future__ import annotations

import re

from harness.grading.extraction.answer_phrases import Mark
from harness.grading.extraction.result import SENTENCE_END

ENDS = re.compile(r"[\s\"'\u201d*_.!?,;:)\]}\u2026\u2705]*+\Z")
STOP = re.compile(
    r"[\"'\u201d*_]{0,3}(?:[.,:;!?\u3002\uff0c\uff1a](?!\w)|\s?[-\u2013\u2014]{1,2}\s|\s?\n|\s?\\\\)"
)
RIGHT = re.compile(
    r"\s(?:is|seems|must\sbe|would\sbe|looks)(?:\sto\sbe)?\s(?:(?:clearly|definitely|also|the|our|my|indeed|most|likely|only|single)\s){0,4}"
    r"(?:final\s)?(?:correct|right|best|better|true|answer|choice|option|one|appropriate|accurate|likely)",
    re.I,
)
WRONG = re.compile(
    r"[\"'*_)\]]{0,3}\s(?:is|was|are|would\sbe|cannot\sbe|can't\sbe|seems|looks)(?:n't|\snot|\s(?:clearly|also|definitely))?"
    r"\s?(?:in(?:correct|valid|accurate|appropriate)|wrong|false|not\b|out\b|eliminated|ruled|unlikely|impossible|too\b)|[\"'*_)\]]{0,3}\s(?:isn't|is\snot|can't|cannot)\b"
    # "B: wrong", but "B. False" may be an option and its text.
    r"|[\"'*_)\]]{0,3}(?:\s?[:(]\s?|\s[-\u2013\u2014]{1,2}\s)[*_]{0,2}(?:incorrect|wrong|not\s(?:correct|right)|ruled\sout|eliminated)\b"
    r"|(?:[\"'*_)\]]{0,3},?\swhich|[^.\n]{0,80}\bbut\s(?:it|this|that))\s(?:is|was)\s(?:clearly\s)?(?:wrong|incorrect|false|not\b)",
    re.I,
)
_PARENTHESISED = re.compile(r"(?<![\w)\]}])\(([A-Z])\)(?![\w(\[])")
_ALONE = re.compile(
    r"(?<![^\W_])(?<!['\u2019\\(=^/+*-])([B-HJ]|A(?!\s(?!(?:and|or)\s\(?[A-Z]\b)[a-z']))(?![^\W_]|['\u2019(=^/+*]|-\w|\s?=)"
)
_NEGATED = re.compile(
    r"(?i:\b(?:not|neither|nor|never|isn't|can't\sbe|cannot\sbe|couldn't\sbe|rather\sthan|instead\sof|unlike|over|than|non)|n't|\\(?:neq?|neg|lnot|sim)(?![a-z])|\u2260|\u00ac|!=|\\not\s?="
    r"|\b(?:anything|everything|all|any|none)\sbut|\bexcept|\bother\sthan|\bbut\snot)\s{0,2}"
    r"(?i:(?:be|option|choice|choose|pick|select|either|the|answer|for|it|to)\s){0,4}[(\"'*]{0,2}[A-Z][)\"'*]{0,2}(?![^\W_])"
    r"(?:(?:,|,?\s(?:or|nor|and))\s[(\"'*]{0,2}[A-Z][)\"'*]{0,2}(?![^\W_])){0,9}"
)
#: What makes the claim of a letter depend on something.
_CONDITION = re.compile(
    r",?\s(?:(?:but|and|even|just)\s)?(?:only\s(?:if|when|for|in)|if(?!\s(?:[iI]|my|you|so)\b)|iff|unless|when|provided|assuming"
    r"|as\slong\sas|in\scase|depending|for(?=\s[a-z$\\]{1,2}\s?[<>=\u2264\u2265]))(?![\w'])"
)
_OTHERWISE = re.compile(r"\b(?:otherwise|else|if\snot)\b", re.I)
_HEDGED = re.compile(r"\s(?:seems|would|looks)\s", re.I)
_HEDGE = re.compile(r"\b(?:but|however|yet|though|if|unless|except|until)\b", re.I)
#: What a mark or a letter stands behind that is said of another option than the chosen one.
_DISOWNED = re.compile(
    r"\b(?:(?:wrong|incorrect|false|invalid|worst|bad|eliminate[ds]?|excluded?|reject(?:ed)?|discard(?:ed)?|distractors?|decoy|trap"
    r"|unlikely|runner-?up|next(?:\sbest)?|tempting|initial|naive|(?:student|user|pupil|key)(?:['\u2019]s)?"
    r"|your|his|her|their|says|said|answered)\s?"
    r"(?:(?:option|choice|answer|one|letter|guess|pick)s?\s?)?(?:(?:is|are|was|were)\s?)?"
    r"|(?:second|third|2nd|3rd|other|alternative)\s(?:best[\s:]{1,2})?(?:(?:choice|guess|thought|pick|answer|option)s?\s?(?:is|are|was|:)\s?)?"
    r"|first\s(?:guess|thought|impression)\s?(?:is|was|:)?)"
    r"[:\s(*\"'\[]{0,5}\Z",
    re.I,
)
#: What stands before a mark that is only supposed, denied, or another's.
_SUPPOSED = re.compile(
    r"(?:\b(?:if|suppose|supposing|assume|assuming|imagine|whether|unless|not|never|almost|nearly|avoid|unlike|(?:rule|ruled|ruling)\sout"
    r"|consider(?:ed|ing)?|compared?\s(?:with|to)|reject|eliminate|than|from|(?-i:Is)|(?:one|some|many|most|people|students?|others?|you|they|s?he)\s(?:(?:might|may|could|would|will|can|often)\s)?(?:think|say|argue|guess|believe|claim|expect))"
    r"|n['\u2019]t)\s(?:that\s)?(?:(?:the|an?|to|be)\s)?(?:(?:correct|right|final)\s)?(?:(?:option|choice|answer|statement)\s)?[(*\"']{0,3}\Z",
    re.I,
)
_SUPPOSES = re.compile(
    r"(?<![\w'\u2019])(?:if|suppose|supposing|assume|assuming|imagine|whether|avoid|unlike|rule[ds]?\sout|consider(?:ed|ing)?|compared?|reject)"
    r"(?![\w'\u2019])",
    re.I,
)
#: Words of a clause by which it says what others choose.
_OTHERS_CHOOSE = re.compile(
    r"(?<![\w'\u2019])(?:mistakes?|errors?|tempt(?:ing|ed|ation)|traps?|students?|users?|people|many|some|others?|one\s(?:might|may|could)|often"
    r"|was\sgoing|initially|at\sfirst|don['\u2019]t|wouldn['\u2019]t|(?:would|could|do|did|should)\snot|never)(?![\w'\u2019])",
    re.I,
)
#: What a letter may stand behind where a sentence claims it.
_CUE = re.compile(
    r"(?:\A|(?<!\d)[.!?\u3002]\s|\n|[:\uff1a,;\u2014\u2013]\s?|\s-\s|(?:\A|(?-i:[^A-Z)*\s]))\s{0,2}(?:[\u2192\u21d2]|[-=]>)\s?"
    r"|(?<![\w'\u2019])(?:so|hence|thus|therefore|then|is|are|be|(?:es|est|ist|\u00e9|\u00e8)(?:\s(?:la|die))?|it['\u2019]s|that['\u2019]s|options?|choices?|answers?|but"
    r"|i['\u2019]d\ssay|i\s(?:would|will)\s(?:say|answer)|sure|definitely|clearly|certainly|probably|likely|obviously|simply"
    r"|namely|actually|instead|indeed|just|still|correct|right|best|conclude|mean|meant|rather"
    r"|matches|leaves|leaving|(?:left|leaves\sus)\swith|(?:corresponds?|corresponding|points?|leads?|closest|nearest|equivalent)\sto)\s)[\s\"'*_(\[]{0,4}\Z",
    re.I,
)
#: What no option's letter stands behind, even in parentheses.
_NO_CUE = re.compile(
    r"(?<![\w'\u2019])(?:on|after|before|than|by|from|fig(?:ure)?\.?|eq(?:uation)?s?\.?|parts?|steps?|points?|cases?|tables?|like)"
    r"\s[\s\"'*_]{0,4}\Z",
    re.I,
)
#: What a claim "option B" may go on with.
_SERVES = re.compile(
    r"[\"'*_)\]]{0,4}\s(?:best|most|more|correctly|accurately|perfectly|exactly|closely|matches|fits|satisfies|agrees|describes|represents"
    r"|provides|gives|it\sis)(?![^\W_])",
    re.I,
)
_OPTION_TEXT = re.compile(
    r"[\"'*_)\]]{0,4}\s{1,2}[\"'(*_$\\]{0,3}(?:[A-Z\d$\\]|is\s(?:the|my|our)\s|as\s)"
)
_CLAUSE_START = re.compile(r"[.,;:!?\n]\s?")
_QUESTION = re.compile(r"[\"')\]*_]{0,4}\s?\?")
_CLAIM_GOES_ON = re.compile(
    r"[\"'*_)\]]{0,4}\s(?:because|since|as|for|which|given|due|so|not|rather|instead|with|and\snot|it\sis|here|by|after|according|based|from|\()",
    re.I,
)


def claimed_letters(sentence: str) -> list[re.Match[str]]:
    """List the letters that a sentence claims, by what stands before and behind them."""
    text = _NEGATED.sub(lambda match: " " * len(match[0]), sentence)
    found = [
        match
        for match in _PARENTHESISED.finditer(text)
        if not _NO_CUE.search(text, max(0, match.start() - 20), match.start())
    ]
    found = found or [
        match
        for match in _ALONE.finditer(text)
        if _CUE.search(text, max(0, match.start() - 24), match.start())
    ]
    return [match for match in found if _is_claim(text, match)]


def _is_claim(text: str, letter: re.Match[str]) -> bool:
    start, end = letter.span()
    if _QUESTION.match(text, end) or WRONG.match(text, end) or is_conditional(text, end):
        return False
    since = max(0, start - 60)
    if _DISOWNED.search(text, since, start) or _OTHERWISE.search(text, since, start):
        return False
    clause = _clause_before(text, start)
    if _OTHERS_CHOOSE.search(clause) or _SUPPOSES.search(clause):
        return False
    return any(pattern.match(text, end) for pattern in (ENDS, STOP, RIGHT, _CLAIM_GOES_ON))


def _clause_before(text: str, at: int) -> str:
    """Return what of a clause stands before a place."""
    since = max(0, at - 60)
    stops = [match.end() for match in _CLAUSE_START.finditer(text, since, at)]
    return text[stops[-1] if stops else since : at]


def is_conditional(text: str, end: int, *, bracketed: bool = False) -> bool:
    """Say whether the claim of the letter that ends at a place depends on a condition."""
    right = RIGHT.match(text, end)
    at = right.end() if right else end
    hedged = bool(right and _HEDGED.search(right[0]))
    condition = _CONDITION.match(text, at)
    if not hedged and condition is None:
        return False
    stop = SENTENCE_END.search(text, at)
    until = stop.start() if stop else len(text)
    if hedged and _HEDGE.search(text, at, until):
        return True
    if condition is None:
        return False
    # "(D) if it rains" may be an option's text; "when" may belong to the reason.
    weak = bracketed or condition[0].endswith("when") and "only" not in condition[0]
    return not weak or bool(_OTHERWISE.search(text, condition.end(), until))


def is_hypothetical(text: str, mark: Mark) -> bool:
    """Say whether the words before a mark make it another's, or a mere supposition."""
    since = max(0, mark.start - 60)
    if _DISOWNED.search(text, since, mark.start) or _SUPPOSED.search(text, since, mark.start):
        return True
    if mark.kind != "chosen":
        return False
    return bool(_OTHERS_CHOOSE.search(_clause_before(text, mark.start)))


def is_chosen(line: str, end: int) -> bool:
    """Say whether what follows "option B" leaves it a choice ("option B fails" is none)."""
    patterns = (ENDS, STOP, RIGHT, _CLAIM_GOES_ON, _SERVES, _OPTION_TEXT)
    return any(pattern.match(line, end) for pattern in patterns)

"""Choose the number that a sentence claims as the answer."""

from __future__ import annotations

import re

from harness.grading.extraction.context import changes, has_cases, states_result, unsolved
from harness.grading.extraction.result import (
    SENTENCE_END,
    TAIL,
    clean,
    is_denied,
    is_prose,
    math_spans,
)
from harness.grading.parsing.units import parse_unit

_VULGAR = "\u00bc-\u00be\u2150-\u215e"
_MINUS = "\u2212\uff0d\ufe63"
# Without bounds on the groups, a long list of numbers is read to its end from each of them.
_DIGITS = (
    r"(?:\d{1,3}(?:(?:,|\\,|\{,\}|,\\!\s?)\d{3}){1,40}+(?![\d,])"
    r"|\d{1,3}(?:[ \u00a0\u202f]\d{3}){1,4}+(?!\d)"
    r"|\d++,\d{1,2}(?![\d,])|\d++)(?:\.\d++)?|\.\d++"
)
_FRACTION = r"\\[dt]?frac(?:\{[^{}\n]{1,40}+\}\{[^{}\n]{1,40}+\}|\d\d)"
_POWER_OF_TEN = (
    r"\s?(?:\u00d7|\\times|\\cdot|\*|x|\u00b7)\s?10\s?(?:(?:\^|\*\*)\s?(?:\{\s?[-+]?\d{1,5}\s?\}|\(?[-+]?\d{1,5}\)?)"
    r"|[\u207b\u207a]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,5})"
)
_UNSIGNED = (
    rf"(?:{_FRACTION}|[{_VULGAR}]"
    rf"|(?:{_DIGITS})(?:\s?{_FRACTION}|\s?[{_VULGAR}]|\s\d{{1,6}}/\d{{1,6}}(?![\d/])"
    rf"|[eE][-+]?\d{{1,5}}(?!\w)|{_POWER_OF_TEN}|\s?/\s?\d++)?(?:\s?\\?[%\uff05])?)"
)
_SIGN = rf"(?:(?<![\w)}}])[-+{_MINUS}\uff0b])?"
NUMBER = re.compile(_SIGN + _UNSIGNED)
_MONEY = re.compile(
    rf"(?:(?<!\w)-)?\\?[$€£]\s?(?:{_DIGITS})|(?<![\d.,])(?:{_DIGITS})\s?(?:\\?\$(?!\d)|[€£])"
)
_CJK_NUMBER = re.compile(
    r"(?<![\u4e00-\u9fff])\u8d1f?[\u96f6\u3007\u4e00\u4e8c\u4e24\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d"
    r"\u5341\u767e\u5343\u4e07\u4ebf]{1,20}(?![\u4e00-\u9fff])"
)
_LEAD = re.compile(rf"[\s(\[<*]{{0,6}}(?:\\?[$€£]\s?)?(?P<number>{_SIGN}{_UNSIGNED})[)\]>*]{{0,3}}")
_FUNCTION = (
    r"(?:(?:arc|a)?(?:sin|cos|tan|cot|sec|csc)h?|log|ln|exp|sqrt|max|min|gcd|lcm|abs|mod|pi|theta|alpha"
    r"|beta|gamma|omega|sigma|lambda|phi|root|cbrt|choose|floor|ceil|det|infinity)(?![^\W\d_])"
)
_FUNCTIONS = re.compile(rf"(?<![^\W\d_]){_FUNCTION}", re.I)
#: What follows a number and gives a reason or a comment, but no other claim.
_ASIDE = re.compile(
    r"(?:,|;|:|\s[-\u2013\u2014]{1,3}|\.\.\.)?\s(?:and\s)?(?:which|because|since|as(?!\s{1,3}well)|where|whereas|so|not|rather"
    r"|instead|given|meaning|i\.e|e\.g|hence|thus|therefore|compared|if|when|while|but|that)(?![\w'])"
    rf"|[,;]?\s\((?!\s?(?:base|mod|maybe|perhaps|possibly|or)(?![^\W\d_]))(?!\s?[\d.]{{0,9}}\s?{_FUNCTION})(?=[^()^*+\\]{{0,200}}[^\W\d_]{{2}}[^()^*+\\]{{0,200}}\))"
    rf"|\s[\u2013\u2014]\s(?=[^\W\d_]{{2}})(?!{_FUNCTION})|\s--?\s(?=[^\W\d_]{{2}})(?!{_FUNCTION})",
    re.I,
)
#: What a number before it counts as parts of one, or as thousands of thousands.
_NUMBER_WORD = (
    r"(?:halves|(?:[a-z]{3,9}-)?(?:thirds|quarters|fourths|fifths|sixths|sevenths|eighths|ninths|tenths"
    r"|elevenths|twelfths|[a-z]{3,5}teenths|[a-z]{3,5}tieths|hundredths|thousandths|[a-z]{1,12}illionths)"
    r"|[a-z]{1,12}illions?|[a-z]{2,9}fold)(?![^\W\d_])"
)
_PARTS = re.compile(rf"\s{{1,3}}{_NUMBER_WORD}", re.I)
#: A word that makes another number of the one before it, or relates it to another.
_CHANGES = re.compile(
    r"\s{0,3}(?:\\text\{\s?)?(?:hundreds?|thousands?|(?:m|b|tr)illions?|lakhs?|crores?|dozens?|mil|percent|per\s?cents?"
    r"|percentage|pct|cents?|pence|pairs?|scores?|squared|cubed|factorial|over|out\s{1,3}of|to|times|plus|minus|modulo"
    rf"|divided|multiplied|raised|through|and\s{{1,3}}(?:a|one|two|three|an)(?=\s)|{_NUMBER_WORD}"
    r"|half|base|in\s{1,3}(?:base|binary|hex\w*|octal)|binary|hexadecimal"
    r"|octal|repeating|recurring|point|below|above|or\s{1,3}(?:more|less|fewer)|(?:more|less|fewer|greater|higher|lower)\s{1,3}than"
    r"|of(?=[^.;]{0,60}(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|x|n)\b))"
    rf"|(?!a\s)[^\W\d_]|{_FUNCTION})(?![^\W\d_])"
    r"|[^\W\d_]|\s{0,3}(?:[-+*/^=<>\u00d7\u00f7\u2264\u2265\u2248_!:]|\\[a-zA-Z{]|\*\*|[\u5341\u767e\u5343\u4e07\u4ebf])"
    rf"|\s{{0,3}}\(\s?[\d.]{{0,9}}\s?{_FUNCTION}|\((?!s\))|\s{{1,3}}\((?=[^()]{{0,200}}[\^*+\\])|\s{{1,3}}\((?:base|mod)",
    re.I,
)
_WRONG = re.compile(
    r"\b(?:is|was|are|would\s{1,3}be)(?:\s{1,3}(?:not|never|wrong|incorrect|false|impossible)|n't|n\u2019t)\b|\b(?:wrong|incorrect)\b",
    re.I,
)
_JOINED = re.compile(
    r"\s{0,3}(?:[;/]|,?\s?(?:or|and|to)\b|,)\s{0,3}[$*(\\]{0,3}"
    r"|\s{0,3}(?:[^\W\d_]{1,20},?\s){0,2}(?:or|and)\s{0,3}[$*(]{0,3}",
    re.I,
)
_ONE_WORD = re.compile(r"\s{0,3}(?:\\?[$*]){0,2}\s?[^\W\d_]{1,20}\.?,?\s[$*(]{0,3}")
_SCALE = re.compile(r"(?:hundred|thousand|(?:m|b|tr)illion|lakh|crore|dozen|cent)s?", re.I)
_WORD_BEHIND = re.compile(
    r"[\s$~]{0,4}(?:\\[)\]])?(?:\\[ ,;])?\s{0,3}(?:\\(?:text|mathrm|textrm)\{\s?)?"
    r"([^\W\d_]{1,16}(?:[/^][a-z0-9]{1,4}|[\u00b2\u00b3])?)(?![^\W\d_])"
)
_PERCENT = re.compile(r"(?<=\d)\s{0,3}(?:percent|per\s?cent|pct)(?![^\W\d_])", re.I)
_NEGATIVE = re.compile(r"\A(?:negative|minus)\s{1,3}\$?(?=[\d.\\])", re.I)
_HALF = re.compile(r"(?<=\d)\s{1,3}and\s{1,3}a\s{1,3}half(?![^\W\d_])", re.I)
_ANGLES = re.compile(rf"<\s?({_SIGN}{_UNSIGNED})\s?>")
#: An answer that begins so bounds a number and claims none.
_COMPARED = re.compile(
    r"(?:(?:strictly|much|slightly)\s)?(?:(?:more|less|greater|fewer|larger|smaller|bigger|higher|lower|other)\s{1,3}than"
    r"|over|under|above|below|between|at\s{1,3}(?:least|most)|up\s{1,3}to|any(?:thing)?|neither|either|from)(?![^\W\d_])",
    re.I,
)
_OR = re.compile(r"(?<![^\W\d_])or(?![^\W\d_])", re.I)
_OR_BEFORE = re.compile(r"(?<![^\W\d_])or\s{1,3}[$*(]{0,3}\Z", re.I)
_OR_AFTER = re.compile(r"[*$)]{0,3}\s{1,3}or\s(?!so\b|thereabouts\b)", re.I)
_RESULT = re.compile(r"=|\b(?:is|are|was|were|total|equals|gives|makes|so|then|left|gets?)\b", re.I)
_BUT = re.compile(r"(?<![^\W\d_])(?:but|while|whereas|however|although|though)(?![^\W\d_])", re.I)
_CLAIMS = re.compile(
    r"(?<![^\W\d_])(?:is|are|be|was|were|gets?|got|ha(?:s|ve|d)|found|finds?|obtain(?:ed)?|actually|really)[\s$*]{1,4}\Z",
    re.I,
)
_CORRECTS = re.compile(
    r"(?<![^\W\d_])(?:correct|right|true|actual|real)\s{1,3}(?:answer|value|result|number|total|solution|amount)"
    r"\s{1,3}(?:is|was|equals|=|should\s{1,3}be)[\s$*]{1,4}",
    re.I,
)
_STATES = re.compile(r"=[^=<>]{1,60}?(?:,|;|\band\b|\bor\b)[^=]{1,60}[=\u2248]", re.I)


def last_number(text: str, denied: str = "") -> str:
    """Return the last number of a text that is claimed; empty where two are claimed at once.

    Args:
        text: The text.
        denied: A number that the response says is not the answer.
    """
    whole, text = text, text[-TAIL:]
    found = list(NUMBER.finditer(text))
    if found and found[0].start() == 0 and len(whole) > TAIL:
        # The end of a longer number is another number.
        found = found[1:]
    while found:
        last = found.pop()
        if is_denied(text, last.start(), last.end()) or (denied and last[0].strip() == denied):
            continue
        if _one_of_several(text, last) or (found and _alternative(text, found[-1], last)):
            return ""
        return _stated(text, last)
    alone = _CJK_NUMBER.findall(text)
    return alone[-1] if alone else ""


def _stated(text: str, last: re.Match[str]) -> str:
    """Return the number of the sentence around a text's last number, if it states a result."""
    start = text.rfind("\n", 0, last.start()) + 1
    for end_before in SENTENCE_END.finditer(text, start, last.start()):
        start = end_before.end()
    line_end = text.find("\n", last.end())
    after = SENTENCE_END.search(text, last.end(), line_end if line_end >= 0 else len(text))
    end = after.start() if after else line_end if line_end >= 0 else len(text)
    sentence = text[start : after.end() if after else end]
    if not states_result(sentence, last.start() - start, last.end() - start):
        return ""
    if _PARTS.match(text, last.end()):
        return ""
    lead = _LEAD.match(text, start, last.start())
    if lead and not _RESULT.search(text, lead.end(), last.start()):
        # "5 cars drove by in the first 15 minutes"
        claimed = claimed_number(text[start:end])
        return claimed if NUMBER.fullmatch(claimed) else ""
    return last[0].strip()


def _alternative(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Say whether two neighbouring numbers are offered as one another's alternatives."""
    between = text[one.end() : other.start()]
    if (
        len(between) > 40
        or one[0].strip() == other[0].strip()
        or is_denied(text, one.start(), one.end())
    ):
        return False
    return bool(_OR.search(between) and _JOINED.fullmatch(between))


def _one_of_several(text: str, number: re.Match[str]) -> bool:
    """Say whether "or" stands beside a number: the other side may be a word ("four or 5")."""
    before = _OR_BEFORE.search(text, max(0, number.start() - 10), number.start())
    return bool(before or _OR_AFTER.match(text, number.end()))


def claimed_number(sentence: str) -> str:
    """Return the number that an answer's sentence claims, or what to compare in its place.

    A sentence that is a formula comes back as it is, and so does one that claims several numbers:
    neither is a single number, and a comparison will say so.
    """
    sentence = _HALF.sub(" 1/2", _NEGATIVE.sub("-", _PERCENT.sub("%", sentence[:TAIL])))
    if enclosed := _ANGLES.fullmatch(sentence):
        return enclosed[1]
    if _COMPARED.match(sentence) or not is_prose(_FUNCTIONS.sub("", sentence)):
        return sentence
    lead = _LEAD.match(sentence)
    if lead is None:
        return _number_within(sentence)
    aside = _ASIDE.search(sentence, lead.end())
    claim = sentence[: aside.start()] if aside else sentence
    rest = claim[lead.end() :]
    if _WRONG.search(sentence, lead.end()) or _disputed(sentence, lead["number"], lead.end()):
        return sentence
    if "=" in rest:
        return _number_within(claim)
    if _CHANGES.match(rest):
        return clean(claim)
    following = NUMBER.search(rest)
    if following and _belongs(rest[: following.start()]):
        return clean(claim)
    return lead["number"].strip()


def _disputed(sentence: str, number: str, end: int) -> bool:
    """Say whether a sentence goes on with another case or another value than a number's."""
    if has_cases(sentence[end:]):
        return True
    for stated in _CORRECTS.finditer(sentence, end):
        other = NUMBER.match(sentence, stated.end())
        if other and other[0].strip() != number.strip():
            return True
    but = _BUT.search(sentence, end)
    if but is None:
        return False
    others = (
        other[0].strip()
        for other in NUMBER.finditer(sentence, but.end())
        if _CLAIMS.search(sentence, max(but.end(), other.start() - 20), other.start())
        and not is_denied(sentence, other.start(), other.end())
    )
    return any(other != number.strip() for other in others)


def _belongs(between: str) -> bool:
    """Say whether a number after this is part of the same claim ("5 feet 3 inches", "3 or 4")."""
    return bool(_JOINED.fullmatch(between) or _ONE_WORD.fullmatch(between) or not between.strip())


def with_word_behind(answer: str, after: str, *, numeric: bool) -> str:
    """Return a number in a formula or a box with the scale or the unit that stands behind it.

    Args:
        answer: What the formula or the box holds; anything but a number comes back as it is.
        after: The text behind it.
        numeric: The reference answer is a plain number: only a scale ("million") matters.
    """
    word = _WORD_BEHIND.match(after)
    if word is None or not NUMBER.fullmatch(answer.removeprefix("\\").removeprefix("$")):
        return answer
    if _SCALE.fullmatch(word[1]):
        return f"{answer} {word[1]}"
    known = not numeric and word[1] not in ("in", "a") and parse_unit(word[1]) is not None
    return f"{answer} {word[1]}" if known else answer


def _number_within(sentence: str) -> str:
    """Return the number of a sentence that has words before it: its only sum, else its last."""
    if "=" in sentence:
        if _STATES.search(sentence):
            return sentence
        sides = sentence.split("=")
        tail = next((side for side in reversed(sides) if NUMBER.search(side)), "")
        if tail and tail is not sides[0]:
            before = sentence[: sentence.rfind(tail) - 1]
            if unsolved(before) or changes(before.rpartition("=")[2]):
                return sentence
            return claimed_number(tail.replace("=", "").strip())
    money = _MONEY.findall(sentence)
    if len(money) == 1 and not next(math_spans(sentence), None):
        return str(money[0])
    found = [
        number
        for number in NUMBER.finditer(sentence)
        if not is_denied(sentence, number.start(), number.end())
    ]
    if not found:
        alone = _CJK_NUMBER.findall(sentence)
        return alone[0] if len(alone) == 1 else sentence
    first = found[0]
    aside = _ASIDE.search(sentence, first.end())
    if aside:
        found = [number for number in found if number.start() < aside.start()]
    last = found[-1]
    if len(found) > 1 and found[-2][0].strip() != last[0].strip():
        between = sentence[found[-2].end() : last.start()]
        if _JOINED.fullmatch(between):
            return sentence
    if _WRONG.search(sentence, last.end()) or _one_of_several(sentence, last):
        return sentence
    if changes(sentence[: last.start()]) or _disputed(sentence, last[0], last.end()):
        return sentence
    rest = sentence[last.end() : aside.start() if aside else len(sentence)]
    if (change := _CHANGES.match(rest)) and change[0].strip()[:1].isalpha():
        return clean(sentence[last.start() : last.end() + change.end()])
    return last[0].strip()

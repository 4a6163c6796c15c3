"""Words around a value that change, bound, condition or retract it."""

from __future__ import annotations

import re

#: What may stand between a word that takes an answer back and the new one.
AFTER_A_WORD = " \t\n,.:;-\u2013\u2014"
_W = r"(?<![^\W\d_])"
_E = r"(?![^\W\d_])"
#: Behind one of these a new claim begins: what stood before it changes nothing.
_RESTARTS = re.compile(
    rf"{_W}(?:is|are|was|were|equals?|gives?|giving|gets?|got|obtain(?:s|ed|ing)?|yields?|ha(?:ve|s|d)|leaves?|leaving"
    rf"|makes?|made|be|becomes?|reach(?:es)?|total(?:s|ing)?){_E}|[=\u2248:,;]|\\(?:approx|implies|Rightarrow|to){_E}",
    re.I,
)
#: Words that make another number of the one behind them, compare it, or leave it open.
_CHANGES = re.compile(
    rf"{_W}(?:(?:negative|minus|plus|times|twice|thrice|double|triple|half|over|under|above|below|beyond|near|nearly|almost|hardly|barely"
    r"|longer|than|between|outside|pages?|chapter|section|steps?|figure|equation|(?:close|next)\s{1,3}to"
    r"|(?:squares?|cubes?|roots?|factorial|thirds?|quarters?|fourths?|fifths?|tenths?"
    r"|reciprocal|inverse|opposite|negation|complement|multiples?|divisors?|factors?|powers?"
    r"|logarithm|log|digits?|derivative|integral|reflection|far)\s{1,3}(?:of|from|in)|remainder\s{1,3}(?:when|after|on))"
    r"(?:[\s$*(]{1,4}(?:the|an?|of|just|only|about|exactly|number|value|integer|prime|numbers?)(?![^\W\d_])){0,4}"
    r"(?:[^\w\n]|\\[(\[a-z]){0,8}\Z"
    r"|(?:excep(?:t|ting)|(?:anything|everything)\s{1,3}but|never|unknown|perhaps|maybe|possibly|such\s{1,3}that|solving"
    rf"|satisf\w{{1,6}}|dividing|multiplying|subtracting|between\s{{1,3}}[-\d$\\]){_E})",
    re.I,
)
#: "is at least 5", but "needs at least 5" may be the claim.
_AT_LEAST = re.compile(rf"\W{{0,6}}at\s{{1,3}}(?:least|most){_E}", re.I)
#: "x + 1 = 42" says what x + 1 is.
_UNSOLVED = re.compile(
    r"(?<![^\W_])(?:\d{1,9}\s?(?:[a-wyz]|(?<![\d\s]\s)x)|[a-z]\s?[-+*/^]\s?\d{1,9})\s{0,3}\Z", re.I
)
#: A value for one case and another value, or a denial, for the rest.
_CASE = re.compile(
    rf"[\s$*,;.)(]{{0,6}}(?:\\[)\]])?\s{{0,3}}(?:but\s)?(?:only\s{{1,3}})?"
    rf"(?:if|when|unless|whenever|provided|for|in\s(?:the\s)?(?:first|one|former)){_E}",
    re.I,
)
_ONLY = re.compile(rf"[\s$*,;)]{{0,6}}(?:but\s)?only\s{{1,3}}(?:if|when|for){_E}", re.I)
_OTHER_CASE = re.compile(
    rf"{_W}(?:otherwise|else|in\s{{1,3}}general)(?![^\W\d_])"
    r"|(?:and|or|but|while|whereas|,|;)[^\d.\n]{0,40}(?:\\[dt]?frac|\d)[^.\n]{0,40}\b(?:if|when|for|unless|in)\b",
    re.I,
)
#: Words that say that what was given before is not the answer.
_RETRACTED = re.compile(
    rf"{_W}(?:wait|actually|hold\s{{1,3}}on|oops|sorry|correction|corrected|incorrect(?:ly)?|mistaken?(?:ly)?|trap|tempting"
    rf"|naive(?:ly)?|forg[eo]t|wrong|scratch\s{{1,3}}that|on\s{{1,3}}reflection){_E}",
    re.I,
)
#: Those of them that speak of the response's own answer.
_OWN_RETRACTION = re.compile(
    r"(?:[.?!\u2026,)}$]|\n)[\s*_]{0,6}(?:(?:but|oh|hmm|no)[,.\u2026]{0,3}\s)?(?:wait|actually|hold\s{1,3}on|oops|sorry|correction|scratch"
    rf"\s{{1,3}}that|no(?=[,.!:])){_E}"
    rf"|{_W}(?:(?:i|we)\s{{1,3}}(?:forgot|made\s{{1,3}}an?\s{{1,3}}(?:mistake|error))"
    rf"|(?:that|this|it)(?:['\u2019]s|\s{{1,3}}(?:is|was))\s{{1,3}}(?:incorrect|wrong|a\s{{1,3}}mistake)){_E}",
    re.I,
)
#: What stands before "answer" in a sentence that gives none of its own.
_NOT_THE = re.compile(
    rf"{_W}(?:wrong|incorrect|naive|false|expected|intermediate|previous|earlier|initial|preliminary|partial|rough|tempting"
    r"|common|usual|(?:one|another|a)\s{1,3}possible|student(?:'s|\u2019s|s['\u2019])|"
    r"(?:if|suppose|supposing|assume|assuming|whether|unless|were)\s{1,3}(?:that\s{1,3})?(?:the|our|my|this))"
    r"[\s*_]{1,4}\Z",
    re.I,
)
#: A sentence that supposes, asks, compares, refers or denies states no result.
_STATES_NOTHING = re.compile(
    rf"{_W}(?:suppos(?:e|ing)|assum(?:e|ing)|let|if|whether|unless|consider(?:ing)?|try|trying|thought|guess|cannot|can\s?not|fails?"
    r"|how\s{1,3}(?:many|much)|need(?:s|ed)?\s{1,3}(?:the|to\s{1,3}(?:find|know|compute))|compar(?:e|ed|ing)|reject(?:s|ed|ing)?"
    r"|mention(?:s|ed)?|recall|contradict(?:s|ion)?|see|between|complement|integrand|discriminant|depends?|prove|verify"
    r"|(?:does|do|did|would|could|should|is|are|was|can)(?:n['\u2019]t|\s{1,3}not)|can['\u2019]t|won['\u2019]t|never"
    r"|wrong|incorrect|not\s{1,3}in|exceeds?|tried|from\s{1,3}\d{1,9}\s{1,3}to"
    rf"|(?:naive|expected|intermediate|previous|earlier|initial|preliminary|partial)\s{{1,3}}answer){_E}|\?\s{{0,3}}\Z",
    re.I,
)
_STATES = re.compile(
    rf"{_W}(?:is|are|was|were|be|can|will|equals?|total(?:s|ing|led)?|left|ha(?:s|ve|d)|gets?|got|gives?|makes?|made|so|thus|therefore|hence"
    r"|results?|answer|found|finds?|obtain(?:s|ed)?|remains?|remaining|costs?|takes?|took|earn(?:s|ed)?|pa(?:ys?|id)|spen[dt]s?"
    r"|sold|sells?|bought|needs?|becomes?|ate|used?|est|sont|ist|sind|es|son|reste|restent|quedan|bleiben|altogether"
    rf"){_E}|[=\u2248:$\u20ac\u00a3\u662f\u4e3a\u6709\u5171\u5269\u5c06\u9700\u6545]|\u56e0\u6b64|\u6240\u4ee5",
    re.I,
)
#: A sentence with one of these states nothing, whatever else it says.
_UNCERTAIN = re.compile(
    rf"{_W}(?:maybe|perhaps|might|may|possibly|hints?|bounds?|not\s{{1,3}}true|suggests?){_E}", re.I
)
#: What is supposed or denied before one of these is another clause.
_CONCLUDES = re.compile(
    rf"{_W}(?:then|so|thus|therefore|hence|but|we\s{{1,3}}get|(?:it|which)\s{{1,3}}is|it['\u2019]s){_E}|;|,\s(?:he|she|they)\s",
    re.I,
)
_BOUND = re.compile(
    r"(?:(?<![<>])[<>](?![<>])|[\u2264\u2265\u2260]|\\(?:leq?|geq?|neq?|lt|gt|in|notin)\s?)[\s$]{0,3}\Z"
)
_ENDS_SOON = re.compile(r"[\s$*)\]}%.!_\\]{0,8}+(?:[^\W\d_]{1,20}+[\s.*!$)]{0,3}+){0,3}+\Z")
_WORD = re.compile(r"[^\W\d_]+")

_UNSURE = re.compile(rf"[\s,;(]{{1,4}}(?:or\s{{1,3}})?(?:maybe|perhaps|possibly){_E}", re.I)
_DIRECTLY = re.compile(
    rf"{_W}(?:negative|minus|twice|thrice|double|half\s{{1,3}}of|(?:squares?|cubes?|roots?|factorial|reciprocal|inverse|opposite"
    r"|multiples?|divisors?)\s{1,3}(?:root\s{1,3})?of|(?:more|less|fewer|greater|larger|smaller|higher|lower)\s{1,3}than"
    r"|(?:(?<=is\s)|(?<=are\s)|(?<=be\s)|(?<=^)|(?<=[.=:,]\s))at\s{1,3}(?:least|most)|almost|nearly|hardly"
    r"|close\s{1,3}to|excep(?:t|ting)"
    r"|anything\s{1,3}but)[\s$*]{0,4}(?:\\[(\[])?\s{0,3}\Z",
    re.I,
)
#: The last words of what ``_DIRECTLY`` finds.
_LAST_WORDS = frozenset(
    ("negative", "minus", "twice", "thrice", "double", "of", "than", "least", "most", "almost")
    + ("nearly", "hardly", "to", "except", "excepting", "but")
)
_BEHIND = re.compile(
    r"[\s$*]{0,4}(?:\\[)\]])?[\s*]{0,3}(?P<words>squared|cubed|factorial|and\s{1,3}(?:a|one|three)\s{1,3}(?:half|third|quarters?)"
    r"|or\s{1,3}(?:more|less|fewer|greater|above|below)|to\s{1,3}the\s{1,3}power"
    rf"|(?:times|plus|minus|over|divided\s{{1,3}}by|multiplied\s{{1,3}}by|modulo|mod)(?=\s{{1,3}}[$\\\d(])){_E}",
    re.I,
)


def changed_before(text: str, at: int) -> str:
    """Return the words directly before a place that change what stands there."""
    words = text[max(0, at - 40) : at].rstrip("$*\\([ \n").rsplit(None, 1)
    if not words or words[-1].lower() not in _LAST_WORDS:
        return ""
    found = _DIRECTLY.search(text, max(0, at - 40), at)
    return found[0].strip("$*\\([ \n") if found else ""


def changed_behind(text: str, at: int) -> str:
    """Return the words directly behind a place that change what ends there."""
    found = _BEHIND.match(text, at)
    return found["words"] if found else ""


def changes(before: str) -> bool:
    """Say whether the words before a value make another one of it ("twice", "at least")."""
    start = 0
    for restart in _RESTARTS.finditer(before):
        start = restart.end()
    return bool(_CHANGES.search(before, start) or _AT_LEAST.match(before, start))


def unsolved(before: str) -> bool:
    """Say whether what stands before an equals sign is another thing than the answer."""
    return bool(_UNSOLVED.search(before[-40:]))


def has_cases(behind: str) -> bool:
    """Say whether a value holds in one case only ("if n is even and 41 if n is odd")."""
    if _ONLY.match(behind) or _UNSURE.match(behind):
        return True
    return bool(_CASE.match(behind) and _OTHER_CASE.search(behind, 0, 300))


def is_retracted(text: str, start: int, end: int) -> bool:
    """Say whether a part of a text has words that take back an answer before or behind it."""
    return bool(_RETRACTED.search(text, start, end))


def own_retraction(text: str, at: int) -> int:
    """Return where a response takes back the answer that ends at a place; -1 if it does not."""
    found = _OWN_RETRACTION.search(text, at)
    return found.end() if found else -1


def is_another(text: str, at: int) -> bool:
    """Say whether "answer" at a place is one that the text does not give as its own."""
    return bool(_NOT_THE.search(text, max(0, at - 40), at))


def states_result(sentence: str, start: int, end: int) -> bool:
    """Say whether a sentence states the number in it as a result.

    Args:
        sentence: The sentence.
        start: Where the number begins.
        end: Where it ends.
    """
    before = sentence[:start]
    first = 0
    for conclusion in _CONCLUDES.finditer(before):
        first = conclusion.end()
    if _UNCERTAIN.search(sentence):
        return False
    if _STATES_NOTHING.search(sentence, first) or _BOUND.search(before) or changes(before):
        return False
    left = before.rstrip(" $")
    if left.endswith("=") and unsolved(left[:-1]):
        return False
    if not before[first:].strip("*$ \\([_#>-") or _STATES.search(before):
        return True
    return bool(len(_WORD.findall(before)) > 1 and _ENDS_SOON.match(sentence, end))

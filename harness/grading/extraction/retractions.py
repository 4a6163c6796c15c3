"""Retractions: places where a response takes back an earlier claim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: How much of what follows a retraction is read.
_SCOPE = 200
#: How many retractions of one response are read.
_MOST = 20

_TAKES_BACK = re.compile(
    r"(?<![^\W_])(?:wait|hold\son|actually|correction|scratch\sthat|oops|sorry|my\smistake"
    r"|on\s(?:second\sthoughts?|reflection|closer\sinspection)|i\s(?:mean|meant)|or\srather|rather|make\sthat|edit|however|but"
    r"|changed\s(?:to|my\smind)|(?:let\sme|i\s(?:must|have\sto|need\sto))\s(?:reconsider|correct)(?:\smyself|\sthat)?"
    r"|nope|no(?=\s?[,:;.!\u2014]|\s-|\swait|\sactually|\ssorry))(?![\w'\u2019])",
    re.I,
)
_DENIES = re.compile(
    r"[\s,:;.\u2014-]{0,4}(?:(?:that|this|it)(?:['\u2019]s|\sis|\swas)|i\swas)\s"
    r"(?:(?:not\s(?:quite\s)?(?:right|correct|true))|wrong|incorrect|mistaken|a\smistake|false)",
    re.I,
)
_SAID = re.compile(r"[^\W_]")


class Retraction(NamedTuple):
    """What a response says instead of what it claimed.

    Attributes:
        instead: The text behind the word of retraction, up to the next such word.
        denies: It denies the claim outright ("Wait, that is wrong").
        contrasts: The word is "but" or "however", which may as well begin a remark.
    """

    instead: str
    denies: bool
    contrasts: bool


def retractions(after: str) -> Iterator[Retraction]:
    """Yield the retractions in the text behind a claim."""
    found = list(_TAKES_BACK.finditer(after))[:_MOST]
    ends = [match.start() for match in found[1:]] + [len(after)]
    for match, end in zip(found, ends, strict=False):
        # "No" may be the verdict itself.
        start = match.start() if match[0].lower() == "no" else match.end()
        scope = after[start : min(end, match.end() + _SCOPE)].lstrip(" ,:;.!\u2026\u2014-")
        at_once = not _SAID.search(after[: match.start()])
        contrasts = match[0].lower() in ("but", "however")
        yield Retraction(scope, at_once and bool(_DENIES.match(scope)), contrasts)

"""Numbers that are not written in digits alone: number words, "5 million", repeating decimals."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.grading.parsing.tree import words

_ONES = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: value for value, word in enumerate(_ONES)} | {
    word: 20 + 10 * i for i, word in enumerate(_TENS)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MULTIPLIERS = {"hundred": 100, "dozen": 12} | _SCALES
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10,
}  # fmt: skip
_WORDS = re.compile(r"[a-z]+(?:[ -]+[a-z]+)*\Z")


def number_word(text: str) -> Fraction | None:
    """Read a number in words: "two thousand and five", "minus three", "two thirds"."""
    text = re.sub(r"\\(?:text|textnormal|mathrm|textbf|mbox)\b|[{}.]", " ", text[:200]).strip()
    text = text.lower()
    if not _WORDS.match(text):
        return None
    found = re.split(r"[ -]+", text)
    if found[0] in ("minus", "negative") and len(found) > 1:
        value = _counted(found[1:])
        return None if value is None else -value
    return _counted(found)


def _counted(found: list[str]) -> Fraction | None:
    if found == ["half"]:
        return Fraction(1, 2)
    last = found[-1].removesuffix("s") if found[-1] != "halves" else "half"
    if len(found) > 1 and last in _PARTS:
        return _with_parts(found[:-1], _PARTS[last])
    value = _integer(found)
    return None if value is None else Fraction(value)


def _with_parts(found: list[str], part: int) -> Fraction | None:
    """Read what stands before "thirds": "two", or "four and two"."""
    found = ["one" if word == "a" else word for word in found]
    whole: int | None = 0
    if "and" in found:
        cut = len(found) - 1 - found[::-1].index("and")
        whole, found = _integer(found[:cut]), found[cut + 1 :]
    count = _integer(found)
    # "twenty fifths" may be 20/5, but "twenty fifth" is a place in a row.
    if whole is None or count is None or not 0 < count < part:
        return None
    return whole + Fraction(count, part)


def _integer(found: list[str]) -> int | None:
    if found[:1] == ["a"] and found[1:2] and found[1] in _MULTIPLIERS:
        found = ["one", *found[1:]]
    total, group = 0, 0
    room = 10**15  # what the next scale has to stay below
    step = 1000  # what the next word of a group has to stay below
    fresh = True
    for i, word in enumerate(found):
        if word == "and":
            if i in (0, len(found) - 1) or found[i - 1] not in _MULTIPLIERS:
                return None
        elif word in _SMALL:
            value = _SMALL[word]
            if value >= step or (value == 0 and len(found) > 1):
                return None
            group, fresh = group + value, False
            step = 10 if value >= 20 else 0
        elif word in ("hundred", "dozen") and 0 < group < 100 and not fresh:
            group, step = group * _MULTIPLIERS[word], 100 if word == "hundred" else 0
        elif word in _SCALES and group and _SCALES[word] < room:
            room = _SCALES[word]
            total, group, step, fresh = total + group * room, 0, 1000, True
        else:
            return None
    return total + group if found else None


_ANY_WORD = rf"(?:{'|'.join((*_SMALL, *_MULTIPLIERS))})"
_LEADING_WORDS = re.compile(
    r"\A\s*(?:\\text\s*\{\s*)?"
    rf"(?P<number>(?:{_ANY_WORD}(?:[ -]+|\b)(?:and +(?={_ANY_WORD}\b))?)+(?:and a half\b *)?)"
    r"(?=[a-z])",
    re.I,
)


def spelled_number(text: str) -> str:
    """Write the number words before a noun in digits: "seven goats"."""
    match = _LEADING_WORDS.match(text)
    value = number_word(match["number"].strip(" -")) if match else None
    if match is None or value is None:
        return text
    rest = text[match.end() :]
    return f"{value} \\text{{{rest}" if "{" in match[0] else f"{value} {rest}"


_SCALED = re.compile(
    r"((?:(?:hundred|thousand|million|billion|trillion)s?\b\s*)+|dozen\b)\s*(.*)\Z", re.S | re.I
)


def scale(unit: str) -> tuple[int, str]:
    """Split "million dollars" into what the number before it is multiplied by, and the rest."""
    match = _SCALED.match(unit.strip())
    if not match:
        return 1, unit
    factor = 1
    for word in match[1].lower().split():
        factor *= _MULTIPLIERS.get(word, 0)
    # "5 millions of" and "hundreds" count nothing exactly.
    return (factor, match[2].strip()) if factor else (1, unit)


_REPEATING = re.compile(
    r"(?<![\d.])(\d*\.)(\d{1,50})\s*(?:\\text\s*\{\s*)?\(?\s*(?:repeating|recurring)\s*\)?\s*\}?"
)


def with_bars(text: str) -> str:
    r"""Write "0.166 repeating" as ``0.1\overline{6}``."""
    return _REPEATING.sub(_barred, text) if "." in text else text


def _barred(match: re.Match[str]) -> str:
    """Find the block that the digits repeat; a single digit needs no showing."""
    whole, digits = match[1], match[2]
    if len(digits) == 1:
        return rf"{whole}\overline{{{digits}}}"
    for size in range(1, len(digits) // 2 + 1):
        block = digits[-size:]
        if digits.endswith(block * 2):
            while digits.endswith(block):
                digits = digits[:-size]
            return rf"{whole}{digits}\overline{{{block}}}"
    return match[0]


_MONEY = re.compile(
    r"([-+]?)\s*(?:(\\?\$|US\\?\$|USD\s)|([€£¥]))\s*((?:\d|\\,|,|\{,\}|\\!|\.|\s)+)\Z"
)
_CURRENCIES = {"€": "euros", "£": "pounds sterling", "¥": "yen"}


def with_currency(text: str) -> str:
    """Write a sum of money with its currency behind it, as any other unit."""
    match = _MONEY.match(text.strip())
    if match is None:
        return text
    return rf"{match[1]}{match[4].strip()}\text{{ {_CURRENCIES.get(match[3], 'dollars')}}}"

"""Steps of a solution that arithmetic alone can check: ``17 * 3 = 51``.

Only what is certain to be meant as an equality of numbers is read; everything else is passed over.
A wrong step is quoted to a student, so a right one must never be taken for wrong: a step counts as
wrong only where both sides are closed expressions, nothing before or after belongs to them, and the
line holds no word that changes what the equals sign means. Nothing is evaluated but by the parser
below, in exact fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_TOKEN = re.compile(
    r"""
    (?P<number>\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\d.])\.\d+)
  | (?P<bold>\*\*)
  | (?P<times>\*|×|·|⋅|\\times\b|\\cdot\b|(?<=\d\ )x(?=\ \$?\d))
  | (?P<over>/|÷|\\div\b)
  | (?P<plus>\+)
  | (?P<minus>-(?!>)|−|–)
  | (?P<open>\()
  | (?P<close>\))
  | (?P<equals>=(?![=>]))
  | (?P<space>[ \t]|\\?\$(?!\$)|\\[,;!])
  | (?P<other>.)
    """,
    re.VERBOSE,
)
_LONGEST_LINE = 2_000
_MOST_DIGITS = 15
_MOST_TOKENS = 60
_ROUNDING = Fraction(1, 50)
_BULLET = re.compile(r"\s*(?:[-*•+]\s+|\(?\d{1,2}[.)]\s+)?")
# What may stand before a step without being a part of it ("so 3 + 4 = 7", not "half of 6 + 2 = 5"):
# these words, and marks.
_NEUTRAL = re.compile(
    r"\b(?:so|know|get|have|has|gives?|is|are|then|therefore|thus|hence|that|calculate|compute"
    r"|becomes|makes?|since|because|find|obtain|yields?|means|step)$",
    re.IGNORECASE,
)
_MARKS = (":", ",", ";", ".", "(", "[", "\\\\", "=", ">", "→", "⇒")
# Words that say that the equality is not claimed, not exact, or not one of ordinary numbers.
_OTHER_SENSE = re.compile(
    r"\b(?:suppose|assume|if|not|isn't|mod|modulo|base|binary|octal|hex\w*|remainder|quotient|"
    r"approx\w*|roughly|about|estimat\w+|round\w*|nearest|try|guess|check|whether|false|incorrect|"
    r"wrong|contradict\w+|impossible|instead|o'clock|clock|am|pm|dozen|percent)\b|[≈~?≠%!]"
    r"|\\(?:approx|equiv|pmod|bmod|neq?|bar|overline|sim)\b",
    re.IGNORECASE,
)
# A decimal that goes on, or a unit that could be one of another size, follows "15x" or "5 hundred".
_FOLLOWS = re.compile(
    r"\s*(?:$|[.,;:](?!\d)|[)\]}](?:\W|$)|\\[)\]]|\\\\|\\(?:text|quad|mathrm)\b|\*\*(?!\s*[\d(])"
    r"|\s[a-z]{2,}\b)",
    re.IGNORECASE,
)
_SCALES = re.compile(
    r"\s*(?:hundreds?|thousands?|millions?|billions?|trillions?|times|plus|minus|over|divided|"
    r"multiplied|and\s+(?:\d+|an?|one|half)|half|halves|thirds?|quarters?|fifths?|tenths?|pairs?|"
    r"squared|cubed|or|to)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Step:
    """An equality of two numbers that a solution states.

    Attributes:
        text: As it stands there.
        left: What the solution computes, as it stands there.
        value: What that really comes to.
        holds: Whether the two sides are exactly equal.
        wrong: They differ by more than rounding or cutting off explains.
    """

    text: str
    left: str
    value: Fraction
    holds: bool
    wrong: bool


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of an equals sign.

    Attributes:
        value: What it comes to.
        start: Where it begins in its line.
        end: Where it ends.
        computed: It holds more than one number.
        decimals: How many the first number has.
        whole: All its numbers are whole.
    """

    value: Fraction
    start: int
    end: int
    computed: bool
    decimals: int
    whole: bool


def steps(text: str) -> list[Step]:
    """Return the checkable steps of a solution in its order."""
    return [
        step
        for line in text.splitlines()
        if len(line) <= _LONGEST_LINE and "=" in line and not _OTHER_SENSE.search(line)
        for run in _runs(line)
        for step in _equalities(line, run)
    ]


def shown(value: Fraction) -> str:
    """Write a value as a solution would: a whole number, a short decimal, or a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest == 1 and places <= 6:
        return f"{float(value):.{places}f}"
    return f"{value.numerator}/{value.denominator}"


def _runs(line: str) -> Iterator[list[_Token]]:
    """Yield the longest parts of a line that hold nothing but arithmetic."""
    bullet = _BULLET.match(line)
    run: list[_Token] = []
    for match in _TOKEN.finditer(line, bullet.end() if bullet else 0):
        kind = str(match.lastgroup)
        if kind in ("other", "bold"):
            yield run
            run = []
        elif kind != "space":
            run.append(_Token(kind, match.group(), match.start(), match.end()))
    yield run


def _equalities(line: str, run: list[_Token]) -> Iterator[Step]:
    if len(run) > _MOST_TOKENS or all(token.kind != "equals" for token in run):
        return
    parts: list[list[_Token]] = [[]]
    for token in run:
        if token.kind == "equals":
            parts.append([])
        else:
            parts[-1].append(token)
    if parts[0][:1] and parts[0][0].kind == "open" and _balance(parts[0]) == 1:
        parts[0] = parts[0][1:]  # the whole step stands in parentheses
    if parts[-1] and parts[-1][-1].kind == "close" and _balance(parts[-1]) == -1:
        parts[-1] = parts[-1][:-1]
    # A result of "3 x 3" is a size, not a product.
    sides = [
        None if number and any(token.text == "x" for token in part) else _side(part)
        for number, part in enumerate(parts)
    ]
    if not _begins_clean(line, parts[0]):
        sides[0] = None
    if not _ends_clean(line, parts[-1]):
        sides[-1] = None
    for left, right in zip(sides, sides[1:], strict=False):
        if left is not None and right is not None and left.computed:
            yield Step(
                text=line[left.start : right.end],
                left=line[left.start : left.end],
                value=left.value,
                holds=left.value == right.value,
                wrong=_differ(left, right),
            )


def _differ(left: _Side, right: _Side) -> bool:
    """Say whether two sides differ by more than rounding or cutting off explains."""
    difference = abs(left.value - right.value)
    if right.computed:
        return difference != 0 and left.whole and right.whole
    # 10 / 3 = 3.33 and 7 / 2 = 3 are rounded or cut off, and 0.33 * 300 = 100 goes on from such.
    slack = 0 if left.whole else _ROUNDING * abs(left.value)
    return difference >= Fraction(1, 10**right.decimals) and difference > slack


def _balance(part: list[_Token]) -> int:
    return sum((token.kind == "open") - (token.kind == "close") for token in part)


def _begins_clean(line: str, part: list[_Token]) -> bool:
    if not part:
        return False
    before = line[: part[0].start].rstrip(" \t$")
    bullet = _BULLET.match(line)
    if not before or (bullet and part[0].start <= bullet.end()):
        return True
    if part[0].kind in ("minus", "plus") or before.endswith(("..", "…")):
        return before.endswith((":", "(", "["))
    # Bold print may close before a step; behind a number the two stars would be a power.
    before = re.sub(r"(?<![\w)\s])\s*\*\*$|^\s*\*\*$", ":", before)
    return bool(_NEUTRAL.search(before)) or before.endswith(_MARKS)


def _ends_clean(line: str, part: list[_Token]) -> bool:
    if not part:
        return False
    after = line[part[-1].end :].lstrip("$")
    return bool(_FOLLOWS.match(after)) and not _SCALES.match(after)


def _side(part: list[_Token]) -> _Side | None:
    """Read one side; ``None`` where it is no closed expression."""
    if not part or any(_too_long(token) for token in part):
        return None
    try:
        reader = _Reader(part)
        value = reader.sum()
        if not reader.done:
            return None
    except (ValueError, ZeroDivisionError, RecursionError):
        return None
    numbers = [token.text for token in part if token.kind == "number"]
    return _Side(
        value,
        start=part[0].start,
        end=part[-1].end,
        computed=len(numbers) > 1,
        decimals=len(numbers[0].partition(".")[2]),
        whole=not any("." in number for number in numbers),
    )


def _too_long(token: _Token) -> bool:
    return token.kind == "number" and len(token.text) > _MOST_DIGITS


class _Reader:
    """Reads sums of products of numbers and parentheses."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at == len(self._tokens)

    def sum(self) -> Fraction:
        value = self._product()
        while self._kind() in ("plus", "minus"):
            sign = self._take()
            value = value + self._product() if sign == "plus" else value - self._product()
        return value

    def _product(self) -> Fraction:
        value = self._factor()
        while self._kind() in ("times", "over"):
            operator = self._take()
            value = value * self._factor() if operator == "times" else value / self._factor()
        return value

    def _factor(self) -> Fraction:
        kind = self._take()
        if kind == "minus":
            return -self._factor()
        if kind == "open":
            value = self.sum()
            if self._take() != "close":
                raise ValueError("an open parenthesis")
            return value
        if kind != "number":
            raise ValueError("no number")
        return Fraction(self._tokens[self._at - 1].text.replace(",", ""))

    def _kind(self) -> str:
        return "" if self.done else self._tokens[self._at].kind

    def _take(self) -> str:
        kind = self._kind()
        self._at += 1
        return kind

"""A second opinion on whether two formulas have the same value, independent of ``harness.grading``.

Both are evaluated at random points, and differ if their first 30 digits do somewhere. What cannot
be read without doubt is neither equal nor different.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import mpmath

from tests.grading.formula_reader import WORKING_DIGITS, Formula, Unread, Values, read

POINTS = 200
_ENOUGH = 40

_WHOLE = frozenset("nmkjpqN")


def points(names: frozenset[str], seed: str = "") -> Iterator[Values]:
    """Yield 200 random points: scales from 1e-3 to 1e6, both signs, whole for some letters."""
    chance = random.Random(repr(sorted(names)) + seed)
    for number in range(POINTS if names else 1):
        values: Values = {}
        for name in sorted(names):
            scale = chance.choice((0.3, 1, 3)) if number < 20 else 10 ** chance.uniform(-3, 6)
            if name[0] in _WHOLE:
                values[name] = mpmath.mpf(1 + int(chance.uniform(1, 9) * scale))
            else:
                sign = 1 if number % 4 < 2 else chance.choice((-1, 1))
                values[name] = mpmath.mpf(sign * scale * chance.uniform(0.5, 2))
        yield values


def pairs(left: Formula, right: Formula) -> Iterator[tuple[Any, Any]]:
    """Yield both values wherever both formulas have one that is real (or a constant)."""
    names = left.names | right.names
    with mpmath.workdps(WORKING_DIGITS):
        for values in points(names):
            ours = left.at(values)
            theirs = None if ours is None else right.at(values)
            if theirs is None or (names and (mpmath.im(ours) or mpmath.im(theirs))):
                continue
            yield ours, theirs


def _apart(left: Any, right: Any) -> bool:
    return bool(abs(left - right) > mpmath.mpf(10) ** -30 * (1e-6 + abs(left) + abs(right)))


def differ(left: str, right: str) -> bool:
    """Say whether two formulas surely have different values somewhere."""
    try:
        return any(_apart(*pair) for pair in pairs(read(left), read(right)))
    except Unread:
        return False


def agree(left: str, right: str) -> bool:
    """Say whether two formulas have the same value wherever both are defined."""
    try:
        ours, theirs = read(left), read(right)
    except Unread:
        return False
    seen = 0
    for pair in pairs(ours, theirs):
        if _apart(*pair):
            return False
        seen += 1
        if seen == _ENOUGH:
            return True
    return seen >= (_ENOUGH if ours.names | theirs.names else 1)


def constant(text: str) -> Any:
    """Return the value of a formula without letters, else ``None``."""
    try:
        formula = read(text)
    except Unread:
        return None
    with mpmath.workdps(WORKING_DIGITS):
        return None if formula.names else formula.at({})


def equations_differ(left: tuple[str, str], right: tuple[str, str]) -> bool:
    """Say whether a real point that solves the first equation surely fails the second."""
    try:
        ours, theirs = ((read(sides[0]), read(sides[1])) for sides in (left, right))
    except Unread:
        return False
    names = ours[0].names | ours[1].names
    if not names or (theirs[0].names | theirs[1].names) != names:
        return False
    with mpmath.workdps(WORKING_DIGITS):
        for number, values in enumerate(points(names, "root")):
            if number >= 30:
                return False
            unknown = sorted(names)[number % len(names)]

            def gap(value: Any, sides: tuple[Formula, Formula] = ours) -> Any:
                there = {**values, unknown: value}  # noqa: B023 - called at once
                one, other = sides[0].at(there), sides[1].at(there)
                if one is None or other is None:
                    raise ValueError
                return one - other

            try:
                root = mpmath.findroot(gap, values[unknown], tol=1e-60, maxsteps=40)
                rest = gap(root, theirs)
            except (ValueError, ZeroDivisionError, ArithmeticError, TypeError):
                continue
            if mpmath.im(root) or mpmath.im(rest) or abs(root) > 1e9:
                continue
            if abs(rest) > mpmath.mpf(10) ** -12 * (1 + abs(root)):
                return True
    return False


def truths_differ(left: str, right: str) -> bool:
    """Say whether two inequalities in one letter surely hold at different points."""
    try:
        ours, theirs = _chain(left), _chain(right)
    except Unread:
        return False
    names = frozenset(n for parts, _ in (ours, theirs) for part in parts for n in part.names)
    if len(names) != 1:
        return False
    with mpmath.workdps(WORKING_DIGITS):
        for values in points(names):
            one, other = _holds(ours, values), _holds(theirs, values)
            if one is not None and other is not None and one != other:
                return True
    return False


_RELATION = re.compile(
    r"(<=|>=|≤|≥|<|>|\\(?:leqslant|geqslant|leq?|geq?)(?![A-Za-z])|\\lt(?![a-z])|\\gt(?![a-z]))"
)


def _chain(text: str) -> tuple[list[Formula], list[str]]:
    pieces = _RELATION.split(text)
    if len(pieces) < 3:
        raise Unread(text)
    signs = [("<" if s in ("<", "<=", "≤") or s.startswith("\\l") else ">") for s in pieces[1::2]]
    return [read(piece) for piece in pieces[::2]], signs


def _holds(chain: tuple[list[Formula], list[str]], values: Values) -> bool | None:
    """Say whether an inequality holds; ``None`` where that is close or undefined."""
    numbers = [part.at(values) for part in chain[0]]
    if any(number is None or mpmath.im(number) for number in numbers):
        return None
    truth = True
    for (left, right), sign in zip(zip(numbers, numbers[1:], strict=False), chain[1], strict=True):
        if not _apart(left, right):
            return None
        truth = truth and ((left < right) == (sign == "<"))
    return truth

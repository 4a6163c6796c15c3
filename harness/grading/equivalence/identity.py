"""Deciding whether two expressions are identically equal.

Rational functions are decided modulo a large prime. All else is computed at points of many scales
and sign patterns, on whole numbers where these are meant, and on every piece between the places
where either side bends. One point at which both sides are defined and differ refutes; to be
called equal they must agree everywhere, at some points of every kind with 100 digits or more.

Domains: for positive letters both sides must be defined at the same points, single ones apart.
Elsewhere one side may lack values, as ``2 ln a`` does beside ``ln(a^2)``, but only if there are
positive points that both have.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from fractions import Fraction
from random import Random
from typing import Any

from harness.grading.equivalence import modular
from harness.grading.equivalence.arithmetic import (
    FLOATS,
    GUARD_DIGITS,
    REALS,
    Arithmetic,
    HighPrecision,
    Undefined,
    high_precision,
)
from harness.grading.equivalence.breakpoints import (
    Boundary,
    BoundaryOnLine,
    NotLocated,
    boundaries,
    find_breakpoints,
    points_between,
)
from harness.grading.equivalence.integer_variables import integer_variables
from harness.grading.equivalence.numeric import (
    STANDARD,
    NotRational,
    Reading,
    TooLarge,
    evaluate,
    exact,
)
from harness.grading.parsing.tree import Node, symbols

Point = dict[str, Fraction]


def same_value(left: Node, right: Node, reading: Reading = STANDARD) -> bool | None:
    """Decide whether two expressions are identically equal.

    Returns:
        Whether they are, or ``None`` where too little could be computed to say so.
    """
    seed = modular.fingerprint(left, right)
    proof = modular.compare(left, right, reading, seed)
    if proof is not None:
        return proof
    pair = _Pair(left, right, reading, Random(int.from_bytes(seed)))
    return pair.same_function() if pair.names else pair.same_constant()


def nearly_same(left: Node, right: Node, reading: Reading = STANDARD) -> bool:
    """Say whether two functions agree to within the noise of doubles.

    Meant for expressions whose coefficients were printed by a program; it proves no identity.
    """
    seed = modular.fingerprint(left, right)
    return _Pair(left, right, reading, Random(int.from_bytes(seed))).nearly_same()


class _Outcome(Enum):
    """What one point says about two sides."""

    AGREE = "agree"
    DIFFER = "differ"
    ONE_SIDED = "defined on one side only"
    NOTHING = "nothing"


class _Place(Enum):
    """Where a point lies."""

    POSITIVE = "all coordinates positive"
    MIXED = "some coordinate negative"
    EDGE = "whole numbers at which a side may well be undefined"


_TOO_LARGE = object()
#: A comparison with more digits than this is left undecided.
_MAX_DIGITS = 3200
_MAX_DIGITS_OF_A_CONSTANT = 12_800
_NEEDED = 4
_CONFIRMED = 3
_CONFIRMED_AT_BREAKPOINTS = 30
#: Whole numbers: of many remainders, and large ones, which factorials are spared.
_SMALL = (*range(13), 24, 36, 60, 97)
_LARGE = (100, 360, 720, 1000, 1001, 5040, 99_999, 10**6)
_NEGATIVE = (-1, -2, -3, -4, -5, -6, -7, -60, -1000)
#: Powers of ten of the coordinates, point by point and letter by letter in turn.
_SCALES = ((0, 0, 0), (0, 0, 0), (0, 0, 0), (-1, 0, 1), (1, 0, -1), (-3, -2, -3), (2, 1, 3))
_MAX_FAR_SCALES = 12
_LARGE_SCALES = ((3, -1, 2), (4, 5, 4), (5, 3, 6))


class _Pair:
    """Two expressions under one reading."""

    def __init__(self, left: Node, right: Node, reading: Reading, random: Random) -> None:
        self.sides = left, right
        self.names = sorted(symbols(left) | symbols(right))
        self._reading = reading
        self._random = random
        imaginary = any(n.kind == "const" and n.value == "i" for s in self.sides for n in s.walk())
        self._arithmetic = FLOATS if imaginary or not self.names else REALS
        self._boundaries: list[Boundary] = []
        self._not_located = False  # a breakpoint may exist that was not found

    # -- verdicts ----------------------------------------------------------------------------

    def same_constant(self) -> bool | None:
        """Compare two numbers."""
        try:
            ours, theirs = (exact(side, self._reading) for side in self.sides)
            return ours == theirs
        except (NotRational, TooLarge):
            pass
        except Undefined:
            return None
        outcome = self._at({}, moderate=True)
        if outcome is _Outcome.AGREE:
            outcome = self._confirmed({})
        return {_Outcome.AGREE: True, _Outcome.DIFFER: False}.get(outcome)

    def same_function(self) -> bool | None:
        """Compare two functions of their letters."""
        try:
            self._boundaries = list(
                dict.fromkeys(b for side in self.sides for b in boundaries(side))
            )
        except NotLocated:
            return None
        must, may = integer_variables(*self.sides, self._reading)
        verdict = self._same_over(must, must)
        if may:
            # cos(n pi) is (-1)^n at whole numbers; (x^n) is not |x|^n.
            whole = self._same_over(must | may, must)
            if whole is not None:
                return whole
        return verdict

    def nearly_same(self) -> bool:
        """Compare functions without breakpoints in doubles, to 15 digits."""
        try:
            if any(boundaries(side) for side in self.sides):
                return False
        except NotLocated:
            return False
        near = 0
        for point, _ in self._points(set(), set()):
            values = [self._value(side, point, FLOATS) for side in self.sides]
            if None in values or _TOO_LARGE in values:
                continue
            if not _near(values[0], values[1], 7e-16):
                return False
            near += 1
        return near > len(_SCALES)

    def _same_over(self, whole: set[str], must: set[str]) -> bool | None:
        agreed: list[Point] = []
        verdict = self._sampled(whole, must, agreed)
        if verdict is None and not agreed and self._arithmetic is REALS:
            # Nothing is real anywhere: compare the complex principal values.
            self._arithmetic = FLOATS
            verdict = self._sampled(whole, must, agreed)
            self._arithmetic = REALS
        return verdict

    def _sampled(self, whole: set[str], must: set[str], agreed: list[Point]) -> bool | None:
        """Compare at all points; ``None`` where too few of them tell anything.

        Points at which the sides agree are added to the list.
        """
        count: Counter[tuple[_Outcome, _Place]] = Counter()
        for k, (point, place) in enumerate(self._points(whole, must)):
            outcome = self._at(point, moderate=k < 3, edge=place is _Place.EDGE)
            if outcome is _Outcome.DIFFER:
                return False
            count[outcome, place] += 1
            if outcome is _Outcome.AGREE:
                agreed.append(point)
        for k, (point, place) in enumerate(self._points_between_breakpoints(whole, agreed)):
            outcome = self._at(point, edge=place is _Place.EDGE)
            if outcome is _Outcome.AGREE and k < _CONFIRMED_AT_BREAKPOINTS:
                outcome = self._confirmed(point)
            if outcome is _Outcome.DIFFER:
                return False
            count[outcome, place] += 1
            if outcome is _Outcome.AGREE:
                agreed.append(point)
        if count[_Outcome.ONE_SIDED, _Place.POSITIVE] or self._differ_at_steps(agreed):
            return False
        if len(agreed) < _NEEDED:
            return None
        positive = count[_Outcome.AGREE, _Place.POSITIVE] + count[_Outcome.AGREE, _Place.EDGE]
        if not positive and count[_Outcome.ONE_SIDED, _Place.MIXED]:
            return False
        return None if self._not_located else self._all_confirmed(agreed)

    def _all_confirmed(self, agreed: list[Point]) -> bool | None:
        confirmed = 0
        for point in (agreed[0], agreed[len(agreed) // 2], *agreed[1:]):
            outcome = self._confirmed(point)
            if outcome is _Outcome.DIFFER:
                return False
            confirmed += outcome is _Outcome.AGREE
            if confirmed == _CONFIRMED:
                return True
        return None

    # -- one point ---------------------------------------------------------------------------

    def _at(self, point: Point, *, moderate: bool = False, edge: bool = False) -> _Outcome:
        """Compare at a point, in doubles where these suffice.

        Args:
            point: The values of the letters.
            moderate: All numbers are of ordinary size, so that a clear difference is no rounding.
            edge: The point is one of many that are tried for their small or special numbers.
        """
        if point and all(value.denominator == 1 for value in point.values()):
            outcome = self._exactly(point)
            if outcome is not _Outcome.NOTHING:
                return outcome
        values = [self._value(side, point, self._arithmetic) for side in self.sides]
        if _TOO_LARGE in values:
            return _Outcome.NOTHING if edge else self._confirmed(point)
        if values[0] is None or values[1] is None:
            return _Outcome.NOTHING if values[0] is values[1] else self._one_sided(point)
        if _near(values[0], values[1], 1e-9):
            return _Outcome.AGREE
        if (
            moderate
            and not _near(values[0], values[1], 1e-3)
            and max(abs(values[0]), abs(values[1])) > 1e-3
        ):
            return _Outcome.DIFFER
        return self._confirmed(point)

    def _exactly(self, point: Point) -> _Outcome:
        """Compare by exact arithmetic, where both sides are rational."""
        try:
            ours, theirs = (exact(side, self._reading, point) for side in self.sides)
        except (NotRational, TooLarge, Undefined):
            return _Outcome.NOTHING
        return _Outcome.AGREE if ours == theirs else _Outcome.DIFFER

    def _value(self, side: Node, point: Point, arithmetic: Arithmetic) -> Any:
        """Compute a side; ``None`` where it is undefined."""
        try:
            numbers = {name: arithmetic.number(value) for name, value in point.items()}
            return evaluate(side, numbers, self._reading, arithmetic)
        except Undefined:
            return None
        except TooLarge:
            return _TOO_LARGE

    def _one_sided(self, point: Point) -> _Outcome:
        """Look again where doubles give one side no real value."""
        outcome = self._confirmed(point)  # it may merely have underflowed
        if outcome is not _Outcome.ONE_SIDED or self._arithmetic is FLOATS:
            return outcome
        values = [self._value(side, point, FLOATS) for side in self.sides]
        if None in values or _TOO_LARGE in values or not _near(values[0], values[1], 1e-9):
            return outcome
        return _Outcome.NOTHING  # the principal values are the same

    def _confirmed(self, point: Point) -> _Outcome:
        """Compare with so many digits that no term is too small to be seen beside another."""
        digits = 100
        most = _MAX_DIGITS if point else _MAX_DIGITS_OF_A_CONSTANT
        while digits <= most:
            arithmetic = high_precision(digits, real=self._arithmetic is REALS)
            arithmetic.reset()
            values = [self._value(side, point, arithmetic) for side in self.sides]
            if _TOO_LARGE in values:
                # 10^{10^{10}} is not 42; in a function only a part may be too large.
                one = not point and values[0] is not values[1] and None not in values
                return _Outcome.DIFFER if one else _Outcome.NOTHING
            if values[0] is None and values[1] is None:
                return _Outcome.NOTHING
            needed = 40 + 2 * arithmetic.span()
            if needed <= digits:  # what is undefined may else be a difference not seen
                if None in values:
                    return _Outcome.ONE_SIDED
                return self._compared(values, arithmetic, digits)
            while digits < needed:
                digits *= 2
        return _Outcome.NOTHING

    def _compared(self, values: list[Any], arithmetic: HighPrecision, digits: int) -> _Outcome:
        if any(isinstance(value, float) for value in values):  # infinity
            return _Outcome.AGREE if values[0] == values[1] else _Outcome.DIFFER
        lib = arithmetic.lib
        allowed = lib.ldexp(1, arithmetic.largest) * lib.mpf(10) ** (GUARD_DIGITS - digits)
        return _Outcome.AGREE if abs(values[0] - values[1]) <= allowed else _Outcome.DIFFER

    # -- where -------------------------------------------------------------------------------

    def _number(self, scale: int) -> Fraction:
        """Draw a number of some power of ten."""
        return Fraction(self._random.randrange(1_000_003, 9_999_991), 10**6) * Fraction(10) ** scale

    def _points(self, whole: set[str], must: set[str]) -> Iterator[tuple[Point, _Place]]:
        positive = (1,) * len(self.names)
        for scales in _SCALES + _LARGE_SCALES:
            yield self._point(scales, positive, whole), _Place.POSITIVE
        for scale in self._far_scales() if set(self.names) - whole else ():
            yield self._point((scale,) * 3, positive, whole), _Place.POSITIVE
        if set(self.names) - whole:
            for signs in self._sign_patterns(whole):
                for scales in _SCALES[1:] + _LARGE_SCALES[1:]:
                    yield self._point(scales, signs, whole), _Place.MIXED
        for name in sorted(whole):
            signs = tuple(self._random.choice((1, -1)) for _ in self.names)
            for value in _SMALL + (_LARGE if name not in must else ()) + _NEGATIVE:
                point = self._point((0, 0, 0), signs if value % 2 else positive, whole)
                yield {**point, name: Fraction(value)}, _Place.EDGE

    def _far_scales(self) -> list[int]:
        """List powers of ten at which large constants show: tanh(10^6 x) is 1 but for small x."""
        sizes = [size for size in self._sizes() if 1e-100 < size < 1e100]
        found = {round(math.log10(size)) * sign for size in sizes for sign in (1, -1)}
        return sorted(scale for scale in found if not -4 < scale < 7)[:_MAX_FAR_SCALES]

    def _point(self, scales: tuple[int, ...], signs: tuple[int, ...], whole: set[str]) -> Point:
        point = {}
        for i, (name, sign) in enumerate(zip(self.names, signs, strict=True)):
            if name in whole:
                point[name] = Fraction(self._random.randrange(5, 31))
            else:
                point[name] = sign * self._number(scales[i % len(scales)])
        return point

    def _sign_patterns(self, whole: set[str]) -> list[tuple[int, ...]]:
        """List combinations of signs, all of them if they are few."""
        choices = [(1,) if name in whole else (1, -1) for name in self.names]
        if sum(len(choice) == 2 for choice in choices) <= 3:
            return [signs for signs in itertools.product(*choices) if -1 in signs]
        some = [tuple(choice[-1] for choice in choices)]
        for _ in range(6):
            some.append(tuple(self._random.choice(choice) for choice in choices))
        return some

    def _points_between_breakpoints(
        self, whole: set[str], agreed: list[Point]
    ) -> Iterator[tuple[Point, _Place]]:
        if not self._boundaries:
            return
        sizes = self._sizes()
        for base, direction in self._lines(whole, agreed):
            try:
                places = find_breakpoints(
                    [self._along(b, base, direction) for b in self._boundaries], sizes
                )
            except NotLocated:
                self._not_located = True
                continue
            if len(direction) == 1 and whole & set(direction):
                (name,) = direction
                near = {math.floor(place) + d for place in places for d in (-1, 0, 1, 2)}
                for whole_number in sorted(near):
                    yield {**base, name: Fraction(whole_number)}, _Place.EDGE
                continue
            for t in points_between(places, self._random.random):
                point = _moved(base, direction, Fraction(t))
                inside = all(value > 0 for value in point.values())
                yield point, _Place.POSITIVE if inside else _Place.MIXED

    def _differ_at_steps(self, agreed: list[Point]) -> bool:
        """Say whether the sides differ exactly where a floor or ceiling steps."""
        steps = [one for one in self._boundaries if one.steps]
        for base, direction in self._lines(set(), agreed) if steps else ():
            try:
                places = find_breakpoints([self._along(b, base, direction) for b in steps], [])
            except NotLocated:
                continue
            for place in places:
                t = Fraction(place).limit_denominator(10**6)
                if self._exactly(_moved(base, direction, t)) is _Outcome.DIFFER:
                    return True
        return False

    def _lines(self, whole: set[str], agreed: list[Point]) -> Iterator[tuple[Point, Point]]:
        """Choose lines through points of the domain: a base and the direction from there."""
        positive = (1,) * len(self.names)
        bases = agreed[:1] or [self._point((0, 0, 1), positive, whole)]
        if len(self.names) > 1 and len(agreed) > 1:
            bases += [self._random.choice(agreed) for _ in range(8)]
        for name, base in itertools.product(self.names[:6], bases):
            yield {**base, name: Fraction(0)}, {name: Fraction(1)}
        if len(self.names) > 1 and not whole:
            for base in bases[:3]:
                signs = tuple(self._random.choice((1, -1)) for _ in self.names)
                yield base, self._point((0, 0, 0), signs, whole)

    def _along(self, boundary: Boundary, base: Point, direction: Point) -> BoundaryOnLine:
        start = {name: float(value) for name, value in base.items()}
        slopes = {name: float(value) for name, value in direction.items()}

        def valued(node: Node, point: dict[str, float]) -> float | None:
            try:
                return float(evaluate(node, point, self._reading, REALS))
            except (Undefined, KeyError):
                return None
            except TooLarge:
                return math.inf

        def function(t: float) -> float | None:
            here = {**start, **{name: start[name] + slope * t for name, slope in slopes.items()}}
            return valued(boundary.node, here)

        name = next(iter(direction)) if len(direction) == 1 else ""
        return BoundaryOnLine(boundary, function, name, lambda node: valued(node, start))

    def _sizes(self) -> list[float]:
        """List the sizes of the constants of both sides, infinite where they are too large."""
        found: list[float] = []
        waiting = list(self.sides)
        while waiting:
            node = waiting.pop()
            if symbols(node):
                waiting.extend(node.args)
                continue
            value = self._value(node, {}, FLOATS)
            if value is _TOO_LARGE:
                found.append(math.inf)
            elif value:
                found.append(float(abs(value)))
        return found


def _moved(base: Point, direction: Point, t: Fraction) -> Point:
    return {name: value + direction.get(name, 0) * t for name, value in base.items()}


def _near(left: Any, right: Any, relative: float) -> bool:
    if left == right:
        return True
    if any(isinstance(side, float) and math.isinf(side) for side in (left, right)):
        return False
    return bool(abs(left - right) <= relative * max(abs(left), abs(right)))

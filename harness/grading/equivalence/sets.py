"""Sets of real numbers, read from intervals, inequalities, set-builders and their combinations.

A set is a sorted tuple of disjoint intervals. Its ends are exact rationals, or numbers of 60 digits
where they are irrational; inequalities are solved by exact algebra or not at all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key, reduce
from typing import NamedTuple

from harness.grading.equivalence import polynomials, sequences
from harness.grading.equivalence.polynomials import UNKNOWN, NotPolynomial, Real
from harness.grading.parsing.tree import Node, number, symbols


class Interval(NamedTuple):
    """An interval, or a single number as one."""

    low: Real
    low_in: bool
    high: Real
    high_in: bool


@dataclass(frozen=True, slots=True)
class RealSet:
    """A set of real numbers.

    Attributes:
        parts: Disjoint intervals in ascending order.
        whole: Only the whole numbers in them belong to the set. A small set of whole numbers is
            written as single numbers instead.
    """

    parts: tuple[Interval, ...] = ()
    whole: bool = False


_LEAST, _GREATEST = Real(-math.inf), Real(math.inf)
_ZERO, _UNIT = Real(Fraction(0)), Real(Fraction(1))
ALL = RealSet((Interval(_LEAST, False, _GREATEST, False),))
_EXTENDED = RealSet((Interval(_LEAST, True, _GREATEST, True),))
EMPTY = RealSet()
_POSITIVE = RealSet((Interval(_ZERO, False, _GREATEST, False),))
_NOT_NEGATIVE = RealSet((Interval(_ZERO, True, _GREATEST, False),))
_NEGATIVE = RealSet((Interval(_LEAST, False, _ZERO, False),))
_NAMED = {
    "R": ALL, "empty": EMPTY, "R+": _POSITIVE, "R0+": _NOT_NEGATIVE, "R-": _NEGATIVE,
    "Z": RealSet(ALL.parts, True), "Z-": RealSet((Interval(_LEAST, False, _ZERO, False),), True),
    "Z+": RealSet(_POSITIVE.parts, True), "Z0+": RealSet(_NOT_NEGATIVE.parts, True),
}  # fmt: skip
_INEQUALITIES = frozenset(("<", ">", "<=", ">=", "!="))
#: A small set of whole numbers has at most so many.
_MAX_WHOLE = 2_000
_MAX_SPLITS = 4


class NotASet(Exception):
    """The tree does not describe a set of real numbers that is read here."""


def is_set_like(node: Node) -> bool:
    """Say whether a tree can only be meant as a set of real numbers."""
    match node.kind:
        case "union" | "inter" | "minus" | "builder" | "in" | "notin" | "realset":
            return True
        case "add":  # "A - {0}" for the difference of sets
            first, second = node.args
            both = first.kind == "set" and second.kind == "neg" and second.args[0].kind == "set"
            return both or is_set_like(first)
        case "rel":
            return any(op in _INEQUALITIES for op in node.value)
        case "and" | "or":
            return any(is_set_like(arg) for arg in node.args)
        case "tuple":
            return len(node.args) == 2 and node.value in ("([", "[(")
    return False


def is_modulus(node: Node) -> bool:
    """Say whether a node may be the modulus of a complex number, as ``|z - 1|`` is."""
    size = node.kind == "fn" and node.value == "abs"
    names = symbols(node) if size else set()
    return not names & {"x", "y"} and any(name[0] in "zw" for name in names)


class Family(NamedTuple):
    """The numbers that a formula gives for all whole values of a letter."""

    formula: Node
    letter: str


def family(node: Node) -> Family | None:
    """Read {k pi : k in Z}, {k pi, k in Z} and {x : x = k pi, k in Z}."""
    if node.kind not in ("set", "builder") or len(node.args) != 2:
        return None
    formula, condition = node.args
    conditions = condition.args if condition.kind in ("list", "and") else (condition,)
    first, last = conditions[0], conditions[-1]
    if len(conditions) == 2 and first.kind == "rel" and first.value == ("=",):
        if first.args[0] != formula:
            return None
        formula = first.args[1]
    elif len(conditions) > 1:
        return None
    if last.kind != "in" or last.args[1] != Node("realset", value="Z"):
        return None
    index = last.args[0]
    inside = index.kind == "sym" and index in formula.walk() and formula != index
    return Family(formula, index.value) if inside else None


def names_whole_numbers(node: Node) -> bool:
    """Say whether a tree names a set of whole numbers."""
    return any(n.kind == "realset" and str(n.value)[:1] in ("Z", "N") for n in node.walk())


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads trees as sets of real numbers.

    Attributes:
        natural: The first natural number; books differ.
    """

    natural: int = 1

    def read(self, node: Node) -> RealSet:
        """Read a tree as a set of real numbers; its one symbol is the variable.

        Raises:
            NotASet: It is none, or cannot be solved.
        """
        try:
            return self._read(node)
        except NotPolynomial as error:
            raise NotASet(str(error)) from None

    def _read(self, node: Node) -> RealSet:
        match node.kind:
            case "tuple" if len(node.args) == 2:
                return self._interval(node)
            case "set" | "list" if sequences.has_dots(node):
                return _progression(node)
            case "set" | "list":
                return _tidy(_single(polynomials.constant(arg)) for arg in node.args)
            case "realset":
                return self._named(node.value)
            case "union" | "or":
                read = self._operand if node.kind == "union" else self._read
                return _union([read(arg) for arg in node.args])
            case "inter" | "and":
                read = self._operand if node.kind == "inter" else self._read
                return reduce(intersection, (read(arg) for arg in node.args), _EXTENDED)
            case "minus":
                left, right = (self._operand(arg) for arg in node.args)
                return intersection(left, complement(right))
            case "add" if node.args[1].kind == "neg":
                left, right = self._read(node.args[0]), self._read(node.args[1].args[0])
                return intersection(left, complement(right))
            case "labelled":
                return _tidy([_single(polynomials.constant(node.args[0]))])
            case "builder":
                return self._builder(node)
            case "in" | "notin" if node.args[0].kind != "sym":
                raise NotASet("a statement about something else than the variable")
            case "in":
                return self._read(node.args[1])
            case "notin":
                return complement(self._read(node.args[1]))
            case "rel":
                return _relation(node)
        raise NotASet(node.kind)

    def _operand(self, node: Node) -> RealSet:
        r"""Read an operand of a union: TeX loses the braces of ``{1} \cup {2}``."""
        if node.kind in ("num", "neg", "div"):
            return _tidy([_single(polynomials.constant(node))])
        return self._read(node)

    def _interval(self, node: Node) -> RealSet:
        low, high = (polynomials.constant(arg) for arg in node.args)
        if low.compare(high) > 0:
            raise NotASet("ends in the wrong order")
        return _tidy([Interval(low, node.value[0] == "[", high, node.value[1] == "[")])

    def _named(self, name: str) -> RealSet:
        if name in ("N", "N0", "N+"):
            start = 0 if name == "N0" else 1 if name == "N+" else self.natural
            name = "Z+" if start else "Z0+"
        if name not in _NAMED:
            raise NotASet(name)
        return _tidy_whole(_NAMED[name]) if _NAMED[name].whole else _NAMED[name]

    def _builder(self, node: Node) -> RealSet:
        element, condition = node.args
        if element.kind not in ("in", "sym"):
            raise NotASet("a formula for the elements")
        domain = self._read(element) if element.kind == "in" else ALL
        if condition.kind == "list":
            condition = Node("and", condition.args)
        return intersection(domain, self._read(condition))


def _single(value: Real) -> Interval:
    return Interval(value, True, value, True)


def _progression(node: Node) -> RealSet:
    """Read ``1, 2, 3, …``: whole numbers in steps of one."""
    found = sequences.progression(node)
    if found is None or abs(found.step) != 1 or found.first.denominator != 1:
        raise NotASet("dots")
    first, last = Real(found.first), Real(math.inf if found.last is None else found.last)
    if found.step < 0:
        first, last = Real(-math.inf) if found.last is None else last, first
    return _tidy_whole(RealSet((Interval(first, True, last, True),), True))


# -- relations -------------------------------------------------------------------------------


def _relation(node: Node) -> RealSet:
    """Read a chain of inequalities as the set of values of its one variable."""
    result = _EXTENDED
    for left, operator, right in zip(node.args, node.value, node.args[1:], strict=False):
        result = intersection(result, _solve(left, operator, right))
    return result


def _solve(left: Node, operator: str, right: Node) -> RealSet:
    """Solve a relation of two rational expressions in one variable."""
    names = {n.value for side in (left, right) for n in side.walk() if n.kind == "sym"}
    if len(names) != 1 or operator not in (*_INEQUALITIES, "="):
        raise NotASet("not one variable")
    if operator in ("=", "!=") and any(is_modulus(n) for n in (*left.walk(), *right.walk())):
        raise NotASet("a complex variable")
    if _infinite(left) or _infinite(right):
        # "-\infty < x" says nothing; with "<=" it speaks of the extended line.
        if operator not in ("<", ">", "<=", ">=") or not _says_nothing(left, operator, right):
            raise NotASet("infinity")
        return _EXTENDED if "=" in operator else ALL
    residual = Node("add", (left, Node("neg", (right,))))
    return _by_sign(residual, operator, names.pop(), 0)


def _infinite(node: Node) -> bool:
    inner = node.args[0] if node.kind == "neg" else node
    return inner.kind == "const" and inner.value == "inf"


def _says_nothing(left: Node, operator: str, right: Node) -> bool:
    r"""Tell ``-\infty < x`` from ``\infty < x``."""
    below = "neg" if operator in ("<", "<=") else "const"
    above = "const" if below == "neg" else "neg"
    return left.kind == below if _infinite(left) else right.kind == above


def _by_sign(residual: Node, operator: str, name: str, splits: int) -> RealSet:
    """Find where a residual has the sign that an operator asks for."""
    kink = _kink(residual, name)
    if kink is None:
        quotient = polynomials.quotient(residual, {name: UNKNOWN})
        if splits == 0 and not quotient.above:
            raise NotASet("nothing is said")  # x = x
        return _by_zeros(quotient, operator)
    if splits == _MAX_SPLITS:
        raise NotASet("too many cases")
    # |u| is u where u >= 0 and -u elsewhere; max(u, v) is u where u - v >= 0.
    first = kink.args[0]
    second = Node("neg", (first,)) if kink.value == "abs" else kink.args[1]
    border = first if kink.value == "abs" else Node("add", (first, Node("neg", (second,))))
    if kink.value == "min":
        first, second = second, first
    found = []
    for side, branch in ((">=", first), ("<", second)):
        where = _by_sign(border, side, name, splits + 1)
        if where.parts:
            there = _by_sign(_replaced(residual, kink, branch), operator, name, splits + 1)
            found.append(intersection(where, there))
    return _union(found)


def _kink(node: Node, name: str) -> Node | None:
    """Find an absolute value, minimum or maximum of the variable that holds no other."""
    for n in reversed(node.walk()):
        if n.kind == "fn" and n.value in ("abs", "min", "max"):
            if n.value != "abs" and len(n.args) != 2:
                raise NotASet("many arguments")
            if any(m.kind == "sym" and m.value == name for m in n.walk()):
                return n
    return None


def _replaced(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    return Node(node.kind, tuple(_replaced(arg, old, new) for arg in node.args), node.value)


def _by_zeros(residual: polynomials.Quotient, operator: str) -> RealSet:
    """Find the sign of a quotient between its zeros and poles."""
    poly = polynomials.times(residual.above, residual.below)
    poles = polynomials.real_zeros(residual.poles, residual.exact)
    if not poly:
        held = ALL if "=" in operator and operator != "!=" else EMPTY
        return intersection(held, complement(_tidy(_single(pole) for pole in poles)))
    zeros = polynomials.real_zeros(poly, residual.exact)
    if operator == "=" and len(zeros) + 1 < len(polynomials.squarefree(poly)):
        raise NotASet("zeros that are not real")
    ends = [_LEAST, *_merged([*zeros, *poles]), _GREATEST]
    poly = polynomials.primitive(poly)
    parts = [] if operator in ("<", ">", "!=") else [_single(zero) for zero in zeros]
    for low, high in itertools.pairwise(ends):
        sign = polynomials.sign(poly, _between(low, high))
        if operator == "!=" or sign == {"<": -1, ">": 1}.get(operator[0]):
            parts.append(Interval(low, False, high, False))
    return intersection(_tidy(parts), complement(_tidy(_single(pole) for pole in poles)))


def _merged(values: Iterable[Real]) -> list[Real]:
    """Sort numbers and drop repeated ones."""
    found: list[Real] = []
    for value in sorted(values, key=cmp_to_key(Real.compare)):
        if not found or found[-1].compare(value):
            found.append(value)
    return found


def _between(low: Real, high: Real) -> Fraction:
    """Choose a number between two ends."""
    ends = [end.value for end in (low, high)]
    if isinstance(ends[0], Fraction) and isinstance(ends[1], Fraction):
        return (ends[0] + ends[1]) / 2
    if isinstance(ends[0], Fraction):
        return ends[0] + 1
    return ends[1] - 1 if isinstance(ends[1], Fraction) else Fraction(0)


# -- operations ------------------------------------------------------------------------------


def _tidy(parts: Iterable[Interval]) -> RealSet:
    """Sort, drop what is empty, and merge what touches."""
    merged: list[Interval] = []
    kept = [p for p in parts if _holds_something(p)]
    for part in sorted(kept, key=cmp_to_key(_by_start)):
        last = merged[-1] if merged else None
        if last is not None:
            gap = part.low.compare(last.high)
            if gap < 0 or (gap == 0 and (part.low_in or last.high_in)):
                merged[-1] = Interval(last.low, last.low_in, *_later_end(last, part))
                continue
        merged.append(part)
    return RealSet(tuple(merged))


def _holds_something(part: Interval) -> bool:
    order = part.low.compare(part.high)
    return order < 0 or (order == 0 and part.low_in and part.high_in)


def _by_start(left: Interval, right: Interval) -> int:
    return left.low.compare(right.low) or right.low_in - left.low_in


def _later_end(left: Interval, right: Interval) -> tuple[Real, bool]:
    order = left.high.compare(right.high)
    if order == 0:
        return left.high, left.high_in or right.high_in
    later = left if order > 0 else right
    return later.high, later.high_in


def _union(sets: list[RealSet]) -> RealSet:
    parts = [part for one in sets for part in one.parts]
    kinds = {one.whole for one in sets if one.parts}
    if len(kinds) > 1:
        raise NotASet("whole numbers beside intervals")
    return _tidy_whole(RealSet(tuple(parts), True)) if kinds == {True} else _tidy(parts)


def intersection(left: RealSet, right: RealSet) -> RealSet:
    """Intersect two sets."""
    found = []
    for a in left.parts:
        for b in right.parts:
            starts, ends = a.low.compare(b.low), a.high.compare(b.high)
            low = a.low if starts >= 0 else b.low
            high = a.high if ends <= 0 else b.high
            low_in = (a.low_in or starts < 0) and (b.low_in or starts > 0)
            high_in = (a.high_in or ends > 0) and (b.high_in or ends < 0)
            found.append(Interval(low, low_in, high, high_in))
    result = _tidy(found)
    if left.whole or right.whole:
        return _tidy_whole(RealSet(result.parts, True))
    return result


def complement(one: RealSet) -> RealSet:
    """Return every other real number.

    Raises:
        NotASet: The set has only whole numbers; the rest has no finite description here.
    """
    if one.whole:
        raise NotASet("all but whole numbers")
    found: list[Interval] = []
    low, low_in = _LEAST, False
    for part in one.parts:
        found.append(Interval(low, low_in, part.low, not part.low_in))
        low, low_in = part.high, not part.high_in
    found.append(Interval(low, low_in, _GREATEST, False))
    return _tidy(found)


def only_whole(one: RealSet) -> RealSet:
    """Keep the whole numbers of a set."""
    return _tidy_whole(RealSet(one.parts, True))


def _tidy_whole(one: RealSet) -> RealSet:
    """Write whole numbers between their first and last; small sets as single numbers."""
    runs: list[Interval] = []
    for part in sorted(one.parts, key=cmp_to_key(_by_start)):
        low, high = _first(part), _last(part)
        if low.value > high.value:
            continue
        if runs and low.value <= runs[-1].high.value + 1:
            high = max(high, runs[-1].high, key=lambda end: end.value)
            low = runs.pop().low
        runs.append(Interval(low, _finite(low), high, _finite(high)))
    if sum(run.high.value - run.low.value + 1 for run in runs) > _MAX_WHOLE:
        return RealSet(tuple(runs), True)
    return RealSet(
        tuple(
            _single(Real(Fraction(k)))
            for run in runs
            for k in range(int(run.low.value), int(run.high.value) + 1)
        )
    )


def _finite(end: Real) -> bool:
    return isinstance(end.value, Fraction)


def _first(part: Interval) -> Real:
    """Return the first whole number of an interval."""
    if not isinstance(part.low.value, Fraction):
        return part.low
    nearest = Real(Fraction(round(part.low.value)))
    if part.low.compare(nearest) == 0:
        return nearest if part.low_in else Real(nearest.value + 1)
    return Real(Fraction(math.ceil(part.low.value)))


def _last(part: Interval) -> Real:
    """Return the last whole number of an interval."""
    if not isinstance(part.high.value, Fraction):
        return part.high
    nearest = Real(Fraction(round(part.high.value)))
    if part.high.compare(nearest) == 0:
        return nearest if part.high_in else Real(nearest.value - 1)
    return Real(Fraction(math.floor(part.high.value)))


def same_sets(left: RealSet, right: RealSet) -> bool:
    """Compare two sets."""
    return (
        left.whole == right.whole
        and len(left.parts) == len(right.parts)
        and all(
            a.low.compare(b.low) == a.high.compare(b.high) == 0
            and (a.low_in, a.high_in) == (b.low_in, b.high_in)
            for a, b in zip(left.parts, right.parts, strict=True)
        )
    )


def with_values(node: Node, values: dict[str, Fraction]) -> Node:
    """Put numbers in for parameters."""
    if node.kind == "sym" and node.value in values:
        return number(values[node.value])
    args = tuple(with_values(arg, values) for arg in node.args)
    label = with_values(node.value, values) if isinstance(node.value, Node) else node.value
    return Node(node.kind, args, label)

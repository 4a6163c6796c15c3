"""Sets of real numbers, read from intervals, inequalities, set-builders and their combinations.

A set is a sorted tuple of disjoint intervals with numerical ends. Where the ends hold parameters
the caller compares at several values of these.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from harness.grading.floats import Undefined
from harness.grading.numeric import TooLarge, evaluate
from harness.grading.syntax import Node

#: (low, low is included, high, high is included)
Interval = tuple[float, bool, float, bool]
RealSet = tuple[Interval, ...]

ALL: RealSet = ((-math.inf, False, math.inf, False),)
EXTENDED: RealSet = ((-math.inf, True, math.inf, True),)
EMPTY: RealSet = ()
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_INEQUALITIES = frozenset(("<", ">", "<=", ">=", "!="))


class NotASet(Exception):
    """The tree does not describe a set of real numbers that is read here."""


def is_set_like(node: Node) -> bool:
    """Say whether a tree can only be meant as a set of real numbers."""
    match node.kind:
        case "union" | "inter" | "minus" | "builder" | "in":
            return True
        case "add":  # "A - {0}" for the difference of sets
            return is_set_like(node.args[0])
        case "realset":
            return node.value in ("R", "empty")
        case "rel":
            return any(op in _INEQUALITIES for op in node.value)
        case "and" | "or":
            return any(is_set_like(arg) for arg in node.args)
        case "tuple":
            return len(node.args) == 2 and node.value in ("([", "[(")
    return False


def read_set(node: Node, point: Mapping[str, float]) -> RealSet:
    """Read a tree as a set of real numbers.

    Args:
        node: The tree.
        point: Values of the parameters; any other symbol is the variable.

    Raises:
        NotASet: It is none.
    """
    match node.kind:
        case "tuple" if len(node.args) == 2:
            low, high = (_number(arg, point) for arg in node.args)
            if low > high:
                raise NotASet("ends in the wrong order")
            closed = node.value[0] == "[", node.value[1] == "["
            return _tidy([(low, closed[0], high, closed[1])])
        case "set" | "list":
            return _tidy([_single(_number(arg, point)) for arg in node.args])
        case "realset":
            if node.value in ("R", "empty"):
                return ALL if node.value == "R" else EMPTY
        case "union" | "or":
            return _tidy([part for arg in node.args for part in read_set(arg, point)])
        case "inter" | "and":
            result = EXTENDED
            for arg in node.args:
                result = intersection(result, read_set(arg, point))
            return result
        case "minus":
            left, right = (read_set(arg, point) for arg in node.args)
            return intersection(left, complement(right))
        case "add" if node.args[1].kind == "neg":
            left, right = read_set(node.args[0], point), read_set(node.args[1].args[0], point)
            return intersection(left, complement(right))
        case "labelled":
            return _tidy([_single(_number(node.args[0], point))])
        case "builder":
            return _builder(node, point)
        case "in":
            return read_set(node.args[1], point)
        case "rel":
            return _relation(node, point)
    raise NotASet(node.kind)


def _builder(node: Node, point: Mapping[str, float]) -> RealSet:
    element, condition = node.args
    domain = read_set(element, point) if element.kind == "in" else ALL
    if condition.kind == "list":
        condition = Node("and", condition.args)
    return intersection(domain, read_set(condition, point))


def _number(node: Node, point: Mapping[str, float]) -> float:
    try:
        value = evaluate(node, point)
    except (Undefined, TooLarge, KeyError):
        raise NotASet("no number") from None
    if isinstance(value, complex):
        raise NotASet("no real number")
    return float(value)


def _single(value: float) -> Interval:
    return (value, True, value, True)


def _relation(node: Node, point: Mapping[str, float]) -> RealSet:
    """Read a chain of inequalities as the set of values of its one variable."""
    result = EXTENDED
    for left, operator, right in zip(node.args, node.value, node.args[1:], strict=False):
        result = intersection(result, _solve(left, operator, right, point))
    return result


def _solve(left: Node, operator: str, right: Node, point: Mapping[str, float]) -> RealSet:
    """Solve a linear inequality in one variable."""
    names = _free(left, point) | _free(right, point)
    if len(names) != 1 or operator not in _FLIPPED:
        raise NotASet("not one variable")
    name = names.pop()
    if _infinity(left) or _infinity(right):
        # "-\infty < x" says nothing; with "<=" it speaks of the extended line.
        return EXTENDED if "=" in operator else ALL
    values = [_residual(left, right, name, x, point) for x in (0.0, 1.0, 2.0, 3.0)]
    if any(value is None for value in values):
        return _sign_changes(left, operator, right, name, point)
    start, slope = values[0] or 0.0, (values[1] or 0.0) - (values[0] or 0.0)
    size = max(1.0, *(abs(value or 0.0) for value in values))
    if any(abs((values[k] or 0.0) - start - k * slope) > 1e-9 * size for k in (2, 3)):
        return _sign_changes(left, operator, right, name, point)
    if slope == 0:
        raise NotASet("no condition")
    middle = _residual(left, right, name, -1.5, point)
    if middle is None or abs(middle - start + 1.5 * slope) > 1e-9 * size:
        return _sign_changes(left, operator, right, name, point)
    return _half_line(operator if slope > 0 else _FLIPPED[operator], -start / slope)


def _residual(
    left: Node, right: Node, name: str, x: float, point: Mapping[str, float]
) -> float | None:
    here = {**point, name: x}
    try:
        return _number(left, here) - _number(right, here)
    except NotASet:
        return None


def _sign_changes(
    left: Node, operator: str, right: Node, name: str, point: Mapping[str, float]
) -> RealSet:
    """Solve a condition that is not linear by the sign of its residual between its zeros."""
    grid = [x / 16 + 0.001 for x in range(-480, 481)]
    values = [_residual(left, right, name, x, point) for x in grid]
    if any(value is None for value in values):
        raise NotASet("not defined everywhere")
    sure = [value or 0.0 for value in values]

    def residual(x: float) -> float:
        return _residual(left, right, name, x, point) or 0.0

    zeros = _zeros(residual, grid, sure)
    parts = [_single(z) for z in zeros] if "=" in operator and operator != "!=" else []
    ends = [-math.inf, *zeros, math.inf]
    for low, high in itertools.pairwise(ends):
        probe = (max(low, -30.0) + min(high, 30.0)) / 2
        positive = residual(probe) > 0
        if operator == "!=" or (operator in ("<", "<=")) != positive and operator != "=":
            parts.append((low, False, high, False))
    return _tidy(parts)


def _zeros(
    residual: Callable[[float], float], grid: list[float], values: list[float]
) -> list[float]:
    """Find the zeros of a continuous function: changes of sign, and touching ones."""
    found: list[float] = []
    for i in range(1, len(grid)):
        low, high = grid[i - 1], grid[i]
        if values[i - 1] * values[i] < 0:
            for _ in range(70):
                middle = (low + high) / 2
                if (residual(middle) > 0) == (values[i] > 0):
                    high = middle
                else:
                    low = middle
            if abs(residual(low)) > 1e-6 * (1 + abs(values[i])):
                raise NotASet("a pole")
            found.append((low + high) / 2)
        elif i > 1 and abs(values[i - 1]) <= min(abs(values[i - 2]), abs(values[i])):
            low, high = grid[i - 2], grid[i]
            for _ in range(120):
                third = (high - low) / 3
                if abs(residual(low + third)) < abs(residual(high - third)):
                    high -= third
                else:
                    low += third
            if abs(residual((low + high) / 2)) < 1e-12:
                found.append(round((low + high) / 2, 7))
    return found


def _half_line(operator: str, bound: float) -> RealSet:
    match operator:
        case "<" | "<=":
            return ((-math.inf, False, bound, operator == "<="),)
        case ">" | ">=":
            return ((bound, operator == ">=", math.inf, False),)
        case "=":
            return (_single(bound),)
    return complement((_single(bound),))


def _infinity(node: Node) -> bool:
    inner = node.args[0] if node.kind == "neg" else node
    return inner.kind == "const" and inner.value == "inf"


def _free(node: Node, point: Mapping[str, float]) -> set[str]:
    return {n.value for n in node.walk() if n.kind == "sym"} - set(point)


def _tidy(parts: list[Interval]) -> RealSet:
    """Sort, drop what is empty, and merge what touches."""
    kept = [
        (low, low_in, high, high_in)
        for low, low_in, high, high_in in parts
        if low < high or (low == high and low_in and high_in)
    ]
    merged: list[Interval] = []
    for part in sorted(kept, key=lambda p: (p[0], not p[1])):
        if merged:
            low, low_in, high, high_in = merged[-1]
            if part[0] < high or (_same(part[0], high) and (part[1] or high_in)):
                if _same(part[2], high):
                    end = (max(part[2], high), part[3] or high_in)
                else:
                    end = max((part[2], part[3]), (high, high_in))
                merged[-1] = (low, low_in, *end)
                continue
        merged.append(part)
    return tuple(merged)


def intersection(left: RealSet, right: RealSet) -> RealSet:
    """Intersect two sets."""
    found = []
    for a in left:
        for b in right:
            low = max(a[0], b[0])
            high = min(a[2], b[2])
            low_in = (a[1] if a[0] == low else True) and (b[1] if b[0] == low else True)
            high_in = (a[3] if a[2] == high else True) and (b[3] if b[2] == high else True)
            found.append((low, low_in, high, high_in))
    return _tidy(found)


def complement(parts: RealSet) -> RealSet:
    """Return everything else."""
    found: list[Interval] = []
    low, low_in = -math.inf, False
    for start, start_in, end, end_in in parts:
        found.append((low, low_in, start, not start_in))
        low, low_in = end, not end_in
    found.append((low, low_in, math.inf, False))
    return _tidy(found)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isfinite(a) and math.isfinite(b) and math.isclose(a, b, rel_tol=1e-10))


def same_sets(left: RealSet, right: RealSet) -> bool:
    """Compare two sets, ends within rounding."""
    return len(left) == len(right) and all(
        _same(a[0], b[0]) and _same(a[2], b[2]) and a[1] == b[1] and a[3] == b[3]
        for a, b in zip(left, right, strict=True)
    )


def parameter_points(names: set[str]) -> list[dict[str, float]]:
    """Choose values of the parameters at which two sets are compared."""
    if not names:
        return [{}]
    return [
        {
            name: float(Fraction(3 * i + 7 * k + 2, 5 + k)) * (-1) ** k
            for i, name in enumerate(sorted(names))
        }
        for k in range(3)
    ]

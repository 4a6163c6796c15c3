"""Breakpoints of an expression: between two neighbours it is one smooth function.

Absolute values, maxima, signs, roots and logarithms change at zeros of their arguments, floors and
remainders where theirs crosses a whole number. Along a line through the domain these places are
found by solving where the variable occurs once or the argument is quadratic, else numerically over
many scales.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from harness.grading.parsing.tree import Node, symbols

#: A function along a line; ``None`` where it is not defined, infinite where it is too large.
Function = Callable[[float], float | None]

_STEPS_PER_DECADE = 5
_MAX_BREAKPOINTS = 60
#: A function that oscillates has too many zeros to find them all.
_MAX_ZEROS = 24
#: Numbers of this size, or their inverses, leave no room to look beyond them.
_FARTHEST = 1e150
_DECADES = 300
_MAX_OF = 20
_ONE = Node("num", value=Fraction(1))


class NotLocated(Exception):
    """A breakpoint exists, or may exist, where it cannot be found."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """An expression at whose zeros (or, if ``steps``, whole values) another one has breakpoints."""

    node: Node
    steps: bool = False


def boundaries(node: Node) -> list[Boundary]:
    """List the sources of an expression's breakpoints, without constant ones.

    Raises:
        NotLocated: A maximum of too many arguments.
    """
    found: list[Boundary] = []
    for n in node.walk():
        if n.kind == "pow":
            if not (n.args[1].kind == "num" and n.args[1].value.denominator == 1):
                found.append(Boundary(n.args[0]))
        elif n.kind == "fn":
            found.extend(_of_function(n.value, n.args))
    return [one for one in found if any(n.kind == "sym" for n in one.node.walk())]


def _of_function(name: str, args: tuple[Node, ...]) -> Iterable[Boundary]:
    first = args[0]
    match name:
        case "abs" | "sgn" | "sqrt" | "root" | "ln" | "lg" | "log":
            yield from (Boundary(arg) for arg in args)
        case "min" | "max":
            if len(args) > _MAX_OF:
                raise NotLocated
            yield from (Boundary(_minus(*pair)) for pair in itertools.combinations(args, 2))
        case "floor" | "ceil":
            yield Boundary(first, steps=True)
        case "mod":
            yield Boundary(Node("div", args), steps=True)
        case "arcsin" | "arccos" | "arcsec" | "arccsc" | "arccosh" | "arctanh":
            yield from (Boundary(_minus(first, one)) for one in (_ONE, Node("neg", (_ONE,))))
        case "arccot":
            yield Boundary(first)


def _minus(left: Node, right: Node) -> Node:
    return Node("add", (left, Node("neg", (right,))))


@dataclass(frozen=True, slots=True)
class BoundaryOnLine:
    """A source of breakpoints along a line.

    Attributes:
        boundary: The expression.
        function: Its values.
        name: The letter that moves, if it is only one.
        value_of: Computes what does not contain that letter.
    """

    boundary: Boundary
    function: Function
    name: str
    value_of: Callable[[Node], float | None]


def find_breakpoints(lines: list[BoundaryOnLine], sizes: list[float]) -> list[float]:
    """Find places on a line where functions vanish or step.

    Args:
        lines: The functions.
        sizes: Sizes of the numbers that occur, to know at which scales to look.

    Returns:
        The places, sorted.

    Raises:
        NotLocated: A place is too far away, or may be.
    """
    found: set[float] = set()
    for one in lines:
        levels = _levels(one.function) if one.boundary.steps else [0.0]
        for level in levels:
            places = _solved(one, level) if one.name else None
            if places is None:
                far = sizes and not 1 / _FARTHEST < min(sizes) <= max(sizes) < _FARTHEST
                if math.inf in sizes or (one.name and far):
                    raise NotLocated
                places = _zeros(_shifted(one.function, level), sizes, _is_slow(one.boundary.node))
            found.update(places)
    kept: list[float] = []
    for place in sorted(sorted(found, key=abs)[:_MAX_BREAKPOINTS]):
        # What lies closer together is one place, found twice.
        if not kept or place - kept[-1] > 1e-9 * max(abs(place), abs(kept[-1])):
            kept.append(place)
    return kept


def _shifted(function: Function, level: float) -> Function:
    def shifted(t: float) -> float | None:
        value = function(t)
        return None if value is None else value - level

    return shifted if level else function


def _is_slow(node: Node) -> bool:
    """Say whether an expression may grow as slowly as a root or logarithm."""
    return any(
        (n.kind == "fn" and n.value in ("ln", "log", "lg", "sqrt", "root"))
        or (n.kind == "pow" and n.args[1].kind == "div")
        for n in node.walk()
    )


def _solved(one: BoundaryOnLine, level: float) -> list[float] | None:
    """Solve for the letter that moves, if it occurs once, by undoing what is done to it.

    Raises:
        NotLocated: A solution is no double.
    """
    node, targets = one.boundary.node, [level]
    while node.kind != "sym":
        within = [one.name in symbols(arg) for arg in node.args]
        if sum(within) != 1:
            return None
        at = within.index(True)
        others = [one.value_of(arg) for arg in node.args if arg is not node.args[at]]
        if None in others:
            return None
        if math.inf in others:
            raise NotLocated
        known = others[0] if others else None
        try:
            found = [_undone(node, at, known, target) for target in targets]
        except OverflowError:
            raise NotLocated from None
        if None in found:
            return None
        targets = [value for values in found for value in values or ()]
        node = node.args[at]
    return targets


def _undone(node: Node, at: int, known: float | None, target: float) -> list[float] | None:
    """List the values of one argument at which an operation gives a target.

    Returns:
        ``None`` if the operation cannot be undone here.
    """
    match node.kind:
        case "neg":
            return [-target]
        case "add":
            return [target - (known or 0)]
        case "mul":
            return [_nonzero(target, target / known)] if known else None
        case "div" if at == 0:
            return [_nonzero(target * (known or 0), target * (known or 0))]
        case "div":
            return [(known or 0) / target] if target else []
        case "pow" if at == 0 and known:
            return _roots(target, known)
        case "pow" if known and known > 0 and known != 1:
            return [math.log(target) / math.log(known)] if target > 0 else []
        case "fn" if at == 0:
            return _inverse(node.value, known, target)
    return None


def _inverse(name: str, known: float | None, target: float) -> list[float] | None:
    match name:
        case "sqrt":
            return [_nonzero(target, target**2)] if target >= 0 else []
        case "root" if known:
            return _roots(target, 1 / known)
        case "exp":
            return [math.log(target)] if target > 0 else []
        case "abs":
            return [target, -target] if target >= 0 else []
        case "ln" | "lg" | "log":
            bases = (math.e, 10.0) if known is None else (known,)
            return [_nonzero(1, base**target) for base in bases] if min(bases) > 0 else None
    return None


def _roots(target: float, exponent: float) -> list[float]:
    """Solve a power; of a negative number only odd roots are real."""
    if target == 0:
        return [0.0]
    size = _nonzero(target, abs(target) ** (1 / exponent))
    odd = exponent % 2 == 1 or (exponent % 1 != 0 and round(1 / exponent) % 2 == 1)
    if target < 0:
        return [-size] if odd else []
    return [size, -size] if exponent % 2 == 0 else [size]


def _nonzero(value: float, result: float) -> float:
    """Return a result that may be zero only if a value is, and is finite."""
    if (value and not result) or math.isinf(result):
        raise OverflowError
    return result


def _levels(function: Function) -> list[float]:
    """Choose whole numbers that a function takes around some places."""
    found: set[float] = set()
    for t in (0.7, 11.3, -5.1, 2347.9):
        value = function(t)
        if value is not None and abs(value) < 2**40:
            found.update((float(math.floor(value)), float(math.floor(value) + 1)))
    return sorted(found)[:6]


def _zeros(function: Function, sizes: list[float], slow: bool) -> list[float]:
    """Find the zeros of a function and the places where it touches zero."""
    exact = _quadratic(function)
    if exact is not None:
        return exact
    grid = _grid(sizes, slow)
    values = [function(t) for t in grid]
    found: list[float] = []
    for i in range(1, len(grid)):
        if len(found) > _MAX_ZEROS:
            break
        before, here = values[i - 1], values[i]
        if math.inf in (before, here):
            continue
        if before is None or here is None:
            if (before is None) != (here is None):
                found.append(_edge(function, grid[i - 1], grid[i]))
            continue
        if before == 0:
            if here or (i > 1 and values[i - 2]):
                found.append(grid[i - 1])
        elif before * here < 0:
            found.append(_bisected(function, grid[i - 1], grid[i]))
        elif i > 1:
            earlier = values[i - 2]
            lowest = earlier is not None and abs(before) <= min(abs(earlier), abs(here))
            if lowest and not earlier == before == here:
                low = _lowest(function, grid[i - 2], grid[i])
                found.append(low)
                bottom = function(low)
                if bottom is not None and bottom * before < 0:
                    found.append(_bisected(function, grid[i - 2], low))
                    found.append(_bisected(function, low, grid[i]))
    return found


def _quadratic(function: Function) -> list[float] | None:
    """Solve a function that is a polynomial of second degree at most."""
    places = (-1.0, 0.0, 1.0)
    values = [function(t) for t in places]
    if None in values or math.inf in values:
        return None
    low, middle, high = (value or 0.0 for value in values)
    a, b, c = (high + low) / 2 - middle, (high - low) / 2, middle
    if max(abs(a), abs(b)) < 1e-6 * abs(c):
        return None  # rounded away
    for t in (2.5, -3.75, 1024.0, 1e-3):
        value = function(t)
        expected = (a * t + b) * t + c
        size = abs(a * t * t) + abs(b * t) + abs(c)
        if value is None or abs(value - expected) > 1e-9 * size:
            return None
    if abs(a) <= 1e-12 * (abs(b) + abs(c)):
        return [-c / b] if b else []
    vertex = -b / (2 * a)
    inside = vertex * vertex - c / a
    root = math.sqrt(inside) if inside > 0 else 0.0
    return [vertex - root, vertex, vertex + root]


def _grid(sizes: list[float], slow: bool) -> list[float]:
    """List places of both signs over all scales that matter; roots and logarithms need all."""
    decades = [math.log10(size) for size in sizes] or [0.0]
    first, last = math.floor(min(-4, *decades, 0) - 1), math.ceil(max(7, *decades) + 2)
    steps = _STEPS_PER_DECADE if last - first < 30 else 2
    count = steps * (last - first)
    positive = [10.0 ** (first + (k + 0.37) / steps) for k in range(count)]
    if slow:
        before, behind = range(-_DECADES, first), range(last, _DECADES)
        positive = [*(10.0**k for k in before), *positive, *(10.0**k for k in behind)]
    return [-t for t in reversed(positive)] + positive


def _bisected(function: Function, low: float, high: float) -> float:
    start = function(low) or 0.0
    for _ in range(40):
        middle = (low + high) / 2
        value = function(middle)
        if value is not None and (value > 0) == (start > 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _edge(function: Function, low: float, high: float) -> float:
    """Find the end of the domain between a place inside and one outside."""
    inside = function(low) is not None
    for _ in range(40):
        middle = (low + high) / 2
        if (function(middle) is not None) == inside:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _lowest(function: Function, low: float, high: float) -> float:
    for _ in range(40):
        third = (high - low) / 3
        left, right = function(low + third), function(high - third)
        if left is None or right is None:
            break
        if abs(left) < abs(right):
            high -= third
        else:
            low += third
    return (low + high) / 2


def points_between(places: list[float], fraction: Callable[[], float]) -> list[float]:
    """Choose places inside every piece of a line that is cut at the given ones.

    Args:
        places: Where the line is cut, sorted.
        fraction: Draws numbers between 0 and 1.
    """
    if not places:
        return []
    each = 3 if len(places) <= 4 else 1
    found = [
        low + (high - low) * (0.1 + 0.8 * fraction())
        for low, high in itertools.pairwise(places)
        for _ in range(each)
    ]
    spread = max(places[-1] - places[0], 1e-3 * abs(places[0]), 1e-3 * abs(places[-1])) or 1.0
    for reach in (0.01, 1.0, 300.0):
        found.append(places[0] - spread * reach * (0.5 + fraction()))
        found.append(places[-1] + spread * reach * (0.5 + fraction()))
    return found

"""Equations and inequalities: equal when they hold at the same points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.grading import numeric
from harness.grading.floats import FLOATS, REALS, Undefined
from harness.grading.numeric import Reading, TooLarge
from harness.grading.syntax import Node

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_Point = dict[str, float]


def same(gold: Node, answer: Node, reading: Reading) -> bool | None:
    """Compare two relations, or an equation with the expression that solves it.

    Returns:
        Whether they hold at the same real points; ``None`` where that could not be found out.
    """
    if gold.kind == "rel" and answer.kind == "rel":
        if len(gold.value) != 1 or len(answer.value) != 1:
            return None
        return _same_relations(gold, answer, reading)
    if gold.kind == "rel" and gold.value == ("=",):
        return _solved_by(gold, answer, reading)
    return False


def _same_relations(gold: Node, answer: Node, reading: Reading) -> bool | None:
    ours, theirs = gold.value[0], answer.value[0]
    gold, answer = _with_values_named(gold), _with_values_named(answer)
    if not numeric.symbols(gold) and not numeric.symbols(answer):
        return (
            _is_true(gold, reading) == _is_true(answer, reading) if ours == theirs == "=" else None
        )
    factor = _ratio(_residual(gold), _residual(answer), reading)
    if ours in ("=", "!=", "~") or theirs in ("=", "!=", "~"):
        if ours != theirs:
            return False
        if factor is not None:
            return True
        return _same_solutions(_residual(gold), _residual(answer), reading)
    if factor is None or isinstance(factor, complex):
        return None
    return bool(theirs == (ours if factor > 0 else _FLIPPED[ours]))


def _with_values_named(node: Node) -> Node:
    """Make symbols of the values f(2), f(3) of an unknown function."""
    if node.kind == "apply" and not numeric.symbols(node):
        return Node("sym", value=f"{node.value}({node.args})")
    return Node(node.kind, tuple(_with_values_named(arg) for arg in node.args), node.value)


def _is_true(relation: Node, reading: Reading) -> bool | None:
    return numeric.same_value(relation.args[0], relation.args[1], reading)


def _residual(relation: Node) -> Node:
    left, right = relation.args
    return Node("add", (left, Node("neg", (right,))))


def _ratio(left: Node, right: Node, reading: Reading) -> Any:
    """Return the constant by which one residual is a multiple of the other."""
    names = numeric.symbols(left) | numeric.symbols(right)
    found: list[Any] = []
    for point in numeric.points(names):
        values = _pair(left, right, {k: float(v) for k, v in point.items()}, reading)
        if values is None or not values[1]:
            continue
        found.append(values[0] / values[1])
    if len(found) < 3 or not found[0]:
        return None
    if any(abs(f - found[0]) > 1e-9 * abs(found[0]) for f in found):
        return None
    return found[0]


def _pair(left: Node, right: Node, point: Mapping[str, float], reading: Reading) -> Any:
    try:
        return (
            numeric.evaluate(left, point, reading, FLOATS),
            numeric.evaluate(right, point, reading, FLOATS),
        )
    except (Undefined, TooLarge):
        return None


def _value(node: Node, point: Mapping[str, float], reading: Reading) -> Any:
    try:
        return numeric.evaluate(node, point, reading, REALS)
    except (Undefined, TooLarge):
        return None


def _linear(residual: Node, name: str, point: _Point, reading: Reading) -> float | None:
    """Solve a residual that is linear in one variable, the others being given."""
    values = [_value(residual, {**point, name: x}, reading) for x in (0.25, 1.25, 2.25, 3.25)]
    if any(v is None for v in values):
        return None
    slope = values[1] - values[0]
    scale = max(1.0, *map(abs, values))
    if abs(slope) < 1e-9 * scale:
        return None
    if any(abs(values[k] - values[0] - k * slope) > 1e-8 * scale for k in (2, 3)):
        return None
    return float(0.25 - values[0] / slope)


def _solutions(residual: Node, names: set[str], reading: Reading) -> list[_Point] | None:
    """List points that solve an equation, by way of a variable it is linear in."""
    for name in sorted(numeric.symbols(residual), reverse=True):
        found = []
        for point in numeric.points(names):
            rest = {k: float(v) for k, v in point.items()}
            x = _linear(residual, name, rest, reading)
            if x is not None:
                found.append({**rest, name: x})
        if len(found) >= 3:
            return found
    return None


def _same_solutions(gold: Node, answer: Node, reading: Reading) -> bool | None:
    """Compare the solutions of two equations, each checked in the other."""
    names = numeric.symbols(gold) | numeric.symbols(answer)
    unsure = False
    for one, other in ((gold, answer), (answer, gold)):
        solutions = _solutions(one, names, reading)
        if solutions is None:
            unsure = True
            continue
        for point in solutions:
            value = _value(other, point, reading)
            if value is None or abs(value) > 1e-8 * _scale(other, point):
                return False
    return None if unsure else True


def _scale(residual: Node, point: _Point) -> float:
    """Return the size of what cancels in a residual."""
    sizes = [1.0]
    for side in residual.args:
        value = _value(side, point, numeric.STANDARD)
        if value is not None:
            sizes.append(abs(value))
    return max(sizes)


def _solved_by(gold: Node, answer: Node, reading: Reading) -> bool | None:
    """Say whether an expression is what an equation says its other variable is.

    The gold ``xy = 6`` is answered by ``6/x``: put in for y it solves the equation, which is
    linear in y, so that there is no other solution.
    """
    residual = _residual(gold)
    unknown = numeric.symbols(residual) - numeric.symbols(answer)
    if len(unknown) != 1:
        return False
    name = unknown.pop()
    used = 0
    for point in numeric.points(numeric.symbols(residual) | numeric.symbols(answer)):
        here = {k: float(v) for k, v in point.items()}
        x, value = _linear(residual, name, here, reading), _value(answer, here, reading)
        if x is None or value is None:
            continue
        if abs(x - value) > 1e-9 * max(abs(x), abs(value)):
            return False
        used += 1
    return True if used >= 3 else None

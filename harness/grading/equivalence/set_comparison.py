"""Comparing conditions on a number and sets of numbers, however they are written."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from harness.grading.equivalence import sets
from harness.grading.parsing.tree import Node, symbols

_KINKS = frozenset(("abs", "min", "max", "floor", "ceil", "sgn", "mod", "factorial", "gcd", "lcm"))
#: Values of parameters: of several sizes, of both signs, none of them special.
_SIZES = tuple(
    Fraction(*pair)
    for pair in (
        (3361, 4591), (-1511, 1065), (3023, 956), (-53, 919), (21178, 514), (-20827, 745),
        (101, 379), (-4091, 615), (911571, 1000), (-1093, 1000), (15771, 1000), (-289, 600),
        (881237, 10), (-70331, 100), (2034, 1000), (-23, 2500),
    )
)  # fmt: skip
_POINTS = 12
_ENOUGH = 4


def same(gold: Node, answer: Node, whole: frozenset[str]) -> bool | None:
    """Compare two sets of real numbers, or the conditions that describe them.

    Args:
        gold: The one tree.
        answer: The other.
        whole: Names that are known to stand for whole numbers.

    Returns:
        Whether the sets are the same; ``None`` where one of them cannot be found exactly. With
        parameters (``(a, a+1)``) sets are compared at several values of these, but not if an
        absolute value or the like of a parameter may change the formula in between.
    """
    for node in (gold, answer):
        if node.kind == "labelled" and not isinstance(node.value, Node):
            return None
        if node.kind == "list" and len(set(node.args)) < len(node.args):
            return None  # a list says how often, a set does not
    gold, answer = _unknowns_named(gold), _unknowns_named(answer)
    sides = gold, answer
    variables = [_variable(n) for n in sides]
    names = [{n.value for n in side.walk() if n.kind == "sym"} - {"dots"} for side in sides]
    builders = any(side.kind == "builder" for side in sides)
    if variables[0] and variables[1] and variables[0] != variables[1] and not builders:
        return False if len(names[0]) == len(names[1]) == 1 else None
    parameters, others = (names[i] - {variables[i]} for i in (0, 1))
    if parameters != others or any(_may_change(side, parameters) for side in sides):
        return None
    common = {name for name in variables if name}
    integral = len(common) == 1 and (
        bool(common & whole) or any(sets.names_whole_numbers(side) for side in sides)
    )
    naturals = any(n.kind == "realset" and n.value == "N" for side in sides for n in side.walk())
    verdicts = {
        _at_points(gold, answer, parameters, integral, first) for first in ((1, 0)[: 1 + naturals])
    }
    return verdicts.pop() if len(verdicts) == 1 else None


def _at_points(
    gold: Node, answer: Node, parameters: set[str], integral: bool, natural: int
) -> bool | None:
    reader = sets.Reader(natural)
    agreed = 0 if parameters else _ENOUGH
    for point in _points(parameters):
        found = []
        try:
            for side in (gold, answer):
                read = reader.read(sets.with_values(side, point))
                bare = integral and all(n.kind in _BARE for n in _statements(side))
                found.append(sets.only_whole(read) if bare else read)
        except sets.NotASet:
            if not parameters:
                return None
            continue
        if not sets.same_sets(*found):
            return False
        agreed += bool(found[0].parts)
    return True if agreed >= _ENOUGH else None


_BARE = frozenset(("rel", "and", "or", "list", "labelled"))


def _statements(node: Node) -> Iterator[Node]:
    """List the statements of a condition, without their expressions."""
    yield node
    if node.kind in ("and", "or", "list", "union", "inter", "minus", "builder"):
        for arg in node.args:
            yield from _statements(arg)


def _points(names: set[str]) -> list[dict[str, Fraction]]:
    if not names:
        return [{}]
    return [
        {
            name: _SIZES[(k + 5 * i + i * k) % len(_SIZES)] + Fraction(i, 7)
            for i, name in enumerate(sorted(names))
        }
        for k in range(_POINTS)
    ]


def _may_change(node: Node, parameters: set[str]) -> bool:
    """Say whether a formula may change between values of its parameters."""
    return any(
        n.kind == "fn" and n.value in _KINKS and bool(symbols(n) & parameters) for n in node.walk()
    )


def _unknowns_named(node: Node) -> Node:
    """Read ``0 < f(x) < 1`` as a condition on one unknown number."""
    if node.kind == "apply":
        return Node("sym", value=f"{node.value}()")
    if not node.args:
        return node
    return Node(node.kind, tuple(_unknowns_named(arg) for arg in node.args), node.value)


def _variable(node: Node) -> str:
    """Name the variable a condition is about."""
    for n in node.walk():
        if n.kind in ("in", "notin") and n.args[0].kind == "sym":
            return str(n.args[0].value)
        if n.kind == "builder":
            inner = [m.value for m in n.args[0].walk() if m.kind == "sym"]
            return str(inner[0]) if inner else ""
    if node.kind == "labelled":
        return str(node.value.value) if node.value.kind == "sym" else ""
    for n in node.walk():
        if n.kind == "rel":
            alone = [arg.value for arg in n.args if arg.kind == "sym"]
            names = sorted(symbols(n))
            if alone or names:
                middle = n.args[1] if len(n.args) == 3 and n.args[1].kind == "sym" else None
                return str(middle.value if middle else alone[0] if alone else names[0])
    return ""

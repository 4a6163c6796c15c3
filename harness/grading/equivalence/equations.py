"""Equations and other relations, compared by proof.

Two relations are the same if the difference of the sides of one is a constant multiple of the
other's, or, for equations of polynomials and their quotients, if both have the same complex zeros.
Real solutions alone would make all equations without any the same.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import reduce
from typing import Any

from harness.grading.equivalence import identity, numeric
from harness.grading.equivalence.arithmetic import REALS, Undefined, high_precision
from harness.grading.equivalence.numeric import Reading, TooLarge
from harness.grading.equivalence.polynomials import UNKNOWN, NotPolynomial, Poly, quotient, zero_set
from harness.grading.equivalence.sets import is_modulus, with_values
from harness.grading.parsing.tree import Node, number, substitute, symbols

_CONTAINED = ("subset", "supset", "subseteq", "supseteq")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OF_SETS = frozenset(n + kind for n in ("", "n") for kind in _CONTAINED)
#: Origins and directions of the lines on which equations in several unknowns are compared.
_LINES = (
    (3, -7, 11, 2, -13, 5, 17, -19),
    (5, 2, -3, 7, 9, -11, 4, 13),
    (-23, 8, 6, -5, 3, 14, -9, 10),
    (1, 7, -4, -9, 12, 5, -2, 3),
    (41, 29, -37, 31, 23, -47, 43, 19),
    (-6, 11, 13, 8, -7, 3, 9, -17),
)
_ZERO = number(0)


def same(gold: Node, answer: Node, reading: Reading) -> bool | None:
    """Compare two relations, or an equation with what solves it.

    Returns:
        Whether they are the same; ``None`` where neither could be proven.
    """
    if gold.kind == "rel" and answer.kind == "rel":
        if _OF_SETS & {*gold.value, *answer.value}:
            return _mirrored(gold) == _mirrored(answer)
        if len(gold.value) != 1 or len(answer.value) != 1:
            return _same_chains(gold, answer, reading)
        return _same_relations(gold, answer, reading)
    if gold.kind == "rel" and gold.value == ("=",):
        return _solved_by(gold, answer, reading)
    return False


def _mirrored(relation: Node) -> Node:
    """Write A contains B as B is contained in A."""
    if len(relation.value) != 1 or "sup" not in relation.value[0]:
        return relation
    return Node("rel", relation.args[::-1], (relation.value[0].replace("sup", "sub"),))


def _same_chains(gold: Node, answer: Node, reading: Reading) -> bool | None:
    """Compare a < b < c with c > b > a link by link."""
    links = _links(gold)
    for others in (_links(answer), _links(answer)[::-1]):
        if len(links) == len(others) and all(
            _same_relations(one, other, reading) for one, other in zip(links, others, strict=True)
        ):
            return True
    return None


def _links(chain: Node) -> list[Node]:
    pairs = itertools.pairwise(chain.args)
    return [Node("rel", pair, (op,)) for pair, op in zip(pairs, chain.value, strict=True)]


def of_solutions(equation: Node, values: list[Node]) -> Node | None:
    """Write the solutions of an equation in one unknown as an equation of their own."""
    names = symbols(equation)
    if len(names) != 1 or any(symbols(value) for value in values):
        return None
    unknown = Node("sym", value=names.pop())
    factors = [Node("add", (unknown, Node("neg", (value,)))) for value in values]
    product = reduce(lambda left, right: Node("mul", (left, right)), factors)
    return Node("rel", (product, _ZERO), ("=",))


def _same_relations(gold: Node, answer: Node, reading: Reading) -> bool | None:
    ours, theirs = gold.value[0], answer.value[0]
    inequality = ours in _FLIPPED
    if ours != theirs and not (inequality and theirs in _FLIPPED):
        return False
    if gold.args == answer.args[::-1] and not inequality:
        return True
    gold, answer = _with_values_named(gold), _with_values_named(answer)
    if not (symbols(gold) and symbols(answer)):
        return _same_sides(gold, answer, ours == theirs, reading)
    left, right = _residual(gold), _residual(answer)
    modulus = any(is_modulus(n) for side in (gold, answer) for n in side.walk())
    if not inequality and not modulus:
        verdict = _same_zeros(_squared(gold), _squared(answer), reading)
        if verdict is not None:
            return verdict
        always = [identity.same_value(*_sides(relation), reading) for relation in (gold, answer)]
        if any(always):
            # What holds everywhere says nothing: x = x is no answer to sin^2 x + cos^2 x = 1.
            return all(always) and _same_sides(gold, answer, True, reading)
    if modulus and not all(any(map(is_modulus, side.walk())) for side in (gold, answer)):
        return None  # many complex numbers have one size
    factor = _factor(left, right, reading)
    if inequality:
        return theirs == (ours if factor > 0 else _FLIPPED[ours]) if factor else None
    if factor is not None:
        return True
    return False if _counterexample(left, right, reading) else None


def _with_values_named(node: Node) -> Node:
    """Make symbols of the values f(2), f(3) of an unknown function, and of names in words."""
    if node.kind == "words":
        return Node("sym", value=f"text {node.value}")
    if node.kind == "apply" and not symbols(node):
        return Node("sym", value=f"{node.value}({node.args})")
    return Node(node.kind, tuple(_with_values_named(arg) for arg in node.args), node.value)


def _same_sides(gold: Node, answer: Node, swappable: bool, reading: Reading) -> bool | None:
    """Compare relations side by side, as nothing else can be said of 1 = 2."""
    swapped = (0, 1), (1, 0)
    for order in swapped if swappable else swapped[:1]:
        if all(
            identity.same_value(gold.args[i], answer.args[k], reading)
            for i, k in zip((0, 1), order, strict=True)
        ):
            return True
    return False


def _sides(relation: Node) -> tuple[Node, Node]:
    return relation.args[0], relation.args[1]


def _residual(relation: Node) -> Node:
    left, right = _sides(relation)
    return Node("add", (left, Node("neg", (right,))))


def _squared(relation: Node) -> Node:
    """Return the difference of the sides, or of their squares where both are absolute values."""
    squares = [_square_of_size(side) for side in _sides(relation)]
    if squares[0] is None or squares[1] is None:
        return _residual(relation)
    return Node("add", (squares[0], Node("neg", (squares[1],))))


def _square_of_size(side: Node) -> Node | None:
    """Return the square of an absolute value or of a positive number."""
    if side.kind == "fn" and side.value == "abs":
        side = side.args[0]
    elif side.kind != "num" or side.value < 0:
        return None
    return Node("pow", (side, number(2)))


# -- multiples of each other -----------------------------------------------------------------


def _factor(left: Node, right: Node, reading: Reading) -> int | None:
    """Say whether two residuals are multiples of each other by a constant.

    Returns:
        The sign of the constant, 0 if it is complex; ``None`` if there is none.
    """
    names = symbols(left) | symbols(right)
    for point in numeric.points(names):
        here = [with_values(side, point) for side in (left, right)]
        values = [_value(side, reading) for side in here]
        if values[0] is None or values[1] is None:
            continue
        crossed = [Node("mul", (left, here[1])), Node("mul", (right, here[0]))]
        if not identity.same_value(crossed[0], crossed[1], reading):
            return None
        ratio = values[0] / values[1]
        return 0 if ratio.imag else -1 if ratio.real < 0 else 1
    return None


def _value(node: Node, reading: Reading) -> Any:
    """Compute a constant to 60 digits, or ``None`` if it is zero or has no value."""
    try:
        value = numeric.evaluate(node, {}, reading, high_precision(60))
    except (Undefined, TooLarge):
        return None
    return value if abs(value) > 1e-30 else None


# -- zeros -----------------------------------------------------------------------------------


def _same_zeros(left: Node, right: Node, reading: Reading) -> bool | None:
    """Compare the complex zeros of two quotients of polynomials.

    In several unknowns the zeros on three lines in general position decide. Points where one side
    divides by zero count in one unknown only: 1/x + 1/y = 2 is y = x/(2x-1).
    """
    names = sorted(symbols(left) | symbols(right))
    if len(names) > len(_LINES[0]):
        return None
    for line in range(1 if len(names) == 1 else 3):
        unknowns = {name: _on_line(line, i) for i, name in enumerate(names)}
        if len(names) == 1:
            unknowns = {names[0]: UNKNOWN}
        try:
            sides = [quotient(side, unknowns, reading) for side in (left, right)]
            if not all(side.exact for side in sides) or not any(side.above for side in sides):
                return None
            if not all(side.above for side in sides):
                return False  # one of them holds everywhere
            zeros = [zero_set(side) for side in sides]
        except NotPolynomial:
            return None
        if zeros[0] != zeros[1]:
            return False
        if len(zeros[0]) == 1:  # neither has any
            return None
    return True


def _on_line(line: int, coordinate: int) -> Poly:
    return (
        Fraction(_LINES[2 * line][coordinate]),
        Fraction(_LINES[2 * line + 1][coordinate]),
    )


def _counterexample(left: Node, right: Node, reading: Reading) -> bool:
    """Look for a real point that solves one equation and not the other."""
    names = symbols(left) | symbols(right)
    for one, other in ((left, right), (right, left)):
        for name in sorted(names):
            solved = solved_for(one, name, reading)
            if solved is None:
                continue
            for point in numeric.points(names - {name}):
                solution = with_values(solved, point)
                if not _holds(substitute(with_values(other, point), name, solution), reading):
                    return True
    return False


def _holds(residual: Node, reading: Reading) -> bool:
    """Say whether a constant may be a zero and is real on the way to it."""
    try:
        numeric.evaluate(residual, {}, reading, REALS)
    except (Undefined, TooLarge):
        return False
    return identity.same_value(residual, _ZERO, reading) is not False


# -- solved equations ------------------------------------------------------------------------


def solved_for(residual: Node, name: str, reading: Reading) -> Node | None:
    """Solve a residual for an unknown that it is linear in."""
    if name not in symbols(residual):
        return None
    start, step = (substitute(residual, name, number(k)) for k in (0, 1))
    slope = Node("add", (step, Node("neg", (start,))))
    line = Node("add", (start, Node("mul", (slope, Node("sym", value=name)))))
    if identity.same_value(residual, line, reading) is not True:
        return None
    if identity.same_value(slope, _ZERO, reading) is not False:
        return None
    return Node("neg", (Node("div", (start, slope)),))


def _solved_by(gold: Node, answer: Node, reading: Reading) -> bool | None:
    """Say whether an expression is what an equation says its other variable is.

    The reference ``xy = 6`` is answered by ``6/x``: the equation is linear in y, so that there is
    no other solution.
    """
    if not symbols(answer):
        solved = of_solutions(gold, [answer])
        return False if solved is None else _same_relations(gold, solved, reading)
    residual = _residual(gold)
    unknown = symbols(residual) - symbols(answer)
    if len(unknown) != 1:
        return False
    solved = solved_for(residual, unknown.pop(), reading)
    return None if solved is None else identity.same_value(solved, answer, reading)

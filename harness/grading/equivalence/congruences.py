"""Congruences, and the families of whole numbers that they describe."""

from __future__ import annotations

import math
from fractions import Fraction

from harness.grading.equivalence import numeric
from harness.grading.equivalence.arithmetic import Undefined
from harness.grading.equivalence.polynomials import UNKNOWN, NotPolynomial, Poly, quotient
from harness.grading.parsing.tree import Node, symbols

_UNSOLVABLE = (0, 0)


def same(gold: Node, answer: Node) -> bool | None:
    """Compare congruences such as ``x = 3 (mod 7)`` with each other or with ``7k + 3``.

    Returns:
        Whether they have the same whole solutions; ``None`` where that is not found out.
    """
    names = [_name(side) for side in (gold, answer)]
    if names[0] and names[1] and names[0] != names[1]:
        return False
    classes = [_class(side) for side in (gold, answer)]
    if classes[0] == classes[1] == _UNSOLVABLE:
        return None  # all that no number solves would be the same
    if classes[0] is not None and classes[1] is not None:
        return classes[0] == classes[1]
    if gold.kind == answer.kind == "congruent":
        return _same_difference(gold, answer)
    return None


def _name(side: Node) -> str:
    """Name the number that is spoken of."""
    if side.kind == "labelled":
        return str(side.value.value) if isinstance(side.value, Node) else ""
    left = side.args[0] if side.kind == "congruent" else None
    return str(left.value) if left is not None and left.kind == "sym" else ""


def _class(side: Node) -> tuple[int, int] | None:
    """Return the modulus and the residue of the solutions, ``_UNSOLVABLE`` if there are none."""
    if side.kind == "congruent":
        line, modulus = _difference(side), _whole(side.args[2])
        if line is None or len(line) != 2 or modulus is None or modulus < 1:
            return None
        start, slope = int(line[0]), int(line[1])
        common = math.gcd(slope, modulus)
        if start % common:
            return _UNSOLVABLE
        modulus //= common
        return modulus, -start // common * pow(slope // common, -1, modulus) % modulus
    family = side.args[0] if side.kind == "labelled" else side
    line = _line(family)
    if line is None or len(line) != 2:
        return None
    modulus = abs(int(line[1]))
    return modulus, int(line[0]) % modulus


def _difference(side: Node) -> Poly | None:
    return _line(Node("add", (side.args[0], Node("neg", (side.args[1],)))))


def _line(node: Node) -> Poly | None:
    """Return the coefficients of a polynomial in one unknown if they are whole."""
    names = symbols(node)
    if len(names) != 1:
        return None
    try:
        found = quotient(node, {names.pop(): UNKNOWN})
    except NotPolynomial:
        return None
    if not found.exact or len(found.below) != 1:
        return None
    line = tuple(c / found.below[0] for c in found.above)
    return line if all(c.denominator == 1 for c in line) else None


def _whole(node: Node) -> int | None:
    try:
        value = numeric.exact(node)
    except (numeric.NotRational, numeric.TooLarge, Undefined):
        return None
    return int(value) if value.denominator == 1 else None


def _same_difference(gold: Node, answer: Node) -> bool | None:
    """Compare congruences of one modulus whose sides differ by multiples of it."""
    moduli = [_whole(side.args[2]) for side in (gold, answer)]
    lines = [_difference(side) for side in (gold, answer)]
    if moduli[0] is None or moduli[0] != moduli[1] or lines[0] is None or lines[1] is None:
        return None
    if symbols(gold) != symbols(answer):
        return False
    for turn in (1, -1):
        size = max(map(len, lines))  # type: ignore[arg-type]
        pads = [line + (Fraction(0),) * (size - len(line)) for line in lines if line is not None]
        if all((a - turn * b) % moduli[0] == 0 for a, b in zip(*pads, strict=True)):
            return True
    return None

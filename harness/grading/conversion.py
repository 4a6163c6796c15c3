"""Bringing two quantities to the same unit."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.grading import numeric
from harness.grading.syntax import Node, number
from harness.grading.units import Unit, parse_unit

_SCALE = re.compile(r"\s*(?:°|\^?\{?\\circ\}?)?\s*[CFK]\s*")


def with_bare_unit(node: Node, other: Node) -> Node:
    """Read the letter of ``1 h`` as a unit where the other side has one."""
    if node.kind == "mul" and other.kind == "quantity" and node.args[1].kind == "sym":
        letter = node.args[1].value
        if not numeric.symbols(node.args[0]) and parse_unit(letter) and parse_unit(other.value):
            return Node("quantity", (node.args[0],), letter)
    return node


def converted(value: Node, unit: Unit, target: Unit) -> Node | None:
    if unit.powers != target.powers:
        return None
    if unit.factor == target.factor:
        return value
    return Node("mul", (number(unit.factor / target.factor), value))


def temperature(gold: Node, answer: Node) -> Node | None:
    """Convert between the temperature scales, whose zeros differ."""
    scales = [re.sub(r"[^CFK]", "", n.value) for n in (gold, answer)]
    if any(not _SCALE.fullmatch(n.value) for n in (gold, answer)):
        return None
    if scales[0] == scales[1] or not {"K", "F"} & set(scales):
        return None
    zero, kelvin = number(Fraction(27315, 100)), answer.args[0]
    if scales[1] == "C":
        kelvin = Node("add", (kelvin, zero))
    elif scales[1] == "F":
        shifted = Node("add", (kelvin, number(Fraction(45967, 100))))
        kelvin = Node("mul", (shifted, number(Fraction(5, 9))))
    if scales[0] == "K":
        return kelvin
    if scales[0] == "C":
        return Node("add", (kelvin, Node("neg", (zero,))))
    scaled = Node("mul", (kelvin, number(Fraction(9, 5))))
    return Node("add", (scaled, number(Fraction(-45967, 100))))

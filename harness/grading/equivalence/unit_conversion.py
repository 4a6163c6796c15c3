"""Bringing two quantities to the same unit."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.grading.parsing.tree import Node, number, symbols
from harness.grading.parsing.units import Unit, parse_unit

_SCALE = re.compile(r"°?([CFK])|(kelvin)s?")


def with_bare_unit(node: Node, other: Node) -> Node:
    """Read the letters of ``1 h`` or ``12 m^2`` as a unit where the other side has one."""
    if node.kind not in ("mul", "div") or other.kind != "quantity":
        return node
    value, unit = node, ""
    while value.kind in ("mul", "div"):
        name = _unit_text(value.args[1])
        if not name:
            break
        unit = f"{'/' if value.kind == 'div' else ' '}{name}{unit}"
        value = value.args[0]
    unit = unit.strip()
    if not unit or unit[0] == "/" or symbols(value) or parse_unit(unit) is None:
        return node
    return Node("quantity", (value,), unit)


def _unit_text(node: Node) -> str:
    if node.kind == "sym":
        return str(node.value)
    if node.kind in ("mul", "div"):
        parts = [_unit_text(arg) for arg in node.args]
        return f"({parts[0]}){'/' if node.kind == 'div' else ' '}({parts[1]})" if all(parts) else ""
    if node.kind == "pow" and node.args[0].kind == "sym" and node.args[1].kind in ("num", "neg"):
        exponent = node.args[1]
        negative = exponent.kind == "neg"
        power = exponent.args[0] if negative else exponent
        if power.kind == "num" and power.value.denominator == 1 and power.value < 5:
            return f"{node.args[0].value}^{'-' if negative else ''}{power.value.numerator}"
    return ""


def converted(value: Node, unit: Unit, target: Unit) -> Node | None:
    """Convert a value from one unit to another; ``None`` if they measure different things."""
    if unit.powers != target.powers:
        return None
    if unit.factor == target.factor:
        return value
    return Node("mul", (number(unit.factor / target.factor), value))


def temperature_scale(unit: str) -> str:
    """Name the temperature scale of a unit: ``C``, ``F``, ``K`` or none."""
    match = _SCALE.fullmatch(unit.strip())
    return (match[1] or "K") if match else ""


def temperature(gold: Node, answer: Node) -> Node | None:
    """Convert between the temperature scales, whose zeros differ."""
    scales = [temperature_scale(n.value) for n in (gold, answer)]
    if not all(scales):
        return None
    if scales[0] == scales[1]:
        return answer.args[0]
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

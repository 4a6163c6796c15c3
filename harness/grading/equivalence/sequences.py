"""Lists with dots: ``1, 2, …, 100``."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from harness.grading.equivalence import numeric
from harness.grading.equivalence.arithmetic import Undefined
from harness.grading.parsing.tree import Node, number

_MAX_TERMS = 300


class Progression(NamedTuple):
    """An arithmetic progression; without a last term it goes on for ever."""

    first: Fraction
    step: Fraction
    last: Fraction | None


def has_dots(node: Node) -> bool:
    """Say whether dots stand for some of the parts of a list."""
    return node.kind in ("list", "set", "tuple") and any(_is_dots(arg) for arg in node.args)


def _is_dots(node: Node) -> bool:
    return node.kind == "sym" and node.value == "dots"


def progression(node: Node) -> Progression | None:
    """Read a list with dots as an arithmetic progression of rational numbers."""
    places = [i for i, arg in enumerate(node.args) if _is_dots(arg)]
    if len(places) != 1 or places[0] < 2:
        return None
    try:
        before = [numeric.exact(arg) for arg in node.args[: places[0]]]
        after = [numeric.exact(arg) for arg in node.args[places[0] + 1 :]]
    except (numeric.NotRational, numeric.TooLarge, Undefined):
        return None
    step = before[1] - before[0]
    steps = [b - a for run in (before, after) for a, b in zip(run, run[1:], strict=False)]
    if step == 0 or any(s != step for s in steps):
        return None
    if after and ((after[0] - before[-1]) % step or (after[0] - before[-1]) / step < 1):
        return None
    return Progression(before[0], step, after[-1] if after else None)


def written_out(node: Node) -> Node:
    """Write a short progression without its dots; anything else stays as it is."""
    found = progression(node) if has_dots(node) else None
    if found is None or found.last is None:
        return node
    count = (found.last - found.first) / found.step + 1
    if count > _MAX_TERMS:
        return node
    terms = tuple(number(found.first + k * found.step) for k in range(int(count)))
    return Node(node.kind, terms, node.value)

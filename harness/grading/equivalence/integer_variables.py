"""Infer which variables of an expression are integers."""

from __future__ import annotations

from fractions import Fraction

from harness.grading.equivalence.arithmetic import Undefined
from harness.grading.equivalence.numeric import NotRational, Reading, TooLarge, exact
from harness.grading.parsing.tree import Node, symbols

#: What exists for whole numbers only.
_COUNTING = frozenset(("factorial", "factorial2", "binom", "gcd", "lcm"))
_STEPPING = frozenset(("floor", "ceil", "mod"))
#: Letters that by custom are whole numbers where something else suggests it too.
_BY_CUSTOM = frozenset("nmkjNMK")
#: Letters of real variables, at which (-1)^x has no value.
_REAL = frozenset("xyztuvws")
#: Letters that are taken for whole numbers if they occur in floors and ceilings only.
_INSIDE_STEPS = frozenset("abcd")


def integer_variables(left: Node, right: Node, reading: Reading) -> tuple[set[str], set[str]]:
    """Tell the letters that must be whole numbers from those that may be meant so.

    Letters in factorials, binomials and bounds of sums, and in exponents of negative numbers,
    must be whole. Letters such as n in floors and in exponents of what may be negative may be
    whole, if both sides have such a thing or it is a floor; a floor of what is whole anyway, but
    for a constant, speaks against it. In cos(n pi) alone nothing says that n is whole.

    Returns:
        Both sets, disjoint.
    """
    must: set[str] = set()
    may: set[str] = set()
    hints = 0
    for side in (left, right):
        hint = False
        for node in side.walk():
            hints += node.kind == "fn" and node.value in _STEPPING
            names, certain = _hinted(node)
            if certain:
                must |= names
            else:
                may |= {name for name in names if name[0] in _BY_CUSTOM}
            hint = hint or bool(names)
        hints += hint
    free = symbols(left) | symbols(right)
    if hints < 2:
        return must & free, set()
    may |= _only_in_steps(left) & _only_in_steps(right)
    may &= free - must
    for side in (left, right):
        for node in side.walk():
            if node.kind == "fn" and node.value in ("floor", "ceil"):
                names = symbols(node)
                if names <= must | may and _always_whole(node.args[0], names, reading):
                    may -= names
    return must & free, may


def _hinted(node: Node) -> tuple[set[str], bool]:
    """Name the letters that a node suggests to be whole, and say whether it insists."""
    if node.kind == "series":
        return symbols(node.args[1]) | symbols(node.args[2]), True
    if node.kind == "pow":
        names = symbols(node.args[1])
        if not names:
            return names, False
        if symbols(node.args[0]):
            return names, False
        return (names - _REAL, True) if _negative(node.args[0]) else (set(), False)
    if node.kind != "fn":
        return set(), False
    if node.value in _COUNTING:
        return symbols(node), True
    return (symbols(node) if node.value in _STEPPING else set()), False


def _negative(node: Node) -> bool:
    try:
        return exact(node) < 0
    except (NotRational, TooLarge, Undefined):
        return False


def _only_in_steps(node: Node) -> set[str]:
    """Name the letters that occur in floors, ceilings and remainders only."""

    def outside(part: Node) -> set[str]:
        if part.kind == "fn" and part.value in _STEPPING:
            return set()
        if part.kind == "sym":
            return {part.value}
        return set().union(*(outside(arg) for arg in part.args))

    return (symbols(node) & _INSIDE_STEPS) - outside(node)


def _always_whole(node: Node, names: set[str], reading: Reading) -> bool:
    """Say whether an expression has the same fractional part at all whole numbers."""
    fractions = set()
    for k in range(6):
        point = {name: Fraction(7 * k + 3 * i + 2) for i, name in enumerate(sorted(names))}
        try:
            fractions.add(exact(node, reading, point) % 1)
        except (NotRational, TooLarge, Undefined):
            return False
    return len(fractions) == 1

"""Comparing expressions: identities, tolerances for constants, and dummy names."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from harness.grading import numeric
from harness.grading.numeric import STANDARD, Reading
from harness.grading.syntax import Node, Written
from harness.types import Tolerance


@dataclass(frozen=True, slots=True)
class Rules:
    """What one comparison may take into account.

    Attributes:
        reading: How ambiguous notation is read.
        tolerance: The task's own.
        parameters: Names that stand for arbitrary integers or constants.
    """

    reading: Reading = STANDARD
    tolerance: Tolerance | None = None
    parameters: frozenset[str] = frozenset()


def same_scalars(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare two expressions; constants may carry a tolerance."""
    verdict = numeric.same_value(gold, answer, rules.reading)
    if verdict or numeric.symbols(answer) - numeric.symbols(gold) - rules.parameters:
        return verdict or _renamed(gold, answer, rules)
    if not numeric.symbols(gold) and not numeric.symbols(answer):
        return _rounded(gold, answer, rules) or verdict
    return verdict or _renamed(gold, answer, rules)


def _rounded(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Apply the tolerances for constants.

    A gold decimal of three or more digits is taken for a rounded value, good to half a unit in
    its last place. An answer of eight or more digits is a calculator's rendering of the exact
    value. Beyond that only the task's own tolerance counts.
    """
    place, written = last_place(gold), last_place(answer)
    if place is None and written is None and rules.tolerance is None:
        return None
    expected = numeric.approximate(gold, rules.reading)
    given = numeric.approximate(answer, rules.reading)
    if expected is None or given is None:
        return None
    error = abs(given - expected)
    if rules.tolerance is not None:
        tolerance = rules.tolerance
        allowed = Fraction(tolerance.absolute) + Fraction(tolerance.relative) * abs(expected)
        if error <= allowed:
            return True
    if place is not None and place[1] >= 3 and error <= place[0] / 2:
        return True
    if written is not None and expected != 0:
        exact_gold = place is not None or expected.denominator == 1
        if written[1] >= 8 and not exact_gold and error <= written[0]:
            return True
        if written[1] >= 13 and error <= abs(expected) / 10**12:
            return True
    return None


def last_place(node: Node) -> tuple[Fraction, int] | None:
    """Return the unit in the last place of a written decimal, and its significant digits."""
    match node.kind:
        case "num" if isinstance(node.value, Written):
            return Fraction(1, 10**node.value.places), node.value.significant
        case "neg":
            return last_place(node.args[0])
        case "fn" if node.value == "percent":
            inner = last_place(node.args[0])
            return None if inner is None else (inner[0] / 100, inner[1])
        case "mul":
            left, right = node.args
            inner = last_place(left)
            if inner is None or right.kind != "pow" or right.args[0].value != 10:
                return None
            scale = numeric.approximate(right)
            return None if scale is None else (inner[0] * scale, inner[1])
        case "div":
            # A quotient of integers as long as these is a float printed as a fraction.
            if all(n.kind == "num" and n.value.denominator == 1 for n in node.args):
                digits = len(str(node.args[1].value.numerator)) if node.args[1].value else 0
                return (Fraction(1, 10**16), digits) if 13 <= digits < 100 else None
    return None


def _renamed(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Try again with the answer's dummy name replaced by the gold's.

    Allowed for names said to be arbitrary, for multiples of pi by a whole number, and for the
    constant C in any spelling.
    """
    ours, theirs = numeric.symbols(gold), numeric.symbols(answer)
    only_gold, only_answer = ours - theirs, theirs - ours
    if len(only_gold) != 1 or len(only_answer) != 1:
        return False
    old, new = only_answer.pop(), only_gold.pop()
    dummy = (
        bool({old, new} & rules.parameters)
        or {old.lower()[0], new.lower()[0]} <= {"c"}
        or (old in "kmnlt" and new in "kmnlt" and _multiplies_pi(gold, new))
    )
    if not dummy:
        return False
    return numeric.same_value(gold, substitute(answer, old, Node("sym", value=new)), rules.reading)


def _multiplies_pi(node: Node, name: str) -> bool:
    """Say whether a name occurs only as a factor of a multiple of pi (or of degrees)."""
    return any(
        n.kind in ("mul", "div")
        and name in numeric.symbols(n)
        and any(c.kind == "const" and c.value == "pi" or c.value == "deg" for c in n.walk())
        for n in node.walk()
    )


def substitute(node: Node, name: str, value: Node) -> Node:
    """Replace a symbol everywhere in a tree."""
    if node.kind == "sym" and node.value == name:
        return value
    if not node.args and not isinstance(node.value, Node):
        return node
    args = tuple(substitute(arg, name, value) for arg in node.args)
    label = substitute(node.value, name, value) if isinstance(node.value, Node) else node.value
    return Node(node.kind, args, label)

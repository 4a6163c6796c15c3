"""Compare expressions: identity, tolerances of constants, dummy variables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from harness.grading.equivalence import identity, numeric
from harness.grading.equivalence.numeric import STANDARD, Reading
from harness.grading.parsing.qualifiers import same_domain
from harness.grading.parsing.tree import DecimalLiteral, Node, substitute, symbols
from harness.types import Tolerance


@dataclass(frozen=True, slots=True)
class Rules:
    """What one comparison may take into account.

    Attributes:
        reading: How ambiguous notation is read.
        tolerance: The task's own.
        whole: Names that are said to stand for whole numbers.
        ours: The sets of numbers that the reference says its names are from.
        theirs: The same for the answer.
        converted: The factor by which the answer was converted from another unit.
    """

    reading: Reading = STANDARD
    tolerance: Tolerance | None = None
    whole: frozenset[str] = frozenset()
    ours: Mapping[str, str] = field(default_factory=dict)
    theirs: Mapping[str, str] = field(default_factory=dict)
    converted: Fraction | None = None


def same_scalars(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare two expressions; constants may carry a tolerance."""
    verdict = identity.same_value(gold, answer, rules.reading)
    if verdict:
        return True
    ours, theirs = symbols(gold), symbols(answer)
    if not ours and not theirs:
        return _rounded(gold, answer, rules) or verdict
    if _has_doubles(gold) and _has_doubles(answer):
        return identity.nearly_same(gold, answer, rules.reading) or verdict
    return _renamed(gold, answer, rules) if ours != theirs else verdict


def _rounded(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Apply tolerances for constants: the task's, a rounded reference, a calculator's digits."""
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
    if place is not None and _rounds_to(expected, place, answer, given, written, rules):
        return True
    if written is not None and expected != 0:
        unit, digits = written
        if digits >= 8 and place is None and not _is_decimal(expected):
            cut = abs(expected) - abs(given)
            if error <= unit / 2 or 0 <= cut < unit:
                return True
        if digits in _DIGITS_OF_A_DOUBLE and error <= _noise(expected):
            return answer.kind == "div" or _is_double(given)  # the noise in its last digits
    return None


_DIGITS_OF_A_DOUBLE = range(15, 18)
#: A rounded reference has at least so many significant digits.
_MIN_DIGITS = 3
#: A decimal that is a fraction with no larger denominator is taken for exact beside a longer one.
_EXACT_DENOMINATOR = 1000


def _rounds_to(
    expected: Fraction,
    place: tuple[Fraction, int],
    answer: Node,
    given: Fraction,
    written: tuple[Fraction, int] | None,
    rules: Rules,
) -> bool:
    """Say whether a reference decimal is the rounded value of an answer.

    So it is for a closed form that no decimal equals (a root, 1/3), for a value of no fewer digits
    that was rounded in another unit (2.00 km/h = 0.556 m/s), and for a longer decimal if the
    reference itself has more digits than an exact value: 0.1254 is not 0.125, which is 1/8.
    """
    unit, digits = place
    if digits < _MIN_DIGITS:
        return False
    numbers = [
        n.value for n in answer.walk() if n.kind == "num" and isinstance(n.value, DecimalLiteral)
    ]
    if rules.converted is not None:
        places = max((number.places for number in numbers), default=0)
        steps = (given - expected) * 10**places / rules.converted
        precise = all(number.significant >= digits for number in numbers)
        # After whole steps the answer could have been the reference exactly: 12.5 cm is not
        # 125.4 mm.
        return precise and steps.denominator > 1 and abs(given - expected) <= unit / 2
    rounded = -unit / 2 <= abs(given) - abs(expected) < unit / 2 and given * expected > 0
    if not rounded:
        return False
    if written is not None:
        return written[0] < unit and expected.denominator > _EXACT_DENOMINATOR
    return not numbers and not _is_decimal(given)


def _noise(expected: Fraction) -> Fraction:
    """Return how far a computed double may be off; beside a decimal only in its last digits."""
    if not _is_decimal(expected):
        return abs(expected) / 10**12
    return min(abs(expected) / 10**14, Fraction(1, 10**9))


def _is_double(value: Fraction) -> bool:
    """Say whether a number is a double or what one is printed as."""
    try:
        nearest = float(value)
    except OverflowError:
        return False
    return value in (Fraction(nearest), Fraction(repr(nearest)), Fraction(f"{nearest:.17g}"))


def _is_decimal(value: Fraction) -> bool:
    """Say whether a number has finitely many decimals; one known to 30 digits only has not."""
    rest = value.denominator
    if rest.bit_length() > 80:
        return False
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def last_place(node: Node) -> tuple[Fraction, int] | None:
    """Return the unit in the last place of a written decimal, and its significant digits."""
    match node.kind:
        case "num" if isinstance(node.value, DecimalLiteral):
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
                return (Fraction(1, 10**16), 16) if 13 <= digits < 100 else None
    return None


def _has_doubles(node: Node) -> bool:
    """Say whether a program printed some of the numbers."""
    written = [
        n.value for n in node.walk() if n.kind == "num" and isinstance(n.value, DecimalLiteral)
    ]
    return any(value.significant in _DIGITS_OF_A_DOUBLE and _is_double(value) for value in written)


#: Constants of integration, and letters an answer may use for them.
_FREE = re.compile(r"C(?:_\{?\d\}?)?|c_\{?\d\}?")
_FREE_IN_ANSWER = re.compile(r"[ABCDKMack](?:_\{?\d\}?)?")
_VARIABLES = frozenset(("x", "y", "z", "t", "u", "v", "r", "s", "theta"))


def _renamed(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Try again with the answer's dummy names replaced by the reference's.

    Allowed for names that both sides say to be from one set of numbers, for whole numbers that
    something is linear in, for multiples of pi, and for the constants of integration C, c_1, c_2.
    """
    ours, theirs = symbols(gold), symbols(answer)
    only_gold, only_answer = sorted(ours - theirs), sorted(theirs - ours)
    if len(only_gold) != len(only_answer) or not 1 <= len(only_gold) <= 3:
        return False
    verdict: bool | None = False
    for names in itertools.permutations(only_gold):
        pairs = list(zip(only_answer, names, strict=True))
        if not all(_exchangeable(gold, *pair, rules) for pair in pairs):
            continue
        renamed = answer
        for old, new in pairs:
            renamed = substitute(renamed, old, Node("sym", value=new))
        same = identity.same_value(gold, renamed, rules.reading)
        if same:
            return True
        verdict = None if same is None else verdict
    return verdict


def _exchangeable(gold: Node, old: str, new: str, rules: Rules) -> bool:
    """Say whether the answer's letter may stand for the reference's."""
    ours, theirs = rules.ours.get(new), rules.theirs.get(old)
    if ours is not None and theirs is not None:
        return same_domain(ours, theirs)
    if is_free(gold, new):
        constant = theirs is None or same_domain(theirs, "")
        return constant and _FREE_IN_ANSWER.fullmatch(old) is not None
    if new == "c" and old[0] == "C" and _FREE.fullmatch(old):
        others = symbols(gold) - {new}
        in_a_sum = gold.kind == "add" and len(others) == 1 and others <= _VARIABLES
        return in_a_sum or _is_term(gold, new)
    if "Z" in (ours, theirs):
        return _is_linear(gold, new)
    return old in INDICES and theirs is None and is_family(gold, new)


#: Letters that count.
INDICES = frozenset("kmn")


def is_free(node: Node, name: str) -> bool:
    """Say whether a name is a constant of integration.

    C and its kind are, in a formula of variables without other capital letters (not in Q = CV);
    c_1 only beside c_2.
    """
    names = symbols(node)
    constants = {other for other in names if _FREE.fullmatch(other)}
    if name not in constants or not names & _VARIABLES:
        return False
    if name[0] == "c" and sum(other[0] == "c" for other in constants) < 2:
        return False
    return not any(other[0].isupper() for other in names - constants)


def is_family(node: Node, name: str) -> bool:
    """Say whether a name counts the members of ``a + k pi b`` or ``a + 360° k``."""
    turns = any((n.kind, n.value) in (("const", "pi"), ("fn", "deg")) for n in node.walk())
    return turns and name in INDICES and symbols(node) == {name} and _is_linear(node, name)


def _is_linear(node: Node, name: str) -> bool:
    """Say whether an expression is linear in a name, with a constant factor."""
    if node.kind == "sym" or name not in symbols(node):
        return True
    match node.kind:
        case "add" | "neg":
            return all(_is_linear(arg, name) for arg in node.args)
        case "mul":
            factors = sorted(node.args, key=lambda arg: name in symbols(arg))
            return not symbols(factors[0]) and _is_linear(factors[1], name)
        case "div":
            return not symbols(node.args[1]) and _is_linear(node.args[0], name)
        case "fn":
            return node.value == "deg" and _is_linear(node.args[0], name)
    return False


def _is_term(node: Node, name: str) -> bool:
    """Say whether a name is a term of a sum: the c of ``ln x + c``."""
    return node.kind == "add" and any(
        arg == Node("sym", value=name) or _is_term(arg, name) for arg in node.args
    )

"""Values of expression trees: exact rationals, and numbers of a chosen arithmetic at a point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from harness.grading.equivalence.arithmetic import FLOATS, Arithmetic, Undefined, high_precision
from harness.grading.parsing.tree import Node, symbols

#: Exact integers are computed up to this many bits; 2025! has 19,500.
MAX_BITS = 200_000
_MAX_TERMS = 2_000
_MAX_TERMS_OF_A_FUNCTION = 500
_MAX_TERMS_IN_ALL = 10_000
_MAX_INDEX = 10**9


class NotRational(Exception):
    """The expression has no exact rational value that is cheap to compute."""


class TooLarge(Exception):
    """The value is a number too large to be computed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How ambiguous notation is read.

    Attributes:
        plain_marks: Percent and degree signs are left out instead of meaning 1/100 and pi/180.
        real_roots: An odd root of a negative number is the real one.
        log10: ``log`` without a base is decimal.
    """

    plain_marks: bool = False
    real_roots: bool = False
    log10: bool = False


STANDARD = Reading()
_NO_VALUES: Mapping[str, Fraction] = {}


def exact(
    node: Node, reading: Reading = STANDARD, values: Mapping[str, Fraction] = _NO_VALUES
) -> Fraction:
    """Compute an exact rational value.

    Args:
        node: The expression.
        reading: How ambiguous notation is read.
        values: The values of its symbols; without one there is no rational value.

    Raises:
        NotRational: There is none, or it cannot be had by plain arithmetic.
        TooLarge: It has too many digits.
    """
    match node.kind:
        case "num":
            return Fraction(node.value)
        case "sym" if node.value in values:
            return values[node.value]
        case "neg":
            return -exact(node.args[0], reading, values)
        case "add" | "mul" | "div":
            left, right = (exact(arg, reading, values) for arg in node.args)
            return _bounded(_arithmetic(node.kind, left, right))
        case "pow":
            return _exact_power(*(exact(arg, reading, values) for arg in node.args))
        case "fn":
            if node.value == "mod":
                return _modulo(node, reading, values)
            args = [exact(arg, reading, values) for arg in node.args]
            return _exact_function(node.value, args, reading)
    raise NotRational(node.kind)


def _arithmetic(kind: str, left: Fraction, right: Fraction) -> Fraction:
    if kind == "add":
        return left + right
    if kind == "mul":
        return left * right
    if right == 0:
        raise Undefined("division by zero")
    return left / right


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise TooLarge
    return value


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        if base < 0 or exponent.denominator > 64:
            raise NotRational("root")
        root = _exact_root(base, exponent.denominator)
        return _exact_power(root, Fraction(exponent.numerator))
    if base == 0 and exponent <= 0:
        raise Undefined("0 to a power that is not positive")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length(), 1)
    if abs(base) != 1 and base != 0 and bits * abs(exponent) > MAX_BITS:
        raise TooLarge
    return base ** (int(exponent) % 2 if abs(base) == 1 else int(exponent))


def _exact_root(value: Fraction, index: int) -> Fraction:
    """Return the rational root, found as an integer root of numerator and denominator."""
    parts = []
    for part in (value.numerator, value.denominator):
        root = math.isqrt(part) if index == 2 else _integer_root(part, index)
        if root**index != part:
            raise NotRational("irrational root")
        parts.append(root)
    return Fraction(parts[0], parts[1])


def _integer_root(value: int, index: int) -> int:
    low, high = 0, 1 << (value.bit_length() // index + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**index <= value else (low, middle - 1)
    return low


def _modulo(node: Node, reading: Reading, values: Mapping[str, Fraction]) -> Fraction:
    """Compute a remainder; powers are reduced on the way and never written out."""
    modulus = exact(node.args[1], reading, values)
    left = node.args[0]
    if modulus == 0 or modulus.denominator != 1:
        raise NotRational("modulus")
    if left.kind == "pow":
        base, power = (exact(arg, reading, values) for arg in left.args)
        if base.denominator == power.denominator == 1 and power >= 0:
            return Fraction(pow(int(base), int(power), int(modulus)))
    return exact(left, reading, values) % modulus


def _exact_function(name: str, args: list[Fraction], reading: Reading) -> Fraction:
    first = args[0]
    match name:
        case "percent":
            return first if reading.plain_marks else first / 100
        case "deg" if reading.plain_marks:
            return first
        case "abs":
            return abs(first)
        case "floor":
            return Fraction(math.floor(first))
        case "ceil":
            return Fraction(math.ceil(first))
        case "min":
            return min(args)
        case "max":
            return max(args)
        case "sqrt" if first >= 0:
            return _exact_root(first, 2)
        case "root" if args[1].denominator == 1 and 2 <= args[1] <= 64:
            sign = -1 if first < 0 and args[1] % 2 else 1
            if first * sign >= 0:
                return sign * _exact_root(abs(first), int(args[1]))
    if all(arg.denominator == 1 and arg >= 0 for arg in args):
        return _bounded(Fraction(_whole_function(name, [int(arg) for arg in args])))
    raise NotRational(name)


def _whole_function(name: str, args: list[int]) -> int:
    """Compute functions of whole numbers."""
    first = args[0]
    if name in ("factorial", "factorial2"):
        if first > 10_000:
            raise TooLarge
        return math.factorial(first) if name == "factorial" else math.prod(range(first, 0, -2))
    if name == "binom":
        if min(args[1], first - args[1]) > 10_000 or first.bit_length() > 500:
            raise TooLarge
        return math.comb(first, args[1])
    if name == "gcd":
        return math.gcd(*args)
    if name == "lcm":
        return math.lcm(*args)
    raise NotRational(name)


def evaluate(
    node: Node,
    values: Mapping[str, Any],
    reading: Reading = STANDARD,
    arithmetic: Arithmetic = FLOATS,
) -> Any:
    """Compute a value at a point.

    Args:
        node: The expression.
        values: The values of its symbols.
        reading: How ambiguous notation is read.
        arithmetic: Doubles, or mpmath's numbers.

    Returns:
        A real or complex number of that arithmetic.

    Raises:
        Undefined: There is no value at this point.
        TooLarge: The value overflows.
    """
    try:
        return _value(node, values, reading, arithmetic)
    except OverflowError:
        raise TooLarge from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise Undefined(node.kind) from error


def _value(node: Node, values: Mapping[str, Any], reading: Reading, arithmetic: Arithmetic) -> Any:
    match node.kind:
        case "num":
            return arithmetic.number(node.value)
        case "sym":
            return values[node.value]
        case "const":
            return arithmetic.constant(node.value)
        case "series":
            return _series(node, values, reading, arithmetic)
        case "apply":
            return _unknown_function(node, values, reading, arithmetic)
    if node.kind not in ("add", "mul", "div", "pow", "neg", "fn"):
        raise Undefined(node.kind)
    args = [_value(arg, values, reading, arithmetic) for arg in node.args]
    if node.kind == "fn":
        return _function(node.value, args, reading, arithmetic)
    if node.kind == "pow":
        return arithmetic.power(args[0], args[1], real=reading.real_roots)
    return arithmetic.combine(node.kind, args)


def _function(name: str, args: list[Any], reading: Reading, arithmetic: Arithmetic) -> Any:
    if name == "percent":
        return args[0] if reading.plain_marks else args[0] / 100
    if name == "deg":
        return args[0] if reading.plain_marks else args[0] * arithmetic.constant("pi") / 180
    if name == "log" and len(args) == 1 and reading.log10:
        return arithmetic.function("lg", args)
    return arithmetic.function(name, args)


def _series(node: Node, values: Mapping[str, Any], reading: Reading, arithmetic: Arithmetic) -> Any:
    """Add or multiply the terms of a finite series."""
    variable, first, last, body = node.args
    bounds = [_value(bound, values, reading, arithmetic) for bound in (first, last)]
    if any(isinstance(b, complex) or abs(b) > _MAX_INDEX or b != round(b) for b in bounds):
        raise Undefined("bounds")
    start, stop = (int(bound) for bound in bounds)
    # A sum in a sum multiplies the terms, and a function is computed at many points.
    nested = sum(n.kind == "series" for n in node.walk())
    most = min(
        _MAX_TERMS_OF_A_FUNCTION if values else _MAX_TERMS, _MAX_TERMS_IN_ALL ** (1 / nested)
    )
    if not -1 <= stop - start <= most:
        raise Undefined("fewer terms than none, or too many")
    kind = "add" if node.value == "sum" else "mul"
    total = arithmetic.number(Fraction(0 if kind == "add" else 1))
    for k in range(start, stop + 1):
        point = {**values, variable.value: arithmetic.number(Fraction(k))}
        total = arithmetic.combine(kind, [total, _value(body, point, reading, arithmetic)])
    return total


def _unknown_function(
    node: Node, values: Mapping[str, Any], reading: Reading, arithmetic: Arithmetic
) -> Any:
    """Give f(x) the value of some fixed smooth function that is nobody's guess.

    It has both signs wherever its argument moves by ten, so that it is not its absolute value.
    """
    seed = sum(ord(char) * 31**i for i, char in enumerate(node.value)) % 9973
    total = arithmetic.number(Fraction(seed % 89 + 7, 1013))
    height = arithmetic.number(Fraction(seed + 4000, 1013))
    for i, arg in enumerate(node.args):
        slope = arithmetic.number(Fraction(seed % 97 + 31 + 17 * i, 59))
        value = _value(arg, values, reading, arithmetic)
        wave = height * arithmetic.function("sin", [value * slope])
        total = total + wave + value / (9 + i)
    return total


_SAMPLES = (0.7321, 1.6180, 2.2913, 0.3679, -0.5772, 1.2020, -1.9459, 2.6651, -2.7724, 0.9159)


def points(names: set[str]) -> list[dict[str, Fraction]]:
    """Make sample points, the same ones for the same names on every machine.

    The first are positive in all coordinates, as most formulas are about lengths, masses and
    counts; the later ones have mixed signs.
    """
    order = sorted(names)
    found = []
    for k in range(7):
        point = {}
        for i, name in enumerate(order):
            base = Fraction(str(_SAMPLES[(3 * k + 5 * i + k * i) % len(_SAMPLES)]))
            value = base + Fraction(k * 17 + i * 29 + len(name), 997)
            point[name] = abs(value) * (1 if k < 4 or (k + i) % 2 else -1)
        found.append(point)
    return found


def approximate(node: Node, reading: Reading = STANDARD) -> Fraction | None:
    """Return a real constant's value to 30 digits, or ``None``."""
    try:
        return exact(node, reading)
    except (NotRational, TooLarge):
        pass
    except Undefined:
        return None
    if symbols(node):
        return None
    arithmetic = high_precision(40)
    try:
        return arithmetic.fraction(evaluate(node, {}, reading, arithmetic))
    except (Undefined, TooLarge):
        return None

"""Polynomials and quotients of them in one unknown, with exact coefficients and real zeros.

A polynomial is a tuple of coefficients, the constant one first and no zero last. Irrational
constants such as the square root of two are carried as rationals of 60 digits and marked as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from harness.grading.equivalence import numeric
from harness.grading.equivalence.arithmetic import Undefined, high_precision
from harness.grading.parsing.tree import Node, symbols

Poly = tuple[Fraction, ...]

#: The unknown itself.
UNKNOWN: Poly = (Fraction(0), Fraction(1))
_ONE: Poly = (Fraction(1),)
_MAX_DEGREE = 48
_MAX_BITS = 100_000
#: Zeros of a polynomial with so many bits in its coefficients times its degree are not isolated.
_MAX_SIZE = 6_000
_DIGITS = 60
#: Two numbers of which one is rounded are the same if they agree to this.
_CLOSE = Fraction(1, 10**48)
#: e^200 + 1 cannot be distinguished from e^200 by so few digits.
_MAX_SPAN = 45
_FINE = 10 ** (_DIGITS + 5)


class NotPolynomial(Exception):
    """The expression is no quotient of polynomials, or one too large to be computed."""


@dataclass(frozen=True, slots=True)
class Real:
    """A real number or an infinity.

    Attributes:
        value: The number, or the nearest rational of 60 digits.
        exact: ``value`` is not rounded.
    """

    value: Fraction | float
    exact: bool = True

    def compare(self, other: Real) -> int:
        """Return -1, 0 or 1 as this is below, the same as, or above another."""
        a, b = self.value, other.value
        if a == b:
            return 0
        rounded = not (self.exact and other.exact)
        if rounded and isinstance(a, Fraction) and isinstance(b, Fraction):
            same = abs(a - b) <= _CLOSE * max(abs(a), abs(b))
            return 0 if same else -1 if a < b else 1
        return -1 if a < b else 1


@dataclass(frozen=True, slots=True)
class Quotient:
    """A quotient of polynomials.

    Attributes:
        above: The numerator.
        below: The denominator.
        poles: A polynomial that is zero exactly where something is divided by zero.
        exact: No coefficient is rounded.
    """

    above: Poly
    below: Poly = _ONE
    poles: Poly = _ONE
    exact: bool = True


def constant(node: Node, reading: numeric.Reading = numeric.STANDARD) -> Real:
    """Compute a constant.

    Raises:
        NotPolynomial: It has no real value, or none that can be computed.
    """
    inner = node.args[0] if node.kind == "neg" else node
    if inner.kind == "const" and inner.value == "inf":
        return Real(-math.inf if inner is not node else math.inf)
    try:
        return Real(numeric.exact(node, reading))
    except (numeric.NotRational, numeric.TooLarge):
        pass
    except Undefined:
        raise NotPolynomial("undefined") from None
    found = []
    for digits in (_DIGITS, 2 * _DIGITS):
        arithmetic = high_precision(digits)
        arithmetic.reset()
        try:
            value = arithmetic.fraction(numeric.evaluate(node, {}, reading, arithmetic))
        except (Undefined, numeric.TooLarge, KeyError):
            raise NotPolynomial("no value") from None
        if value is None:
            raise NotPolynomial("not real")
        found.append(value)
    if abs(found[0] - found[1]) > _CLOSE * abs(found[1]):
        raise NotPolynomial("digits cancel")
    if arithmetic.span() > _MAX_SPAN:
        raise NotPolynomial("terms too far apart to be seen beside each other")
    return Real(found[1], exact=False)


def quotient(
    node: Node, unknowns: Mapping[str, Poly], reading: numeric.Reading = numeric.STANDARD
) -> Quotient:
    """Read an expression as a quotient of polynomials.

    Args:
        node: The expression.
        unknowns: What each of its symbols stands for.
        reading: How ambiguous notation is read.

    Raises:
        NotPolynomial: It is none.
    """
    if node.kind == "sym" and node.value in unknowns:
        return Quotient(unknowns[node.value])
    if not symbols(node):
        number = constant(node, reading)
        if not isinstance(number.value, Fraction):
            raise NotPolynomial("infinity")
        return Quotient(_trim([number.value]), exact=number.exact)
    if node.kind not in ("add", "neg", "mul", "div", "pow") and node.value != "percent":
        raise NotPolynomial(node.kind)
    if node.kind == "pow":
        return _power(node, unknowns, reading)
    args = [quotient(arg, unknowns, reading) for arg in node.args]
    match node.kind:
        case "neg":
            return _product(args[0], Quotient((Fraction(-1),)))
        case "add":
            return _sum(args[0], args[1])
        case "mul":
            return _product(args[0], args[1])
        case "div":
            return _product(args[0], _inverse(args[1]))
    share = Fraction(1 if reading.plain_marks else 100)
    return _product(args[0], Quotient((1 / share,)))


def _power(node: Node, unknowns: Mapping[str, Poly], reading: numeric.Reading) -> Quotient:
    try:
        exponent = numeric.exact(node.args[1], reading)
    except (numeric.NotRational, numeric.TooLarge, Undefined):
        raise NotPolynomial("exponent") from None
    base = quotient(node.args[0], unknowns, reading)
    if exponent.denominator != 1 or abs(exponent) > _MAX_DEGREE:
        raise NotPolynomial("exponent")
    if exponent < 0:
        base = _inverse(base)
    result = Quotient(_ONE, poles=base.poles)
    for _ in range(abs(int(exponent))):
        result = _product(result, base)
    return result


def _sum(left: Quotient, right: Quotient) -> Quotient:
    if left.below == right.below:
        above, below = plus(left.above, right.above), left.below
    else:
        above = plus(times(left.above, right.below), times(right.above, left.below))
        below = times(left.below, right.below)
    return Quotient(above, below, _together(left.poles, right.poles), left.exact and right.exact)


def _product(left: Quotient, right: Quotient) -> Quotient:
    return Quotient(
        times(left.above, right.above),
        times(left.below, right.below),
        _together(left.poles, right.poles),
        left.exact and right.exact,
    )


def _inverse(one: Quotient) -> Quotient:
    if not one.above:
        raise NotPolynomial("division by zero")
    return Quotient(one.below, one.above, _together(one.poles, one.above), one.exact)


def _together(left: Poly, right: Poly) -> Poly:
    """Return a polynomial with the zeros of both."""
    if len(right) == 1 or left == right:
        return left
    return right if len(left) == 1 else times(left, right)


def _trim(values: list[Fraction]) -> Poly:
    while values and not values[-1]:
        values.pop()
    return tuple(values)


def plus(left: Poly, right: Poly) -> Poly:
    """Add two polynomials."""
    size = max(len(left), len(right))
    pad = [p + (Fraction(0),) * (size - len(p)) for p in (left, right)]
    return _trim([a + b for a, b in zip(*pad, strict=True)])


def times(left: Poly, right: Poly) -> Poly:
    """Multiply two polynomials.

    Raises:
        NotPolynomial: The product is too large.
    """
    if not left or not right:
        return ()
    if len(left) + len(right) - 2 > _MAX_DEGREE:
        raise NotPolynomial("degree")
    found = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        if a:
            for j, b in enumerate(right):
                found[i + j] += a * b
    if any(c.numerator.bit_length() + c.denominator.bit_length() > _MAX_BITS for c in found):
        raise NotPolynomial("coefficients")
    return _trim(found)


def _divided(left: Poly, right: Poly) -> tuple[Poly, Poly]:
    """Return the quotient and the remainder."""
    rest, found = list(left), [Fraction(0)] * max(0, len(left) - len(right) + 1)
    for shift in range(len(left) - len(right), -1, -1):
        factor = rest[shift + len(right) - 1] / right[-1]
        found[shift] = factor
        if factor:
            for i, b in enumerate(right):
                rest[shift + i] -= factor * b
    return _trim(found), _trim(rest[: len(right) - 1])


def primitive(poly: Poly) -> Poly:
    """Scale by a positive number to whole coefficients without a common factor."""
    if not poly:
        return poly
    scale = Fraction(math.lcm(*(c.denominator for c in poly)))
    common = math.gcd(*(int(c * scale) for c in poly))
    return tuple(c * scale / common for c in poly)


def _common(left: Poly, right: Poly) -> Poly:
    """Return the greatest common divisor."""
    while right:
        left, right = right, primitive(_divided(left, right)[1])
    return left


def _derivative(poly: Poly) -> Poly:
    return tuple(k * c for k, c in enumerate(poly))[1:]


def squarefree(poly: Poly) -> Poly:
    """Return the monic polynomial with the same complex zeros, each once."""
    if len(poly) > 1:
        poly = _divided(poly, _common(poly, _derivative(poly)))[0]
    return tuple(c / poly[-1] for c in poly)


def zero_set(one: Quotient) -> Poly:
    """Return the square-free polynomial of a quotient's zeros outside its poles."""
    found = squarefree(one.above)
    return squarefree(_divided(found, _common(found, one.poles))[0])


def sign(poly: Poly, x: Fraction) -> int:
    """Return the sign of the value of a polynomial with whole coefficients."""
    return _sign(poly, x.numerator, x.denominator)


def _sign(poly: Poly, above: int, below: int) -> int:
    value, scale = 0, 1  # plain integers: a Fraction would be reduced at every step
    for coefficient in reversed(poly):
        value = value * above + coefficient.numerator * scale
        scale *= below
    return (value > 0) - (value < 0)


def real_zeros(poly: Poly, exact: bool = True) -> list[Real]:
    """Return the real zeros in ascending order, each once.

    Args:
        poly: The polynomial, not the zero one.
        exact: Whether its coefficients are; if not, only two degrees are solved.

    Raises:
        NotPolynomial: They cannot be decided.
    """
    if len(poly) < 4 and (exact or abs(poly[-1]) > _CLOSE * max(map(abs, poly))):
        return _low_zeros(poly, exact)
    if not exact:
        raise NotPolynomial("rounded coefficients")
    poly = primitive(squarefree(poly))
    if len(poly) * max(c.numerator.bit_length() for c in poly) > _MAX_SIZE:
        raise NotPolynomial("too large")
    found = [Real(Fraction(0))] if poly[0] == 0 else []
    poly = poly[len(found) :]
    chain = _sturm(poly)
    bound = 1 + max((abs(c / poly[-1]) for c in poly[:-1]), default=Fraction(0))
    bound = Fraction(1 << math.ceil(bound).bit_length())
    for low, high in ((-bound, Fraction(0)), (Fraction(0), bound)):
        found.extend(_isolated(poly, chain, low, high, 0))
    return sorted(found, key=lambda zero: zero.value)


def _sturm(poly: Poly) -> list[Poly]:
    chain = [poly, primitive(_derivative(poly))]
    while chain[-1]:
        rest = _divided(chain[-2], chain[-1])[1]
        chain.append(primitive(tuple(-c for c in rest)))
    return chain[:-1]


def _variations(chain: list[Poly], x: Fraction) -> int:
    signs = [s for s in (sign(poly, x) for poly in chain) if s]
    return sum(a != b for a, b in zip(signs, signs[1:], strict=False))


def _isolated(
    poly: Poly, chain: list[Poly], low: Fraction, high: Fraction, depth: int
) -> list[Real]:
    """Find the zeros in an interval whose ends are none (but for what is found below)."""
    count = _variations(chain, low) - _variations(chain, high)  # in (low, high]
    if count == 0:
        return []
    if depth > 400:
        raise NotPolynomial("zeros too close")
    if count == 1 and sign(poly, high) == 0:
        return [Real(high)]
    middle = (low + high) / 2
    if count == 1 and sign(poly, low) * sign(poly, high) < 0 and low * high > 0:
        return [_refined(poly, low, high)]
    found = _isolated(poly, chain, low, middle, depth + 1)
    return found + _isolated(poly, chain, middle, high, depth + 1)


def _refined(poly: Poly, low: Fraction, high: Fraction) -> Real:
    """Bisect to 60 digits; a zero that turns out rational is exact."""
    below = sign(poly, low)
    scale = max(low.denominator, high.denominator)
    a, b = int(low * scale), int(high * scale)
    while (b - a) * _FINE > min(abs(a), abs(b)):
        a, b, scale = 2 * a, 2 * b, 2 * scale
        middle = (a + b) // 2
        here = _sign(poly, middle, scale)
        if here == 0:
            return Real(Fraction(middle, scale))
        a, b = (middle, b) if here == below else (a, middle)
    guess = Fraction(a + b, 2 * scale)
    simple = guess.limit_denominator(min(abs(int(poly[-1])), 10**25))
    return Real(simple) if sign(poly, simple) == 0 else Real(guess, exact=False)


def _low_zeros(poly: Poly, exact: bool) -> list[Real]:
    """Solve a linear or quadratic equation."""
    if len(poly) == 1:
        return []
    if len(poly) == 2:
        return [Real(-poly[0] / poly[1], exact)]
    c, b, a = poly
    terms = b * b, -4 * a * c
    inside = sum(terms)
    if inside == 0 or (not exact and abs(inside) <= _CLOSE * max(*map(abs, terms))):
        return [Real(-b / (2 * a), exact)]
    if inside < 0:
        return []
    root = _square_root(inside)
    larger = -(b + root.value if b >= 0 else b - root.value) / 2  # no cancellation
    values = sorted((larger / a, c / larger))
    return [Real(value, exact and root.exact) for value in values]


def _square_root(value: Fraction) -> Real:
    square = value.numerator * value.denominator
    root = math.isqrt(square)
    if root * root == square:
        return Real(Fraction(root, value.denominator))
    # Enough digits behind the point for small numbers, too.
    scale = 1 << (220 + max(0, value.denominator.bit_length() - value.numerator.bit_length()))
    return Real(
        Fraction(math.isqrt(square * scale * scale), value.denominator * scale), exact=False
    )

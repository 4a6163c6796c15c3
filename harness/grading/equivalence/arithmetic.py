"""The arithmetics that expressions are evaluated in: doubles, real doubles, many digits.

All run on an mpmath context: ``fp`` for doubles, an ``MPContext`` for many digits. Real numbers
stay real, so that no sign of a zero imaginary part picks the wrong branch of a root. The many-digit
arithmetic also records the magnitudes of all it computes: from these the caller knows how many
digits a comparison needs.
"""

from __future__ import annotations

import cmath
import math
from abc import ABC, abstractmethod
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath

#: Powers whose size has more binary digits than this are called too large.
_MAX_EXPONENT = 10**15


class Undefined(Exception):
    """An expression has no value at the point asked for."""


class Arithmetic(ABC):
    """The operations of one kind of number.

    Every operation raises ``Undefined`` where there is no value, and ``OverflowError`` where it is
    too large to be computed.

    Attributes:
        lib: The mpmath context.
        slack: How far below a whole number a value still counts as that number when it is rounded.
    """

    lib: Any
    slack: Any

    @abstractmethod
    def number(self, value: Fraction) -> Any:
        """Convert a rational number."""

    @abstractmethod
    def tidy(self, value: Any) -> Any:
        """Drop rounding noise in an imaginary part; refuse what is no finite number."""

    @abstractmethod
    def power(self, base: Any, exponent: Any, *, real: bool) -> Any:
        """Raise to a power; if ``real``, odd roots of negative numbers are real."""

    @abstractmethod
    def exponential(self, value: Any) -> Any:
        """Raise e to a power."""

    def constant(self, name: str) -> Any:
        """Return pi, e, i or infinity."""
        if name == "inf":
            return math.inf
        return self.lib.mpc(0, 1) if name == "i" else +getattr(self.lib, name)

    def is_real(self, value: Any) -> bool:
        """Say whether a number has no imaginary part."""
        return not isinstance(value, self.lib.mpc)

    def combine(self, kind: str, args: list[Any]) -> Any:
        """Add, multiply, divide or negate."""
        if kind == "neg":
            return -args[0]
        left, right = args
        if _infinite(left) or _infinite(right):
            raise Undefined("infinity")
        if kind == "add":
            return self.tidy(left + right)
        if kind == "mul":
            return self.tidy(left * right)
        if right == 0:
            raise Undefined("division by zero")
        return self.tidy(left / right)

    def function(self, name: str, args: list[Any]) -> Any:
        """Apply a named function."""
        if any(_infinite(arg) for arg in args) and name not in ("min", "max", "abs"):
            raise Undefined("infinity")
        try:
            return self.tidy(self._apply(name, args[0], args))
        except (ValueError, ZeroDivisionError, TypeError) as error:
            raise Undefined(name) from error

    def _apply(self, name: str, first: Any, args: list[Any]) -> Any:
        lib = self.lib
        match name:
            case "sqrt":
                return lib.sqrt(first)
            case "root":
                return self.power(first, 1 / args[1], real=_odd(args[1]))
            case "exp":
                return self.exponential(first)
            case "ln" | "log" if len(args) == 1:
                return lib.ln(first)
            case "lg":
                return lib.ln(first) / lib.ln(self.number(Fraction(10)))
            case "log":
                return lib.ln(first) / lib.ln(args[1])
            case "abs":
                return abs(first)
            case "Re" | "Im":
                return first.real if name == "Re" else first.imag
            case "arg" if first != 0:
                return lib.phase(first)
            case "min" | "max" if self._all_real(args):
                return min(args) if name == "min" else max(args)
            case "floor" | "ceil" | "sgn" | "factorial" | "factorial2" | "binom" | "mod" if (
                self._all_real(args)
            ):
                return self.real_function(name, args)
            case "sin" | "cos" | "tan" | "sinh" | "cosh" | "tanh":
                return getattr(lib, name)(first)
            case "sec" | "csc" | "cot" | "sech" | "csch" | "coth":
                return 1 / getattr(lib, _RECIPROCAL[name])(first)
            case "arcsec" | "arccsc" | "arccot":
                return getattr(lib, "a" + _RECIPROCAL[name[3:]])(1 / first)
        if name.startswith("arc"):
            return getattr(lib, "a" + name[3:])(first)
        raise Undefined(name)

    def _all_real(self, args: list[Any]) -> bool:
        return all(self.is_real(arg) for arg in args)

    def real_function(self, name: str, args: list[Any]) -> Any:
        """Apply a function of real numbers."""
        lib, first = self.lib, args[0]
        match name:
            case "floor":
                return lib.mpf(lib.floor(first + self.slack))
            case "ceil":
                return lib.mpf(lib.ceil(first - self.slack))
            case "sgn":
                return lib.mpf(lib.sign(first))
            case "factorial":
                return lib.gamma(first + 1)
            case "factorial2":  # continued to the reals, so that symbolic answers can be sampled
                factor = (lib.pi / 2) ** ((lib.cos(lib.pi * first) - 1) / 4)
                return 2 ** (first / 2) * factor * lib.gamma(first / 2 + 1)
            case "binom":
                return lib.binomial(first, args[1])
        return first % args[1]


_RECIPROCAL = {
    "sec": "cos", "csc": "sin", "cot": "tan", "sech": "cosh", "csch": "sinh", "coth": "tanh",
}  # fmt: skip


def _infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)


def _odd(value: Any) -> bool:
    # Beyond 2^53 the digits of an index are no longer known, and may be too many to write out.
    small = not isinstance(value, complex) and abs(value) < 2**53
    return small and value == int(value) and int(value) % 2 == 1


class _FloatsContext(type(mpmath.fp)):  # type: ignore[misc]
    """mpmath's context of doubles, with the functions that it lacks."""

    acosh, asinh, atanh = cmath.acosh, cmath.asinh, cmath.atanh


class _Floats(Arithmetic):
    """Python's float and complex."""

    lib = _FloatsContext()
    slack = 1e-12

    def number(self, value: Fraction) -> Any:
        try:
            return float(value)
        except OverflowError:
            raise Undefined("too large for a double") from None

    def tidy(self, value: Any) -> Any:
        if isinstance(value, complex):
            if abs(value.imag) <= 1e-13 * abs(value.real):
                value = value.real
            if cmath.isnan(value) or cmath.isinf(value):
                raise OverflowError
            return value
        if isinstance(value, float) and not math.isfinite(value):
            raise OverflowError
        return value

    def exponential(self, value: Any) -> Any:
        return self.lib.exp(value)

    def real_function(self, name: str, args: list[Any]) -> Any:
        if name == "binom":
            # mpmath's own has no value at some points where this quotient has one.
            n, k = args
            return math.gamma(n + 1) / (math.gamma(k + 1) * math.gamma(n - k + 1))
        return super().real_function(name, args)

    def power(self, base: Any, exponent: Any, *, real: bool) -> Any:
        if _infinite(base) or _infinite(exponent):
            raise Undefined("infinity")
        if real and isinstance(base, float) and base < 0 and isinstance(exponent, float):
            rooted = _real_power(base, exponent)
            if rooted is not None:
                return rooted
        try:
            return self.tidy(base**exponent)
        except ZeroDivisionError:
            raise Undefined("power of zero") from None


def _real_power(base: float, exponent: float) -> float | None:
    """Return the real value of a negative number to p/q with odd q."""
    ratio = Fraction(exponent).limit_denominator(99)
    if abs(float(ratio) - exponent) > 1e-14 or ratio.denominator % 2 == 0:
        return None
    size = float(abs(base) ** exponent)
    return -size if ratio.numerator % 2 else size


#: Functions whose value near a zero is rounding noise rather than a small number.
_WITH_ZEROS = frozenset(("sin", "cos", "tan", "cot", "ln", "log", "lg", "arccos", "sinh", "tanh"))
#: Functions that grow as an exponential does, or decay so.
_GROWING = frozenset(
    ("sinh", "cosh", "tanh", "sech", "csch", "coth", "factorial", "factorial2", "binom")
)
#: Functions that mpmath computes slowly where an argument has many zeros behind the point.
_GAMMA = frozenset(("factorial", "factorial2", "binom"))
_MAX_GAMMA_DIGITS = 500
_PERIODIC = frozenset(("sin", "cos", "tan", "sec", "csc", "cot"))
#: Digits at the end of a many-digit number that rounding may have spoilt.
GUARD_DIGITS = 20


class HighPrecision(Arithmetic):
    """An mpmath context.

    Attributes:
        smallest: The least binary exponent of any number computed since ``reset``, zeros apart.
        largest: The greatest one.
    """

    def __init__(self, lib: Any, real: bool) -> None:
        self.lib = lib
        self.slack = lib.mpf(10) ** -30
        self._real = real
        self._noise = lib.mpf(10) ** (GUARD_DIGITS - lib.dps)
        self.smallest = self.largest = 0

    def reset(self) -> None:
        """Forget the sizes of earlier numbers."""
        self.smallest = self.largest = 0

    def span(self) -> int:
        """Return how many decimal digits lie between the smallest and the largest number."""
        return int((self.largest - self.smallest) * 0.30103) + 1

    def combine(self, kind: str, args: list[Any]) -> Any:
        value = super().combine(kind, args)
        if kind == "add" and value and abs(value) <= self._noise * abs(args[0]):
            return self.lib.mpf(0)  # everything has cancelled
        return self._seen(value)

    def function(self, name: str, args: list[Any]) -> Any:
        # mpmath would write such arguments, or their exponentials, out in full.
        limit = 50 if name in _GROWING else 4000 if name in _PERIODIC else None
        for arg in args if limit else ():
            size = self.lib.mag(arg) if arg and not _infinite(arg) else 0
            if (limit and size > limit) or (name in _GAMMA and size < -_MAX_GAMMA_DIGITS):
                raise OverflowError
        value = super().function(name, args)
        if name in _WITH_ZEROS and value and abs(value) <= self._noise * min(1, abs(args[0])):
            return self.lib.mpf(0)
        return self._seen(value)

    def _seen(self, value: Any) -> Any:
        if value and not _infinite(value):
            size = int(self.lib.mag(value))
            self.smallest = min(self.smallest, size)
            self.largest = max(self.largest, size)
        return value

    def number(self, value: Fraction) -> Any:
        return self._seen(self.lib.mpf(value.numerator) / value.denominator)

    def tidy(self, value: Any) -> Any:
        if isinstance(value, self.lib.mpc):
            # A product of conjugates leaves rounding noise that would pick a branch.
            small = abs(value.imag) <= abs(value.real) * self.lib.mpf(10) ** (5 - self.lib.dps)
            value = value.real if small else value
            if self._real and not small:
                raise Undefined("not real")
        if self.lib.isnan(value) or self.lib.isinf(value):
            raise Undefined("not a number")
        return value

    def fraction(self, value: Any) -> Fraction | None:
        """Return a real number as it is held; ``None`` for any other, or one far too large."""
        if _infinite(value) or not self.is_real(value):
            return None
        if value and abs(self.lib.mag(value)) > 10_000:
            return None
        sign, mantissa, exponent, _ = self.lib.mpf(value)._mpf_
        size = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
        return -size if sign else size

    def exponential(self, value: Any) -> Any:
        return self.power(+self.lib.e, value, real=False)

    def power(self, base: Any, exponent: Any, *, real: bool) -> Any:
        if _infinite(base) or _infinite(exponent):
            raise Undefined("infinity")
        if base == 0 and not (self.is_real(exponent) and exponent > 0):
            raise Undefined("power of zero")
        if base != 0 and abs(exponent) * max(1, abs(self.lib.mag(base))) > _MAX_EXPONENT:
            raise OverflowError
        if real and self.is_real(base) and base < 0 and self.is_real(exponent):
            rooted = _real_power(-1.0, float(exponent))
            if rooted is not None:
                return self._seen(rooted * (-base) ** exponent)
        return self._seen(self.tidy(base**exponent))

    def real_function(self, name: str, args: list[Any]) -> Any:
        if args[0] and abs(self.lib.mag(args[0])) > 4000:
            raise OverflowError
        return super().real_function(name, args)


class _Reals(_Floats):
    """Doubles without complex numbers: what is not real is undefined."""

    def tidy(self, value: Any) -> Any:
        value = super().tidy(value)
        if isinstance(value, complex):
            raise Undefined("not real")
        return value

    def constant(self, name: str) -> Any:
        if name == "i":
            raise Undefined("not real")
        return super().constant(name)


FLOATS: Arithmetic = _Floats()
REALS: Arithmetic = _Reals()


@cache
def high_precision(digits: int, *, real: bool = False) -> HighPrecision:
    """Return the arithmetic of so many digits; if ``real``, what is not real is undefined."""
    lib = mpmath.MPContext()
    lib.dps = digits
    return HighPrecision(lib, real)

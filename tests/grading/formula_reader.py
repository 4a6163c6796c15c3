"""Reads formulas that can be read in one way only, to be evaluated with many digits.

The usual operators and functions in TeX or plain spelling; everything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath

WORKING_DIGITS = 80
Values = dict[str, Any]
Evaluate = Callable[[Values], Any]
GREEK_LETTERS = (
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "theta", "lambda", "mu", "nu",
    "rho", "sigma", "tau", "phi", "varphi", "omega",
)  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "cot": mpmath.cot,
    "sec": mpmath.sec, "csc": mpmath.csc, "arcsin": mpmath.asin, "arccos": mpmath.acos,
    "arctan": mpmath.atan, "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh,
    "ln": mpmath.log, "exp": mpmath.exp,
}  # fmt: skip
_TOKEN = re.compile(
    r"(?P<space>\s+|~|\\[,;!: ]|\\(?:left|right|displaystyle|quad|qquad|big|Big)(?![A-Za-z])\.?)"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<command>\\[A-Za-z]+)|(?P<word>[A-Za-z]+)"
    r"|(?P<mark>\*\*|[-+*/^_(){}\[\]|!π√−·×])"
)
_SPELT = {"\\dfrac": "\\frac", "\\tfrac": "\\frac", "π": "\\pi", "−": "-", "**": "^"}
_TIMES = ("*", "\\cdot", "\\times", "·", "×")


class Unread(Exception):
    """The text is nothing that this reader is sure about."""


@dataclass(frozen=True)
class Formula:
    """A formula as a function of its letters."""

    value: Evaluate
    names: frozenset[str]

    def at(self, values: Values) -> Any:
        """Return the value, or ``None`` where there is none."""
        try:
            found = mpmath.mpmathify(self.value(values))
        except (ArithmeticError, ValueError, TypeError, Unread):
            return None
        return found if mpmath.isfinite(found) else None


@cache
def read(text: str) -> Formula:
    """Read a formula.

    Raises:
        Unread: It may be read in several ways, or not at all.
    """
    if len(text) > 400 or re.search(r"\d[eE][-+]?\d|frac\s*\{d|(?<![a-z])oo(?![a-z])|/d", text):
        raise Unread(text)
    reader = _Reader(text)
    with mpmath.workdps(WORKING_DIGITS):
        value = reader.sum()
    if reader.peek():
        raise Unread(text)
    return Formula(value, frozenset(reader.names))


class _Reader:
    """Recursive descent from text to closures."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.names: set[str] = set()
        self.position = 0
        self.bars = 0
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise Unread(text)
            place = match.end()
            kind, found = str(match.lastgroup), match.group()
            if kind == "word" and found not in _FUNCTIONS and found not in ("sqrt", "pi", "log"):
                if (
                    len(found) > 3
                    or len(found) == len(text) > 2
                    or found.lower() in ("or", "and", "to", "in", "the", "is", "of")
                ):
                    raise Unread(text)
                self.tokens += [("letter", letter) for letter in found]
            elif kind == "word":
                self.tokens.append(("command", "\\" + found))
            elif kind != "space":
                found = _SPELT.get(found, found)
                self.tokens.append(("command" if found[0] == "\\" else kind, found))

    def peek(self, ahead: int = 0) -> str:
        place = self.position + ahead
        return self.tokens[place][1] if place < len(self.tokens) else ""

    def kind(self, ahead: int = 0) -> str:
        place = self.position + ahead
        return self.tokens[place][0] if place < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        found = self.peek()
        if not found or (expected and found not in expected):
            raise Unread(found)
        self.position += 1
        return found

    def sum(self) -> Evaluate:
        sign = -1 if self.peek() == "-" else 1
        if self.peek() in ("+", "-"):
            self.take()
        first = self.product()
        terms = [(sign, first)]
        while self.peek() in ("+", "-"):
            sign = -1 if self.take() == "-" else 1
            terms.append((sign, self.product()))
        return lambda at: mpmath.fsum(sign * term(at) for sign, term in terms)

    def product(self) -> Evaluate:
        value = self.power()
        divided = False
        while True:
            sign = self.peek()
            if sign in _TIMES:
                self.take()
                value = _multiplied(value, self.power())
            elif sign in ("/", "\\div"):
                if divided:
                    raise Unread("a/b/c")
                self.take()
                value, divided = _divided(value, self.power()), True
            elif self.starts_factor():
                if divided or self.kind() == "number":
                    raise Unread("what is multiplied?")
                value = _multiplied(value, self.power())
            else:
                return value

    def starts_factor(self) -> bool:
        found = self.peek()
        if found == "|":
            return not self.bars
        return (
            self.kind() in ("number", "letter")
            or found in ("(", "[", "{", "√")
            or (
                self.kind() == "command"
                and (
                    found[1:] in (*_FUNCTIONS, "frac", "sqrt", "pi", "binom", "log", *GREEK_LETTERS)
                    or found in ("\\lfloor", "\\lceil")
                )
            )
        )

    def power(self) -> Evaluate:
        whole = self.kind() == "number" and "." not in self.peek()
        value = self.atom()
        if whole and self.peek() == "\\frac":
            return self.mixed(value)
        if self.peek() == "!":
            self.take()
            if self.peek() == "!":
                raise Unread("n!! is another function than (n!)!")
            value = _factorial(value)
        if self.peek() == "^":
            self.take()
            value = _raised(value, self.exponent())
            if self.peek() in ("^", "!"):
                raise Unread("a^b^c")
        return value

    def mixed(self, whole: Evaluate) -> Evaluate:
        self.take()
        parts = []
        for _ in range(2):
            self.take("{")
            if self.kind() != "number":
                raise Unread("2\\frac{x}{3}")
            parts.append(int(self.take()) if self.peek().isdigit() else 0)
            self.take("}")
        if not 0 < parts[0] < parts[1]:
            raise Unread("no mixed number")
        return lambda at: whole(at) + mpmath.mpf(parts[0]) / parts[1]

    def exponent(self) -> Evaluate:
        if self.peek() == "{":
            return self.braced()
        if self.kind() == "number" and len(self.peek()) > 1:
            raise Unread("x^12 is x^1·2 in TeX")
        if self.peek() == "-" or self.kind() == "mark":
            raise Unread("x^-1")
        return self.atom()

    def braced(self) -> Evaluate:
        self.take("{")
        bars, self.bars = self.bars, 0
        value = self.sum()
        self.bars = bars
        self.take("}")
        return value

    def argument(self) -> Evaluate:
        r"""Read an argument of ``\frac`` and the like: braces, or one digit or letter."""
        if self.peek() == "{":
            return self.braced()
        if self.kind() == "number":
            if len(self.peek()) > 2:
                raise Unread("\\frac123")
            if len(self.peek()) == 2:
                first, second = self.peek()
                if not second.isdigit():
                    raise Unread("\\frac1.")
                self.tokens[self.position : self.position + 1] = [
                    ("number", first), ("number", second),
                ]  # fmt: skip
            return self.atom()
        if self.kind() == "letter" or self.peek() == "\\pi":
            return self.atom()
        raise Unread("argument")

    def atom(self) -> Evaluate:
        kind = self.kind()
        found = self.take()
        if kind == "number":
            number = mpmath.mpf(found)
            return lambda at: number
        if kind == "letter":
            return self.letter(found)
        closing = {"(": ")", "[": "]", "{": "}", "|": "|"}.get(found)
        if closing:
            bars, self.bars = self.bars, int(found == "|")
            value = self.sum()
            self.bars = bars
            self.take(closing)
            return _of(abs, value) if found == "|" else value
        if kind != "command" and found != "√":
            raise Unread(found)
        return self.command(found)

    def letter(self, found: str) -> Evaluate:
        if found == "e":
            return lambda at: +mpmath.e
        if found == "i":
            return lambda at: mpmath.mpc(0, 1)
        if self.peek() in ("(", "[") and found not in "xabnkmtrz":
            raise Unread("f(x)")
        if self.peek() == "_":
            self.take()
            if self.peek() == "{":
                self.take()
                index = self.take()
                self.take("}")
            else:
                index = self.take()
            if not index.isalnum():
                raise Unread("index")
            found += "_" + index
            if self.peek() in ("(", "["):
                raise Unread("f_1(x)")
            if found[0].isupper() and index.isdigit() and len(index) > 1:
                raise Unread("A_{11} may be a digit and a base")
        self.names.add(found)
        return lambda at: at[found]

    def command(self, found: str) -> Evaluate:
        name = found[1:] if found[0] == "\\" else "sqrt"
        if name == "pi":
            return lambda at: +mpmath.pi
        if name in GREEK_LETTERS:
            self.names.add(name)
            return lambda at: at[name]
        if name == "frac":
            return _divided(self.argument(), self.argument())
        if name == "binom":
            top, bottom = self.argument(), self.argument()
            return lambda at: mpmath.binomial(top(at), bottom(at))
        if name == "sqrt":
            return self.root()
        if name in ("lfloor", "lceil"):
            value = self.sum()
            self.take("\\r" + name[1:])
            return _of(mpmath.floor if name == "lfloor" else mpmath.ceil, value)
        if name == "log":
            if self.peek() != "_":
                raise Unread("log to which base?")
            self.take()
            base = self.exponent()
            value = self.function_argument()
            return lambda at: mpmath.log(value(at)) / mpmath.log(base(at))
        if name in _FUNCTIONS:
            function = _FUNCTIONS[name]
            if self.peek() == "^":
                self.take()
                if self.kind() != "number" or self.peek() != "2":
                    raise Unread("sin^-1")
                self.take()
                inner = self.function_argument()
                return lambda at: function(inner(at)) ** 2
            return _of(function, self.function_argument())
        raise Unread(found)

    def root(self) -> Evaluate:
        if self.peek() == "[":
            self.take()
            if self.kind() != "number":
                raise Unread("root")
            degree = int(self.take())
            self.take("]")
            value = self.argument()
            return lambda at: _real_root(value(at), degree)
        value = self.atom() if self.peek() in ("(",) else self.argument()
        return _of(mpmath.sqrt, value)

    def function_argument(self) -> Evaluate:
        if self.peek() in ("(", "[", "{"):
            value = self.atom()
            if self.peek() == "^":
                raise Unread("sin(x)^2")
            return value
        if (
            self.peek() == "\\frac"
            or self.kind() == "letter"
            or self.peek() in ("\\pi", "\\sqrt")
            or self.kind() == "number"
            or self.kind() == "command"
            and self.peek()[1:] in GREEK_LETTERS
        ):
            value = self.power()
        else:
            raise Unread("argument")
        while self.kind() == "letter" or self.peek() == "\\pi" or self.peek()[1:] in GREEK_LETTERS:
            value = _multiplied(value, self.power())
        if self.starts_factor() and self.peek()[1:] not in _FUNCTIONS:
            raise Unread("where does the argument end?")
        return value


def _multiplied(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda at: left(at) * right(at)


def _divided(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda at: left(at) / right(at)


def _of(function: Callable[[Any], Any], value: Evaluate) -> Evaluate:
    def at_point(at: Values) -> Any:
        argument = value(at)
        if abs(argument) > 1e7:
            raise Unread("too large")  # mpmath would write its exponential out
        return function(argument)

    return at_point


def _factorial(value: Evaluate) -> Evaluate:
    def at_point(at: Values) -> Any:
        number = value(at)
        if mpmath.im(number) or number < 0 or number > 1e5 or number != mpmath.floor(number):
            raise Unread("factorial")
        return mpmath.factorial(number)

    return at_point


def _raised(base: Evaluate, exponent: Evaluate) -> Evaluate:
    def at_point(at: Values) -> Any:
        below, above = base(at), exponent(at)
        if below == 0:
            return mpmath.mpf(0) if mpmath.re(above) > 0 else mpmath.mpf(1) / 0
        if abs(above * mpmath.log(below)) > 1e7:
            raise Unread("too large")
        if not mpmath.im(below) and below < 0 and above != mpmath.floor(mpmath.re(above)):
            raise Unread("principal or real?")
        return below**above

    return at_point


def _real_root(value: Any, degree: int) -> Any:
    if mpmath.im(value) or (value < 0 and degree % 2 == 0):
        raise Unread("complex root")
    return mpmath.sign(value) * mpmath.root(abs(value), degree)

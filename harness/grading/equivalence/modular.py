"""Probabilistic identity testing modulo a large prime (Schwartz-Zippel).

Both sides are computed at one random point of the field of 2**255 - 19 elements, where minus one
has a root and so complex coefficients a value. Two rational functions that agree there are the
same but for a chance of about degree / 2**255 (Schwartz and Zippel), and two that differ there
are different. A function of another kind (a root, a sine, a power with a symbol in the exponent)
stands for a random number that its arguments determine. Then only agreement proves anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from harness.grading.equivalence.arithmetic import Undefined
from harness.grading.equivalence.numeric import NotRational, Reading, TooLarge, exact
from harness.grading.parsing.tree import Node, symbols

_PRIME = 2**255 - 19
_ROOT_OF_MINUS_ONE = pow(2, (_PRIME - 1) // 4, _PRIME)
#: Degrees stay below this power of two, far below the size of the field.
_MAX_DEGREE_BITS = 120
_MAX_EXPONENT = 10**9
_SYMMETRIC = frozenset(("min", "max", "gcd", "lcm"))


class _NoResidue(Exception):
    """The expression has no value in the field."""


def fingerprint(*sides: Node) -> bytes:
    """Return a hash of expressions that is the same on every machine."""
    text = "|".join(f"{n.kind}{n.value}{len(n.args)}" for side in sides for n in side.walk())
    return blake2b(text.encode(), digest_size=16).digest()


def compare(left: Node, right: Node, reading: Reading, seed: bytes) -> bool | None:
    """Decide an identity where arithmetic alone can.

    Args:
        left: One side.
        right: The other side.
        reading: How ambiguous notation is read.
        seed: Chooses the point.

    Returns:
        Whether the sides are identically equal, or ``None`` where that takes analysis.
    """
    field = _Field(reading, seed)
    try:
        residues = field.value(left, {}), field.value(right, {})
    except _NoResidue:
        return None
    if residues[0] == residues[1]:
        return True
    return None if field.opaque else False


class _Field:
    """Evaluation at one random point."""

    def __init__(self, reading: Reading, seed: bytes) -> None:
        self.reading = reading
        self.seed = seed
        self.opaque = False
        self._degree_bits = 0
        self._known: dict[tuple[object, ...], int] = {}

    def value(self, node: Node, bound: Mapping[str, int]) -> int:
        """Compute a residue; ``bound`` holds the variables of the sums around the node."""
        match node.kind:
            case "num":
                return self._rational(node.value.numerator, node.value.denominator)
            case "sym":
                known = bound.get(node.value)
                return self._random("sym", node.value) if known is None else known
            case "const":
                if node.value == "i":
                    return _ROOT_OF_MINUS_ONE
                if node.value == "inf":
                    raise _NoResidue
                self.opaque = True
                return self._random("const", node.value)
            case "neg":
                return -self.value(node.args[0], bound) % _PRIME
            case "add" | "mul" | "div":
                left, right = (self.value(arg, bound) for arg in node.args)
                if node.kind == "add":
                    return (left + right) % _PRIME
                if node.kind == "div":
                    if right == 0:
                        raise _NoResidue
                    right = pow(right, -1, _PRIME)
                return left * right % _PRIME
            case "pow":
                return self._power(node.args[0], node.args[1], bound)
            case "fn":
                return self._function(node, bound)
            case "apply":
                return self._opaque("apply", node.value, *self._all(node, bound))
            case "series":
                return self._series(node, bound)
        raise _NoResidue

    def _rational(self, numerator: int, denominator: int) -> int:
        if denominator == 1:
            return numerator % _PRIME
        if denominator % _PRIME == 0:
            raise _NoResidue
        return numerator * pow(denominator, -1, _PRIME) % _PRIME

    def _random(self, *key: object) -> int:
        found = self._known.get(key)
        if found is None:
            digest = blake2b(repr(key).encode(), key=self.seed, digest_size=40).digest()
            found = self._known[key] = int.from_bytes(digest) % _PRIME
        return found

    def _opaque(self, *key: object) -> int:
        self.opaque = True
        return self._random(*key)

    def _all(self, node: Node, bound: Mapping[str, int]) -> list[int]:
        return [self.value(arg, bound) for arg in node.args]

    def _power(self, base: Node, exponent: Node, bound: Mapping[str, int]) -> int:
        whole = _whole(exponent, self.reading)
        if whole is None:
            if base.kind == "const" and base.value == "e":
                return self._opaque("exp", self.value(exponent, bound))
            rational = _constant(base, exponent, self.reading)
            if rational is not None:
                return self._rational(*rational)
            return self._opaque("pow", self.value(base, bound), self.value(exponent, bound))
        self._degree_bits += whole.bit_length()
        if abs(whole) > _MAX_EXPONENT or self._degree_bits > _MAX_DEGREE_BITS:
            raise _NoResidue
        value = self.value(base, bound)
        if value == 0 and whole <= 0:
            raise _NoResidue
        return pow(value, whole, _PRIME)

    def _function(self, node: Node, bound: Mapping[str, int]) -> int:
        name, reading = node.value, self.reading
        if name in ("percent", "deg"):
            value = self.value(node.args[0], bound)
            if reading.plain_marks:
                return value
            if name == "percent":
                return value * pow(100, -1, _PRIME) % _PRIME
            pi = self._opaque("const", "pi")
            return value * pi * pow(180, -1, _PRIME) % _PRIME
        if not symbols(node):
            try:
                known = exact(node, reading)
                return self._rational(known.numerator, known.denominator)
            except (NotRational, TooLarge, Undefined):
                pass
        args = self._all(node, bound)
        if name == "exp":
            return self._opaque("exp", args[0])
        if name == "sqrt":
            return self._opaque("pow", args[0], self._rational(1, 2))
        if name == "log" and len(args) == 1:
            name = "lg" if reading.log10 else "ln"
        if name == "abs":
            args = [min(args[0], _PRIME - args[0])]
        if name in _SYMMETRIC:
            args.sort()
        return self._opaque("fn", name, *args)

    def _series(self, node: Node, bound: Mapping[str, int]) -> int:
        variable, first, last, body = node.args
        inner = {**bound, variable.value: self._random("bound", len(bound))}
        ends = self.value(first, bound), self.value(last, bound)
        return self._opaque("series", node.value, *ends, self.value(body, inner))


def _whole(exponent: Node, reading: Reading) -> int | None:
    """Return an exponent that is a whole number."""
    if exponent.kind == "num":
        value = exponent.value
    elif symbols(exponent):
        return None
    else:
        try:
            value = exact(exponent, reading)
        except (NotRational, TooLarge, Undefined):
            return None
    return int(value) if value.denominator == 1 else None


def _constant(base: Node, exponent: Node, reading: Reading) -> tuple[int, int] | None:
    """Return the rational value of a power such as 4^{1/2}."""
    if symbols(base) or symbols(exponent):
        return None
    try:
        value = exact(Node("pow", (base, exponent)), reading)
    except (NotRational, TooLarge, Undefined):
        return None
    return value.numerator, value.denominator

"""The smallest pieces of an answer: numbers, names, functions, brackets, matrices.

What stands between brackets may be anything, so these readers call back into the parser proper.
"""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction

from harness.grading.syntax import Node, Token, Unreadable, Written, number

END = Token("end", "")
#: Letters that are read as functions when a bracket follows them.
_FUNCTION_LETTERS = frozenset("fghFGH")


class Cursor:
    """A place among the tokens of an answer, and what is open there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._bars = 0  # open absolute values
        self._no_bar = False  # inside a set, where "|" means "such that"
        self._indices: frozenset[str] = frozenset()  # of the series that is being read

    # -- tokens ------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else END

    def _next(self) -> Token:
        token = self.peek()
        self._at += 1
        return token

    def _is(self, kind: str, value: str | None = None, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == kind and (value is None or token.value == value)

    def _accept(self, kind: str, value: str | None = None) -> bool:
        if self._is(kind, value):
            self._at += 1
            return True
        return False

    def _expect(self, kind: str, value: str | None = None) -> Token:
        if not self._is(kind, value):
            raise Unreadable(f"expected {value or kind}, found {self.peek().value!r}")
        return self._next()


class Primaries(Cursor):
    """Readers of the smallest pieces."""

    @abstractmethod
    def statement(self) -> Node:
        """Read parts separated by commas."""

    @abstractmethod
    def _sum(self) -> Node:
        """Read terms."""

    @abstractmethod
    def _product(self) -> Node:
        """Read factors."""

    @abstractmethod
    def _power(self) -> Node:
        """Read a primary with its exponents and postfixes."""

    @abstractmethod
    def _relation(self) -> Node:
        """Read an expression or a relation of several."""

    @abstractmethod
    def _exponent(self) -> Node:
        """Read what stands behind a power sign."""

    @abstractmethod
    def _starts_factor(self) -> bool:
        """Say whether another factor follows without a sign."""

    def _number(self) -> Node:
        text = self._expect("number").value
        if len(text) > 4000:
            raise Unreadable("too many digits")
        value: Fraction = Written.read(text) if "." in text else Fraction(int(text))
        following = self.peek()
        if following.kind == "sym" and following.value in "eE" and not following.spaced:
            exponent = self._float_exponent()
            if exponent is not None:
                power = Node("pow", (number(10), number(exponent)))
                return Node("mul", (Node("num", (), value), power))
        return Node("num", (), value)

    def _float_exponent(self) -> int | None:
        """Read the ``e-07`` of ``3.54e-07``; "2e" alone is two times Euler's number."""
        sign = self.peek(1)
        signed = sign.kind == "op" and sign.value in "+-"
        digits = self.peek(2 if signed else 1)
        if digits.kind != "number" or digits.spaced or not digits.value.isdigit():
            return None
        if len(digits.value) > 4:
            raise Unreadable("exponent too large")
        self._at += 3 if signed else 2
        return -int(digits.value) if sign.value == "-" else int(digits.value)

    def _primary(self) -> Node:
        token = self.peek()
        match token.kind:
            case "number":
                return self._number()
            case "sym":
                return self._symbol()
            case "const":
                self._next()
                return Node("const", value=token.value)
            case "frac":
                self._next()
                return Node("div", (self._tex_argument(), self._tex_argument()))
            case "binom":
                self._next()
                return Node("fn", (self._tex_argument(), self._tex_argument()), "binom")
            case "sqrt":
                return self._root()
            case "fn":
                return self._function()
            case "open":
                return self._bracketed()
            case "group":
                return self._group()
            case "series":
                return self._series()
            case "begin":
                return self._environment()
            case "realset":
                self._next()
                return Node("realset", value=token.value)
            case "text" | "word":
                return self._words()
            case "op" if token.value == "|":
                return self._absolute()
        raise Unreadable(f"unexpected {token.value!r}")

    def _words(self) -> Node:
        words = [self._next().value]
        while self.peek().kind in ("text", "word") and self.peek().value not in ("and", "or", "to"):
            words.append(self._next().value)
        return Node("words", value=" ".join(words))

    def _symbol(self) -> Node:
        name = self._next().value
        if name in ("e", "i", "I") and not self._is("op", "_") and name not in self._indices:
            return Node("const", value="e" if name == "e" else "i")
        if self._accept("op", "_"):
            name = f"{name}_{self._subscript()}"
        if name[0] in _FUNCTION_LETTERS and self._is("open", "("):
            self._next()
            arguments = self._arguments("(")
            return Node("apply", arguments, name)
        return Node("sym", value=name)

    def _subscript(self) -> str:
        if not self._accept("group", "{"):
            return self._next().value
        parts: list[str] = []
        depth = 1
        while True:
            token = self._next()
            if token is END:
                raise Unreadable("unbalanced subscript")
            if token.kind == "group":
                depth += 1 if token.value == "{" else -1
                if depth == 0:
                    return "".join(parts)
            parts.append(token.value)

    def _tex_argument(self) -> Node:
        """Read a braced argument, or the single token or digit TeX would take."""
        if self._is("group", "{"):
            return self._group()
        token = self.peek()
        if token.kind == "number" and len(token.value) > 1:
            # "\frac12": TeX takes one digit and leaves the rest.
            self._tokens[self._at] = Token("number", token.value[1:])
            return number(int(token.value[0])) if token.value[0].isdigit() else self._number()
        if token.kind == "number":
            return self._number()
        return self._primary()

    def _root(self) -> Node:
        self._next()
        if self._is("open", "["):
            self._next()
            index = self._sum()
            self._expect("close", "[")
            return Node("fn", (self._tex_argument(), index), "root")
        return Node("fn", (self._tex_argument(),), "sqrt")

    def _group(self) -> Node:
        self._expect("group", "{")
        if self._accept("group", "}"):
            raise Unreadable("empty group")
        bars, self._bars = self._bars, 0
        node = self.statement()
        self._expect("group", "}")
        self._bars = bars
        # Braces typed without backslashes around several things are a set all the same.
        return Node("set", node.args) if node.kind == "list" else node

    def _arguments(self, closing: str) -> tuple[Node, ...]:
        arguments = [self._sum()]
        while self._accept("op", ",") or self._accept("op", ";"):
            arguments.append(self._sum())
        self._expect("close", closing)
        return tuple(arguments)

    def _function(self) -> Node:
        name = self._next().value
        base: Node | None = None
        power: Node | None = None
        for _ in range(2):
            if self._accept("op", "^"):
                power = self._exponent()
            elif self._accept("op", "_"):
                base = self._group() if self._is("group", "{") else self._tex_argument()
        arguments = self._function_arguments()
        if name in ("sqrt", "cbrt") and base is None:
            root = (arguments[0],) if name == "sqrt" else (arguments[0], number(3))
            node = Node("fn", root, "sqrt" if name == "sqrt" else "root")
        elif base is not None:
            if name != "log":
                raise Unreadable(f"a subscript at {name}")
            node = Node("fn", (arguments[0], base), "log")
        else:
            node = Node("fn", arguments, name)
        if power is None:
            return node
        inverse = power.kind == "neg" and power.args[0].value == 1
        if inverse and name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"):
            return Node("fn", arguments, "arc" + name)
        return Node("pow", (node, power))

    def _function_arguments(self) -> tuple[Node, ...]:
        if self._is("open", "("):
            self._next()
            return self._arguments("(")
        if self._is("group", "{") or self._is("open", "{"):
            node = self._group() if self._is("group") else self._bracketed()
            return node.args if node.kind == "set" else (node,)
        if self._accept("op", "-"):
            return (Node("neg", (self._function_arguments()[0],)),)
        node = self._power()
        while self._starts_factor() and not self._is("fn") and not self._is("open"):
            node = Node("mul", (node, self._power()))
        if self._is("op", "/") and self._is("number", ahead=1) and node.kind != "fn":
            # "\sin \pi/6" means the sine of a sixth of pi.
            self._next()
            node = Node("div", (node, self._power()))
        return (node,)

    def _absolute(self) -> Node:
        self._next()
        self._bars += 1
        no_bar, self._no_bar = self._no_bar, False
        node = self._sum()
        self._expect("op", "|")
        self._bars -= 1
        self._no_bar = no_bar
        return Node("fn", (node,), "abs")

    def _bracketed(self) -> Node:
        opening = self._next().value
        bars, self._bars = self._bars, 0
        no_bar, self._no_bar = self._no_bar, opening == "{"
        try:
            if opening in ("floor", "ceil"):
                node = self._sum()
                self._expect("close", opening)
                return Node("fn", (node,), opening)
            if opening == "{":
                return self._set()
            return self._parenthesis(opening)
        finally:
            self._bars, self._no_bar = bars, no_bar

    def _parenthesis(self, opening: str) -> Node:
        if self._is("close"):
            raise Unreadable("empty brackets")
        inner = self.statement()
        closing = self._expect("close").value
        if inner.kind == "list":
            return Node("tuple", inner.args, opening + closing)
        if opening != closing:
            raise Unreadable("brackets that do not match")
        if inner.kind == "words" and not self._starts_factor():
            return inner
        return Node("tuple", (inner,), "[[") if opening == "[" else inner

    def _set(self) -> Node:
        if self._accept("close", "{"):
            return Node("realset", value="empty")
        inner = self.statement()
        if self._is("op", "|") or self._is("op", ":"):
            self._next()
            self._no_bar = False
            condition = self.statement()
            self._expect("close", "{")
            return Node("builder", (inner, condition))
        self._expect("close", "{")
        return Node("set", inner.args if inner.kind == "list" else (inner,))

    def _series(self) -> Node:
        kind = self._next().value
        bounds: dict[str, Node] = {}
        for _ in range(2):
            if self._accept("op", "_"):
                bounds["_"] = self._group()
            elif self._accept("op", "^"):
                bounds["^"] = self._exponent()
        start = bounds.get("_")
        if start is None or "^" not in bounds or start.kind != "rel" or start.value != ("=",):
            raise Unreadable("a sum without bounds")
        variable, first = start.args
        if variable.kind == "const":  # "i" as an index
            variable = Node("sym", value=str(variable.value))
        outer = self._indices
        self._indices = outer | {str(variable.value)}
        body = self._product()
        self._indices = outer
        return Node("series", (variable, first, bounds["^"], body), kind)

    def _environment(self) -> Node:
        name = self._next().value
        if name == "array":
            self._group()
        elif not name.endswith("matrix"):
            raise Unreadable(f"environment {name}")
        rows: list[Node] = []
        cells: list[Node] = []
        while True:
            if self._is("end") and self.peek() is not END:
                break
            if self._accept("op", "&"):
                continue
            if self._accept("op", "\\\\"):
                if cells:
                    rows.append(Node("tuple", tuple(cells), "(("))
                cells = []
                continue
            cells.append(self._relation())
        self._next()
        if cells:
            rows.append(Node("tuple", tuple(cells), "(("))
        if not rows or len({len(row.args) for row in rows}) != 1:
            raise Unreadable("a ragged matrix")
        matrix = Node("matrix", tuple(rows))
        return Node("fn", (matrix,), "det") if name == "vmatrix" else matrix

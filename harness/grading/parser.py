"""A recursive-descent parser for answers: LaTeX, plain text and code-like notation.

It builds trees and evaluates nothing. What it cannot read it refuses with
:class:`~harness.grading.syntax.Unreadable`.
"""

from __future__ import annotations

from fractions import Fraction

from harness.grading.parse import too_complex
from harness.grading.syntax import Node, Token, Unreadable, Written, number, prepare, tokenize

_END = Token("end", "")
#: Letters that are read as functions when a bracket follows them.
_FUNCTION_LETTERS = frozenset("fghFGH")
_SET_OPERATIONS = {"union": 1, "inter": 2, "minus": 2}
_MAX_TOKENS = 2000


def parse(text: str, *, thousands: bool = True) -> Node:
    """Parse an answer.

    Args:
        text: The answer as written.
        thousands: Read ``1,234`` as one number (outside brackets).

    Returns:
        The tree.

    Raises:
        Unreadable: The text is not of the language, too long or too deeply nested.
    """
    if too_complex(text):
        raise Unreadable("too long or too deep")
    tokens = tokenize(prepare(text, thousands=thousands))
    if not tokens or len(tokens) > _MAX_TOKENS:
        raise Unreadable("nothing to read, or too much")
    parser = _Parser(tokens)
    node = parser.statement()
    if parser.peek() is not _END:
        raise Unreadable(f"left over: {parser.peek().value!r}")
    return node


class _Parser:
    """One pass over the tokens of an answer."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._bars = 0  # open absolute values
        self._no_bar = False  # inside a set, where "|" means "such that"

    # -- tokens ------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else _END

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

    # -- statements --------------------------------------------------------------------------

    def statement(self) -> Node:
        """Parts separated by commas, semicolons or line breaks."""
        parts: list[Node] = []
        groups: list[Node] = []
        commas = False
        while self.peek() is not _END and not self._at_close():
            if self._is_separator():
                # "p=5, q=2; p=7, q=2": semicolons separate what commas hold together.
                if self._next().value != ";":
                    commas = True
                elif commas and len(parts) > 1:
                    groups.append(Node("list", tuple(parts)))
                    parts, commas = [], False
                continue
            parts.append(self._either())
            if not self._is_separator():
                break
        if groups and parts:
            parts = [*groups, Node("list", tuple(parts)) if len(parts) > 1 else parts[0]]
        parts = parts or groups
        if not parts:
            raise Unreadable("empty")
        return parts[0] if len(parts) == 1 else Node("list", tuple(parts))

    def _is_separator(self) -> bool:
        token = self.peek()
        return token.kind == "op" and token.value in (",", ";", "\\\\")

    def _at_close(self) -> bool:
        token = self.peek()
        return token.kind in ("close", "end") or (token.kind == "group" and token.value == "}")

    def _either(self) -> Node:
        return self._connected("or", lambda: self._connected("and", self._relation))

    def _connected(self, word: str, operand: object) -> Node:
        assert callable(operand)
        parts: list[Node] = [operand()]
        while True:
            comma = self._is("op", ",") and self._is("word", word, ahead=1)
            if not (comma or self._is("word", word)):
                break
            self._at += 2 if comma else 1
            parts.append(operand())
        return parts[0] if len(parts) == 1 else Node(word, tuple(parts))

    def _relation(self) -> Node:
        operands = [self._sets()]
        operators: list[str] = []
        while True:
            if self._accept("in"):
                return Node("in", (operands[-1], self._sets()))
            if self._is("rel"):
                operators.append(self._next().value)
                operands.append(self._sets())
            elif (self._is("op", ":") and not self._no_bar) or self._is("word", "to"):
                self._next()
                operands[-1] = Node("ratio", (operands[-1], self._sets()))
            else:
                break
        if not operators:
            return operands[0]
        return Node("rel", tuple(operands), tuple(operators))

    def _sets(self, level: int = 1) -> Node:
        node = self._sum() if level > 2 else self._sets(level + 1)
        while self._is("setop") and _SET_OPERATIONS[self.peek().value] == level:
            operation = self._next().value
            node = Node(operation, (node, self._sets(level + 1)))
        return node

    # -- arithmetic --------------------------------------------------------------------------

    def _sum(self) -> Node:
        node = self._signed()
        while True:
            if self._accept("op", "+"):
                node = Node("add", (node, self._product()))
            elif self._accept("op", "-"):
                node = Node("add", (node, Node("neg", (self._product(),))))
            elif self._accept("op", "pm"):
                node = Node("pm", (node, self._product()), 1)
            elif self._accept("op", "mp"):
                node = Node("pm", (node, self._product()), -1)
            else:
                return node

    def _signed(self) -> Node:
        if self._accept("op", "+"):
            return self._signed()
        if self._accept("op", "-"):
            return Node("neg", (self._signed_product(),))
        if self._accept("op", "pm"):
            return Node("pm", (number(0), self._product()), 1)
        if self._accept("op", "mp"):
            return Node("pm", (number(0), self._product()), -1)
        return self._product()

    def _signed_product(self) -> Node:
        return self._signed() if self._is("op", "-") else self._product()

    def _product(self) -> Node:
        node = self._power()
        while True:
            if self._accept("op", "*"):
                node = Node("mul", (node, self._factor()))
            elif self._accept("op", "/"):
                node = Node("div", (node, self._factor()))
            elif self._accept("mod"):
                node = Node("fn", (node, self._factor()), "mod")
            elif self._starts_factor():
                node = self._juxtaposed(node)
            else:
                return node

    def _factor(self) -> Node:
        """A factor after a written operator, which may carry a sign."""
        if self._accept("op", "-"):
            return Node("neg", (self._factor(),))
        if self._accept("op", "+"):
            return self._factor()
        return self._power()

    def _starts_factor(self) -> bool:
        token = self.peek()
        if token.kind == "op":
            return token.value == "|" and not self._bars and not self._no_bar
        if token.kind == "group":
            return token.value == "{"
        return token.kind in (
            "number", "sym", "const", "fn", "frac", "binom", "sqrt", "open", "series", "begin",
        )  # fmt: skip

    def _juxtaposed(self, left: Node) -> Node:
        """Multiply neighbours; a whole number before a proper fraction is a mixed number."""
        after_number = self._tokens[self._at - 1].kind == "number"
        if after_number and self._is("number"):
            return self._mixed(left)
        is_fraction = self._is("frac")
        opened = self._is("open", "(") and not self.peek().spaced
        right = self._power()
        if after_number and is_fraction and left.kind in ("num", "neg") and right.kind == "div":
            above, below = right.args
            whole = left.args[0] if left.kind == "neg" else left
            if (
                above.kind == below.kind == whole.kind == "num"
                and whole.value.denominator == 1
                and 0 < above.value < below.value
            ):
                mixed = number(whole.value + above.value / below.value)
                return Node("neg", (mixed,)) if left.kind == "neg" else mixed
        called = left.kind == "sym" and opened
        return Node("mul", (left, right), "call" if called else None)

    def _mixed(self, left: Node) -> Node:
        """Read ``1 1/2``; any other two numbers side by side mean nothing."""
        plain = left.kind == "num" and self._is("op", "/", ahead=1) and self._is("number", ahead=2)
        if not plain:
            raise Unreadable("two numbers side by side")
        above = self._number()
        self._next()
        below = self._number()
        if not 0 < above.value < below.value:
            raise Unreadable("two numbers side by side")
        return number(left.value + above.value / below.value)

    def _power(self) -> Node:
        base = self._postfix(self._primary())
        while self._accept("op", "^"):
            base = self._postfix(self._raised(base))
        return base

    def _raised(self, base: Node) -> Node:
        group = self._is("group", "{")
        if self._is("deg") or (group and self._is("deg", ahead=1)):
            self._at += 3 if group else 1
            return Node("fn", (base,), "deg")
        if group and self._ordinal():
            return base
        exponent = self._exponent()
        return Node("pow", (base, exponent))

    def _ordinal(self) -> bool:
        """Skip the "th" of ``12^{\\mathrm{th}}``."""
        if self.peek(1).kind == "text" and self.peek(1).value in ("th", "st", "nd", "rd"):
            self._at += 3
            return True
        return False

    def _exponent(self) -> Node:
        if self._is("group", "{"):
            return self._group()
        if self._accept("op", "-"):
            return Node("neg", (self._exponent(),))
        if self._accept("op", "+"):
            return self._exponent()
        token = self.peek()
        base = self._postfix(self._primary())
        # Plain towers associate to the right: 2^3^4 is 2^(3^4).
        if self._is("op", "^") and token.kind != "group":
            self._next()
            return Node("pow", (base, self._exponent()))
        return base

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._accept("op", "!"):
                double = self._accept("op", "!")
                node = Node("fn", (node,), "factorial2" if double else "factorial")
            elif self._accept("op", "%"):
                node = Node("fn", (node,), "percent")
            elif self._accept("deg"):
                node = Node("fn", (node,), "deg")
            elif self._is("op", "'") and node.kind == "sym":
                self._next()
                node = Node("sym", value=node.value + "'")
            elif self._is("op", "_") and node.kind == "num":
                node = self._base_literal(node)
            else:
                return node

    def _base_literal(self, digits: Node) -> Node:
        """Read ``4210_5``: a numeral in the base its subscript names."""
        written = self._tokens[self._at - 1].value
        self._next()
        base = self._subscript()
        if not base.isdigit() or not 2 <= int(base[:3]) <= 10 or not written.isdigit():
            raise Unreadable("no base")
        try:
            return Node("num", (), Fraction(int(written, int(base))))
        except ValueError:
            raise Unreadable("no numeral of that base") from None

    # -- primaries ---------------------------------------------------------------------------

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
        if name in ("e", "i", "I") and not self._is("op", "_"):
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
            if token is _END:
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
        body = self._product()
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
            if self._is("end") and self.peek() is not _END:
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

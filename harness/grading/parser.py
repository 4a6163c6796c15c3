"""A recursive-descent parser for answers: LaTeX, plain text and code-like notation.

It builds trees and evaluates nothing. What it cannot read it refuses with
:class:`~harness.grading.syntax.Unreadable`.
"""

from __future__ import annotations

from fractions import Fraction

from harness.grading.parse import too_complex
from harness.grading.primaries import END, Primaries
from harness.grading.syntax import Node, Unreadable, number, prepare, tokenize

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
    if parser.peek() is not END:
        raise Unreadable(f"left over: {parser.peek().value!r}")
    return node


class _Parser(Primaries):
    """One pass over the tokens of an answer."""

    # -- statements --------------------------------------------------------------------------

    def statement(self) -> Node:
        """Parts separated by commas, semicolons or line breaks."""
        parts: list[Node] = []
        groups: list[Node] = []
        commas = False
        while self.peek() is not END and not self._at_close():
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
        r"""Skip the "th" of ``12^{\mathrm{th}}``."""
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

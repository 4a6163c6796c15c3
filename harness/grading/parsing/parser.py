"""A recursive-descent parser for answers: LaTeX, plain text and code-like notation.

It builds trees and evaluates nothing. What it cannot read it refuses with
:class:`~harness.grading.parsing.tree.ParseError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from harness.grading.parsing.atoms import Atoms
from harness.grading.parsing.normalize import too_complex
from harness.grading.parsing.notation import prepare
from harness.grading.parsing.postprocess import named_set, postprocessed
from harness.grading.parsing.structures import END
from harness.grading.parsing.tokenizer import NORM, tokenize
from harness.grading.parsing.tree import Node, ParseError, number

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
        ParseError: The text is not of the language, too long or too deeply nested.
    """
    if too_complex(text):
        raise ParseError("too long or too deep")
    tokens = tokenize(prepare(text, thousands=thousands))
    if not tokens or len(tokens) > _MAX_TOKENS:
        raise ParseError("nothing to read, or too much")
    if [token.value for token in tokens] == ["{", "}"]:
        return Node("realset", value="empty")
    parser = _Parser(tokens)
    try:
        node = parser.over(parser.statement())
    except RecursionError:
        raise ParseError("too deep") from None
    if parser.peek() is not END:
        raise ParseError(f"left over: {parser.peek().value!r}")
    return postprocessed(node)


class _Parser(Atoms):
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
            if self._is("dots"):
                self._next()
                parts.append(Node("sym", value="dots"))
                continue
            parts.append(self._either())
            if not self._is_separator():
                break
        if groups and parts:
            parts = [*groups, Node("list", tuple(parts)) if len(parts) > 1 else parts[0]]
        parts = parts or groups
        if not parts:
            raise ParseError("empty")
        return parts[0] if len(parts) == 1 else Node("list", tuple(parts))

    def _is_separator(self) -> bool:
        token = self.peek()
        return token.kind == "op" and token.value in (",", ";", "\\\\")

    def _at_close(self) -> bool:
        token = self.peek()
        return token.kind in ("close", "end") or (token.kind == "group" and token.value == "}")

    def _either(self) -> Node:
        return self._connected("or", lambda: self._connected("and", self._relation))

    def _connected(self, word: str, operand: Callable[[], Node]) -> Node:
        parts: list[Node] = [operand()]
        while True:
            comma = self._is("op", ",") and self._is("word", word, ahead=1)
            if not (comma or self._is("word", word)):
                break
            self._at += 2 if comma else 1
            parts.append(operand())
        return parts[0] if len(parts) == 1 else Node(word, tuple(parts))

    def _relation(self) -> Node:
        if self._is("rel", "=") and self._at == 0:
            self._next()  # "= 5"
        operands = [self._sets()]
        operators: list[str] = []
        while True:
            if operators and self.peek().kind in ("in", "notin", "ni", "notni"):
                raise ParseError("a relation and a membership in one")
            if self._is("in") or self._is("notin"):
                if operators:
                    raise ParseError("a relation before a membership")
                kind = self._next().kind
                return Node(kind, (operands[-1], named_set(self._sets())))
            if self._is("ni") or self._is("notni"):
                kind = "in" if self._next().kind == "ni" else "notin"
                return Node(kind, (self._sets(), named_set(operands[-1])))
            if self._is("rel"):
                operators.append(self._next().value)
                operands.append(self._sets())
            elif (self._is("op", ":") and not self._no_bar) or self._is("word", "to"):
                self._next()
                goes_on = self._accept("dots")
                minutes = self._is("number") and re.fullmatch(r"0\d", self.peek().value)
                term = Node("sym", value="dots") if goes_on else self._sets()
                operands[-1] = Node("ratio", (operands[-1], term), "time" if minutes else None)
            else:
                break
        if self._accept("pmod"):
            modulus = self._whole_argument()
            if not operators:
                return Node("residue", (operands[0], modulus))
            if len(operators) > 1 or operators[0] not in ("≡", "="):
                raise ParseError("a congruence of several parts")
            return Node("congruent", (*operands, modulus))
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
                node = Node("add", (node, self._term()))
            elif self._accept("op", "-"):
                node = Node("add", (node, Node("neg", (self._term(),))))
            elif self._accept("op", "pm"):
                node = Node("pm", (node, self._product()), 1)
            elif self._accept("op", "mp"):
                node = Node("pm", (node, self._product()), -1)
            else:
                return node

    def _term(self) -> Node:
        """A term behind a sign, which may carry signs of its own: ``x + -y``."""
        if self._accept("op", "+"):
            return self._term()
        if self._accept("op", "-"):
            return Node("neg", (self._term(),))
        return self._product()

    def _signed(self) -> Node:
        if self._accept("op", "pm"):
            return Node("pm", (number(0), self._product()), 1)
        if self._accept("op", "mp"):
            return Node("pm", (number(0), self._product()), -1)
        return self._term()

    def _product(self) -> Node:
        """Factors from left to right, so that ``1/2x`` is half of x."""
        node = self._operand()
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
        return self._operand()

    def _operand(self) -> Node:
        """Read a factor; a whole number before a proper fraction is a mixed number."""
        whole = self.peek()
        node = self._power()
        if whole.kind != "number" or self._tokens[self._at - 1] is not whole:
            return node
        if self._is("number"):
            return self._mixed(node)
        if self._is("frac") and whole.value.isdigit():
            part = self._proper_fraction()
            if part is not None:
                return number(node.value + part)
        return node

    def _proper_fraction(self) -> Fraction | None:
        r"""Read ``\frac`` with two whole numbers, the first below the second; else read nothing."""
        parts: list[str] = []
        ahead = 1
        while len(parts) < 2:
            braced = self._is("group", "{", ahead) and self._is("group", "}", ahead + 2)
            token = self.peek(ahead + braced)
            alone = braced or len(token.value) == 1
            if token.kind != "number" or not (alone or (len(token.value) == 2 and not parts)):
                return None
            # "\frac12" is cut into digits, as TeX does.
            parts.extend([token.value] if alone else token.value)
            ahead += 3 if braced else 1
        if not all(map(str.isdigit, parts)) or max(map(len, parts)) > 500:
            return None
        above, below = map(int, parts)
        if not 0 < above < below or self._is("op", "^", ahead) or self._is("op", "!", ahead):
            return None
        self._at += ahead
        return Fraction(above, below)

    def _starts_factor(self) -> bool:
        token = self.peek()
        if token.kind == "op":
            bar = token.value in ("|", NORM)
            return bar and not self._bars and not self._no_bar
        if token.kind == "group":
            return token.value == "{"
        return token.kind in (
            "number", "sym", "const", "fn", "frac", "binom", "sqrt", "open", "series", "begin",
        )  # fmt: skip

    def _juxtaposed(self, left: Node) -> Node:
        if self._tokens[self._at - 1].kind == "number" and self._is("number"):
            raise ParseError("two numbers side by side")
        opened = self._is("open", "(") and not self.peek().spaced
        right = self._power()
        return Node("mul", (left, right), "call" if left.kind == "sym" and opened else None)

    def _mixed(self, left: Node) -> Node:
        """Read ``1 1/2``; any other two numbers side by side mean nothing."""
        digits = [self.peek(ahead).value for ahead in (-1, 0, 2)]
        slash = self._is("op", "/", ahead=1) and self._is("number", ahead=2)
        if not slash or not all(map(str.isdigit, digits)):
            raise ParseError("two numbers side by side")
        if self._is("op", "^", ahead=3) or self._is("op", "!", ahead=3):
            raise ParseError("two numbers side by side")
        above, below = int(digits[1][:500]), int(digits[2][:500])
        self._at += 3
        if not 0 < above < below:
            raise ParseError("two numbers side by side")
        return number(left.value + Fraction(above, below))

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
                double = self._is("op", "!") and not self.peek().spaced
                self._at += double
                node = Node("fn", (node,), "factorial2" if double else "factorial")
            elif self._accept("op", "%"):
                if self._is("number"):
                    raise ParseError("percent or a remainder")
                node = Node("fn", (node,), "percent")
            elif self._accept("deg"):
                node = Node("fn", (node,), "deg")
            elif self._is("op", "'") and node.kind in ("sym", "apply"):
                self._next()
                node = Node(node.kind, node.args, node.value + "'")
            elif self._is("op", "_") and node.kind == "sym" and "_" not in node.value:
                self._next()
                node = Node("sym", value=f"{node.value}_{self._subscript()}")
            elif self._is("op", "_") and node.kind == "num":
                node = self._base_literal(node)
            else:
                return node

    def _base_literal(self, digits: Node) -> Node:
        """Read ``(4210)_5``: a numeral in the base its subscript names."""
        closed = self._tokens[self._at - 1].kind == "close"
        written = self._tokens[self._at - (2 if closed else 1)].value
        self._next()
        base = self._subscript()
        if not base.isdigit() or not 2 <= int(base[:3]) <= 10 or not written.isdigit():
            raise ParseError("no base")
        try:
            return Node("num", (), Fraction(int(written, int(base))))
        except ValueError:
            raise ParseError("no numeral of that base") from None

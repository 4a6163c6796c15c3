"""Grammar of bracketed structures: groups, sets, series, integrals, matrices, cases.

Their contents may be anything, so these rules call back into the rest of the parser.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce

from harness.grading.parsing.tokenizer import NORM, Token
from harness.grading.parsing.tree import Node, ParseError, number, vector_entries

END = Token("end", "")
#: Environments that only place their lines.
_LINES = frozenset(
    ("aligned", "align", "gathered", "gather", "split", "equation", "eqnarray", "alignedat")
)
_IF = frozenset(("if", "for", "when", "where", "If", "For", "when"))


def _renamed(node: Node, variable: str) -> Node:
    """Give the variable of integration the name that it has in every integral."""
    if node.kind == "sym":
        return Node("sym", value="(variable)") if node.value == variable else node
    return Node(node.kind, tuple(_renamed(arg, variable) for arg in node.args), node.value)


def _bound(node: Node | None) -> Node:
    """Name the bounds that are no numbers, so that they can stand in a formula."""
    inner = node.args[0] if node is not None and node.kind == "neg" else node
    if node is None or inner is None:
        return Node("sym", value="(no bound)")
    if inner.kind == "const" and inner.value == "inf":
        return Node("sym", value="(infinity)" if inner is node else "(minus infinity)")
    return node


def _lines(rows: list[list[Node | None]]) -> Node:
    """Read lines that are only placed: a list of what they say."""
    parts = [cell for row in rows for cell in row if cell is not None]
    if len(parts) != len(rows) or not parts:
        raise ParseError("lines that belong together")
    return parts[0] if len(parts) == 1 else Node("list", tuple(parts))


def _cases(rows: list[list[Node | None]]) -> Node:
    """Read a system of equations, or a function defined by cases: pairs of value and condition."""
    if all(len(row) == 1 for row in rows) or any(len(row) != 2 or None in row for row in rows):
        return _lines(rows)
    pairs = [Node("tuple", tuple(cell for cell in row if cell), "cases") for row in rows]
    return Node("list", tuple(pairs)) if len(pairs) > 1 else pairs[0]


def _norm(node: Node) -> Node:
    """Write out the length of a vector.

    Raises:
        ParseError: A matrix has norms of many kinds.
    """
    entries = vector_entries(node)
    if not entries:
        raise ParseError("the norm of a matrix")
    squares = [Node("pow", (Node("fn", (entry,), "abs"), number(2))) for entry in entries]
    return Node("fn", (reduce(lambda total, term: Node("add", (total, term)), squares),), "sqrt")


class TokenStream:
    """The tokens of an answer, the position reached, and the brackets open there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._bars = 0  # open absolute values
        self._no_bar = False  # inside a set, where "|" means "such that"
        self._indices: frozenset[str] = frozenset()  # of the series that is being read

    # -- tokens ------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        """Return the next token, or one further ahead, without taking it; ``END`` behind all."""
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
            raise ParseError(f"expected {value or kind}, found {self.peek().value!r}")
        return self._next()


class Structures(TokenStream):
    """Readers of what has an opening and an end."""

    # The rest of the grammar, defined by the classes that inherit this one.
    statement: Callable[[], Node]
    _relation: Callable[[], Node]
    _sum: Callable[[], Node]
    _product: Callable[[], Node]
    _power: Callable[[], Node]
    _exponent: Callable[[], Node]
    _whole_argument: Callable[[], Node]
    _starts_factor: Callable[[], bool]

    def over(self, above: Node) -> Node:
        r"""Read the rest of ``a \over b`` or ``n \choose k``.

        Raises:
            ParseError: One of the two is no expression.
        """
        if not self._is("over"):
            return above
        kind = self._next().value
        pair = above, self.statement()
        if any(n.kind in ("rel", "list", "and", "or") for n in pair):
            raise ParseError("a fraction of statements")
        return Node("div", pair) if kind == "div" else Node("fn", pair, "binom")

    def _group(self) -> Node:
        self._expect("group", "{")
        if self._accept("group", "}"):
            raise ParseError("empty group")
        bars, self._bars = self._bars, 0
        node = self.over(self.statement())
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

    def _absolute(self) -> Node:
        sign = self._next().value
        self._bars += 1
        no_bar, self._no_bar = self._no_bar, False
        node = self._sum()
        self._expect("op", sign)
        self._bars -= 1
        self._no_bar = no_bar
        if sign == NORM and node.kind in ("matrix", "tuple"):
            return _norm(node)
        return Node("fn", (node,), "det" if node.kind == "matrix" else "abs")

    def _bracketed(self) -> Node:
        alone = self._at == 0 or self.peek(-1).kind == "open" or self._is("op", ",", ahead=-1)
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
            return self._parenthesis(opening, alone)
        finally:
            self._bars, self._no_bar = bars, no_bar

    def _parenthesis(self, opening: str, alone: bool) -> Node:
        if self._is("close"):
            raise ParseError("empty brackets")
        inner = self.statement()
        closing = self._expect("close").value
        if inner.kind == "list":
            return Node("tuple", inner.args, opening + closing)
        if opening != closing:
            raise ParseError("brackets that do not match")
        if inner.kind == "words" and not self._starts_factor():
            return inner
        if opening == "(" and inner.kind == "tuple" and len(inner.args) == 1:
            return inner.args[0]
        # Square brackets around one thing are a vector of one entry, in a formula parentheses.
        alone = alone and (self.peek() is END or self._is("close") or self._is("op", ","))
        return Node("tuple", (inner,), "[[") if opening == "[" and alone else inner

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
            raise ParseError("a sum without bounds")
        variable, first = start.args
        if variable.kind == "const":  # "i" as an index
            variable = Node("sym", value=str(variable.value))
        outer = self._indices
        self._indices = outer | {str(variable.value)}
        body = self._product()
        self._indices = outer
        return Node("series", (variable, first, bounds["^"], body), kind)

    def _integral(self) -> Node:
        """Read an integral as an unknown function of its bounds and its integrand.

        It is not computed: two integrals are the same if their integrands and bounds are.
        """
        self._next()
        bounds: dict[str, Node] = {}
        while self._is("op", "_") or self._is("op", "^"):
            sign = self._next().value
            bounds[sign] = self._whole_argument()
        integrand = Node("num", value=Fraction(1))
        if not self._is("differential"):
            integrand = self._sum()
        variable = self._expect("differential").value
        inner = _renamed(integrand, variable)
        return Node("apply", (*(_bound(bounds.get(sign)) for sign in "_^"), inner), "int")

    def _environment(self) -> Node:
        name = self._next().value
        if name in ("array", "alignedat", "alignat"):
            self._group()
        rows = self._rows()
        if name == "cases":
            return _cases(rows)
        if name in _LINES:
            return _lines(rows)
        if not name.endswith("matrix") and name != "array":
            raise ParseError(f"environment {name}")
        cells = [[cell for cell in row if cell is not None] for row in rows]
        if not cells or len({len(row) for row in cells}) != 1 or any(None in row for row in rows):
            raise ParseError("a ragged matrix")
        matrix = Node("matrix", tuple(Node("tuple", tuple(row), "((") for row in cells))
        return Node("fn", (matrix,), "det") if name == "vmatrix" else matrix

    def _rows(self) -> list[list[Node | None]]:
        """Read the cells of an environment up to its end; an empty cell is ``None``."""
        rows: list[list[Node | None]] = []
        cells: list[Node | None] = []
        cell: Node | None = None
        while True:
            if self.peek() is END:
                raise ParseError("an environment without its end")
            if self._is("end"):
                self._next()
                break
            if self._accept("op", "&"):
                cells.append(cell)
                cell = None
            elif self._accept("op", "\\\\"):
                if cells or cell is not None:
                    rows.append([*cells, cell])
                cells, cell = [], None
            elif cell is not None:
                raise ParseError("two things in one cell")
            else:
                cell = self._cell()
        if cells or cell is not None:
            rows.append([*cells, cell])
        return rows

    def _cell(self) -> Node:
        parts = [self._condition()]
        while self._accept("op", ",") or self._accept("op", ";"):
            if self._is("end") or self._is("op", "\\\\") or self._is("op", "&"):
                break
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else Node("list", tuple(parts))

    def _condition(self) -> Node:
        """Read an entry, or the condition behind an "if"."""
        if self.peek().kind in ("text", "word") and self.peek().value.strip(" ,:") in _IF:
            self._next()
        return self._relation()

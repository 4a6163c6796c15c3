"""The expression tree that an answer is parsed into.

A tree is made of :class:`Node` objects whose ``kind`` is one of a few words:

scalars
    ``num`` (value: Fraction), ``sym`` (value: name), ``const`` (``pi``, ``e``, ``i``, ``inf``),
    ``add``, ``mul``, ``div``, ``pow``, ``neg``, ``pm`` (both signs), ``fn`` (value: name),
    ``apply`` (an unknown function), ``series`` (sum, product: value, variable, from, to, body)
structures
    ``tuple`` (value: the two delimiters), ``list``, ``set``, ``matrix`` (rows are ``tuple``),
    ``ratio``, ``builder``, ``realset`` (value: name), ``union``, ``inter``, ``minus``
statements
    ``rel`` (value: operators), ``in``, ``notin``, ``and``, ``or``, ``congruent`` (sides, modulus),
    ``residue`` (the right side of a congruence alone), ``words``, ``property`` (``n is odd``)
answers
    ``quantity`` (value: unit or noun; a second child is the product its letters may be),
    ``labelled`` (value: name, a ``Node`` or words)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any


def words(text: str) -> list[str]:
    """List the words of a text."""
    return text.split()


class ParseError(Exception):
    """The text is not of the language that is parsed here."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a tree.

    Attributes:
        kind: See the module's docstring.
        args: The children.
        value: What else the kind needs.
    """

    kind: str
    args: tuple[Node, ...] = ()
    value: Any = None

    def walk(self) -> list[Node]:
        """List this node and all below it."""
        found = [self]
        for node in found:
            found.extend(node.args)
        return found


class DecimalLiteral(Fraction):
    """A decimal as written: its value, and how many digits were given."""

    __slots__ = ("places", "significant")

    places: int
    significant: int

    @classmethod
    def read(cls, text: str) -> DecimalLiteral:
        """Read digits with a decimal point."""
        whole, _, part = text.partition(".")
        written = cls(int((whole or "0") + part), 10 ** len(part))
        written.places = len(part)
        written.significant = len((whole + part).lstrip("0"))
        return written


def number(value: int | Fraction) -> Node:
    """Make a number."""
    return Node("num", value=Fraction(value))


def symbols(node: Node) -> set[str]:
    """Name the free symbols of an expression."""
    nodes = node.walk()
    if any(n.kind == "series" for n in nodes):
        return _free(node)
    return {n.value for n in nodes if n.kind == "sym"}


def _free(node: Node) -> set[str]:
    if node.kind == "sym":
        return {node.value}
    if node.kind == "series":
        variable, first, last, body = node.args
        return _free(first) | _free(last) | (_free(body) - {variable.value})
    return set().union(*(_free(arg) for arg in node.args))


def substitute(node: Node, name: str, value: Node) -> Node:
    """Replace a symbol everywhere in a tree."""
    if node.kind == "sym" and node.value == name:
        return value
    if not node.args and not isinstance(node.value, Node):
        return node
    args = tuple(substitute(arg, name, value) for arg in node.args)
    label = substitute(node.value, name, value) if isinstance(node.value, Node) else node.value
    return Node(node.kind, args, label)


def vector_entries(node: Node) -> tuple[Node, ...] | None:
    """List the entries of a vector: a row, a column or a tuple."""
    if node.kind == "tuple":
        return node.args
    if node.kind != "matrix":
        return None
    if len(node.args) == 1:
        return node.args[0].args
    if all(len(row.args) == 1 for row in node.args):
        return tuple(row.args[0] for row in node.args)
    return None

"""Arithmetic of matrices on trees: sums, products, transposes and determinants are written out."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from harness.grading.parsing.tree import Node

_MAX_ENTRIES = 100
_MAX_DETERMINANT = 5
_MAX_POWER = 7


def occurs(node: Node) -> bool:
    """Say whether an expression has a matrix among its terms or factors."""
    if node.kind in ("add", "mul", "neg", "div", "pow") or node.value == "det":
        return any(occurs(arg) for arg in node.args)
    return node.kind == "matrix"


def calculated(node: Node) -> Node:
    """Carry out sums, products, powers, transposes and determinants; the rest stays as it is.

    A matrix of one entry is that entry.
    """
    found = _calculated(node)
    return found.args[0].args[0] if found.kind == "matrix" and _shape(found) == (1, 1) else found


def _calculated(node: Node) -> Node:
    if not occurs(node) or node.kind == "matrix":
        return node
    args = [_calculated(arg) for arg in node.args]
    first = args[0]
    if node.kind == "neg" and first.kind == "matrix":
        return _mapped(first, lambda cell: Node("neg", (cell,)))
    if node.kind == "fn" and first.kind == "matrix":
        height, width = _shape(first)
        square = height == width <= _MAX_DETERMINANT
        return _determinant([list(row.args) for row in first.args]) if square else node
    if len(args) != 2:
        return node
    left, right = args
    if node.kind == "add" and left.kind == right.kind == "matrix" and _shape(left) == _shape(right):
        return _zipped(left, right)
    if node.kind == "pow" and left.kind == "matrix":
        return _power(left, right) or node
    if node.kind == "mul":
        if left.kind == right.kind == "matrix":
            return _product(left, right) if _shape(left)[1] == _shape(right)[0] else node
        if right.kind == "matrix":
            return _mapped(right, lambda cell: Node("mul", (left, cell)))
        if left.kind == "matrix":
            return _mapped(left, lambda cell: Node("mul", (right, cell)))
    if node.kind == "div" and left.kind == "matrix" and right.kind != "matrix":
        return _mapped(left, lambda cell: Node("div", (cell, right)))
    return Node(node.kind, tuple(args), node.value)


def rows(node: Node) -> list[tuple[Node, ...]] | None:
    """List the rows of a matrix, which may be written ``[[1, 2], [3, 4]]``."""
    if node.kind == "matrix":
        return [row.args for row in node.args]
    nested = node.kind == "tuple" and node.value == "[[" and len(node.args) > 1
    if nested and all(arg.kind == "tuple" and arg.value == "[[" for arg in node.args):
        return [row.args for row in node.args]
    return None


def _power(matrix: Node, exponent: Node) -> Node | None:
    """Transpose a matrix, or multiply it with itself."""
    if exponent.kind == "sym" and exponent.value == "T":
        return _rows([list(column) for column in zip(*(r.args for r in matrix.args), strict=True)])
    height, width = _shape(matrix)
    if exponent.kind != "num" or height != width or exponent.value not in range(1, _MAX_POWER):
        return None
    if height ** int(exponent.value) > _MAX_ENTRIES:
        return None
    return reduce(_product, [matrix] * int(exponent.value))


def _determinant(cells: list[list[Node]]) -> Node:
    """Expand a determinant by its first row."""
    if len(cells) == 1:
        return cells[0][0]
    total: Node | None = None
    for k, cell in enumerate(cells[0]):
        minor = _determinant([row[:k] + row[k + 1 :] for row in cells[1:]])
        term = Node("mul", (cell, minor))
        term = Node("neg", (term,)) if k % 2 else term
        total = term if total is None else Node("add", (total, term))
    assert total is not None
    return total


def _shape(matrix: Node) -> tuple[int, int]:
    return len(matrix.args), len(matrix.args[0].args)


def _rows(rows: list[list[Node]]) -> Node:
    return Node("matrix", tuple(Node("tuple", tuple(row), "((") for row in rows))


def _mapped(matrix: Node, change: Callable[[Node], Node]) -> Node:
    return _rows([[change(cell) for cell in row.args] for row in matrix.args])


def _zipped(left: Node, right: Node) -> Node:
    return _rows(
        [
            [Node("add", pair) for pair in zip(a.args, b.args, strict=True)]
            for a, b in zip(left.args, right.args, strict=True)
        ]
    )


def _product(left: Node, right: Node) -> Node:
    columns = list(zip(*(row.args for row in right.args), strict=True))
    if len(left.args) * len(columns) > _MAX_ENTRIES:
        return Node("mul", (left, right))
    return _rows(
        [
            [
                reduce(
                    lambda total, term: Node("add", (total, term)),
                    [Node("mul", pair) for pair in zip(row.args, column, strict=True)],
                )
                for column in columns
            ]
            for row in left.args
        ]
    )

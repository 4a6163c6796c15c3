"""Arithmetic of matrices on trees: sums, differences and products are written out."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from harness.grading.syntax import Node

_MAX_ENTRIES = 100


def occur(node: Node) -> bool:
    """Say whether an expression has a matrix among its terms or factors."""
    if node.kind in ("add", "mul", "neg", "div"):
        return any(occur(arg) for arg in node.args)
    return node.kind == "matrix"


def calculated(node: Node) -> Node:
    """Carry out sums and products of matrices; anything else stays as it is."""
    if not occur(node) or node.kind == "matrix":
        return node
    args = [calculated(arg) for arg in node.args]
    if node.kind == "neg" and args[0].kind == "matrix":
        return _mapped(args[0], lambda cell: Node("neg", (cell,)))
    if len(args) != 2:
        return node
    left, right = args
    if node.kind == "add" and left.kind == right.kind == "matrix" and _shape(left) == _shape(right):
        return _zipped(left, right)
    if node.kind == "mul":
        if left.kind == right.kind == "matrix":
            return _product(left, right) if _shape(left)[1] == _shape(right)[0] else node
        if right.kind == "matrix":
            return _mapped(right, lambda cell: Node("mul", (left, cell)))
        return _mapped(left, lambda cell: Node("mul", (right, cell)))
    if node.kind == "div" and left.kind == "matrix" and right.kind != "matrix":
        return _mapped(left, lambda cell: Node("div", (cell, right)))
    return node


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

"""Expansion of plus-minus signs into both values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from harness.grading.parsing.tree import Node

#: An answer with more values than this is not compared.
MAX_VALUES = 64


def occurs(node: Node) -> bool:
    """Say whether an answer has a plus-minus sign."""
    return any(n.kind == "pm" for n in node.walk())


def expanded(node: Node) -> list[Node]:
    """Expand the plus-minus signs of an answer into a list of answers."""
    if node.kind in ("list", "or", "and", "set"):
        return [found for arg in node.args for found in expanded(arg)]
    count = sum(n.kind == "pm" for n in node.walk())
    if count == 0:
        return [node]
    if count > 6:
        return [node] * (MAX_VALUES + 1)
    choices = [(1,) * count, (-1,) * count]
    signs = {n.value for n in node.walk() if n.kind == "pm"}
    if len(signs) == 1:  # a minus-plus sign goes with another
        choices = list(itertools.product((1, -1), repeat=count))
    return [_choose(node, iter(choice)) for choice in choices]


def _choose(node: Node, signs: Iterable[int]) -> Node:
    signs = iter(signs)
    if node.kind == "pm":
        left = _choose(node.args[0], signs)
        positive = next(signs) * node.value > 0
        right = _choose(node.args[1], signs)
        return Node("add", (left, right if positive else Node("neg", (right,))))
    if not node.args:
        return node
    return Node(node.kind, tuple(_choose(arg, signs) for arg in node.args), node.value)

"""Passes over the whole tree after parsing: variable names, congruences, the imaginary unit."""

from __future__ import annotations

import re

from harness.grading.parsing.tree import Node

_VARIANTS = {
    "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta", "varrho": "rho",
    "varsigma": "sigma",
}  # fmt: skip


def postprocessed(node: Node) -> Node:
    """Finish the tree of a whole answer."""
    nodes = node.walk()
    names = {n.value for n in nodes if n.kind == "sym"}
    plain = {name: _plain_name(name) for name in names}
    # An arrow or bold type only marks a letter, unless the letter stands without it beside.
    renamed = {name: other for name, other in plain.items() if other not in names}
    congruences = any(n.kind in ("rel", "residue") and "\u2261" in (n.value or "*") for n in nodes)
    if not renamed and not congruences:
        return node
    return _rebuilt(node, renamed)


def _plain_name(name: str) -> str:
    letter, mark, subscript = name.partition("_")
    letter = re.sub(r"\Avec\((\w+)\)", r"\1", letter)
    return _VARIANTS.get(letter, letter) + mark + subscript


def _rebuilt(node: Node, renamed: dict[str, str]) -> Node:
    if node.kind == "sym":
        return Node("sym", value=renamed.get(node.value, node.value))
    if node.kind in ("list", "or"):
        node = _congruences(node)
    value = node.value
    if node.kind == "rel":
        value = tuple("=" if sign == "\u2261" else sign for sign in value)
    return Node(node.kind, tuple(_rebuilt(arg, renamed) for arg in node.args), value)


def _congruences(node: Node) -> Node:
    r"""Read ``x \equiv 1, 3 \pmod 8`` as two congruences."""
    parts: list[Node] = []
    for arg in node.args:
        parts.extend(arg.args if arg.kind == "or" else (arg,))
    first, last = parts[0], parts[-1]
    if first.kind != "rel" or first.value != ("\u2261",) or last.kind != "residue":
        return node
    residues = [first.args[1], *parts[1:-1], last.args[0]]
    if any(n.kind in ("rel", "residue", "congruent") for n in residues):
        return node
    return Node("or", tuple(Node("congruent", (first.args[0], n, last.args[1])) for n in residues))


_SETS = frozenset("RZNQC")


def named_set(node: Node) -> Node:
    r"""Read the letter of ``x \in R`` as the set it names."""
    name = _plain_name(node.value) if node.kind == "sym" else ""
    return Node("realset", value=name) if name in _SETS else node


def with_one_imaginary_unit(gold: Node, answer: Node) -> tuple[Node, Node]:
    """Read the j of engineers as i on the side that has no i, if the other has i and no j."""
    nodes = [{(n.kind, n.value) for n in side.walk() if not n.args} for side in (gold, answer)]
    units = [("const", "i") in side for side in nodes]
    letters = [("sym", "j") in side for side in nodes]
    if units == [True, False] and letters == [False, True] and _is_complex(answer):
        return gold, _with_unit(answer)
    if units == [False, True] and letters == [True, False] and _is_complex(gold):
        return _with_unit(gold), answer
    return gold, answer


def _is_complex(node: Node) -> bool:
    """Say whether numbers ``a + b j`` occur; j alone is a unit vector, or a current."""
    if {n.value for n in node.walk() if n.kind == "sym"} != {"j"}:
        return False
    return any(
        n.kind == "add" and sum(any(m.kind == "sym" for m in arg.walk()) for arg in n.args) == 1
        for n in node.walk()
    )


def _with_unit(node: Node) -> Node:
    if node.kind == "sym" and node.value == "j":
        return Node("const", value="i")
    return Node(node.kind, tuple(map(_with_unit, node.args)), node.value)

"""Compare labels, units and counted nouns of values.

The values themselves are compared by the function ``same`` that the caller passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from harness.grading.equivalence import equations, numeric
from harness.grading.equivalence.scalars import Rules
from harness.grading.equivalence.unit_conversion import (
    converted,
    temperature,
    temperature_scale,
    with_bare_unit,
)
from harness.grading.parsing.tree import Node, number, substitute, symbols
from harness.grading.parsing.units import parse_unit
from harness.grading.parsing.wording import (
    begins_with_factor,
    is_counted_noun,
    is_plain_label,
    is_proper_name,
    is_remark,
    same_label,
    same_noun,
    says_nothing_else,
)

Compare = Callable[[Node, Node, Rules], bool | None]
COLLECTIONS = frozenset(("list", "tuple", "set", "and", "or"))


def labelled(gold: Node, answer: Node, rules: Rules, same: Compare) -> bool | None:
    """Compare values with names: a name may be missing on one side, but not differ."""
    gold, answer = _with_each_named(gold, answer), _with_each_named(answer, gold)
    if gold.kind != "labelled" and answer.kind != "labelled":
        return same(gold, answer, rules)
    if answer.kind == "labelled" and answer.args[0].kind == "labelled":
        if not (isinstance(answer.value, str) and is_plain_label(answer.value)):
            return None
        answer = answer.args[0]  # "Equation: y = 2x"
    if gold.kind == "labelled" and answer.kind == "labelled":
        ours, theirs = gold.value, answer.value
        if isinstance(ours, Node) and isinstance(theirs, Node):
            answer, theirs = _same_argument(gold, answer)
            if ours != theirs:
                if _names_event(ours) or _names_event(theirs):
                    return False
                return equations.same(_as_equation(gold), _as_equation(answer), rules.reading)
        elif not same_label(ours, theirs):
            return False if isinstance(ours, str) and isinstance(theirs, str) else None
        return same(gold.args[0], answer.args[0], rules)
    unnamed = gold.kind != "labelled"
    if unnamed and isinstance(answer.value, str) and not is_plain_label(answer.value):
        return None
    if gold.kind == "labelled":
        if answer.kind == "rel" and isinstance(gold.value, Node):
            return equations.same(_as_equation(gold), answer, rules.reading)
        return same(gold.args[0], answer, rules)
    if gold.kind == "rel" and isinstance(answer.value, Node):
        return equations.same(gold, _as_equation(answer), rules.reading)
    return same(gold, answer.args[0], rules)


def _with_each_named(node: Node, other: Node) -> Node:
    """Write ``a = b = 1`` as ``a = 1, b = 1``, and ``(a, b) = (1, 2)`` as ``a = 1, b = 2``.

    So that each value is compared under its name where the other side names its values as well.
    """
    if node.kind != "labelled" or not isinstance(node.value, Node):
        return node
    names, value = node.value, node.args[0]
    if names.kind == "list" and other.kind in COLLECTIONS:
        return Node("list", tuple(Node("labelled", node.args, name) for name in names.args))
    if names.kind not in ("tuple", "list") or value.kind not in ("tuple", "list"):
        return node
    named = any(arg.kind == "labelled" for arg in other.args) or other.kind == "labelled"
    if not named or len(names.args) != len(value.args) or names == other.value:
        return node
    pairs = zip(names.args, value.args, strict=True)
    return Node("list", tuple(Node("labelled", (part,), name) for name, part in pairs))


def in_order_of_names(parts: Iterable[Node]) -> bool:
    """Say whether names stand in the alphabet's order, as those of a point do."""
    names = [str(getattr(p.value, "value", p.value)) for p in parts if p.kind == "labelled"]
    keys = [(re.sub(r"\d.*", "", name).lower(), len(name), name) for name in names]
    return keys == sorted(keys)


def names_in_order(gold: Node, answer: Node) -> bool:
    """Say whether names, nouns or units of the reference only fix the order of the answer."""
    if gold.kind not in ("list", "and") or answer.kind not in ("list", "tuple", "and"):
        return False
    names = [str(arg.value) for arg in gold.args if arg.kind in ("labelled", "quantity")]
    named = any(arg.kind in ("labelled", "quantity") for arg in answer.args)
    return len(names) == len(gold.args) == len(set(names)) and not named


def without_names(gold: Node, answer: Node) -> Node:
    """Drop the names of a list's values ("Paolo: 5, Qing: 7") where the reference has none."""
    if any(arg.kind == "labelled" for arg in gold.args) or len(answer.args) < 2:
        return answer
    names = [arg.value for arg in answer.args if arg.kind == "labelled"]
    if len(names) < len(answer.args) or not all(isinstance(name, str) for name in names):
        return answer
    if len(set(names)) < len(names) or not all(map(is_proper_name, names)):
        return answer
    return Node(answer.kind, tuple(arg.args[0] for arg in answer.args), answer.value)


#: How ``notation`` names dv/dt, which is no event.
_DERIVATIVE = re.compile(r"\Ad\d+\(\w+\)/\w+\Z")


def _names_event(node: Node) -> bool:
    """Say whether a name is about an event: P(X = 2) is not P(X = 3)."""
    return any(
        n.kind in ("rel", "inter", "union", "words")
        or (n.kind == "sym" and re.search(r"[^\w']", _DERIVATIVE.sub("", n.value)) is not None)
        for n in node.walk()
    )


def _same_argument(gold: Node, answer: Node) -> tuple[Node, Node]:
    """Give a function's argument the reference's name: f(z) = z is f(x) = x."""
    ours, theirs = gold.value, answer.value
    for mine, other in zip(ours.args, theirs.args, strict=False):
        same_function = ours.kind == theirs.kind and (
            ours.value == theirs.value if ours.kind == "apply" else ours.args[0] == theirs.args[0]
        )
        plain = not _names_event(mine) and not _names_event(other)
        renamed = plain and mine.kind == other.kind == "sym" and mine != other
        if same_function and renamed and mine.value not in symbols(answer.args[0]):
            answer = substitute(answer, other.value, mine)
    return answer, answer.value


def _as_equation(node: Node) -> Node:
    return Node("rel", (node.value, node.args[0]), ("=",))


def quantities(gold: Node, answer: Node, rules: Rules, same: Compare) -> bool | None:
    """Compare values with units or counted nouns.

    One may be missing on one side; where both sides have one, known units must convert and
    others be the same.
    """
    marked, other = (gold, answer) if gold.kind == "quantity" else (answer, gold)
    if other.kind != "quantity" and len(marked.args) > 1:
        # Letters that may be a product are a unit only if the other side has one.
        product = marked.args[1]
        verdict = same(product, other, rules) if marked is gold else same(other, product, rules)
        if verdict:
            return True
    gold, answer = with_bare_unit(gold, answer), with_bare_unit(answer, gold)
    if gold.kind != "quantity" or answer.kind != "quantity":
        if not _fits(marked, other):
            return False
        if len(marked.args) > 1:
            return verdict
        if not _may_be_missing(marked.value, in_gold=marked is gold):
            return None
        bare = marked.args[0]
        return same(bare, other, rules) if marked is gold else same(other, bare, rules)
    ours, theirs = gold.value, answer.value
    if ours == theirs:
        return same(gold.args[0], answer.args[0], rules)
    halves = [re.sub(r"[\W_]", "", text).lower() for text in (ours, theirs)]
    if halves[0] in ("am", "pm") or halves[1] in ("am", "pm"):
        return halves[0] == halves[1] and same(gold.args[0], answer.args[0], rules)
    units = [parse_unit(text) for text in (ours, theirs)]
    value = temperature(gold, answer)
    factor: Fraction | None = None
    if value is not None and value is not answer.args[0]:
        degrees = (temperature(gold, Node("quantity", (number(k),), theirs)) for k in (1, 0))
        one, none = (numeric.exact(degree) for degree in degrees if degree is not None)
        factor = one - none
    if value is None and units[0] is not None and units[1] is not None:
        value = converted(answer.args[0], units[1], units[0])
        ratio = units[1].factor / units[0].factor
        factor = ratio if ratio != 1 else None
    if value is None and units == [None, None] and same_noun(ours, theirs):
        value = answer.args[0]
    if value is None:
        return False
    return same(gold.args[0], value, replace(rules, converted=factor))


def _fits(marked: Node, other: Node) -> bool:
    """Say whether a value without a unit may have the other's.

    A sign of percent or degrees is as good as a unit: no percentage has a unit, and degrees fit
    radians only.
    """
    signs, others = (
        {n.value for n in side.walk() if n.kind == "fn" and n.value in ("percent", "deg")}
        for side in (marked, other)
    )
    known = parse_unit(marked.value)
    angle = known is not None and known == parse_unit("rad")
    return others <= signs or (others == {"deg"} and angle)


def _may_be_missing(unit: str, *, in_gold: bool) -> bool:
    """Say whether a value without this unit, or these words, is the same value."""
    known = parse_unit(unit)
    if known is not None and not in_gold and not any(known.powers):
        return False  # a part per million is a number
    if known is not None or temperature_scale(unit) or unit.lower() in ("am", "pm"):
        return True
    if in_gold:  # its words are trusted to count something, if they say nothing else
        return says_nothing_else(re.sub(r"\bper\b", " ", unit)) and not begins_with_factor(unit)
    return is_counted_noun(unit) or is_remark(unit)

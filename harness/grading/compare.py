"""Deciding whether two answer trees mean the same.

Every function returns ``True``, ``False``, or ``None`` where it cannot tell.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from harness.grading import equations, matrices, numeric, sets
from harness.grading.conversion import converted, temperature, with_bare_unit
from harness.grading.numeric import Reading
from harness.grading.reading import Answer
from harness.grading.scalars import Rules, same_scalars, substitute
from harness.grading.syntax import Node
from harness.grading.units import parse_unit
from harness.grading.wording import same_words
from harness.types import Tolerance

_MAX_PARTS = 400
_MAX_EXPANDED = 64


def same(gold: Answer, answer: Answer, tolerance: Tolerance | None = None) -> bool | None:
    """Compare an answer with the gold under every reading that the notation allows."""
    rules = Rules(tolerance=tolerance, parameters=gold.parameters | answer.parameters)
    verdict = _same(gold.tree, answer.tree, rules)
    if verdict:
        return True
    for reading in _other_readings(gold.tree, answer.tree):
        other = _same(gold.tree, answer.tree, replace(rules, reading=reading))
        if other:
            return True
    return verdict


def _other_readings(gold: Node, answer: Node) -> Iterable[Reading]:
    """List further readings of the notation that one of the two sides uses."""
    nodes = [gold.walk(), answer.walk()]
    marks = [any(n.kind == "fn" and n.value in ("percent", "deg") for n in side) for side in nodes]
    if marks[0] != marks[1]:
        yield Reading(plain_marks=True)
    both = nodes[0] + nodes[1]
    if any(n.kind == "fn" and n.value == "log" and len(n.args) == 1 for n in both):
        yield Reading(log10=True)
    if any(n.kind == "pow" and n.args[1].kind in ("div", "num") for n in both):
        yield Reading(real_roots=True)


def _same(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare two trees by their kinds."""
    gold, answer = _plain(gold), _plain(answer)
    if gold == answer:
        return True
    if _has_pm(gold) or _has_pm(answer):
        return _expanded(gold, answer, rules)
    if gold.kind == "labelled" or answer.kind == "labelled":
        if sets.is_set_like(gold) or sets.is_set_like(answer):
            verdict = _as_sets(gold, answer)
            if verdict is not None:
                return verdict
        return _labelled(gold, answer, rules)
    if gold.kind == "quantity" or answer.kind == "quantity":
        return _quantities(gold, answer, rules)
    if gold.kind == "words" or answer.kind == "words":
        return same_words(gold, answer)
    if sets.is_set_like(gold) or sets.is_set_like(answer):
        return _sets(gold, answer, rules)
    if matrices.occur(gold) or matrices.occur(answer):
        return _matrices(gold, answer, rules)
    if gold.kind in _COLLECTIONS or answer.kind in _COLLECTIONS:
        return _collections(gold, answer, rules)
    if gold.kind == "ratio" or answer.kind == "ratio":
        return _ratios(gold, answer, rules)
    if answer.kind == "rel" and gold.kind != "rel" and not numeric.symbols(answer):
        return _same(gold, answer.args[-1], rules)  # 5 + 3 = 8
    if gold.kind == "rel" or answer.kind == "rel":
        return equations.same(gold, answer, rules.reading)
    return same_scalars(gold, answer, rules)


_COLLECTIONS = frozenset(("list", "tuple", "set", "and", "or", "realset"))


def _plain(node: Node) -> Node:
    """Unwrap brackets around a single thing."""
    while node.kind == "tuple" and len(node.args) == 1:
        node = node.args[0]
    return node


# -- plus-minus ------------------------------------------------------------------------------


def _has_pm(node: Node) -> bool:
    return any(n.kind == "pm" for n in node.walk())


def _expanded(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Write out both signs; several signs in one answer may go together or freely."""
    verdict: bool | None = False
    for together in itertools.product((True, False), repeat=2):
        ours, theirs = (_signs(n, t) for n, t in zip((gold, answer), together, strict=True))
        if len(ours) > _MAX_EXPANDED or len(theirs) > _MAX_EXPANDED:
            return None
        verdict = _multisets(ours, theirs, rules)
        if verdict:
            return True
    return verdict


def _signs(node: Node, together: bool) -> list[Node]:
    """Expand the plus-minus signs of an answer into a list of answers."""
    if node.kind in ("list", "or", "set"):
        return [found for arg in node.args for found in _signs(arg, together)]
    count = sum(n.kind == "pm" for n in node.walk())
    if count == 0:
        return [node]
    if count > 6:
        return [node] * (_MAX_EXPANDED + 1)
    choices = [(1,) * count, (-1,) * count]
    if not together:
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


# -- labels, units, words --------------------------------------------------------------------


def _labelled(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare values with names: a name may be missing on one side, but not differ."""
    if gold.kind == "labelled" and answer.kind == "labelled":
        ours, theirs = gold.value, answer.value
        if isinstance(ours, Node) and isinstance(theirs, Node):
            answer, theirs = _same_argument(gold, answer)
            if ours != theirs and not _same_name(ours, theirs):
                return equations.same(_as_equation(gold), _as_equation(answer), rules.reading)
        return _same(gold.args[0], answer.args[0], rules)
    if gold.kind == "labelled":
        if answer.kind == "rel" and isinstance(gold.value, Node):
            return equations.same(_as_equation(gold), answer, rules.reading)
        return _same(gold.args[0], answer, rules)
    if gold.kind == "rel" and isinstance(answer.value, Node):
        return equations.same(gold, _as_equation(answer), rules.reading)
    if gold.kind == "list" and all(arg.kind == "labelled" for arg in gold.args):
        # f(n) = n, g(n) = 1 against (f(n), g(n)) = (n, 1)
        return _same(
            Node("tuple", tuple(arg.args[0] for arg in gold.args), "(("), answer.args[0], rules
        )
    return _same(gold, answer.args[0], rules)


def _same_name(ours: Node, theirs: Node) -> bool:
    names = [re.sub(r"[\s{}]", "", str(n.value)) for n in (ours, theirs) if n.kind == "words"]
    return len(names) == 2 and names[0].lower() == names[1].lower()


def _same_argument(gold: Node, answer: Node) -> tuple[Node, Node]:
    """Give a function's argument the gold's name: f(z) = z is f(x) = x."""
    ours, theirs = gold.value, answer.value
    for mine, other in zip(ours.args, theirs.args, strict=False):
        same_function = ours.kind == theirs.kind and (
            ours.value == theirs.value if ours.kind == "apply" else ours.args[0] == theirs.args[0]
        )
        if same_function and mine.kind == other.kind == "sym" and mine != other:
            answer = substitute(answer, other.value, mine)
    return answer, answer.value


def _as_equation(node: Node) -> Node:
    return Node("rel", (node.value, node.args[0]), ("=",))


def _quantities(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare values with units: known units must convert; a missing or unknown one is no error."""
    gold, answer = with_bare_unit(gold, answer), with_bare_unit(answer, gold)
    units = [parse_unit(n.value) if n.kind == "quantity" else None for n in (gold, answer)]
    values = [n.args[0] if n.kind == "quantity" else n for n in (gold, answer)]
    halves = {re.sub(r"[\W_]", "", n.value).lower() for n in (gold, answer) if n.kind == "quantity"}
    if halves == {"am", "pm"}:
        return False
    if units[0] is None or units[1] is None:
        return _same(values[0], values[1], rules)
    if gold.value.strip() == answer.value.strip():
        return _same(values[0], values[1], rules)
    value = temperature(gold, answer) or converted(values[1], units[1], units[0])
    return False if value is None else _same(values[0], value, rules)


# -- collections -----------------------------------------------------------------------------


def _collections(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare lists and sets (unordered), tuples (ordered)."""
    if gold.kind == "realset" or answer.kind == "realset":
        return False
    if gold.kind == "tuple" and answer.kind == "tuple":
        return _ordered(gold, answer, rules)
    if gold.kind == "tuple":
        # (a, b) may be written as bare "a, b" or "x = a, y = b", but is no set.
        return False if answer.kind != "list" else _sequence(gold.args, answer.args, rules)
    ours = gold.args if gold.kind in _COLLECTIONS else (gold,)
    theirs = answer.args if answer.kind in _COLLECTIONS else (answer,)
    if gold.kind != "set" and answer.kind == "tuple":
        if answer.value != "[[" and gold.kind not in ("list", "and", "or"):
            return False
        if answer.value == "((" and gold.kind == "list":
            return _sequence(ours, theirs, rules)
    elif answer.kind == "tuple":
        return False
    if "set" in (gold.kind, answer.kind):
        return _multisets(_distinct(ours, rules), _distinct(theirs, rules), rules)
    if _names_in_order(gold, answer):
        return _sequence(ours, theirs, rules)
    if any(part.kind == "list" for part in (*ours, *theirs)) and _multisets(ours, theirs, rules):
        return True
    return _multisets(_flat(ours), _flat(theirs), rules)


def _flat(parts: Iterable[Node]) -> list[Node]:
    """Write nested lists ("p=5, q=2 and p=7, q=2") as one."""
    found: list[Node] = []
    for part in parts:
        found.extend(_flat(part.args) if part.kind in ("list", "and", "or") else (part,))
    return found


def _names_in_order(gold: Node, answer: Node) -> bool:
    """Say whether distinct names on the gold side only fix the order of the answer."""
    if gold.kind != "list" or answer.kind not in ("list", "tuple"):
        return False
    names = [str(arg.value) for arg in gold.args if arg.kind == "labelled"]
    named = any(arg.kind == "labelled" for arg in answer.args)
    return len(names) == len(gold.args) == len(set(names)) and not named


def _ordered(gold: Node, answer: Node, rules: Rules) -> bool | None:
    if gold.value != answer.value and len(gold.args) == 2 and len(answer.args) == 2:
        verdict = _as_sets(gold, answer)
        if verdict is not None:
            return verdict
    return _sequence(gold.args, answer.args, rules)


def _sequence(gold: Iterable[Node], answer: Iterable[Node], rules: Rules) -> bool | None:
    ours, theirs = list(gold), list(answer)
    if len(ours) != len(theirs):
        return False
    return _all(lambda pair: _same(pair[0], pair[1], rules), zip(ours, theirs, strict=True))


def _all(
    test: Callable[[tuple[Node, Node]], bool | None], pairs: Iterable[tuple[Node, Node]]
) -> bool | None:
    verdict: bool | None = True
    for pair in pairs:
        found = test(pair)
        if found is False:
            return False
        verdict = None if found is None else verdict
    return verdict


def _distinct(parts: Iterable[Node], rules: Rules) -> list[Node]:
    """Drop repeated elements."""
    found: list[Node] = []
    for part in parts:
        if len(found) > 50 or not any(_same(other, part, rules) for other in found):
            found.append(part)
    return found


def _multisets(gold: Iterable[Node], answer: Iterable[Node], rules: Rules) -> bool | None:
    """Match parts one to one, in any order."""
    ours, theirs = list(gold), list(answer)
    if len(ours) != len(theirs) or len(ours) > _MAX_PARTS:
        return False
    unsure = False
    for part in ours:
        match = -1
        for i, other in enumerate(theirs):
            verdict = _same(part, other, rules)
            if verdict:
                match = i
                break
            unsure = unsure or verdict is None
        if match < 0:
            return None if unsure else False
        del theirs[match]
    return True


def _ratios(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare a : b by its quotient, longer ratios and times of day part by part."""
    ours, theirs = _terms(gold), _terms(answer)
    if len(ours) == len(theirs) > 1:
        if all(same_scalars(a, b, rules) for a, b in zip(ours, theirs, strict=True)):
            return True
        if any(numeric.approximate(term) == 0 for term in ours + theirs):
            return False  # 12:00 is a time of day
        pairs = zip(itertools.pairwise(ours), itertools.pairwise(theirs), strict=True)
        return all(same_scalars(_cross(a[0], b[1]), _cross(a[1], b[0]), rules) for a, b in pairs)
    if len(ours) > 2 or len(theirs) > 2:
        return False
    quotients = [Node("div", (t[0], t[1])) if len(t) == 2 else t[0] for t in (ours, theirs)]
    return same_scalars(quotients[0], quotients[1], rules)


def _cross(left: Node, right: Node) -> Node:
    return Node("mul", (left, right))


def _terms(node: Node) -> list[Node]:
    if node.kind != "ratio":
        return [node]
    return _terms(node.args[0]) + _terms(node.args[1])


def _matrices(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare matrices entry by entry; a vector may be written as a tuple."""
    gold, answer = (matrices.calculated(n) for n in (gold, answer))
    rows = [n.args if n.kind == "matrix" else None for n in (gold, answer)]
    if rows[0] is not None and rows[1] is not None:
        if len(rows[0]) != len(rows[1]):
            return False
        return _all(
            lambda pair: _sequence(pair[0].args, pair[1].args, rules), zip(*rows, strict=True)
        )
    vectors = [_vector(n) for n in (gold, answer)]
    if vectors[0] is None or vectors[1] is None:
        return False
    return _sequence(vectors[0], vectors[1], rules)


def _vector(node: Node) -> tuple[Node, ...] | None:
    if node.kind == "tuple":
        return node.args
    if node.kind != "matrix":
        return None
    if len(node.args) == 1:
        return node.args[0].args
    if all(len(row.args) == 1 for row in node.args):
        return tuple(row.args[0] for row in node.args)
    return None


# -- sets of numbers -------------------------------------------------------------------------


def _sets(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare as sets of real numbers, else as conditions."""
    verdict = _as_sets(gold, answer)
    if verdict is not None:
        return verdict
    if gold.kind == answer.kind and len(gold.args) == len(answer.args):
        if gold.kind in ("and", "or", "union", "inter"):
            return _multisets(gold.args, answer.args, rules) or None
        if gold.kind == "in":
            return _sequence(gold.args, answer.args, rules) or None
        if gold.kind == "tuple":
            return gold.value == answer.value and _sequence(gold.args, answer.args, rules)
    if gold.kind == "rel" or answer.kind == "rel":
        return equations.same(gold, answer, rules.reading)
    return None


def _as_sets(gold: Node, answer: Node) -> bool | None:
    for node in (gold, answer):
        if node.kind == "labelled" and not isinstance(node.value, Node):
            return None
        if node.kind == "list" and not any(sets.is_set_like(arg) for arg in node.args):
            return None
    gold, answer = _unknowns_named(gold), _unknowns_named(answer)
    variables = [_variable(n) for n in (gold, answer)]
    names = [{n.value for n in side.walk() if n.kind == "sym"} for side in (gold, answer)]
    if (
        variables[0]
        and variables[1]
        and variables[0] != variables[1]
        and not _builders(gold, answer)
    ):
        return False if len(names[0]) == len(names[1]) == 1 else None
    parameters = (names[0] - {variables[0]}) | (names[1] - {variables[1]})
    for point in sets.parameter_points(parameters):
        try:
            ours, theirs = sets.read_set(gold, point), sets.read_set(answer, point)
        except sets.NotASet:
            return None
        if not sets.same_sets(ours, theirs):
            return False
    return True


def _unknowns_named(node: Node) -> Node:
    """Read ``0 < f(x) < 1`` as a condition on one unknown number."""
    if node.kind == "apply":
        return Node("sym", value=f"{node.value}()")
    if not node.args:
        return node
    return Node(node.kind, tuple(_unknowns_named(arg) for arg in node.args), node.value)


def _builders(gold: Node, answer: Node) -> bool:
    return "builder" in (gold.kind, answer.kind)


def _variable(node: Node) -> str:
    """Name the variable a condition is about."""
    for n in node.walk():
        if n.kind == "in" and n.args[0].kind == "sym":
            return str(n.args[0].value)
        if n.kind == "builder":
            inner = [m.value for m in n.args[0].walk() if m.kind == "sym"]
            return str(inner[0]) if inner else ""
    if node.kind == "labelled":
        return str(node.value.value) if node.value.kind == "sym" else ""
    for n in node.walk():
        if n.kind == "rel":
            alone = [arg.value for arg in n.args if arg.kind == "sym"]
            symbols = sorted(numeric.symbols(n))
            if alone or symbols:
                middle = n.args[1] if len(n.args) == 3 and n.args[1].kind == "sym" else None
                return str(middle.value if middle else alone[0] if alone else symbols[0])
    return ""

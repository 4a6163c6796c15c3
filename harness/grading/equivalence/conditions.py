"""Compare the conditions that both sides put on their variables: "k is an integer", "for n ≥ 1"."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from harness.grading.equivalence import numeric
from harness.grading.equivalence.answer import Answer
from harness.grading.equivalence.labels_and_units import COLLECTIONS
from harness.grading.equivalence.scalars import INDICES, is_family, is_free
from harness.grading.parsing.qualifiers import same_domain
from harness.grading.parsing.tree import Node, substitute, symbols

Same = Callable[[Iterable[Node], Iterable[Node]], bool]
#: Where what is counted or measured usually begins.
_STARTS = range(4)


def names(side: Answer) -> set[str]:
    """Name what a side's conditions speak of."""
    return symbols(Node("list", side.conditions))


def count_alike(gold: Answer, answer: Answer) -> bool:
    """Say whether both count with some letter: "2^k for k > 2" is "2^n for n > 2"."""
    return all(len(names(side)) == 1 and names(side) <= INDICES for side in (gold, answer))


def agree(gold: Answer, answer: Answer, same: Same) -> bool:
    """Compare what both sides say of their names.

    The reference's conditions may be missing. Where it has none, the answer may repeat the premise
    of such a formula ("for n ≥ 1"), but not choose from a family or from the values of a constant.
    """
    counted = symbols(gold.tree) & gold.domains.keys()
    chosen = symbols(gold.tree) & answer.domains.keys()
    if counted and chosen and not counted & chosen:
        return False  # "ak, k in Z" gives other numbers than "ak, a in Z"
    for name, said in answer.domains.items():
        if name in gold.domains and not same_domain(gold.domains[name], said):
            return False
        if name not in gold.domains and not _is_widest(name, said, gold.tree):
            return False
    if not answer.conditions:
        return True
    if not gold.conditions:
        return all(_is_premise(condition, gold) for condition in answer.conditions)
    theirs = Node("list", answer.conditions)
    mine, others = names(gold), names(answer)
    if mine != others and len(mine) == len(others) == 1:
        used = _names_within(answer.tree)
        if mine & used or not others & used:
            return False  # "where m ≥ 1" says nothing of n
        theirs = substitute(theirs, next(iter(others)), Node("sym", value=next(iter(mine))))
    return same(gold.conditions, theirs.args)


def _is_widest(name: str, domain: str, gold: Node) -> bool:
    """Say whether a set of numbers leaves out nothing of the reference's family, if it is one."""
    if gold.kind in COLLECTIONS or gold.kind == "labelled":
        return all(_is_widest(name, domain, part) for part in gold.args)
    if is_free(gold, name):
        return same_domain(domain, "")
    return domain == "Z" or not is_family(gold, name)


def _is_premise(condition: Node, gold: Answer) -> bool:
    """Say whether a condition is no more than the reference takes for granted."""
    used = symbols(condition)
    chosen = any(not _is_widest(name, "R+", gold.tree) for name in used)
    parts = {gold.domains.get(name, "N")[-1:] for name in used}
    known = used <= _names_within(gold.tree) and parts <= {"N", "+"}
    return known and not chosen and _is_usual(condition)


def _names_within(node: Node) -> set[str]:
    """Name the symbols of an answer, the arguments of a function that it defines among them."""
    named = node.kind == "labelled" and isinstance(node.value, Node) and node.value.args
    return symbols(node) | (_names_within(node.value) if named else set())


def _is_usual(condition: Node) -> bool:
    """Say whether a condition only repeats what such formulas are usually for.

    So does a start at a small number (n ≥ 1, a > 0), and the exclusion of single points.
    """
    if len(condition.args) != 2:
        return False
    (left, right), sign = condition.args, condition.value[0]
    if sign == "!=":
        return True
    bound = numeric.approximate(right if sign in (">", ">=") else left)
    return bound is not None and bound in _STARTS and Fraction(bound).denominator == 1

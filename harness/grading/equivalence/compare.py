"""Deciding whether two answer trees mean the same.

Every function returns ``True``, ``False``, or ``None`` where it cannot tell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from harness.grading.equivalence import (
    conditions,
    congruences,
    equations,
    matrices,
    numeric,
    plus_minus,
    sequences,
    set_comparison,
    sets,
)
from harness.grading.equivalence.answer import Answer
from harness.grading.equivalence.labels_and_units import (
    COLLECTIONS,
    in_order_of_names,
    labelled,
    names_in_order,
    quantities,
    without_names,
)
from harness.grading.equivalence.numeric import Reading
from harness.grading.equivalence.scalars import Rules, same_scalars
from harness.grading.parsing.postprocess import with_one_imaginary_unit
from harness.grading.parsing.tree import Node, number, substitute, symbols, vector_entries
from harness.grading.parsing.wording import phrase, same_words
from harness.types import Tolerance

_T = TypeVar("_T")
_MAX_PARTS = 400


def same(gold: Answer, answer: Answer, tolerance: Tolerance | None = None) -> bool | None:
    """Compare an answer with the reference under every reading that the notation allows."""
    rules = Rules(
        tolerance=tolerance,
        whole=gold.whole | answer.whole,
        ours=gold.domains,
        theirs=answer.domains,
    )
    if not conditions.agree(gold, answer, lambda one, other: bool(_multisets(one, other, rules))):
        return None
    if conditions.count_alike(gold, answer):
        said = [dict.fromkeys(conditions.names(side), "Z") for side in (gold, answer)]
        rules = replace(rules, ours={**said[0], **rules.ours}, theirs={**said[1], **rules.theirs})
    ours, theirs = with_one_imaginary_unit(gold.tree, answer.tree)
    verdict = _same(ours, theirs, rules)
    if verdict:
        return True
    for reading in _other_readings(ours, theirs):
        other = _same(ours, theirs, replace(rules, reading=reading))
        if other:
            return True
    return verdict


def _other_readings(gold: Node, answer: Node) -> Iterable[Reading]:
    """List further readings of the notation that one of the two sides uses."""
    marks = [_marks(side) for side in (gold, answer)]
    united = any(n.kind == "quantity" for n in (*gold.walk(), *answer.walk()))
    if None not in marks and bool(marks[0]) != bool(marks[1]) and not united:
        yield Reading(plain_marks=True)
    both = gold.walk() + answer.walk()
    if any(n.kind == "fn" and n.value == "log" and len(n.args) == 1 for n in both):
        yield Reading(log10=True)
    if any(n.kind == "pow" and _is_fraction(n.args[1]) for n in both):
        yield Reading(real_roots=True)


def _marks(node: Node) -> set[str] | None:
    """Name the signs of percent and degrees; ``None`` where one cannot have been left out.

    20% of 50 is 10 and never 1000: percent may be missing only where it closes a value.
    """
    if node.kind == "fn" and node.value == "percent":
        return None if _marks(node.args[0]) else {"percent"}
    inside = [_marks(arg) for arg in node.args]
    if None in inside:
        return None
    found = {mark for marks in inside for mark in marks or ()}
    if "percent" in found and node.kind in COLLECTIONS:
        parts = zip(node.args, inside, strict=True)
        if any("percent" not in (marks or ()) and part != number(0) for part, marks in parts):
            return None  # -3, 5 is not -3%, 5
    if "percent" in found and node.kind in ("add", "mul", "div", "pow", "fn"):
        return None
    if "deg" in found and node.kind == "fn" and node.value != "deg":
        return None  # sin 30 is not sin 30°
    return found | ({"deg"} if node.kind == "fn" and node.value == "deg" else set())


def _is_fraction(exponent: Node) -> bool:
    if exponent.kind == "neg":
        return _is_fraction(exponent.args[0])
    return exponent.kind == "div" or (exponent.kind == "num" and exponent.value.denominator > 1)


def _same(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare two trees by their kinds."""
    gold, answer = _plain(gold), _plain(answer)
    if gold == answer:
        return True
    if gold.kind == "rel" and gold.value == ("=",):
        verdict = _solutions(gold, answer, rules)
        if verdict is not None:
            return verdict
    gold, answer = _excluded(gold), _excluded(answer)
    if plus_minus.occurs(gold) or plus_minus.occurs(answer):
        return _expanded(gold, answer, rules)
    if gold.kind == "congruent" or answer.kind == "congruent":
        said = (rules.ours, rules.theirs)
        if any(domain not in ("Z", "") for side in said for domain in side.values()):
            return None
        return congruences.same(gold, answer)
    families = sets.family(gold), sets.family(answer)
    if any(families):
        return _families(gold, answer, families, rules)
    if gold.kind == "labelled" or answer.kind == "labelled":
        if sets.is_set_like(gold) or sets.is_set_like(answer):
            verdict = set_comparison.same(gold, answer, rules.whole)
            if verdict is not None:
                return verdict
        return labelled(gold, answer, rules, _same)
    if gold.kind == "quantity" or answer.kind == "quantity":
        return quantities(gold, answer, rules, _same)
    if {gold.kind, answer.kind} == {"and", "or"} and any(
        n.kind in ("words", "sym") for n in gold.args
    ):
        return False
    if {"words", "property"} & {gold.kind, answer.kind}:
        return same_words(gold, answer)
    if sets.is_set_like(gold) or sets.is_set_like(answer):
        return _sets(gold, answer, rules)
    if matrices.occurs(gold) or matrices.occurs(answer):
        return _matrices(gold, answer, rules)
    if gold.kind in COLLECTIONS or answer.kind in COLLECTIONS:
        return _collections(gold, answer, rules)
    if gold.kind == "ratio" or answer.kind == "ratio":
        return _ratios(gold, answer, rules)
    result = answer.kind == "rel" and answer.value == ("=",) and gold.kind != "rel"
    if result and not symbols(gold) and not all(map(symbols, answer.args)):
        return _calculation(gold, answer, rules)
    if gold.kind == "rel" or answer.kind == "rel":
        return equations.same(gold, answer, rules.reading)
    return same_scalars(gold, answer, rules)


def _plain(node: Node) -> Node:
    """Unwrap brackets around a single thing; name the sets that have a name in words."""
    while node.kind == "tuple" and len(node.args) == 1:
        node = node.args[0]
    return phrase(node.value) or node if node.kind == "words" else node


def _excluded(node: Node) -> Node:
    """Read x != +-2, and a list of such relations, as conditions that hold together."""
    if node.kind == "rel" and node.value == ("!=",) and plus_minus.occurs(node):
        return Node("and", tuple(plus_minus.expanded(node)))
    if node.kind == "list" and all(n.kind == "rel" and n.value == ("!=",) for n in node.args):
        return Node("and", node.args)
    return node


def _solutions(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Say whether an equation's solutions are given; ``None`` if the answer lists no numbers."""
    count = sum(n.kind == "pm" for n in answer.walk())
    if count > 1 or not (count or answer.kind in ("list", "or", "set")):
        return None
    values = plus_minus.expanded(answer)
    name = Node("sym", value=next(iter(symbols(gold)), ""))
    numbers = [v.args[0] if v.kind == "labelled" and v.value == name else v for v in values]
    if any(n.kind in COLLECTIONS or n.kind in ("rel", "labelled", "words") for n in numbers):
        return None
    solved = equations.of_solutions(gold, numbers)
    return None if solved is None else equations.same(gold, solved, rules.reading)


def _calculation(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Take the result of ``5 + 3 = 8`` if it is one, or what is said of several names (m + n)."""
    left, right = sorted(answer.args, key=lambda side: not symbols(side))
    if symbols(left):
        return _same(gold, right, rules) if _is_sought(left) else False
    left, right = answer.args
    if not same_scalars(right, left, rules):
        return None
    return _same(gold, right, rules)


# -- plus-minus ------------------------------------------------------------------------------


def _expanded(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Write out both signs; several signs in one answer are free, unless one is minus-plus."""
    ours, theirs = plus_minus.expanded(gold), plus_minus.expanded(answer)
    if len(ours) > plus_minus.MAX_VALUES or len(theirs) > plus_minus.MAX_VALUES:
        return None
    return _multisets(ours, theirs, rules)


def _is_sought(node: Node) -> bool:
    """Say whether an expression in several names is what a question may have asked for: m + n."""
    return len(symbols(node)) > 1 and not any(
        n.kind == "add" and any(arg.kind == "num" for arg in n.args) for n in node.walk()
    )


# -- collections -----------------------------------------------------------------------------


def _collections(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare lists and sets (unordered), tuples (ordered)."""
    answer = without_names(gold, answer)
    if sequences.has_dots(gold) or sequences.has_dots(answer):
        return _dotted(gold, answer, rules)
    if gold.kind == "tuple" and answer.kind == "tuple":
        return _ordered(gold, answer, rules)
    if gold.kind == "tuple":
        # (a, b) may be written as bare "a, b" or "x = a, y = b", but is no set.
        if answer.kind not in ("list", "and") or (gold.value == "[[" and len(gold.args) == 2):
            return False
        if not in_order_of_names(answer.args):
            return None
        return _sequence(gold.args, answer.args, rules)
    ours = gold.args if gold.kind in COLLECTIONS else (gold,)
    theirs = answer.args if answer.kind in COLLECTIONS else (answer,)
    if gold.kind != "set" and answer.kind == "tuple":
        if answer.value != "[[" and gold.kind not in ("list", "and", "or"):
            return False
        if answer.value == "[[" and len(theirs) == 2:
            return False  # [1, 3] is an interval
        if answer.value == "((" and gold.kind == "list":
            return _sequence(ours, theirs, rules)
    elif answer.kind == "tuple":
        return False
    if "set" in (gold.kind, answer.kind):
        return _multisets(_distinct(_flat(ours), rules), _distinct(_flat(theirs), rules), rules)
    if names_in_order(gold, answer):
        return _sequence(ours, theirs, rules)
    if any(part.kind == "list" for part in (*ours, *theirs)) and _multisets(ours, theirs, rules):
        return True
    return _multisets(_flat(ours), _flat(theirs), rules)


def _dotted(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare lists with dots, in which order counts."""
    gold, answer = sequences.written_out(gold), sequences.written_out(answer)
    dots = sequences.has_dots(gold), sequences.has_dots(answer)
    if not any(dots):
        return _collections(gold, answer, rules)
    kinds = {gold.kind, answer.kind}
    if not all(dots) or kinds == {"set", "tuple"}:
        return False
    found = sequences.progression(gold), sequences.progression(answer)
    if None not in found:
        return found[0] == found[1]
    return _sequence(gold.args, answer.args, rules)


def _flat(parts: Iterable[Node]) -> list[Node]:
    """Write nested lists ("p=5, q=2 and p=7, q=2") as one."""
    found: list[Node] = []
    for part in parts:
        found.extend(_flat(part.args) if part.kind in ("list", "and", "or") else (part,))
    return found


def _ordered(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare tuples; of two parts they may be intervals, so that their brackets count."""
    if gold.value != answer.value and len(gold.args) == len(answer.args) == 2:
        return False
    return _sequence(gold.args, answer.args, rules)


def _sequence(gold: Iterable[Node], answer: Iterable[Node], rules: Rules) -> bool | None:
    ours, theirs = list(gold), list(answer)
    if len(ours) != len(theirs):
        return False
    return _all(lambda pair: _same(pair[0], pair[1], rules), zip(ours, theirs, strict=True))


def _all(
    test: Callable[[tuple[_T, _T]], bool | None], pairs: Iterable[tuple[_T, _T]]
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
    if len({side.kind == "ratio" and side.value == "time" for side in (gold, answer)}) > 1:
        return False  # 3:04 is a time of day
    if len(ours) == len(theirs) > 1:
        if all(a == b or same_scalars(a, b, rules) for a, b in zip(ours, theirs, strict=True)):
            return True
        if _is_time(ours):
            return False
        if any(numeric.approximate(term) == 0 for term in ours + theirs):
            return False  # 12:00 is a time of day
        pairs = zip(itertools.pairwise(ours), itertools.pairwise(theirs), strict=True)
        return all(same_scalars(_cross(a[0], b[1]), _cross(a[1], b[0]), rules) for a, b in pairs)
    if len(ours) > 2 or len(theirs) > 2 or (len(ours) == 2 and _is_time(ours)):
        return False
    if any(numeric.approximate(term) == 0 for term in ours + theirs):
        return False
    if len(ours) == 2 and _is_time(ours):
        return False
    quotients = [Node("div", (t[0], t[1])) if len(t) == 2 else t[0] for t in (ours, theirs)]
    return same_scalars(quotients[0], quotients[1], rules)


def _is_time(terms: list[Node]) -> bool:
    """Say whether a : b may be a time of day: minutes have two digits."""
    hours, minutes = (numeric.approximate(term) for term in terms[:2])
    return (
        len(terms) == 2
        and hours is not None
        and minutes is not None
        and hours.denominator == minutes.denominator == 1
        and 0 <= hours <= 24
        and 10 <= minutes < 60
        and math.gcd(int(hours), int(minutes)) > 1
    )


def _cross(left: Node, right: Node) -> Node:
    return Node("mul", (left, right))


def _terms(node: Node) -> list[Node]:
    if node.kind != "ratio":
        return [node]
    return _terms(node.args[0]) + _terms(node.args[1])


def _matrices(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare matrices entry by entry; a vector may be written as a tuple."""
    gold, answer = (matrices.calculated(n) for n in (gold, answer))
    if not matrices.occurs(gold) and not matrices.occurs(answer):
        return _same(gold, answer, rules)
    rows = [matrices.rows(n) for n in (gold, answer)]
    if rows[0] is not None and rows[1] is not None:
        if len(rows[0]) != len(rows[1]):
            return False
        pairs = zip(*rows, strict=True)
        return _all(lambda pair: _sequence(pair[0], pair[1], rules), pairs)
    if gold.kind == "tuple" and gold.value == "[[" and len(gold.args) == 2:
        return False  # [1, 3] is an interval
    vectors = [vector_entries(n) for n in (gold, answer)]
    if vectors[0] is None or vectors[1] is None:
        return None if "matrix" not in (gold.kind, answer.kind) else False
    return _sequence(vectors[0], vectors[1], rules)


# -- sets of numbers -------------------------------------------------------------------------


def _sets(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare as sets of real numbers, else part by part or as relations."""
    if {gold.kind, answer.kind} & _OPERATIONS:  # TeX loses the braces of {1}
        gold, answer = (Node("set", (n,)) if n.kind in _SINGLE else n for n in (gold, answer))
    verdict = set_comparison.same(gold, answer, rules.whole)
    if verdict:
        return True
    if _part_by_part(gold, answer, rules):
        return True
    if verdict is None and gold.kind == answer.kind == "rel":
        return equations.same(gold, answer, rules.reading)
    return verdict


_OPERATIONS = frozenset(("union", "inter", "minus", "add"))
_SINGLE = frozenset(("num", "neg", "div"))


def _families(
    gold: Node, answer: Node, families: tuple[sets.Family | None, ...], rules: Rules
) -> bool | None:
    """Compare {k pi : k in Z} with another such set, or with "k pi, k in Z"."""
    formulas, letters = [], []
    for side, found, said in zip((gold, answer), families, (rules.ours, rules.theirs), strict=True):
        integers = {name for name, domain in said.items() if domain == "Z"}
        counting = {found.letter} if found else symbols(side) & integers
        if not counting or (found is None and sets.is_set_like(side)):
            return None
        formulas.append(found.formula if found else side)
        letters.append(counting)
    for counting, formula, other in zip(letters, formulas[::-1], letters[::-1], strict=True):
        if counting & symbols(formula) - other:
            return None  # what runs on one side stands for one number on the other
    names = frozenset(found.letter for found in families if found)
    within = replace(
        rules,
        whole=rules.whole | names,
        ours={**rules.ours, **dict.fromkeys(names, "Z")},
        theirs={**rules.theirs, **dict.fromkeys(names, "Z")},
    )
    return _same(formulas[0], formulas[1], within)


def _part_by_part(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare what is written in the same way; ends of intervals have a number's tolerance."""
    if gold.kind != answer.kind:
        return None
    match gold.kind:
        case "and" | "or" | "union" | "inter":
            ours, theirs = (list(_operands(n, gold.kind)) for n in (gold, answer))
            return _multisets(ours, theirs, rules)
        case "minus" | "in" | "notin":
            return _sequence(gold.args, answer.args, rules)
        case "tuple":
            return gold.value == answer.value and _sequence(gold.args, answer.args, rules)
        case "builder":
            return _builders(gold, answer, rules)
    return None


def _operands(node: Node, kind: str) -> Iterator[Node]:
    for arg in node.args:
        yield from _operands(arg, kind) if arg.kind == kind else (arg,)


def _builders(gold: Node, answer: Node, rules: Rules) -> bool | None:
    """Compare {2n : n in Z} with {2k : k in Z}: elements and conditions, under one name."""
    names = [symbols(n) for n in (gold, answer)]
    if len(names[0]) == len(names[1]) == 1:
        answer = substitute(answer, names[1].pop(), Node("sym", value=names[0].pop()))
    return _sequence(gold.args, answer.args, rules)

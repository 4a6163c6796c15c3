"""Sets, inequalities and equations: what is equal is proven, what is not is never accepted."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.grading import grade
from harness.grading.equivalence.answer import read
from harness.grading.equivalence.compare import same
from harness.types import Status

SETTINGS = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
SIZES = st.sampled_from([Fraction(1, 10**12), Fraction(1, 1000), 1, 60, 10**6, 10**11])
ENDS = st.builds(
    lambda whole, part, size: Fraction(whole, part) * size,
    st.integers(-99, 99),
    st.integers(1, 9),
    SIZES,
)
BRACKETS = st.tuples(st.sampled_from("(["), st.sampled_from(")]"))


def tex(value: Fraction) -> str:
    if value.denominator == 1:
        return f"{value.numerator}"
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def interval(low: Fraction, high: Fraction, brackets: tuple[str, str]) -> str:
    return f"{brackets[0]}{tex(low)}, {tex(high)}{brackets[1]}"


def accepted(gold: str, answer: str) -> bool:
    return grade(gold=gold, answer=answer).correct


@SETTINGS
@given(ENDS, ENDS, BRACKETS, st.integers(1, 50))
def test_an_interval_is_its_inequality_and_no_other_one(
    low: Fraction, high: Fraction, brackets: tuple[str, str], factor: int
) -> None:
    assume(low < high)
    gold = interval(low, high, brackets)
    less = ["<" if mark in "()" else r"\le" for mark in brackets]
    assert accepted(gold, f"{tex(low)} {less[0]} x {less[1]} {tex(high)}")
    assert accepted(gold, f"{tex(factor * low)} {less[0]} {factor}x {less[1]} {tex(factor * high)}")
    flipped = {"(": "[", "[": "(", ")": "]", "]": ")"}
    for wrong in (
        interval(low, high, (flipped[brackets[0]], brackets[1])),
        interval(low, high, (brackets[0], flipped[brackets[1]])),
        interval(high, low, brackets),
        f"{tex(low)} {less[0]} x {less[1]} {tex(high + Fraction(1, 10**30))}",
        f"{tex(low - Fraction(1, 10**13))} {less[0]} x {less[1]} {tex(high)}",
        interval(low, high * 10 + 1, brackets),
        f"{tex(low)} {less[0]} x {less[1]} {tex(high + 1)}",
        f"x {less[1]} {tex(high)}",
    ):
        assert not accepted(gold, wrong), wrong


def polynomial(coefficients: list[Fraction]) -> str:
    return " + ".join(f"({tex(c)}) x^{k}" for k, c in enumerate(coefficients) if c) or "0"


def expanded(zeros: list[Fraction]) -> list[Fraction]:
    product = [Fraction(1)]
    for zero in zeros:
        shifted, scaled = [Fraction(0), *product], [-zero * c for c in product] + [Fraction(0)]
        product = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return product


@SETTINGS
@given(st.lists(ENDS, min_size=1, max_size=4, unique=True), st.integers(0, 3), SIZES)
def test_a_polynomial_inequality_is_solved_exactly(
    zeros: list[Fraction], place: int, change: Fraction
) -> None:
    zeros.sort(reverse=True)
    coefficients = expanded(zeros)
    parts = [r"x > " + tex(zeros[0])]
    parts += [
        f"{tex(low)} < x < {tex(high)}" for high, low in zip(zeros[1::2], zeros[2::2], strict=False)
    ]
    if len(zeros) % 2 == 0:
        parts.append(f"x < {tex(zeros[-1])}")
    solved = r" \text{ or } ".join(parts)
    assert accepted(f"{polynomial(coefficients)} > 0", solved)
    assert not accepted(f"{polynomial(coefficients)} \\ge 0", solved)
    assert not accepted(f"{polynomial(coefficients)} < 0", solved)
    coefficients[min(place, len(zeros) - 1)] += change
    assert not accepted(f"{polynomial(coefficients)} > 0", solved)


TERMS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(-99, 99).filter(bool),
    min_size=2,
    max_size=5,
)


def terms(poly: Mapping[tuple[int, int], int | Fraction]) -> str:
    return " + ".join(f"({tex(Fraction(c))}) x^{i} y^{k}" for (i, k), c in poly.items())


@SETTINGS
@given(TERMS, st.integers(-30, 30).filter(bool), st.integers(0, 4), SIZES)
def test_an_equation_is_its_multiples_and_nothing_near_them(
    poly: dict[tuple[int, int], int], factor: int, place: int, change: Fraction
) -> None:
    assume(any(i or k for i, k in poly))
    gold = f"{terms(poly)} = 0"
    (first, value), *rest = poly.items()
    left = terms({key: factor * c for key, c in rest})
    assert same(read(gold), read(f"{left} = {terms({first: -factor * value})}"))
    near: dict[tuple[int, int], int | Fraction] = {**poly}
    changed = list(poly)[place % len(poly)]
    near[changed] = Fraction(near[changed]) + change
    assume(near[changed] != 0)
    assert not same(read(gold), read(f"{terms(near)} = 0"))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\sin x>0", r"(0,\pi)"),
        ("e^x>1", "(0,1)"),
        (r"\sqrt{x}<3", r"(-\infty,9)"),
        (r"\tan x>1", r"(\pi/4,\pi/2)"),
        ("|x-a|<b", "(a-b,a+b+1)"),
        ("2^x=3", "x=1.58"),
        (r"\mathbb{N}", r"\{0,1,2,\ldots\}"),
        ("x^{200}<1", "(-1,1)"),
        # Complex numbers of one size are many.
        ("|z|=2", r"z=\pm2"),
        ("|z|=2", r"z\in\{-2,2\}"),
        ("|w|=2", "w^2=4"),
        ("|z|^2=4", r"z=\pm2"),
        ("|z-1|=|z+1|", "z=0"),
        (r"2x\equiv1\pmod 4", r"2x\equiv3\pmod 4"),
        (r"n\in\{1,2,3\}", r"6\in\{1,2,3\}"),
        (r"6\in\{1,2,3\}", r"n\in\{1,2,3\}"),
        (r"\{1,2,3\}", r"6\in\{1,2,3\}"),
        (r"k\in\{1,2,3\}", r"2k\in\{1,2,3\}"),
        (r"x\notin\{1,2\}", r"5\notin\{1,2\}"),
    ],
)
def test_what_is_not_solved_is_not_guessed(gold: str, answer: str) -> None:
    assert not grade(gold=gold, answer=answer).correct


def test_an_undecided_relation_is_shown_as_such() -> None:
    assert grade(gold="e^x>1", answer="x>0").status is Status.UNPARSED


def test_a_minimum_or_maximum_is_solved_on_both_sides_of_its_kink() -> None:
    for gold, answer, right in (
        (r"\min(x,4)<4", "x<4", True),
        (r"\min(x,4)<3", "x<3", True),
        (r"\min(x,4)<5", r"\mathbb{R}", True),
        (r"\max(x,4)<5", "x<5", True),
        (r"\max(x,4)<4", r"\emptyset", True),
        (r"\min(x,4)<3", r"\emptyset", False),
        (r"\min(x,4)<5", "x<5", False),
    ):
        assert accepted(gold, answer) is right, (gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("|x|=2", r"x=\pm2"),
        ("|x|<2", "(-2,2)"),
        ("|z|=2", "2|z|=4"),
        ("|z|<2", "2>|z|"),
        (r"1\le|z|\le2", r"z\in[-2,-1]\cup[1,2]"),
        (r"n\in\{1,2,3\}", r"\{3,2,1\}"),
        (r"6\in\{1,2,3\}", r"6\in\{3,2,1\}"),
    ],
)
def test_what_is_solved_is_accepted(gold: str, answer: str) -> None:
    assert accepted(gold, answer)

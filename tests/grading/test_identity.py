"""Identities are decided soundly: beside an independent evaluation, and where it matters."""

from __future__ import annotations

import random
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grading import grade
from harness.grading.equivalence.identity import same_value
from harness.grading.parsing.parser import parse

#: An expression as (operator, parts…), a whole number or a letter.
Tree = Any
LETTERS = "xy"


def _tree(draw: random.Random, depth: int) -> Tree:
    if depth == 0 or draw.random() < 0.15:
        return draw.choice([*LETTERS, "x", draw.choice([1, 2, 3, 7, 10, 50, 120, 1000, 4000])])
    kind = draw.choice(["+", "+", "-", "*", "/", "^", "abs", "floor", "max", "min", "sqrt", "exp"])
    count = 1 if kind in ("abs", "floor", "sqrt", "exp") else 2
    parts = [_tree(draw, depth - 1) for _ in range(count)]
    if kind == "^":
        parts[1] = draw.choice([2, 3])
    if kind == "/":
        parts[1] = draw.choice([2, 5, 9, 10, 360])
    if kind == "sqrt":  # a hidden absolute value, or a domain that ends somewhere
        parts = [("^", parts[0], 2)] if draw.random() < 0.6 else parts
    if kind == "exp":
        parts = [("/", parts[0], draw.choice([10, 100, 1000]))]
    return (kind, *parts)


def _changed(draw: random.Random, tree: Tree) -> Tree:
    """Change one number or letter, or drop one absolute value."""
    if isinstance(tree, int):
        return tree + draw.choice([1, -1, 10])
    if isinstance(tree, str):
        return ("+", tree, draw.choice([1, 20])) if draw.random() < 0.5 else ("-", 0, tree)
    if tree[0] in ("abs", "max", "min") and draw.random() < 0.3:
        return tree[1]
    place = draw.randrange(1, len(tree))
    if tree[0] in ("^", "/"):
        place = 1
    return (*tree[:place], _changed(draw, tree[place]), *tree[place + 1 :])


def _written(tree: Tree) -> str:
    if not isinstance(tree, tuple):
        return str(tree)
    kind, *parts = tree
    texts = [_written(part) for part in parts]
    match kind:
        case "abs":
            return rf"\operatorname{{abs}}({texts[0]})"
        case "floor":
            return rf"\lfloor {texts[0]} \rfloor"
        case "sqrt":
            return rf"\sqrt{{{texts[0]}}}"
        case "exp":
            return rf"e^{{{texts[0]}}}"
        case "max" | "min":
            return rf"\{kind}({texts[0]}, {texts[1]})"
        case "/":
            return rf"\frac{{{texts[0]}}}{{{texts[1]}}}"
        case "^":
            return rf"({texts[0]})^{{{texts[1]}}}"
        case "*":
            return rf"({texts[0]}) \cdot ({texts[1]})"
    return f"({texts[0]}) {kind} ({texts[1]})"


def _value(tree: Tree, point: dict[str, Any]) -> Any:
    """Evaluate with mpmath alone; ``None`` where there is no real value of sensible size."""
    if isinstance(tree, int):
        return mpmath.mpf(tree)
    if isinstance(tree, str):
        return point[tree]
    kind, *parts = tree
    values = [_value(part, point) for part in parts]
    if any(value is None or abs(value) > mpmath.mpf(10) ** 400 for value in values):
        return None
    first, second = values[0], values[-1]
    match kind:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second
        case "/":
            return first / second
        case "^":
            return first ** int(second)
        case "abs":
            return abs(first)
        case "floor":
            return mpmath.floor(first)
        case "max":
            return max(first, second)
        case "min":
            return min(first, second)
        case "sqrt":
            return mpmath.sqrt(first) if first >= 0 else None
    return mpmath.exp(first) if abs(first) < 900 else None


def _differ(draw: random.Random, left: Tree, right: Tree) -> bool:
    """Say whether two trees differ at one of 200 points of all scales, with 50 digits."""
    with mpmath.workdps(50):
        for _ in range(200):
            point = {
                name: draw.choice((1, -1))
                * mpmath.mpf(draw.uniform(1, 10))
                * 10 ** mpmath.mpf(scale)
                for name in LETTERS
                for scale in [draw.randint(-3, 5)]
            }
            values = _value(left, point), _value(right, point)
            if None not in values and abs(values[0] - values[1]) > 1e-30 * (
                1 + abs(values[0]) + abs(values[1])
            ):
                return True
    return False


@pytest.mark.parametrize("seed", range(10))
def test_what_differs_anywhere_is_never_called_equal(seed: int) -> None:
    draw = random.Random(seed)
    judged = 0
    while judged < 40:
        left = _tree(draw, 4)
        right = _changed(draw, left)
        if not _differ(draw, left, right):
            continue
        judged += 1
        texts = _written(left), _written(right)
        assert same_value(parse(texts[0]), parse(texts[1])) is not True, texts


@pytest.mark.parametrize("seed", range(4))
def test_what_is_rewritten_stays_equal(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(25):
        tree = _tree(draw, 3)
        written = _written(tree)
        other = f"3 + 2 \\cdot ({written}) - ({written}) - 3"
        assert same_value(parse(written), parse(other)), written


@pytest.mark.parametrize(
    ("left", "right"),
    [
        # Terms too small to be seen beside others.
        ("e^{10x}+10^{-7}", "e^{10x}"),
        (r"\sin x+10^{-40}", r"\sin x"),
        (r"\pi", r"\pi+10^{-60}"),
        (r"\cos(10^{-40})", "1"),
        (r"x+10^{-20}|x-50|", r"x+10^{-20}(x-50)"),
        # Bends at every scale, and where a square touches zero.
        ("|x-10^{12}|", "10^{12}-x"),
        (r"\sqrt{x^2-100x+2500}", "50-x"),
        (r"\max(x,y,1000)", r"\max(x,1000)"),
        (r"\lfloor x+0.001\rfloor", r"\lfloor x\rfloor"),
        (r"\lfloor x\rfloor+1", r"\lceil x\rceil"),
        (r"\frac{\ln(2x)+2}{\sqrt x}", r"\left|\frac{\ln(2x)+2}{\sqrt x}\right|"),
        # Real domains.
        (r"\ln(x-50)", r"\ln|x-50|"),
        (r"(\sqrt{x-50})^2", "|x-50|"),
        # Whole numbers are meant only where both sides speak of them.
        ("x^n", "|x|^n"),
        (r"\lfloor n+\frac12\rfloor", "n"),
        (r"\lfloor n\rfloor+1", r"\lceil n\rceil+1"),
        (r"\lfloor\log_2 n\rfloor", r"\sqrt{\lfloor\log_2 n\rfloor}"),
        (r"\min(n,10^9)", "n"),
    ],
)
def test_keeps_apart_what_a_few_points_would_not(left: str, right: str) -> None:
    assert same_value(parse(left), parse(right)) is False


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"\lfloor\log_2 a\rfloor+1", r"\lceil\log_2(a+1)\rceil"),
        (r"\left\lfloor\frac{n+1}{2}\right\rfloor", r"\lceil n/2\rceil"),
        (r"\lfloor n/2\rfloor", r"\frac{2n-1+(-1)^n}{4}"),
        (r"\frac{n!}{(n-2)!}", "n(n-1)"),
        (r"\frac{(2k)!}{2^k k!}", "(2k-1)!!"),
        (r"\binom{n}{k}", r"\frac{n!}{k!(n-k)!}"),
        (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}"),
        (r"\cos(n\pi)", "(-1)^n"),
        (r"\max(x,y)", r"\frac{x+y+|x-y|}{2}"),
        (r"\sqrt{x-1}\sqrt{x+1}", r"\sqrt{x^2-1}"),
        (r"\sqrt{x^2+1}-x", r"\frac{1}{\sqrt{x^2+1}+x}"),
        (r"2\arcsin\sqrt a", r"\arccos(1-2a)"),
        ("x", r"e^{\ln x}"),
        (r"\sqrt{-1-x^2}", r"i\sqrt{1+x^2}"),
    ],
)
def test_finds_identities_on_their_domain(left: str, right: str) -> None:
    assert same_value(parse(left), parse(right)) is True


@pytest.mark.parametrize(
    ("left", "right"),
    [
        # Bends behind roots, logarithms and powers, and farther away than any other number.
        ("|x-10^{45}|", "10^{45}-x"),
        (r"|x^3-5\cdot10^{31}|", r"5\cdot10^{31}-x^3"),
        ("|x^2+x-10^{60}|", "10^{60}-x-x^2"),
        (r"|\sqrt x-10^7|", r"10^7-\sqrt x"),
        (r"|\ln x-40|", r"40-\ln x"),
        (r"|\ln x+\sqrt{\ln x}-40|", r"40-\ln x-\sqrt{\ln x}"),
        (r"\max(\log_2 x,90)", "90"),
        (r"|\ln\ln x-4|", r"4-\ln\ln x"),
        (r"|yx-10^{45}|", "10^{45}-yx"),
        (r"\lfloor x/10^{40}\rfloor", r"\lfloor x/10^{41}\rfloor"),
        # Steps that are steeper than any sample point is small.
        (r"\tanh(10^8x)", r"\frac{x}{|x|}"),
        # Bends that are no doubles.
        (r"|\ln x-900|", r"900-\ln x"),
        ("|x-10^{400}|", "10^{400}-x"),
    ],
)
def test_what_bends_far_away_is_seen_or_left_undecided(left: str, right: str) -> None:
    assert same_value(parse(left), parse(right)) is not True


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"|\ln x-40|", r"\sqrt{(\ln x-40)^2}"),
        (r"-\ln(\sqrt{x^2+1}-x)", r"\ln(x+\sqrt{x^2+1})"),
        (r"\max(\ln x,40)", r"\frac{\ln x+40+|\ln x-40|}{2}"),
        ("|x-10^{45}|", r"\sqrt{(10^{45}-x)^2}"),
    ],
)
def test_far_bends_of_both_sides_are_the_same(left: str, right: str) -> None:
    assert same_value(parse(left), parse(right)) is True


FUNCTIONS = st.sampled_from(
    [
        r"\operatorname{erf}",
        r"\Gamma",
        r"\zeta",
        r"\arg",
        r"\Re",
        r"\sin",
        r"\sec",
        r"\sinh",
        r"\ln",
    ]
    + [r"\log_2", r"\sqrt", r"\max", r"\gcd", r"\exp", r"\arctan", "f", "", "-", "3 + ", "2^"]
)
EXTREMES = st.sampled_from(
    [r"\infty", r"-\infty", "0", "i", "x", "e^{1000x}", "10^{1000}", "10^{10^{10}}", "10^{-1000}"]
)
PLACES = st.sampled_from(
    ["{}", "|{}|", r"\lfloor {} \rfloor", r"\sum_{{k=1}}^{{{}}} k", r"\prod_{{k={}}}^{{3}} k"]
    + [r"\sum_{{k=1}}^{{3}} k^{{{}}}", "({})!", r"\sqrt[3]{{{}}}", r"7 \bmod ({})", "x < {}"]
)
EXTREME_ANSWERS = st.builds(
    lambda place, function, value: place.format(f"{function}({value})"), PLACES, FUNCTIONS, EXTREMES
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(gold=st.sampled_from(["1", "x", r"\infty", "[0,1]"]), answer=EXTREME_ANSWERS)
def test_whatever_has_no_value_is_judged_without_an_error(gold: str, answer: str) -> None:
    grade(gold=gold, answer=answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1", r"\operatorname{erf}(\infty)"),
        ("1", r"\Gamma(\infty)"),
        ("0", r"\arg(e^{1000x})"),
        ("3", r"\sum_{k=1}^{i} k"),
        ("1", r"2^{\sqrt[(10^9)!]{5}}"),
        ("x", r"(1, \infty, 1, \ldots)^{1, \infty, 1, \ldots}"),
    ],
)
def test_what_has_no_value_equals_no_number(gold: str, answer: str) -> None:
    assert not grade(gold=gold, answer=answer).correct


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        (r"\$18.90", "1890 cents", True),
        (r"\$18.90", "1889.6 cents", False),
        ("12.5 cm", "125 mm", True),
        ("12.5 cm", "125.4 mm", False),
        ("1.50 h", "90.2 min", False),
        ("12.0 in", "1.003 ft", False),
        ("68.0 °F", "20.01 °C", False),
        ("2.00 km/h", "0.556 m/s", True),
        ("2.00 km/h", "0.56 m/s", False),
        ("0.667 h", "40 min", True),
        ("62.1 miles", "100 km", True),
        ("25.0 °C", "298.2 K", True),
        ("12.5 m", "12.54 metres", False),
    ],
)
def test_a_conversion_rounds_only_where_it_has_to(gold: str, answer: str, right: bool) -> None:
    assert grade(gold=gold, answer=answer).correct is right

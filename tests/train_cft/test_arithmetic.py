"""Steps that arithmetic can check: a right one is never called wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from train_cft.critic.arithmetic import shown, steps


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17 * 3 = 41", "51"),
        ("So 17 × 3 = 41.", "51"),
        ("She pays $5 each: $5 * 3 = $16", "15"),
        ("x = 3 + 4 = 8", "7"),
        ("(3 + 4 = 8)", "7"),
        (r"\[ 12 \times 4 = 46 \]", "48"),
        ("1. 4 * 5 = 25 apples", "20"),
        ("- 4 * 5 = 25 apples", "20"),
        ("**Step 1:** 3 + 4 = 8", "7"),
        ("1,200 + 300 = 1,600", "1500"),
        ("-35 + 6 = -30", "-29"),
        ("2 * (3 + 4) = 15", "14"),
        ("12 x 3 = 35", "36"),
        ("7 / 2 = 4.5", "3.5"),
        ("10 / 3 = 5", "10/3"),
        ("so .20 * 10 = $3.00", "2"),
        ("0.25 * 3 = 1.75", "0.75"),
    ],
)
def test_a_wrong_step_is_quoted_with_what_it_comes_to(text: str, value: str) -> None:
    (step,) = steps(text)
    assert step.wrong and not step.holds
    assert step.text in text and shown(step.value) == value


@pytest.mark.parametrize(
    "text",
    [
        "17 * 3 = 51",
        "7 / 2 = 3.5",
        "3 + 4 = 7 and so on",
        "y = 2 * 8 = 16",
        r"Then \( 16 \div 4 = 4 \)",
    ],
)
def test_a_right_step_holds(text: str) -> None:
    (step,) = steps(text)
    assert step.holds and not step.wrong


@pytest.mark.parametrize(
    "text",
    [
        "y - 3 + 4 = 8",
        "3x + 4 = 8",
        "half of 6 + 2 = 5",
        "max(3, 4 - 5) = 3",
        "gcd(12, 4 + 5) = 3",
        "2:30 + 15 = 2:45",
        "3 + 4 = 2 (mod 5)",
        "3 + 4 = 8, which is false",
        "Does 3 + 4 = 8?",
        "If 3 + 4 = 8",
        "2^3 + 1 = 9",
        "2 ** 3 + 1 = 9",
        "3 + 4 = 7!",
        "1 + 2 + ... - 10 * 2 = 55",
        "sqrt(9 + 16) = 5",
        r"\frac{1}{2} + 3 = 3.5",
        "5 + 3 = 8 hundred",
        "50 + 30 = 8 tens of 10%",
        "9 / 0 = 3",
        "2(3 + 4) = 15",
        "6 + 2 = 9x",
        "7 / 2 = 3 R 1",
        "11 + 3 = 2 o'clock",
        "x_1 + 3 = 4",
        "= 5",
        "28 - 26 + 1 = 3 x 4",
        "12 = 13",
        "__import__('os').system('echo 3 + 4 = 8')",
    ],
)
def test_what_may_mean_something_else_is_passed_over(text: str) -> None:
    assert not any(step.wrong for step in steps(text))


@pytest.mark.parametrize("text", ["10 / 3 = 3.33", "7 / 2 = 3", "0.33 * 300 = 100"])
def test_rounding_is_neither_right_nor_wrong(text: str) -> None:
    (step,) = steps(text)
    assert not step.holds and not step.wrong


def test_the_first_wrong_step_comes_first() -> None:
    found = steps("3 + 4 = 7\nthen 2 * 3 = 5\nso 5 + 1 = 7")
    assert [step.text for step in found if step.wrong] == ["2 * 3 = 5", "5 + 1 = 7"]


_NUMBERS = some.integers(0, 10_000).map(Fraction)
_SIGNS = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__}


@settings(max_examples=200, deadline=None)
@given(first=_NUMBERS, second=_NUMBERS, third=_NUMBERS, sign=some.sampled_from("+-*"))
def test_what_is_true_is_never_called_wrong(
    first: Fraction, second: Fraction, third: Fraction, sign: str
) -> None:
    value = _SIGNS[sign](first + second, third)
    (step,) = steps(f"So ({first} + {second}) {sign} {third} = {value}.")
    assert step.holds and not step.wrong


@settings(max_examples=300, deadline=None)
@given(some.text(alphabet="0123456789+-*/=()., x$\\", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    for step in steps(text):
        assert not (step.holds and step.wrong)


def test_a_hostile_line_costs_nothing() -> None:
    assert steps("(" * 5000 + "=") == []
    assert steps("9" * 1900 + "*" + "9" * 50 + " = 1") == []

"""No wrong answer is accepted: mutations of every reference answer, which need no labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.grading import mutations, oracle
from tests.grading.grade_cases import described, judge
from tests.grading.mutations.kinds import Case
from tests.grading.references import Gold, all_golds, anatomy

# How many mutations of all references together; the larger share takes a minute of two cores.
QUICK, WHOLE = 6_000, 20_000


def test_no_mutation_of_the_projects_own_golds_is_accepted() -> None:
    references = all_golds(None)
    cases = [case for gold in references for case in mutations.cases(gold, seed=0, count=70)]
    assert min(Counter(case.gold for case in cases).values()) >= 30
    assert accepted(cases) == []


@pytest.mark.parametrize("sample", [QUICK, pytest.param(WHOLE, marks=pytest.mark.slow)])
def test_no_mutation_of_any_gold_at_hand_is_accepted(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    references = all_golds(data_dir)
    each = -(-sample // len(references))
    cases = [case for gold in references for case in mutations.cases(gold, seed=1, count=each)]
    assert len(cases) >= sample
    assert accepted(cases) == []


def accepted(cases: list[Case]) -> list[str]:
    return [described(case, found) for case, found in judge(cases) if found.correct]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("|x+11|-11", "|x+10|-10"),
        ("x", "x + 10^{-20}"),
        ("\\lfloor n/9\\rfloor", "\\lfloor n/10\\rfloor"),
        ("10^{3}", "103"),
        ("\\sqrt{(x-50)^2}", "50-x"),
    ],
)
def test_the_oracle_sees_what_differs(left: str, right: str) -> None:
    assert oracle.differ(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("\\sin^2 x", "1-\\cos^2 x"),
        ("2\\frac{1}{2}", "5/2"),
        ("\\frac{x^2-1}{x-1}", "x+1"),
        ("\\sqrt{12}", "2\\sqrt3"),
        ("\\sin(500\\pi)", "0"),
        ("3!!", "3"),  # not read, so nothing is claimed
    ],
)
def test_the_oracle_claims_no_difference_where_there_is_none(left: str, right: str) -> None:
    assert not oracle.differ(left, right)


def test_a_percent_sign_or_a_rounded_digit_makes_no_mutation() -> None:
    for text, right in (("50\\%", "0.5"), ("50\\%", "50"), ("3.142", "3.1419"), ("1.5", "3/2")):
        gold = Gold("own", text)
        assert anatomy(gold).value is not None
        assert not any(case.text == right for case in mutations.cases(gold, 0, 1000))

"""Right answers are accepted however they are written: rewritings of every reference answer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.grading import rewritings
from tests.grading.grade_cases import described, judge
from tests.grading.mutations.kinds import Case
from tests.grading.references import all_golds

# How many rewritings of all references together.
QUICK, WHOLE = 3_000, 8_000
ALLOWED = 0.005


def test_rewritings_of_the_projects_own_golds_are_accepted() -> None:
    cases = [case for gold in all_golds(None) for case in rewritings.cases(gold, seed=0, count=40)]
    assert min(Counter(case.gold for case in cases).values()) >= 20
    few_are_rejected(cases)


@pytest.mark.parametrize("sample", [QUICK, pytest.param(WHOLE, marks=pytest.mark.slow)])
def test_rewritings_of_the_golds_at_hand_are_accepted(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    references = all_golds(data_dir)
    each = -(-sample // len(references))
    few_are_rejected([c for gold in references for c in rewritings.cases(gold, seed=1, count=each)])


def few_are_rejected(cases: list[Case]) -> None:
    rejected = [described(case, found) for case, found in judge(cases) if not found.correct]
    assert len(rejected) <= ALLOWED * len(cases), rejected[:50]

"""Reducers say of the samples what they promise, in whatever order these come."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.reducers import all_of, majority, mean, pass_at

samples = st.lists(st.booleans(), min_size=1, max_size=12)


@given(st.booleans(), st.integers(1, 40))
def test_constant_samples_reduce_to_the_constant(right: bool, count: int) -> None:
    same = [right] * count
    for k in {1, count}:
        assert mean(same) == pass_at(same, k) == all_of(same, k) == float(right)
        assert majority(same, [0] * count, k) == float(right)


@given(samples)
def test_one_of_one_is_the_mean(correct: list[bool]) -> None:
    assert pass_at(correct, 1) == pytest.approx(mean(correct), abs=1e-12)
    assert all_of(correct, 1) == pytest.approx(mean(correct), abs=1e-12)


@settings(deadline=None)
@given(samples, st.data())
def test_pass_and_all_are_the_shares_of_the_choices(
    correct: list[bool], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(correct)))
    chosen = list(combinations(correct, k))
    assert pass_at(correct, k) == pytest.approx(sum(map(any, chosen)) / len(chosen), abs=1e-12)
    assert all_of(correct, k) == pytest.approx(sum(map(all, chosen)) / len(chosen), abs=1e-12)


@given(samples, st.data())
def test_the_order_of_samples_does_not_matter(correct: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(correct)))
    shuffled = data.draw(st.permutations(correct))
    for reduce in (pass_at, all_of):
        assert reduce(shuffled, k) == reduce(correct, k)
    assert mean(shuffled) == mean(correct)


@given(samples, st.data())
def test_more_samples_pass_more_and_agree_less(correct: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(correct)))
    assert all_of(correct, k) <= mean(correct) + 1e-12
    assert pass_at(correct, k) >= mean(correct) - 1e-12


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@3 of 2"):
        pass_at([True, False], 3)
    with pytest.raises(ValueError, match="all-3 of 2"):
        all_of([True, False], 3)
    with pytest.raises(ValueError, match="maj@3 of 2"):
        majority([True, False], [0, 1], 3)
    with pytest.raises(ValueError, match="without samples"):
        mean([])


def test_the_answer_with_most_votes_counts() -> None:
    correct = [True, False, False, False]
    assert majority(correct, [0, 1, 1, 2], 4) == 0
    assert majority(correct, [0, 1, 2, None], 4) == 1
    assert majority(correct[1:], [None, None, None], 3) == 0
    # The grader failed on the first of two equal answers.
    assert majority([False, True, False], [0, 0, 1], 3) == 1

"""The noise of a score is split into what items differ by and what samples of one item do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.noise import decompose


def test_the_parts_are_the_true_ones_on_average() -> None:
    random = np.random.default_rng(0)
    truth = random.beta(2, 1, 40_000)
    samples = random.integers(2, 9, len(truth))
    found = decompose(random.binomial(samples, truth), samples)
    assert found.within == pytest.approx(np.mean(truth * (1 - truth)), abs=0.002)
    assert found.between == pytest.approx(truth.var(), abs=0.002)


@given(st.integers(2, 50), st.integers(2, 16))
def test_constant_samples_have_no_noise(items: int, samples: int) -> None:
    found = decompose([samples] * items, [samples] * items)
    assert (found.between, found.within, found.sampling_share) == (0, 0, 0)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=30), st.data())
def test_the_order_of_items_does_not_matter(correct: list[int], data: st.DataObject) -> None:
    one = decompose(correct, [4] * len(correct))
    other = decompose(data.draw(st.permutations(correct)), [4] * len(correct))
    assert (one.between, one.within) == pytest.approx((other.between, other.within), abs=1e-12)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=30))
def test_the_parts_add_up_to_the_variance_of_the_means(correct: list[int]) -> None:
    found = decompose(correct, [4] * len(correct))
    total = np.var(np.array(correct) / 4, ddof=1)
    assert found.between is not None and found.within is not None
    assert found.between + found.within / 4 >= total - 1e-12
    if found.between:
        assert found.between + found.within / 4 == pytest.approx(total)


def test_one_sample_an_item_does_not_tell() -> None:
    found = decompose([1, 0, 1], [1, 1, 1])
    assert found.within is None and found.sampling_share is None
    with pytest.raises(ValueError, match="needs a sample"):
        decompose([0], [0])

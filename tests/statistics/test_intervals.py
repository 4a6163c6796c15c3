"""Intervals hold what they promise, and agree with SciPy where it has the same one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.intervals import clustered, score, wilson


@settings(deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counts: tuple[int, int]) -> None:
    from scipy.stats import binomtest

    correct, items = counts
    ours = wilson(correct, items)
    theirs = binomtest(correct, items).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(max(0.0, theirs.low), abs=1e-9)
    assert ours.high == pytest.approx(min(1.0, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_clustered_is_scipys_t_interval() -> None:
    from scipy.stats import t

    means = np.random.default_rng(1).beta(2, 3, size=200)
    ours = clustered(float(means.mean()), float(means.var(ddof=1)), len(means))
    low, high = t.interval(
        0.95, len(means) - 1, means.mean(), means.std(ddof=1) / len(means) ** 0.5
    )
    assert (ours.low, ours.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    hits = []
    for share in np.linspace(0.05, 0.95, 19):
        for correct in random.binomial(200, share, size=400):
            estimate = wilson(int(correct), 200)
            hits.append(estimate.low <= share <= estimate.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.01)


def test_repeated_samples_do_not_count_as_more_items() -> None:
    """Each item's answers all alike: 16 samples tell no more than one."""
    random = np.random.default_rng(3)
    hits = []
    for _ in range(400):
        items = random.random(150) < 0.4
        estimate = score(
            mean=float(items.mean()),
            variance=float(items.var(ddof=1)),
            items=150,
            samples_per_item=16,
            correct=int(items.sum()) * 16,
        )
        hits.append(estimate.low <= 0.4 <= estimate.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("mean", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("items", [2, 3, 30])
def test_items_that_are_all_alike_keep_their_mean_and_a_width(mean: float, items: int) -> None:
    estimate = score(mean=mean, variance=0, items=items, samples_per_item=4, correct=0)
    assert estimate.value == mean
    assert estimate.high - estimate.low > 0.05


def test_impossible_counts_are_refused() -> None:
    for correct, items in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="not a share"):
            wilson(correct, items)
    with pytest.raises(ValueError, match="no items"):
        clustered(0.5, 0.1, 0)

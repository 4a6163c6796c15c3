"""Intervals hold what they promise, and agree with SciPy where it has the same one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.statistics.intervals import Estimate, clustered, score, suite, wilson


@settings(deadline=None)
@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.9, 0.95, 0.995]),
)
def test_wilson_is_scipys_or_that_of_the_exact_test_near_0_and_1(
    counts: tuple[int, int], confidence: float
) -> None:
    from scipy.stats import binomtest

    correct, items = counts
    ours = wilson(correct, items, confidence=confidence)
    both, below, above = (
        binomtest(correct, items, alternative=side).proportion_ci(confidence, method=method)
        for side, method in (("two-sided", "wilson"), ("greater", "exact"), ("less", "exact"))
    )
    assert ours.low == pytest.approx(max(0.0, min(both.low, below.low)), abs=1e-9)
    assert ours.high == pytest.approx(min(1.0, max(both.high, above.high)), abs=1e-9)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1
    if 10 < correct < items - 10 and confidence == 0.95:
        assert (ours.low, ours.high) == (pytest.approx(both.low), pytest.approx(both.high))


@pytest.mark.parametrize("items", [10, 30, 100, 1319])
def test_intervals_cover_every_score_near_0_and_1_too(items: int) -> None:
    """Wilson's alone covers 84 % in the worst of these, a score of 0.18 of one item."""
    from scipy.stats import binom

    counts = np.arange(items + 1)
    limits = [wilson(int(correct), items) for correct in counts]
    low, high = (np.array([getattr(one, end) for one in limits]) for end in ("low", "high"))
    near = np.linspace(1e-4, 1, 500) * min(1.0, 20 / items)
    for share in (*near, *(1 - near)):
        held = binom.pmf(counts, items, share)[(low <= share) & (share <= high)].sum()
        assert held > 0.92


def test_with_many_items_clustered_is_scipys_t_interval() -> None:
    from scipy.stats import t

    means = np.random.default_rng(1).beta(2, 3, size=20_000)
    ours = clustered(float(means.mean()), float(means.var(ddof=1)), len(means))
    low, high = t.interval(
        0.95, len(means) - 1, means.mean(), means.std(ddof=1) / len(means) ** 0.5
    )
    assert (ours.low, ours.high) == (pytest.approx(low, abs=2e-5), pytest.approx(high, abs=2e-5))


@given(st.integers(2, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clustered_scores_of_zero_and_one_are_wilsons_with_students_quantile(
    counts: tuple[int, int],
) -> None:
    correct, items = counts
    share = correct / items
    variance = share * (1 - share) * items / (items - 1)
    ours, theirs = clustered(share, variance, items), wilson(correct, items)
    assert ours.low <= theirs.low + 1e-12
    assert ours.high >= theirs.high - 1e-12
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    estimates = [wilson(correct, 200) for correct in range(201)]
    hits = [
        binom.pmf(range(201), 200, share)
        @ np.array([estimate.low <= share <= estimate.high for estimate in estimates])
        for share in np.linspace(0.05, 0.95, 19)
    ]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.01)


def coverage(items: int, samples: int, spread: float, share: float, runs: int) -> float:
    """How often the interval holds the truth, items differing like Beta of this spread."""
    random = np.random.default_rng([items, samples, round(100 * spread), round(100 * share)])
    truth = random.beta(share * spread, (1 - share) * spread, (runs, items))
    means = random.binomial(samples, truth) / samples
    found = zip(means.mean(1), means.var(1, ddof=1), strict=True)
    intervals = [clustered(float(mean), float(variance), items) for mean, variance in found]
    return float(np.mean([estimate.low <= share <= estimate.high for estimate in intervals]))


@pytest.mark.parametrize("samples", [4, 16])
def test_clustered_intervals_cover_the_truth_as_often_as_they_say(samples: int) -> None:
    hits = [
        coverage(200, samples, spread, share, 400)
        for spread in (0.3, 1, 10)
        for share in np.linspace(0.05, 0.95, 7)
    ]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("samples", [2, 16])
def test_clustered_intervals_of_few_items_cover_too(samples: int) -> None:
    """Plain Student's covers 79 % in the worst of these, 16 samples of few solved items."""
    for spread in (0.3, 1, 10):
        for share in (0.05, 0.2, 0.5, 0.95, 0.995):
            assert coverage(30, samples, spread, share, 1000) > 0.92


def test_a_suite_is_the_plain_mean_of_its_tasks() -> None:
    tasks = [wilson(40, 50), wilson(500, 1000)]
    found = suite(tasks)
    assert found.value == pytest.approx(0.65)
    assert found.items == 1050
    assert suite(tasks[:1]) == Estimate(
        0.8, pytest.approx(tasks[0].low), pytest.approx(tasks[0].high), 50
    )
    with pytest.raises(ValueError, match="no tasks"):
        suite([])


@pytest.mark.parametrize(
    ("sizes", "low", "high"), [((200, 400, 1000), 0.94, 0.96), ((30, 400, 60), 0.94, 0.98)]
)
def test_suite_intervals_cover_the_truth_as_often_as_they_say(
    sizes: tuple[int, ...], low: float, high: float
) -> None:
    random = np.random.default_rng(5)
    shares = (0.05, 0.5, 0.9)
    hits, estimate = [], cache(wilson)
    for drawn in random.binomial(sizes, shares, (4000, 3)).tolist():
        found = suite([estimate(*counts) for counts in zip(drawn, sizes, strict=True)])
        hits.append(found.low <= np.mean(shares) <= found.high)
    assert low <= np.mean(hits) <= high


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

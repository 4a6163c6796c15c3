"""Paired comparisons keep their promise, agree with others, and do not depend on order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from harness.statistics.betting import Floats
from harness.statistics.paired import compare, mcnemar

scores = st.integers(0, 4).map(lambda right: right / 4)
pairs = st.lists(st.tuples(scores, scores), min_size=2, max_size=40)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_that_of_statsmodels(better: int, worse: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    expected = theirs([[3, better], [worse, 4]], exact=True).pvalue if better + worse else 1
    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(pairs, st.data())
def test_order_and_side_do_not_matter(rows: list[tuple[float, float]], data: st.DataObject) -> None:
    first, second = zip(*rows, strict=True)
    shuffled = zip(*data.draw(st.permutations(rows)), strict=True)
    one, other, turned = compare(first, second), compare(*shuffled), compare(second, first)
    for name in ("effect", "low", "high", "p", "better", "worse", "detectable"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
    assert turned.effect == pytest.approx(-one.effect)
    assert (turned.low, turned.high) == pytest.approx((-one.high, -one.low))
    assert (turned.better, turned.worse, turned.p) == (one.worse, one.better, pytest.approx(one.p))
    assert -1 <= one.low <= one.effect <= one.high <= 1


@settings(deadline=None)
@given(pairs.filter(lambda rows: any(score not in (0, 1) for row in rows for score in row)))
def test_interval_and_p_agree(rows: list[tuple[float, float]]) -> None:
    found = compare(*zip(*rows, strict=True))
    assert found.method == "t"
    if abs(found.p - 0.05) > 1e-6:
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_with_many_items_it_is_scipys_paired_t_test() -> None:
    from scipy.stats import ttest_rel

    random = np.random.default_rng(4)
    first, second = random.binomial(4, [[0.5], [0.503]], (2, 100_000)) / 4
    ours, theirs = compare(first, second), ttest_rel(second, first)
    interval = theirs.confidence_interval()
    assert ours.p == pytest.approx(theirs.pvalue, rel=0.01)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-6)


def runs(items: int, samples: tuple[int, int], share: float, count: int) -> tuple[Floats, Floats]:
    """Runs of two models on items of their own each time, the second 3 % of its score worse."""
    random = np.random.default_rng([items, *samples, round(100 * share)])
    truth = random.beta(share, 1 - share, (count, items))
    first = random.binomial(samples[0], truth) / samples[0]
    return first, random.binomial(samples[1], 0.97 * truth) / samples[1]


@pytest.mark.parametrize("samples", [(1, 1), (8, 1), (8, 8)])
@pytest.mark.parametrize("items", [30, 200])
def test_intervals_cover_the_truth_as_often_as_they_say(
    items: int, samples: tuple[int, int]
) -> None:
    hits = []
    for share in (0.05, 0.3, 0.5, 0.7, 0.95):
        found = [compare(a, b) for a, b in zip(*runs(items, samples, share, 300), strict=True)]
        hits.append(np.mean([one.low <= -0.03 * share <= one.high for one in found]))
    assert min(hits) > 0.92
    if items >= 200:
        # Eight samples each: the half items that guard against rare flips cost two points.
        assert 0.935 <= np.mean(hits) <= (0.965 if 1 in samples else 0.98)


def test_the_detectable_drop_is_detected_four_times_out_of_five() -> None:
    random = np.random.default_rng(6)
    drop = (norm.ppf(0.975) + norm.ppf(0.8)) * (0.2 / 1000) ** 0.5
    found = []
    for _ in range(500):
        flips = random.choice([-1, 0, 1], p=[0.1 + drop / 2, 0.8, 0.1 - drop / 2], size=1000)
        found.append(compare(flips < 0, flips > 0))
    assert np.mean([one.detectable for one in found]) == pytest.approx(drop, rel=0.02)
    assert np.mean([one.p < 0.05 for one in found]) == pytest.approx(0.8, abs=0.06)


def test_equal_runs_show_nothing_and_still_have_a_width() -> None:
    found = compare([1, 0, 1, 1], [1, 0, 1, 1])
    assert (found.effect, found.p, found.better, found.worse) == (0, 1, 0, 0)
    assert found.low < 0 < found.high
    assert found.detectable > 0


def test_what_is_not_paired_is_refused() -> None:
    for first, second in (([1.0], [1.0, 0.0]), ([], []), ([[1.0]], [[0.0]])):
        with pytest.raises(ValueError, match="same items"):
            compare(first, second)
    with pytest.raises(ValueError, match="share"):
        compare([2.0], [0.0])
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 0)

"""Paired comparisons keep their promise, agree with others, and do not depend on order."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.betting import Floats
from harness.statistics.paired import Comparison, average, compare, mcnemar
from harness.text import points_interval

scores = st.integers(0, 4).map(lambda right: right / 4)
pairs = st.lists(st.tuples(scores, scores), min_size=2, max_size=40)
right_or_wrong = st.integers(0, 1).map(float)
any_pairs = st.one_of(
    pairs, st.lists(st.tuples(right_or_wrong, right_or_wrong), min_size=1, max_size=80)
)


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
    one, other, turned = (
        compare(*scores, samples=(4, 4))
        for scores in ((first, second), tuple(shuffled), (second, first))
    )
    for name in ("effect", "low", "high", "p", "better", "worse", "detectable"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
    assert turned.effect == pytest.approx(-one.effect)
    assert (turned.low, turned.high) == pytest.approx((-one.high, -one.low))
    assert (turned.better, turned.worse, turned.p) == (one.worse, one.better, pytest.approx(one.p))
    assert -1 <= one.low <= one.effect <= one.high <= 1


@settings(deadline=None)
@given(any_pairs, st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.999]))
def test_interval_and_p_always_agree(rows: list[tuple[float, float]], confidence: float) -> None:
    found = compare(*zip(*rows, strict=True), samples=(4, 4), confidence=confidence)
    these = found.on_these_items
    assert these is not None
    for one in (found, these):
        assert (one.p <= 1 - confidence) == (one.low > 0 or one.high < 0)
        assert one.low <= found.effect <= one.high


def test_five_flips_of_many_items_show_nothing_and_six_do() -> None:
    five, six = (compare(np.arange(1319) < flips, np.zeros(1319)) for flips in (5, 6))
    assert (five.p, five.high) == (0.0625, 0.0)
    assert six.p == 0.03125 and six.high < 0


@settings(deadline=None)
@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=12))
def test_p_is_the_share_of_all_signs_that_are_as_extreme(rows: list[tuple[float, float]]) -> None:
    first, second = (np.array(run) for run in zip(*rows, strict=True))
    sums = np.zeros(1)
    for difference in second - first:
        sums = np.concatenate([sums + difference, sums - difference])
    expected = np.mean(np.abs(sums) >= abs((second - first).sum()))
    assert compare(first, second).p == pytest.approx(expected, abs=1e-9)


def test_other_numbers_of_samples_on_every_item_are_no_obstacle() -> None:
    random = np.random.default_rng(3)
    samples = random.integers(1, 65, (2, 1319))
    first, second = random.binomial(samples, [[0.5], [0.52]]) / samples
    difference = second - first
    signs = random.choice([-1.0, 1.0], (4000, 1319))
    expected = np.mean(np.abs(signs @ difference) >= abs(difference.sum()))
    assert compare(first, second).p == pytest.approx(expected, abs=0.02)


def test_an_interval_that_ends_at_0_and_leaves_it_out_says_so() -> None:
    found = compare([0.75] * 30, [0.71875] * 30, samples=(32, 32))
    assert found.p < 0.001
    written = points_interval(found.effect, found.low, found.high)
    assert written.replace("\N{MINUS SIGN}", "-") == "-3.1 [-9.8, 0.0)"


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
        assert 0.935 <= np.mean(hits) <= 0.97


def sampled(
    items: int, samples: int, count: int, *, drop: float = 0.0, failing: float = 0.0
) -> tuple[list[Comparison], Floats]:
    """Compare two models that are equal but for a drop on every item and items that all fail.

    Returns the true differences on the very items, too.
    """
    random = np.random.default_rng([items, samples, count])
    first = 0.2 + 0.8 * random.beta(0.5, 0.5, (count, items))
    second = np.where(random.random(first.shape) < failing, 0, np.maximum(0, first - drop))
    drawn = (random.binomial(samples, chances) / samples for chances in (first, second))
    found = [compare(*pair, samples=(samples, samples)) for pair in zip(*drawn, strict=True)]
    return found, (second - first).mean(axis=1)


def test_a_small_drop_on_every_item_is_shown_by_many_samples() -> None:
    found, truth = sampled(30, 32, 300, drop=0.05)
    assert np.mean([one.p <= 0.05 and one.high < 0 for one in found]) >= 0.6
    assert np.mean([one.low <= -0.05 <= one.high for one in found]) >= 0.94
    these = [one.on_these_items for one in found]
    held = [
        one is not None and one.low <= at <= one.high for one, at in zip(these, truth, strict=True)
    ]
    assert 0.925 <= np.mean(held) <= 0.98


@pytest.mark.parametrize(("items", "failing"), [(30, 0.05), (100, 0.02)])
def test_a_few_items_that_fail_completely_are_allowed_for(items: int, failing: float) -> None:
    found, _ = sampled(items, 32, 300, failing=failing)
    assert np.mean([one.low <= -0.6 * failing <= one.high for one in found]) >= 0.9


def test_items_of_which_all_samples_agree_leave_noise_on_these_items() -> None:
    found = compare([1, 0, 1, 0], [1, 0, 1, 0], samples=(8, 8)).on_these_items
    assert found is not None and found.p == 1 and found.low < 0 < found.high
    assert compare([1, 0], [1, 1], samples=(1, 8)).on_these_items is None
    assert compare([1, 0], [1, 1]).on_these_items is None


@pytest.mark.parametrize(("items", "flipping"), [(30, 0.1), (100, 0.05), (500, 0.1), (1319, 0.2)])
def test_the_minimum_detectable_drop_is_shown_by_80_percent(items: int, flipping: float) -> None:
    flips = round(items * flipping)
    which = np.arange(items)
    drop = compare(which < flips // 2, (which >= flips // 2) & (which < flips)).detectable
    assert drop is not None
    random = np.random.default_rng(6)
    chances = [flips / items / 2 + drop, flips / items / 2, 1 - flips / items - drop]
    p = cache(mcnemar)
    shown = [
        worse > better and p(better, worse) <= 0.05
        for worse, better, _ in random.multinomial(items, chances, 4000).tolist()
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("items", "samples"), [(30, 32), (200, 4)])
def test_the_minimum_detectable_drop_of_averages_is_right(items: int, samples: int) -> None:
    before, _ = sampled(items, samples, 100)
    drop = float(np.mean([one.detectable or np.nan for one in before]))
    after, _ = sampled(items, samples, 600, drop=drop)
    shown = np.mean([one.p <= 0.05 and one.effect < 0 for one in after])
    assert shown == pytest.approx(0.8, abs=0.06)


def test_too_few_items_have_no_minimum_detectable_drop() -> None:
    assert compare([1, 0, 1, 1, 0], [1, 0, 1, 1, 0]).detectable is None
    assert compare([1, 0.5, 1], [1, 0, 1]).detectable is None
    assert compare([1.0] * 8, [1.0] * 8).detectable == pytest.approx(0.80, abs=0.01)


def test_the_average_over_tasks_covers_as_often_as_it_says() -> None:
    tasks = [sampled(30, 32, 300, drop=0.05)[0], sampled(200, 4, 300, drop=0.05)[0]]
    found = [average(pair) for pair in zip(*tasks, strict=True)]
    assert np.mean([one.low <= -0.05 <= one.high for one in found]) >= 0.94


def test_equal_runs_show_nothing_and_still_have_a_width() -> None:
    found = compare([1, 0, 1, 1], [1, 0, 1, 1])
    assert (found.effect, found.p, found.better, found.worse) == (0, 1, 0, 0)
    assert found.low < 0 < found.high


def test_what_is_not_paired_is_refused() -> None:
    for first, second in (([1.0], [1.0, 0.0]), ([], []), ([[1.0]], [[0.0]])):
        with pytest.raises(ValueError, match="same items"):
            compare(first, second)
    with pytest.raises(ValueError, match="share"):
        compare([2.0], [0.0])
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 0)

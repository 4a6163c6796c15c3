"""What a decision is said to need is what it needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.power import (
    detectable_drop,
    fixed_items,
    growth,
    items_needed,
    margin_decided,
    second_moment,
    wald_bound,
    what_it_would_take,
)
from harness.statistics.sequential import Rule
from harness.statistics.simulation import can_decide, prospect


def test_the_fixed_size_is_that_of_statsmodels() -> None:
    from statsmodels.stats.power import NormalIndPower

    effect = 0.02 / math.sqrt(0.2)
    alone = NormalIndPower(ddof=0).solve_power(
        effect, alpha=0.05, power=0.8, ratio=0, alternative="larger"
    )
    assert fixed_items(0.2, 0.02) == math.ceil(alone)


@given(st.floats(0.001, 0.5), st.integers(10, 10_000))
def test_the_detectable_drop_is_detected_with_the_items_there_are(
    variance: float, items: int
) -> None:
    drop = detectable_drop(variance, items)
    assert fixed_items(variance, drop) in (items, items + 1)


@given(st.floats(0.05, 0.5), st.floats(0.01, 0.95))
def test_growth_of_flips_is_their_divergence_from_evens(discordance: float, tilt: float) -> None:
    """The closest distribution without a drop has as many flips, half of them each way."""
    p = np.array([1 - tilt, 1 + tilt]) / 2 * discordance
    expected = float(p @ np.log(p / (discordance / 2)))
    found = growth([-1, 0, 1], [p[0], 1 - discordance, p[1]], 0.0)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    mirrored = growth([-1, 0, 1], [p[1], 1 - discordance, p[0]], 0.0)
    assert mirrored == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_walds_bound_is_that_of_a_walk_between_two_walls() -> None:
    assert wald_bound(0.01, 0.05, 0.05) == pytest.approx(0.9 * math.log(19) / 0.01)
    assert wald_bound(0.01, 0.05, 0) == pytest.approx(math.log(20) / 0.01)


def test_the_second_moment_is_that_of_simulated_samples() -> None:
    random = np.random.default_rng(0)
    truth = random.beta(2, 1, 200_000)
    within = float(np.mean(truth * (1 - truth)))
    difference = random.binomial(8, truth) / 8 - random.binomial(2, truth) / 2
    expected = second_moment(within, baseline_samples=8, candidate_samples=2)
    assert expected == pytest.approx(np.mean(difference**2), rel=0.01)
    broken = random.random(len(truth)) < 0.05
    certain = np.where(random.random(len(truth)) < 0.7, 1.0, 0.0)
    dropped = certain - np.where(broken, 0, certain)
    expected = second_moment(0, baseline_samples=1, candidate_samples=1, drop=0.035)
    assert expected == pytest.approx(np.mean(dropped**2), rel=0.03)


@pytest.mark.parametrize(("margin", "square"), [(0.05, 0.2), (0.03, 0.1), (0.05, 0.35)])
def test_the_items_needed_decide_as_often_as_asked(margin: float, square: float) -> None:
    rule = Rule(margin)
    items = items_needed(rule, square)
    chances = [
        prospect(rule, drop=drop, square=square, budget=items, gates=2000).decided
        for drop in (0, margin)
    ]
    assert min(chances) == pytest.approx(0.8, abs=0.04)
    assert margin_decided(items, rule, square) == pytest.approx(margin, rel=0.01)


def test_a_gate_says_beforehand_what_its_items_cannot_decide() -> None:
    """The size of GSM8K and a discordance of .2: 5 points, not 2."""
    assert can_decide(Rule(0.05), square=0.2, budget=1319)
    assert not can_decide(Rule(0.02), square=0.2, budget=1319)


def test_what_an_undecided_gate_would_take() -> None:
    rule = Rule(0.02)
    found = what_it_would_take(rule, items=1319, square=0.2, within=0.1)
    assert found.items == items_needed(rule, 0.2) > 1319
    assert found.samples is None  # the baseline's single sample is too noisy already
    assert 0.02 < found.margin < 0.05
    stored = what_it_would_take(rule, items=4000, square=0.1 / 16 + 0.15, within=0.15)
    assert stored.samples is not None
    enough = 0.1 / 16 + 0.15 / stored.samples
    assert items_needed(rule, enough) <= 4000 < items_needed(rule, enough * 2)
    assert what_it_would_take(rule, items=10_000, square=0.2).samples == 1
    assert what_it_would_take(rule, items=100, square=0.2).samples is None


def test_a_prospect_is_the_same_each_time() -> None:
    one, other = (
        prospect(Rule(0.05), drop=0.1, square=0.2, budget=200, gates=100) for _ in range(2)
    )
    assert one == other
    assert one.decided == one.fails + one.passes

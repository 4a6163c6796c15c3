"""What a decision is said to need is what it needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bounds import fixed_items, growth, wald_bound
from harness.statistics.feasibility import can_pass, fewest_items, fewest_items_of_suite
from harness.statistics.planning import Assumptions
from harness.statistics.sequential import Evidence, Outcome, Rule, SuiteEvidence


def test_the_fixed_size_is_that_of_statsmodels() -> None:
    from statsmodels.stats.power import NormalIndPower

    effect = 0.02 / math.sqrt(0.2)
    alone = NormalIndPower(ddof=0).solve_power(
        effect, alpha=0.05, power=0.8, ratio=0, alternative="larger"
    )
    assert fixed_items(0.2, 0.02) == math.ceil(alone)


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
    expected = Assumptions(2 / 3, within, 0.0, 8, 2).square()
    assert expected == pytest.approx(np.mean(difference**2), rel=0.01)
    broken = random.random(len(truth)) < 0.05
    certain = np.where(random.random(len(truth)) < 0.7, 1.0, 0.0)
    dropped = certain - np.where(broken, 0, certain)
    expected = Assumptions(0.7, 0.0, 0.0, 1, 1).square(0.035)
    assert expected == pytest.approx(np.mean(dropped**2), rel=0.03)


@pytest.mark.parametrize(("margin", "alpha"), [(0.02, 0.05), (0.03, 0.04), (0.08, 0.004)])
def test_the_fewest_items_that_can_pass_are_those_of_the_gates_evidence(
    margin: float, alpha: float
) -> None:
    rule = Rule(margin, alpha, 0.05)
    fewest = fewest_items(rule)
    assert can_pass(rule, fewest) and can_pass(rule, 3 * fewest)
    for items, outcome in ((fewest, Outcome.PASS), (fewest - 1, Outcome.UNDECIDED)):
        evidence = Evidence(rule, items)
        for _ in range(items):
            evidence.update(0.0)
        assert evidence.outcome is outcome


def test_a_suite_needs_items_of_its_smallest_task() -> None:
    suite = Rule(0.02, 0.01, 0.05)
    fewest = fewest_items_of_suite(suite, {"large": 500, "small": 30})
    for items, outcome in ((fewest, Outcome.PASS), (fewest - 1, Outcome.UNDECIDED)):
        evidence = SuiteEvidence(suite, 2 * items)
        per_round = 500 / items
        for number in range(items):
            large = int((number + 1) * per_round) - int(number * per_round)
            evidence.update_round({"large": [0.0] * large, "small": [0.0]})
        assert evidence.outcome is outcome

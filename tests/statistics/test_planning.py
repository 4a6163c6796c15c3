"""What planning says of a test is what such tests do, on items that planning knows nothing of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.simulated import read_in_order
from harness.statistics.planning import (
    Assumptions,
    detectable_drop,
    fixed_items,
    items_needed,
    margin_decided,
    operating_characteristic,
    power_remedy,
)
from harness.statistics.sequential import Rule
from harness.statistics.simulation import (
    PlannedTask,
    combined,
    simulate_gate,
)

Floats = NDArray[np.float64]
GATES = 1500
# A simulated chance of .8, and the planning's own.
NOISE = 0.04


def drawn(
    items: int, *, churn: float, stored: int, samples: int, drop: float, gates: int = GATES
) -> Floats:
    """Return differences of items of every difficulty, some drawn again, some broken outright."""
    random = np.random.default_rng(17)
    easiness = random.beta(0.3, 0.3, (gates, items))
    other = random.beta(0.3, 0.3, (gates, items))
    candidate = np.where(random.random((gates, items)) < churn, other, easiness)
    # Broken are items that were always solved.
    broken = random.random((gates, items)) < drop
    baseline = np.where(broken, 1.0, easiness)
    candidate = np.where(broken, 0.0, candidate)
    return (
        random.binomial(stored, baseline) / stored - random.binomial(samples, candidate) / samples
    )


def planned(churn: float, stored: int, samples: int) -> Assumptions:
    """Return the assumptions about such items: their score, sampling and change."""
    within, between = 0.3 * 0.3 / (0.6 * 1.6), 0.25 / 1.6
    return Assumptions(0.5, within, 2 * churn * between, stored, samples)


@pytest.mark.parametrize(
    ("margin", "alpha", "power", "churn", "stored", "samples"),
    [
        (0.08, 0.05, 0.8, 0.0, 8, 8),
        (0.05, 0.02, 0.8, 0.1, 4, 4),
        (0.05, 0.05, 0.5, 0.1, 8, 1),
        (0.06, 0.04, 0.9, 0.0, 1, 1),
    ],
)
def test_the_items_needed_decide_rightly_as_often_as_asked(
    margin: float, alpha: float, power: float, churn: float, stored: int, samples: int
) -> None:
    rule, supposed = Rule(margin, alpha, 0.05), planned(churn, stored, samples)
    items = items_needed(rule, supposed, power=power)
    rates = []
    for drop in (0.0, margin):
        differences = drawn(items, churn=churn, stored=stored, samples=samples, drop=drop)
        ended = read_in_order(differences, rule)
        rates.append(float((ended.failed if drop else ended.passed).mean()))
    assert min(rates) == pytest.approx(power, abs=NOISE)
    assert margin_decided(items, rule, supposed, power=power) == pytest.approx(margin, rel=0.06)


@pytest.mark.parametrize(("items", "discordance"), [(30, 0.04), (100, 0.04), (1319, 0.04)])
def test_a_drop_that_is_detected_is_detected_by_mcnemars_exact_test(
    items: int, discordance: float
) -> None:
    from scipy.stats import binomtest

    supposed = Assumptions(0.9, discordance / 2, 0.0, 1, 1)
    drop = detectable_drop(supposed, items)
    assert drop is not None
    random = np.random.default_rng(4)
    lost = drop + discordance / 2
    flips = random.multinomial(items, [lost, discordance / 2, 1 - drop - discordance], size=3000)
    seen = [
        binomtest(worse, worse + better, alternative="greater").pvalue <= 0.05
        for worse, better, _ in flips.tolist()
        if worse + better
    ]
    assert sum(seen) / len(flips) == pytest.approx(0.8, abs=NOISE)
    assert fixed_items(supposed, drop) == pytest.approx(items, rel=0.05)


def test_what_30_items_of_8_samples_decide_is_said_at_the_number_said() -> None:
    """Not with the noise at some smaller drop, which made it 17 and 23 points."""
    supposed = Assumptions(0.5, 0.15, 0.0, 8, 1)
    drop, margin = detectable_drop(supposed, 30), margin_decided(30, Rule(0.02), supposed)
    assert drop is not None and margin is not None and 0.24 < drop < margin < 0.5
    assert operating_characteristic(
        Rule(margin), supposed, drop=margin, budget=30, gates=3000
    ).right == pytest.approx(0.8, abs=NOISE)


def test_the_power_remedy_of_an_undecided_gate() -> None:
    rule = Rule(0.02)
    single = Assumptions(0.8, 0.1, 0.0, 1, 1)
    found = power_remedy(rule, single, items=1319)
    assert found.items == pytest.approx(items_needed(rule, single), rel=0.06)
    assert found.items > 1319
    assert found.samples is None, "the baseline's single sample is too noisy already"
    assert found.margin is not None and 0.02 < found.margin < 0.05
    stored = Assumptions(0.8, 0.15, 0.0, 16, 1)
    more = power_remedy(rule, stored, items=2500)
    assert more.samples is not None and 1 < more.samples <= 16
    enough = Assumptions(0.8, 0.15, 0.0, 16, more.samples)
    assert items_needed(rule, enough) <= 1.15 * 2500 < more.items
    assert power_remedy(rule, single, items=10_000).samples == 1
    assert power_remedy(rule, single, items=100, resample=False).samples is None


def test_a_gate_of_several_tasks_passes_where_all_its_tests_do() -> None:
    """A suite's drop is a mean of the tasks', so that it decides a margin that they cannot."""
    supposed = Assumptions(0.7, 0.05, 0.02, 4, 4)
    tasks = [
        PlannedTask(Rule(0.05, 0.01, 0.05), items, supposed.differences())
        for items in (300, 700, 1319)
    ]
    ended = simulate_gate(tasks, Rule(0.05, 0.01, 0.05), gates=500)
    alone = [float(test.passed.mean()) for test in ended]
    whole = combined(ended)
    assert alone[0] < alone[1] < alone[2] and alone[3] > alone[0]
    assert alone[0] * alone[1] - 0.06 < whole.passed.mean() <= min(alone)
    assert whole.failed.mean() < 0.04

"""A gate on these items: right at the promised rates, however the items differ or change places."""

from __future__ import annotations

import numpy as np
import pytest

from bench.simulated import simulate_rounds
from harness.statistics.betting import Floats
from harness.statistics.feasibility import fewest_rounds
from harness.statistics.rounds import MAX_DIFFERENCE, ItemEffects, split_samples
from harness.statistics.sequential import Evidence, Outcome, Rule

GATES, ITEMS = 1500, 30
RULE = Rule(0.05, 0.04, 0.05)


def _items(kind: tuple[float, float], seed: int) -> Floats:
    made: Floats = np.random.default_rng(seed).beta(*kind, (GATES, ITEMS))
    return made


def _same_mean_elsewhere(items: Floats, share: float) -> Floats:
    """Give a share of the items each other's difficulty, so that the mean stays."""
    moved = items.copy()
    count = round(share * ITEMS)
    moved[:, :count] = np.roll(items[:, :count], 1, axis=1)
    return moved


@pytest.mark.parametrize("kind", [(0.3, 0.3), (2.0, 2.0)])
@pytest.mark.parametrize("changed", [0.0, 0.5, 1.0])
def test_an_equal_candidate_passes_on_30_items_with_64_samples(
    kind: tuple[float, float], changed: float
) -> None:
    items = _items(kind, 1)
    ended = simulate_rounds(items, _same_mean_elsewhere(items, changed), RULE, rounds=64)
    assert ended.passed.mean() >= 0.88  # 90 % and more, known to .8 points
    assert ended.failed.mean() <= RULE.alpha_fail + 0.015
    assert ended.items.mean() < 40


@pytest.mark.parametrize("concentrated", [False, True])
@pytest.mark.parametrize("stored", [32, 64])
def test_a_candidate_at_the_margin_seldom_passes(concentrated: bool, stored: int) -> None:
    items = np.clip(_items((0.3, 0.3), 2), 0.0, 1.0)
    items[:, :6] = 0.3 + 0.7 * items[:, :6]
    if concentrated:
        # Six items lose a quarter of a sample each: 6 * .25 / 30 is the margin.
        after = items.copy()
        after[:, :6] -= 0.25
    else:
        after = items * (1 - RULE.margin / items.mean(1, keepdims=True))
    ended = simulate_rounds(items, after, RULE, rounds=32, stored=stored)
    assert ended.passed.mean() <= RULE.alpha_pass + 0.017
    assert ended.failed.mean() >= 0.8


def test_item_effects_change_no_mean_and_stay_within_reach() -> None:
    effects = ItemEffects(3)
    assert not effects.offsets().any(), "there are no effects before the first round"
    for _ in range(50):
        effects.update(np.array([-1.0, 1.0, 1.0]))
    off = effects.offsets()
    assert off.sum() == pytest.approx(0) and np.abs(off).max() <= MAX_DIFFERENCE - 1
    single = ItemEffects(1)
    single.update(np.ones(1))
    assert not single.offsets().any()


def test_the_simulation_is_the_evidence() -> None:
    items = _items((0.3, 0.3), 3)[:1]
    ended = simulate_rounds(items, items[:, ::-1], RULE, rounds=64, seed=5)
    random, evidence, effects = (
        np.random.default_rng(5),
        Evidence(RULE, 64 * ITEMS),
        ItemEffects(ITEMS),
    )
    while evidence.outcome is Outcome.UNDECIDED and evidence.rounds < 64:
        before = random.binomial(1, items)
        drops = (before - (random.random(items.shape) < items[:, ::-1]))[0]
        off = effects.offsets()
        evidence.update_together(drops - off, 1 + float(np.abs(off).max()))
        effects.update(drops)
    assert evidence.rounds == ended.items[0]
    assert (evidence.outcome is Outcome.PASS) == ended.passed[0]


def test_a_sample_of_the_baseline_serves_in_one_round_only() -> None:
    for stored, rounds in ((64, 64), (64, 24), (5, 2)):
        shares = split_samples(stored, rounds)
        assert len(shares) == rounds
        assert sorted(index for share in shares for index in share) == list(range(stored))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    with pytest.raises(ValueError, match="of its own"):
        split_samples(4, 8)


def test_too_few_rounds_are_known_before_the_start() -> None:
    assert fewest_rounds(Rule(0.01), 30, 4) is None
    fewest = fewest_rounds(RULE, 30, 64)
    assert fewest is not None and 2 <= fewest <= 8
    certain = np.repeat([0.0, 1.0], 15)
    ended = simulate_rounds(certain[None], certain[None], RULE, rounds=64)
    assert ended.passed.all() and ended.items[0] == fewest

"""Ranks and simultaneous intervals are all right together as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.paired import compare
from harness.statistics.ranking import holm, simultaneous, standings, suite_standings


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(list(expected), abs=1e-9)


def test_clearly_different_models_have_one_rank_each_and_equal_ones_share() -> None:
    at = np.random.default_rng(0).random(500)
    scores = [at < 0.3, at < 0.9, at < 0.6, at < 0.605]
    ranks = [(one.best_rank, one.worst_rank) for one in standings(scores)]
    assert ranks == [(4, 4), (1, 1), (2, 3), (2, 3)]


def test_ranks_are_wrong_as_rarely_as_they_say() -> None:
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        truth = random.beta(1, 1, 150)
        # Two models alike, one a little and one much better.
        scores = [random.random(150) < truth**power for power in (1, 1, 0.95, 0.4)]
        found = standings(scores)
        true_ranks = ((3, 4), (3, 4), (2, 2), (1, 1))
        for one, (best, worst) in zip(found, true_ranks, strict=True):
            if one.best_rank > worst or one.worst_rank < best:
                wrong += 1
                break
    assert wrong <= 0.05 * 200


@pytest.mark.parametrize("samples", [(1, 1, 1, 1), (8, 8, 8, 8), (1, 1, 4, 6)])
def test_ranks_are_told_by_the_same_tests_as_comparisons(samples: tuple[int, ...]) -> None:
    random = np.random.default_rng(7)
    for _ in range(20):
        truth = random.beta(1, 1, 60)
        rows = [
            random.binomial(count, truth**power) / count
            for count, power in zip(samples, random.uniform(0.6, 1.6, 4), strict=True)
        ]
        pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
        found = [compare(rows[i], rows[j]) for i, j in pairs]
        better, worse = [0] * 4, [0] * 4
        for (i, j), one, p in zip(pairs, found, holm([one.p for one in found]), strict=True):
            if p <= 0.05:
                winner, loser = (j, i) if one.effect > 0 else (i, j)
                better[loser] += 1
                worse[winner] += 1
        for place, standing in enumerate(standings(rows)):
            ranks = (standing.best_rank, standing.worst_rank)
            assert ranks == (1 + better[place], 4 - worse[place])


def test_a_small_drop_on_every_item_of_two_tasks_is_seen_in_ranks() -> None:
    random = np.random.default_rng(8)
    shown = []
    for _ in range(100):
        truth = random.uniform(0.1, 0.9, (2, 30))
        tasks = [
            [random.binomial(32, of_task - drop) / 32 for drop in (0, 0.05)] for of_task in truth
        ]
        shown.append(suite_standings(tasks)[1].best_rank == 2)
    assert np.mean(shown) > 0.8


def test_equal_models_are_told_apart_on_several_tasks_as_rarely_as_said() -> None:
    random = np.random.default_rng(9)
    wrong = 0
    for _ in range(400):
        tasks = [random.random((2, items)) < 0.93 for items in (30, 60)]
        wrong += suite_standings([list(task) for task in tasks])[0].worst_rank == 1
        wrong += suite_standings([list(task) for task in tasks])[1].worst_rank == 1
    assert wrong <= 0.07 * 400


def test_simultaneous_intervals_hold_together() -> None:
    random = np.random.default_rng(2)
    shares = np.array([0.1, 0.5, 0.6, 0.9])
    held = []
    for _ in range(500):
        found = simultaneous(list(random.random((4, 200)) < shares[:, None]))
        held.append(all(e.low <= p <= e.high for e, p in zip(found, shares, strict=True)))
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


def test_one_model_is_first_and_none_is_nothing() -> None:
    (alone,) = standings([[1.0, 0.0]])
    assert (alone.best_rank, alone.worst_rank) == (1, 1)
    assert standings([]) == []

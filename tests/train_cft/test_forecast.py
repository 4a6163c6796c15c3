"""The time that is left, by the steps so far."""

from __future__ import annotations

from itertools import accumulate

import pytest

from train_cft.train.forecast import TimeLeft


def test_the_time_left_follows_what_is_computed_and_not_the_number_of_steps() -> None:
    time_left = TimeLeft([*accumulate([100, 100, 200, 400, 800])], done=0)
    # Ten seconds to warm up, then a tenth of a second for each token.
    assert time_left.seconds(1, 20.0) == pytest.approx(1500 * 20 / 100)
    assert time_left.seconds(2, 30.0) == pytest.approx(140.0)
    assert time_left.seconds(3, 50.0) == pytest.approx(120.0)
    assert time_left.seconds(5, 170.0) == 0.0


def test_a_resumed_training_is_timed_from_its_own_start() -> None:
    time_left = TimeLeft([*accumulate([100] * 8)], done=4)
    assert time_left.seconds(5, 2.0) == pytest.approx(6.0)
    assert time_left.seconds(6, 3.0) == pytest.approx(2.0)
    assert [step for step in range(5, 9) if time_left.is_stable(step)] == [7]

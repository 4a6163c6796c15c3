"""The order of samples: each once an epoch, the same whoever computes it."""

from __future__ import annotations

import random

from train_cft.train.batch_plan import BatchPlan, arrange, as_rows
from train_cft.train.encoding import Encoded


def _batch_plan(*, seed: int = 0, by_length: bool = True, epochs: int = 1) -> BatchPlan:
    draw = random.Random(5)
    samples = [Encoded(tuple([number] * draw.randint(3, 90)), 2) for number in range(70)]
    return arrange(
        as_rows(samples),
        batch=16,
        micro_batch=4,
        epochs=epochs,
        seed=seed,
        by_length=by_length,
        blank=0,
    )


def test_every_sample_is_seen_once_an_epoch_and_the_rest_is_padding() -> None:
    plan = _batch_plan(epochs=2)
    assert plan.steps == 10
    for rows in (plan.rows[:80], plan.rows[80:]):
        seen = [row.ids[0] for row in rows if row.lengths]
        assert sorted(seen) == list(range(70))
        blanks = [row for row in rows if not row.lengths]
        assert len(blanks) == 10 and all(set(row.labels) == {-100} for row in blanks)
    assert plan.rows[:80] != plan.rows[80:]


def test_length_changes_which_samples_share_a_block_and_not_which_make_a_step() -> None:
    grouped, plain = _batch_plan(), _batch_plan(by_length=False)
    for step in range(grouped.steps):
        part = slice(16 * step, 16 * step + 16)
        assert sorted(row.ids for row in grouped.rows[part]) == sorted(
            row.ids for row in plain.rows[part]
        )
    assert grouped.computed_by_step()[-1] < 0.8 * plain.computed_by_step()[-1]
    assert grouped.tokens_by_step() == plain.tokens_by_step()


def test_the_order_follows_from_the_seed() -> None:
    assert _batch_plan().rows == _batch_plan().rows
    assert _batch_plan().rows != _batch_plan(seed=1).rows

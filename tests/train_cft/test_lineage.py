"""Which checkpoint was chosen is known by its weights, not by its step alone."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.store.training import TrainingChoice
from train_cft.report.lineage import TrainingIndex

MADE_BY = {"first": ("training", 4), "again": ("training", 4), "other": ("training", 8)}


def _known(chosen: str | None) -> TrainingIndex:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    choice = TrainingChoice("training", "sums", "best", 4, {4: "run"}, [], at, chosen)
    return TrainingIndex({}, MADE_BY, [choice])


def test_a_checkpoint_made_again_under_the_number_of_the_chosen_one_was_not_chosen() -> None:
    known = _known("first")
    assert known.chosen_on("first") == {"sums"}
    assert known.chosen_on("again") == set()


def test_where_the_run_of_the_chosen_one_is_not_here_its_number_tells() -> None:
    known = _known(None)
    assert known.chosen_on("first") == {"sums"}
    assert known.chosen_on("other") == set()

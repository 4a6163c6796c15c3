"""What a human says of a critique: on disk at once, also while another process holds the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, StoreLocked
from harness.store import Journal, Store, annotation_queue, recover
from harness.store.reviews import critiques_with_pending_reviews, review_critique, review_summaries
from harness.store.training import CritiqueRow, critiques_to_review
from tests.conftest import held_by_another_process
from tests.leaderboard.made_training import critique_row


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a results file with a review queue."""
    made = Store(tmp_path / "results.duckdb", wait_seconds=0.2)
    with Journal(made) as journal:
        for number in (1, 2, 3):
            journal.append("critique", critique_row(number))
    return made


def review(store: Store, row: CritiqueRow, reviewer: str, *, right: bool = True) -> bool:
    return review_critique(store, row.id, right=right, sound=None, note="", reviewer=reviewer)


def test_a_review_made_while_the_file_is_held_is_on_disk_and_goes_in_later(store: Store) -> None:
    (first, second, _), _ = critiques_to_review(store)
    with held_by_another_process(store.path):
        assert not review(store, first, "Ada", right=False)
        assert not review(store, second, "Ada")
        with pytest.raises(StoreLocked):
            annotation_queue.flush(store)
        # Another process sees what waits: it is on disk.
        assert critiques_with_pending_reviews(Store(store.path)) == {first.id, second.id}
    assert critiques_to_review(store, reviewed=True) == ([], 0)
    annotation_queue.flush(store)
    found, _ = critiques_to_review(store, reviewed=True)
    assert [(row.id, row.human_right, row.human_sound) for row in found] == [
        (first.id, False, None),
        (second.id, True, None),
    ]
    assert review_summaries(store)[0].reviewed == 2
    assert critiques_with_pending_reviews(store) == set()
    assert not store.journal_dir.exists()


def test_of_several_reviews_of_a_critique_the_last_one_counts_in_whatever_order_they_go_in(
    store: Store,
) -> None:
    (first, second, _), _ = critiques_to_review(store)
    with held_by_another_process(store.path):
        assert not review(store, first, "early", right=False)
        assert not review(store, second, "early", right=False)
        assert not review(store, second, "late")
    # What waits is older than this.
    assert review(store, first, "late")
    annotation_queue.flush(store)
    found, _ = critiques_to_review(store, reviewed=True)
    assert [(row.reviewed_by, row.human_right) for row in found] == [("late", True)] * 2
    assert review(store, first, "last", right=False)
    (again, _), _ = critiques_to_review(store, reviewed=True)
    assert (again.reviewed_by, again.human_right) == ("last", False)


def test_moving_what_people_said_leaves_the_journals_of_runs_alone(store: Store) -> None:
    (first, *_), _ = critiques_to_review(store)
    with held_by_another_process(store.path):
        with pytest.raises(StoreLocked), Journal(store) as left_behind:
            left_behind.append("critique", critique_row(4))
        assert not review(store, first, "Ada")
    annotation_queue.flush(store)
    assert critiques_to_review(store, reviewed=None)[1] == 3
    assert critiques_to_review(store, reviewed=True)[1] == 1
    assert recover(store) == 1
    assert critiques_to_review(store, reviewed=None)[1] == 4


def test_a_review_that_a_later_one_outweighs_is_not_called_stored(store: Store) -> None:
    (first, *_), _ = critiques_to_review(store)
    assert review(store, first, "of a fast clock")
    with store.write() as connection:
        connection.execute("UPDATE critique SET reviewed_at = reviewed_at + INTERVAL 1 DAY")
    with pytest.raises(HarnessError, match="clock"):
        review(store, first, "now")


def test_what_is_on_disk_but_cannot_go_in_waits_and_is_not_called_lost(store: Store) -> None:
    (first, *_), _ = critiques_to_review(store)
    whole = store.path.read_bytes()
    store.path.write_text("no database " * 500)
    assert not review(store, first, "Ada")
    with pytest.raises(HarnessError):
        annotation_queue.flush(store)
    assert critiques_with_pending_reviews(store) == {first.id}
    store.path.write_bytes(whole)
    annotation_queue.flush(store)
    assert critiques_to_review(store, reviewed=True)[1] == 1

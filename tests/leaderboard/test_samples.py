"""Pages of a run's samples, without a browser."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from harness.store import Store, queries
from harness.store.queries import Sample
from leaderboard.samples_page import grade_facts, run_facts, run_label, sample_head
from tests.leaderboard.made_store import HOSTILE_NAME, SECRET, run_id


@pytest.mark.parametrize(
    ("keep", "count"),
    [("all", 12), ("right", 5), ("wrong", 7), ("truncated", 1), ("no_answer", 1)],
)
def test_a_page_holds_what_it_is_narrowed_to(made_store: Store, keep: str, count: int) -> None:
    run = run_id(HOSTILE_NAME, "quick")
    page = queries.sample_page(made_store, run, keep=keep)
    assert len(page.samples) == page.counts[keep] == count
    assert page.counts == {"all": 12, "right": 5, "wrong": 7, "truncated": 1, "no_answer": 1}


def test_pages_follow_each_other_in_the_order_of_the_items(made_store: Store) -> None:
    run = run_id("made-up-small", "math500")
    pages = [
        queries.sample_page(made_store, run, offset=offset, limit=20).samples for offset in (0, 20)
    ]
    assert [len(page) for page in pages] == [20, 10]
    assert [sample.item_id for page in pages for sample in page] == [
        f"item-{number:03d}" for number in range(30)
    ]


@pytest.mark.parametrize(
    ("search", "count"),
    [("29 + 29", 1), ("SUM IS SEVEN", 27), (" item-004 ", 1), ("58", 1), ("100%_'", 0)],
)
def test_search_finds_text_in_any_case(made_store: Store, search: str, count: int) -> None:
    run = run_id("made-up-small", "math500")
    page = queries.sample_page(made_store, run, search=search, limit=30)
    assert page.counts["all"] == len(page.samples) == count


def test_only_what_has_come_back_is_there(made_store: Store) -> None:
    page = queries.sample_page(made_store, run_id("made-up-growing", "gsm8k"), limit=100)
    assert len(page.samples) == 24


def test_a_restricted_runs_texts_do_not_leave_the_database(made_store: Store) -> None:
    run = run_id("made-up-large", "gpqa_diamond")
    page = queries.sample_page(made_store, run)
    (sample,) = page.samples
    assert sample.correct
    assert SECRET not in str(asdict(sample))
    assert queries.sample_page(made_store, run, search=SECRET).counts["all"] == 0
    (summary,) = queries.runs(made_store, [run])
    assert "not shown" in grade_facts(summary, sample)


def test_headings_escape_what_they_show(made_store: Store) -> None:
    (summary,) = queries.runs(made_store, [run_id(HOSTILE_NAME, "quick")])
    bad = "<img src=x>"
    sample = Sample(
        item_id=bad, sample_index=0, question=bad, gold=bad, answer_type=bad, subject=bad,
        level=bad, thought=bad, answer=bad, finish_reason=bad, truncated=True, loop=True,
        completion_tokens=3, correct=None, status=bad, extracted=bad, extraction=bad, method=bad,
    )  # fmt: skip
    for shown in (sample_head(summary, sample), grade_facts(summary, sample), run_facts(summary)):
        assert "<img" not in shown
    assert "not judged" in sample_head(summary, sample)
    assert "33.3" not in run_label(summary)
    assert "12 of 12" in run_facts(summary)

"""A summary says what the rows say, and goes as soon as there are other rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.store import Journal, Store, queries, samples, summaries
from harness.store.item_results import item_results
from tests.store import rows

RUN = "aaaaaaaaaaaa"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results.duckdb")


def write(store: Store, *written: tuple[str, dict[str, Any]]) -> None:
    with Journal(store) as journal:
        for table, row in written:
            journal.append(table, row)


def whole_run(store: Store, *, right: int = 2, of: int = 3) -> None:
    """Write a run of which so many answers were right."""
    written: list[tuple[str, dict[str, Any]]] = [
        ("model", rows.model()),
        ("run", rows.run(items=of, requests=of)),
    ]
    for number in range(of):
        written += [
            ("item", rows.item(number)),
            ("request", rows.request(number)),
            ("generation", rows.generation(number, truncated=number == 0)),
            ("grade", rows.grade(number, correct=number < right)),
        ]
    write(store, *written)


def tallied(store: Store) -> int:
    with store.read() as connection:
        row = connection.execute("SELECT count(DISTINCT run_id) FROM run_tally").fetchone()
    return int(row[0]) if row else 0


def test_a_finished_run_is_tallied_as_its_rows_say(store: Store) -> None:
    whole_run(store)
    assert tallied(store) == 1
    assert summaries.verify(store) == []
    (summary,) = queries.runs(store)
    with store.read() as connection:
        from_rows = connection.execute(
            "SELECT items, samples, generated, correct, round(mean, 9), round(variance, 9),"
            " most_samples, undecided, truncated, no_answer, loops, completion_tokens"
            " FROM run_score"
        ).fetchone()
        kept = connection.execute(
            "SELECT items, samples, generated, correct, round(mean, 9), round(variance, 9),"
            " most_samples, undecided, truncated, no_answer, loops, completion_tokens"
            " FROM run_tally WHERE profile = 'strict'"
        ).fetchone()
    assert kept == from_rows
    assert summary.complete
    assert summary.score is not None
    assert summary.score.value == pytest.approx(2 / 3)
    assert list(queries.item_scores(store, [RUN])[RUN]) == [1.0, 1.0, 0.0]


def test_without_its_tally_a_run_reads_the_same(store: Store) -> None:
    whole_run(store)
    with_tally = queries.runs(store)
    pages = [samples.page(store, RUN, keep=keep) for keep in samples.KEEP]
    outcomes = item_results(store, RUN)
    scores = list(queries.item_scores(store, [RUN])[RUN])
    with store.write() as connection:
        connection.execute("DELETE FROM run_tally")
    assert queries.runs(store) == with_tally
    assert [samples.page(store, RUN, keep=keep) for keep in samples.KEEP] == pages
    assert item_results(store, RUN) == outcomes
    assert list(queries.item_scores(store, [RUN])[RUN]) == scores
    assert summaries.refresh(store) == 1
    assert queries.runs(store) == with_tally


def test_new_rows_drop_the_tally_with_them_and_a_crash_leaves_none(
    store: Store, tmp_path: Path
) -> None:
    whole_run(store)
    later = rows.grade(2, correct=True, version="2", graded_at="2031-01-01T00:00:00+00:00")
    with Journal(store) as journal:
        journal.append("grade", later)
        journal.move()
        # What a killed writer would leave: the rows, and no summary that lacks them.
        left = Store(Path(shutil.copy(store.path, tmp_path / "left.duckdb")))
    assert tallied(left) == 0
    (summary,) = queries.runs(left)
    assert summary.score is not None
    assert summary.score.value == 1.0
    assert summary.grader_versions == ("1", "2")
    assert tallied(store) == 1
    assert queries.runs(store) == [summary]
    assert summaries.verify(store) == []


def test_a_run_that_shares_a_generation_is_counted_anew_too(store: Store) -> None:
    whole_run(store, right=0)
    other = "bbbbbbbbbbbb"
    shared = [rows.request(number) | {"run_id": other} for number in range(3)]
    write(
        store,
        ("run", rows.run(items=3, requests=3) | {"id": other}),
        *[("request", row) for row in shared],
    )
    assert tallied(store) == 2
    for number in range(3):
        newer = rows.grade(number, correct=True, version="2", graded_at="2031-01-01T00:00:00+00:00")
        write(store, ("grade", newer))
    assert [run.score.value for run in queries.runs(store) if run.score] == [1.0, 1.0]
    assert summaries.verify(store) == []


def test_a_tally_that_is_not_what_the_rows_say_is_found_and_made_anew(store: Store) -> None:
    whole_run(store)
    with store.write() as connection:
        connection.execute("UPDATE run_tally SET correct = correct + 1")
    assert summaries.verify(store) == [RUN]
    assert summaries.rebuild(store) == 1
    assert summaries.verify(store) == []


def test_texts_are_read_of_the_page_alone_and_search_finds_them(store: Store) -> None:
    whole_run(store, of=8)
    page = samples.page(store, RUN, offset=5, limit=2)
    assert [sample.item_id for sample in page.samples] == ["5", "6"]
    assert page.samples[0].answer == "an answer"
    found = samples.page(store, RUN, search="question 7")
    assert [sample.item_id for sample in found.samples] == ["7"]
    assert found.counts["all"] == 1

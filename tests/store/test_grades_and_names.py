"""Which grade of an answer counts, what a model is called, and the bounds of a score."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from harness.analysis.select import find_runs
from harness.interop.export import table
from harness.store import Journal, Store, published, queries, summaries
from harness.store.labels import SampleName, judgements
from harness.store.published import PublishedScore
from harness.store.samples import of_run, page
from tests.store.rows import generation, grade, item, key, model, request, run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results.duckdb")


def test_a_newer_grader_counts_before_a_later_clock_wherever_grades_are_read(
    store: Store, tmp_path: Path
) -> None:
    rows = [("model", model()), ("run", run()), ("item", item(0)), ("request", request(0))]
    rows += [("generation", generation(0))]
    judged = [("2", False, "2026-03-01"), ("10", True, "2026-02-01"), ("9", False, "2026-01-01")]
    judged += [("older", False, "2026-04-01")]
    for version, correct, day in judged:
        at = f"{day}T00:00:00Z"
        rows += [("grade", grade(0, correct=correct, version=version, graded_at=at))]
    source = {"profile": "source"}
    for version, correct, day in (("theirs, b", False, "2026-01-01"), ("ours", True, "2026-01-02")):
        at = f"{day}T00:00:00Z"
        rows += [("grade", grade(0, correct=correct, version=version, graded_at=at) | source)]
    with Journal(store) as journal:
        for name, row in rows:
            journal.append(name, row)
    (tallied,) = queries.runs(store)
    assert tallied.grader_versions == ("10",)
    with store.write() as connection:
        for view in ("sample", "sample_by('source')"):
            found = connection.execute(f"SELECT grader_version, correct FROM {view}").fetchall()
            assert found == [("10" if view == "sample" else "ours", True)]
        connection.execute("DELETE FROM run_tally")
    assert queries.runs(store) == [tallied]
    (sample,) = of_run(store, tallied.id)
    assert sample.correct
    assert page(store, tallied.id).counts["disagree"] == 0
    asked = SampleName("0", 0)
    opinions = judgements(store, tallied.id, [asked])[asked].opinions
    assert [opinion.grader_version for opinion in opinions] == ["ours", "10"]
    assert table.write(store, [tallied], tmp_path / "out.csv", "csv", "strict") == 1
    assert ",10,true," in (tmp_path / "out.csv").read_text()


def test_a_model_is_known_by_every_name_that_it_was_measured_under(store: Store) -> None:
    moved = model() | {"name": "step-100", "source": "/new/step-100"}
    with Journal(store) as journal:
        journal.append("model", model())
        journal.append("run", run())
        journal.move()
        for _ in range(2):
            journal.append("model", moved)
    assert [name for name, *_ in queries.models(store)] == ["tiny"]
    for name in ("tiny", "builtin:tiny", "step-100", "/new/step-100", "/new/../new/step-100"):
        ((found,),) = find_runs(store, [name], "strict")
        assert found.id == "aaaaaaaaaaaa"
    assert len(queries.aliases(store)) == 2


def test_a_file_of_schema_6_gets_aliases_bounds_and_the_right_order(store: Store) -> None:
    rows = [("model", model()), ("run", run()), ("item", item(0)), ("request", request(0))]
    rows += [("generation", generation(0))]
    rows += [("grade", grade(0, correct=True, version="3", graded_at="2026-01-01T00:00:00Z"))]
    rows += [("grade", grade(0, correct=False, version="2", graded_at="2026-02-01T00:00:00Z"))]
    with Journal(store) as journal:
        for name, row in rows:
            journal.append(name, row)
    with duckdb.connect(str(store.path)) as connection:
        connection.execute("DROP TABLE model_alias")
        connection.execute("ALTER TABLE run_tally DROP COLUMN upper_mean")
        connection.execute("ALTER TABLE gate_decision DROP COLUMN budget")
        connection.execute("UPDATE run_tally SET correct = 0, mean = 0, grader_versions = ['2']")
        connection.execute("UPDATE schema_version SET version = 6")
    again = Store(store.path)
    (summary,) = queries.runs(again)
    assert summary.score and summary.score.value == 1 and summary.bounds == (1, 1)
    ((found,),) = find_runs(again, ["builtin:tiny"], "strict")
    assert found.id == summary.id
    assert summaries.refresh(again) == 1 and summaries.verify(again) == []


def test_the_bounds_of_a_score_are_of_its_items(store: Store) -> None:
    """One sample of the first item, which the grader failed on; three of the second, all right."""
    rows = [("model", model()), ("run", run(items=2, requests=4))]
    rows += [("item", item(number)) for number in range(2)]
    for number in range(4):
        asked = request(min(number, 1)) | {"sample_index": max(0, number - 1), "key": key(number)}
        status = "timeout" if number == 0 else "ok"
        judged = grade(min(number, 1), correct=number > 0, status=status) | {"key": key(number)}
        rows += [("request", asked), ("generation", generation(number)), ("grade", judged)]
    with Journal(store) as journal:
        for name, row in rows:
            journal.append(name, row)
    (summary,) = queries.runs(store)
    assert summary.bounds == (0.5, 1.0)


def test_published_scores_are_the_same_with_and_without_a_file(store: Store) -> None:
    with store.write():
        pass

    def by_name(scores: list[PublishedScore]) -> list[str]:
        return sorted(map(repr, scores))

    assert by_name(published.shipped()) == by_name(published.scores(store))

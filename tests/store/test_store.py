"""The results file, shared by processes that lock each other out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from harness.errors import HarnessError, StoreLocked
from harness.grading import GraderPool
from harness.run.grader import RunGrader
from harness.store import (
    SCHEMA_VERSION,
    Journal,
    Store,
    catalogue,
    published,
    queries,
    recover,
    run_lock,
)
from harness.store import journal as journal_module
from harness.store import store as store_module
from harness.store.rows import item_row
from harness.types import AnswerType, Item, Tolerance
from tests.conftest import held_by_another_process
from tests.store.rows import generation, grade, item, model, request, run

CRASH = """
import os, sys, time
from pathlib import Path
from harness.store import Journal, Store
from tests.store.rows import generation
journal = Journal(Store(Path(sys.argv[1]), wait_seconds=0))
for number in range(50):
    journal.append("generation", generation(number))
journal.sync()
print("synced", flush=True)
time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results.duckdb", wait_seconds=0.3)
    with store.write():
        pass
    return store


def _count(store: Store, table: str) -> int:
    with store.read() as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return int(row[0])


def test_rows_arrive_once_however_often_they_are_written(store: Store) -> None:
    for _ in range(2):
        with Journal(store) as journal:
            for number in (1, 2, 1):
                journal.append("generation", generation(number))
    assert _count(store, "generation") == 2


def test_any_text_a_model_writes_comes_back_as_it_was(store: Store) -> None:
    texts = ["\x00\x1b[2J", "“ü”\u2028\n\r\t\\\"'", '{"table": "run"}', "", "x" * 2_000_000]
    with Journal(store) as journal:
        for number, text in enumerate(texts):
            journal.append("generation", generation(number, answer=text))
    with store.read() as connection:
        found = connection.execute("SELECT answer FROM generation ORDER BY key").fetchall()
    assert [row[0] for row in found] == texts


def test_a_lone_surrogate_does_not_stop_a_run(store: Store) -> None:
    with Journal(store) as journal:
        journal.append("generation", generation(1, answer="before \ud800 after"))
    with store.read() as connection:
        assert connection.execute("SELECT answer FROM generation").fetchall() == [
            ("before ? after",)
        ]


def test_a_held_file_is_waited_for_and_then_named(store: Store) -> None:
    with held_by_another_process(store.path) as holder:
        with pytest.raises(StoreLocked, match=f"process {holder.pid}"), store.read():
            pass
        with Journal(store) as journal:
            journal.append("generation", generation(1))
            with pytest.raises(StoreLocked):
                journal.move(wait_seconds=0)
            holder.kill()
            holder.wait()
    assert _count(store, "generation") == 1


def test_another_process_can_open_the_file_between_batches(store: Store) -> None:
    with Journal(store) as journal:
        journal.append("generation", generation(1))
        journal.move()
        counted = subprocess.run(
            [
                sys.executable,
                "-c",
                "import duckdb, sys; print(duckdb.connect(sys.argv[1])"
                ".execute('SELECT count(*) FROM generation').fetchone()[0])",
                str(store.path),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    assert counted.stdout.strip() == "1"


def test_a_long_wait_fills_many_small_files_which_move_one_by_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_LARGEST_FILE", 10_000)
    with held_by_another_process(store.path) as holder, Journal(store) as journal:
        for number in range(100):
            journal.append("generation", generation(number, answer="x" * 1000))
        journal.sync()
        files = list(store.journal_dir.glob("*/*.jsonl"))
        assert len(files) >= 10 and max(file.stat().st_size for file in files) < 12_000
        holder.kill()
        holder.wait()
        journal.move()
        assert _count(store, "generation") == 100
        assert not list(store.journal_dir.glob("*/*.jsonl"))


def test_what_a_killed_writer_had_finished_is_taken_in_by_the_next(store: Store) -> None:
    with (
        held_by_another_process(store.path),
        subprocess.Popen(
            [sys.executable, "-c", CRASH, str(store.path)], stdout=subprocess.PIPE, text=True
        ) as writer,
    ):
        assert writer.stdout and writer.stdout.readline() == "synced\n"
        assert recover(store, wait_seconds=0) == 0, "a living writer's journal is its own"
        writer.kill()
    assert _count(store, "generation") == 0
    assert recover(store) == 1
    assert _count(store, "generation") == 50
    assert not store.journal_dir.exists()


def test_a_journal_that_can_no_longer_be_written_says_so_at_once(store: Store) -> None:
    with pytest.raises(HarnessError), Journal(store) as journal:
        journal.append("generation", generation(1))
        journal.move()
        shutil.rmtree(store.journal_dir)
        journal.append("generation", generation(2))
        journal.sync()


def test_a_run_is_carried_out_by_one_process_at_a_time(store: Store) -> None:
    with run_lock(store, ["a", "b"]):
        with pytest.raises(HarnessError, match="run b right now"), run_lock(store, ["c", "b"]):
            pass
        with run_lock(store, ["c"]):
            pass
    with run_lock(store, ["a", "b", "c"]):
        pass
    assert not store.journal_dir.exists()


def test_a_changed_tolerance_does_not_inherit_the_grade_of_the_old_one(store: Store) -> None:
    changed = Item("0", "question 0", "0", AnswerType.NUMBER, Tolerance(absolute=0.5))
    newer = run() | {"id": "bbbbbbbbbbbb"}
    asked = request(0) | {"run_id": "bbbbbbbbbbbb", "gold_id": changed.gold_id}
    rows = [("model", model()), ("run", run()), ("item", item(0)), ("request", request(0))]
    rows += [("generation", generation(0)), ("grade", grade(0, correct=False))]
    rows += [("run", newer), ("request", asked)]
    rows += [("item", item_row(changed, "gsm8k", "d" * 64, 0))]
    with Journal(store) as journal:
        for table, row in rows:
            journal.append(table, row)
    graded = {summary.id: summary.graded for summary in queries.runs(store)}
    assert graded == {"aaaaaaaaaaaa": 1, "bbbbbbbbbbbb": 0}
    (waiting,) = queries.ungraded(store, ["bbbbbbbbbbbb"], "strict", "1")
    assert waiting.item.gold_id == changed.gold_id


def test_answers_still_under_way_when_a_run_is_stopped_get_no_grade(store: Store) -> None:
    hard = Item("hard", "", "5^{5^{5^{5^{5}}}}", AnswerType.EXPRESSION)
    with Journal(store) as journal:
        pool = GraderPool(workers=1)
        grader = RunGrader(pool, journal, "strict", lambda run, item, correct: None)
        for number in range(20):
            answer = f"\\boxed{{\\dfrac{{5^{{5^{{5^{{5^{{5}}}}}}}} - {number}}}{{16}}}}"
            grader.submit("run", hard, f"{number:032x}", answer, truncated=False)
        pool.close(wait=False)
        grader.wait()
    with store.read() as connection:
        assert connection.execute("SELECT DISTINCT method FROM grade").fetchall() in (
            [],
            [("caps",)],
        )


def test_a_text_file_is_refused_as_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.duckdb"
    path.write_text("not a database " * 1000)
    with pytest.raises(HarnessError, match="not a DuckDB database"), Store(path).write():
        pass
    assert path.read_text().startswith("not a database"), "it is left as it was"


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sales.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE sales (x INTEGER)")
    with pytest.raises(HarnessError, match="not a results file"), Store(path).write():
        pass


def test_a_newer_schema_is_refused(store: Store) -> None:
    with duckdb.connect(str(store.path)) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", [SCHEMA_VERSION + 1])
    again = Store(store.path)
    with pytest.raises(HarnessError, match="Update the harness"), again.read():
        pass


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="harness eval"), Store(tmp_path / "no.duckdb").read():
        pass


def test_a_schema_that_gains_a_table_and_a_column_gets_them_in_older_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(store) as journal:
        journal.append("generation", generation(1))
    newer = tmp_path / "schema.sql"
    schema = catalogue.SCHEMA.read_text().replace("chat             JSON", "chat JSON, more JSON")
    newer.write_text(schema + "CREATE TABLE added (x INTEGER);")
    monkeypatch.setattr(catalogue, "SCHEMA", newer)
    monkeypatch.setattr(store_module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    upgraded = Store(store.path)
    with upgraded.read() as connection:
        assert connection.execute("SELECT count(*) FROM added").fetchone() == (0,)
        assert connection.execute("SELECT count(more) FROM run").fetchone() == (0,)
    assert _count(upgraded, "generation") == 1
    fresh = Store(tmp_path / "fresh.duckdb")
    with fresh.write():
        pass
    assert _catalogue(fresh) == _catalogue(upgraded)


# What each version of the schema added.
ADDED = {
    2: ("run.chat", "run_session.usage", "generation.thought_tokens"),
    3: ("gate_decision",),
    4: ("critique",),
    5: ("training", "training_step", "training_checkpoint", "training_choice", "human_label"),
    6: ("run_tally",),
    7: ("model_alias", "run_tally.upper_mean"),
    8: ("gate_decision.budget",),
}


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_file_of_any_earlier_version_is_brought_up_to_date_with_its_rows(
    store: Store, tmp_path: Path, version: int
) -> None:
    rows = [("model", model()), ("run", run()), ("item", item(0)), ("request", request(0))]
    rows += [("generation", generation(0)), ("grade", grade(0, correct=True))]
    with Journal(store) as journal:
        for table, row in rows:
            journal.append(table, row)
    with duckdb.connect(str(store.path)) as connection:
        for later in range(SCHEMA_VERSION, version, -1):
            for name in ADDED[later]:
                table, _, column = name.partition(".")
                what = (
                    f"ALTER TABLE {table} DROP COLUMN {column}" if column else f"DROP TABLE {table}"
                )
                connection.execute(what)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", [version])
    upgraded = Store(store.path)
    (summary,) = queries.runs(upgraded)
    assert summary.score and summary.score.value == 1 and summary.bounds == (1, 1)
    assert queries.aliases(upgraded) == [("fingerprint of tiny", "tiny", "builtin:tiny")]
    fresh = Store(tmp_path / "fresh.duckdb")
    with fresh.write():
        pass
    assert _catalogue(fresh) == _catalogue(upgraded)


def test_published_scores_are_in_every_file(store: Store) -> None:
    scores = {(row.model, row.task): row for row in published.scores(store)}
    assert len(scores) == len(published.scores(store)), "one row a model and task"
    assert scores["Llama-3.1-70B-Instruct", "olympiadbench"].score != 0.144, "a doubtful row"
    cft = scores["Qwen2.5-Math-7B+WebInstruct-CFT", "math"]
    assert (cft.score, cft.method) == (pytest.approx(0.802), "cft")
    for name in ("Llama-3.1-70B-Instruct", "Qwen2.5-72B-Instruct", "Qwen2.5-Math-72B-Instruct"):
        assert 0 < scores[name, "math"].score < 1
    assert not [row for row in scores.values() if "self-critique" in row.metric]


def test_a_summary_counts_what_is_there(store: Store) -> None:
    rows = [("model", model()), ("run", run(items=3, requests=3))]
    for number in range(3):
        rows += [("item", item(number)), ("request", request(number))]
    rows += [("generation", generation(0)), ("grade", grade(0, correct=True))]
    rows += [("generation", generation(1, truncated=True)), ("grade", grade(1, correct=False))]
    with Journal(store) as journal:
        for table, row in rows:
            journal.append(table, row)
    (summary,) = queries.runs(store)
    assert summary.score is None and summary.so_far == queries.PartialScore(0.5, 2)
    assert (summary.graded, summary.requests, summary.complete) == (2, 3, False)
    assert summary.truncated == 0.5
    assert queries.missing_keys(store, [summary.id]) == {request(2)["key"]}


def test_a_newer_grade_is_shown_and_the_older_kept(store: Store) -> None:
    rows = [("model", model()), ("run", run()), ("item", item(0)), ("request", request(0))]
    rows += [("generation", generation(0))]
    rows += [("grade", grade(0, correct=False, version="1", graded_at="2026-01-01T00:00:00Z"))]
    rows += [("grade", grade(0, correct=True, version="2", graded_at="2026-02-01T00:00:00Z"))]
    with Journal(store) as journal:
        for table, row in rows:
            journal.append(table, row)
    (summary,) = queries.runs(store)
    assert summary.score and summary.score.value == 1
    assert _count(store, "grade") == 2


def test_answers_the_grader_failed_on_are_bounds_of_the_score(store: Store) -> None:
    rows = [("model", model()), ("run", run(items=4, requests=4))]
    for number in range(4):
        rows += [("item", item(number)), ("request", request(number))]
        rows += [("generation", generation(number))]
        status = "timeout" if number == 0 else "ok"
        rows += [("grade", grade(number, correct=number == 1, status=status))]
    with Journal(store) as journal:
        for table, row in rows:
            journal.append(table, row)
    (summary,) = queries.runs(store)
    assert summary.bounds == (0.25, 0.5)


def test_a_full_disk_is_named_and_what_was_written_is_kept(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        store = Store(small / "results.duckdb")
        with Journal(store) as journal:
            journal.append("generation", generation(0))
        with pytest.raises(HarnessError, match="is full"), Journal(store) as journal:
            for number in range(1, 40):
                journal.append("generation", generation(number, answer=str(number) * 400_000))
                journal.sync()
        subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
        recover(store)
        assert _count(store, "generation") > 1
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def _catalogue(store: Store) -> list[object]:
    with store.read() as connection:
        return connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE NOT internal ORDER BY ALL"
        ).fetchall()

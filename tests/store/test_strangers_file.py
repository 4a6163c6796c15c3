"""A stranger's results file is data: nothing in it is evaluated or reads other files."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import duckdb
import pytest

from harness.errors import HarnessError
from harness.store import SCHEMA_VERSION, Journal, Store, queries
from harness.store.recovery import recover
from harness.store.samples import of_run
from tests.store.rows import generation, grade, item, model, request, run

SECRET = "what only this user may read"


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("made") / "results.duckdb")
    rows = [("model", model()), ("run", run()), ("item", item(0)), ("request", request(0))]
    rows += [("generation", generation(0)), ("grade", grade(0, correct=True))]
    with Journal(store) as journal:
        for table, row in rows:
            journal.append(table, row)
    return store.path


@pytest.fixture
def path(_made: Path, tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    return Path(shutil.copy(_made, tmp_path / "results.duckdb"))


def _change(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement.replace("SECRET", str(path.with_name("secret.txt"))))


def _replaced(table: str, select: str) -> tuple[str, str]:
    """Put a view in a table's place."""
    return f"ALTER TABLE {table} RENAME TO their_{table}", f"CREATE VIEW {table} AS {select}"


REFUSED = {
    "reads a file": _replaced(
        "model", "SELECT * REPLACE ((SELECT content FROM read_text('SECRET')) AS name)"
        " FROM their_model",
    ),
    "lists files": _replaced(
        "item", "SELECT * REPLACE ((SELECT string_agg(file, '') FROM glob('/*')) AS question)"
        " FROM their_item",
    ),
    "never ends": _replaced("run", "SELECT their_run.* FROM their_run, range(1000000000000)"),
    "says its version": _replaced(
        "schema_version", f"SELECT {SCHEMA_VERSION} AS version, now() AS applied_at FROM range(9)"
    ),
    "computes a column": (
        "ALTER TABLE model RENAME TO their_model",
        "CREATE TABLE model (fingerprint VARCHAR PRIMARY KEY, source VARCHAR NOT NULL,"
        " name VARCHAR GENERATED ALWAYS AS (upper(source)), architecture VARCHAR NOT NULL,"
        " parameters BIGINT, chat_template_sha256 VARCHAR, added_at TIMESTAMPTZ NOT NULL)",
    ),
    "computes one more column": (
        "CREATE TABLE their_grade AS FROM grade",
        "DROP VIEW sample", "DROP VIEW latest_grade", "DROP TABLE grade",
        "CREATE TABLE grade (key UUID NOT NULL, gold_id UUID NOT NULL, profile VARCHAR NOT NULL,"
        " grader_version VARCHAR NOT NULL, correct BOOLEAN NOT NULL, status VARCHAR NOT NULL,"
        " extracted VARCHAR NOT NULL, extraction VARCHAR NOT NULL, method VARCHAR NOT NULL,"
        " seconds DOUBLE NOT NULL, graded_at TIMESTAMPTZ NOT NULL,"
        " more VARCHAR GENERATED ALWAYS AS (repeat(status, 1000)))",
    ),
    "has a default": (
        "ALTER TABLE generation ALTER thought_tokens SET DEFAULT (length(repeat('x', 9999)))",
    ),
    "has another type": ("ALTER TABLE run ALTER samples TYPE VARCHAR",),
    "has an enum": ("ALTER TABLE run ALTER device TYPE ENUM('cpu', 'gpu')",),
    "lacks a column": ("ALTER TABLE item DROP COLUMN scorer",),
    "lacks a table": ("DROP TABLE human_label",),
}  # fmt: skip


@pytest.mark.parametrize("trick", REFUSED)
def test_what_stands_in_place_of_our_tables_is_refused_before_it_is_evaluated(
    path: Path, trick: str
) -> None:
    _change(path, *REFUSED[trick])
    began = time.monotonic()
    for opened in (Store(path).read, Store(path).write):
        with (
            pytest.raises(HarnessError, match="is not read: |not a results file") as refused,
            opened(),
        ):
            pass
        assert SECRET not in str(refused.value) and refused.value.remedy
    assert time.monotonic() - began < 5


def test_macros_and_types_in_the_names_of_duckdbs_own_are_never_used(path: Path) -> None:
    _change(
        path,
        "CREATE OR REPLACE MACRO md5(x) AS (SELECT content FROM read_text('SECRET'))",
        "CREATE MACRO coalesce_(x) AS 1",
        "CREATE MACRO sum(x) AS 99", "CREATE MACRO row_number() AS 99",
        "CREATE MACRO now() AS (SELECT content FROM read_text('SECRET'))",
        "CREATE MACRO duckdb_tables() AS TABLE SELECT 'x' AS table_name",
        "CREATE MACRO from_json(a, b) AS (SELECT content FROM read_text('SECRET'))",
        "CREATE TYPE JSON AS ENUM ('a')",
        "CREATE OR REPLACE VIEW sample AS SELECT * FROM read_text('SECRET')",
    )  # fmt: skip
    store = Store(path)
    with Journal(store) as journal:
        journal.append("run", run() | {"id": "bbbbbbbbbbbb"})
        journal.append("request", request(0) | {"run_id": "bbbbbbbbbbbb"})
    found = {run.id: run for run in queries.runs(store)}
    assert found["aaaaaaaaaaaa"].graded == found["bbbbbbbbbbbb"].graded == 1
    assert found["bbbbbbbbbbbb"].item_set == found["aaaaaaaaaaaa"].item_set
    assert [sample.answer for sample in of_run(store, "aaaaaaaaaaaa")] == ["an answer"]


def test_tables_and_columns_of_the_users_own_are_left_alone(path: Path) -> None:
    _change(
        path,
        "CREATE TABLE notes AS SELECT 1 AS x", "CREATE TABLE counted AS SELECT 1 AS x",
        "CREATE VIEW theirs AS FROM read_text('SECRET')",
        "CREATE SCHEMA mine", "CREATE TABLE mine.model AS SELECT 1 AS x",
        'ALTER TABLE run ADD COLUMN "why; \'" VARCHAR DEFAULT \'none\'',
        "ALTER TABLE run_tally ADD COLUMN more INTEGER",
    )  # fmt: skip
    store = Store(path)
    with Journal(store) as journal:
        journal.append("run", run() | {"id": "bbbbbbbbbbbb"})
    assert {run.id for run in queries.runs(store)} == {"aaaaaaaaaaaa", "bbbbbbbbbbbb"}
    with duckdb.connect(str(path)) as connection:
        assert connection.execute('SELECT DISTINCT "why; \'" FROM run').fetchall() == [("none",)]
        assert connection.execute("SELECT x FROM notes").fetchall() == [(1,)]


def test_an_open_results_file_reaches_no_other_file_and_stays_so(
    path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    reaching = [
        f"FROM read_text('{tmp_path}/secret.txt')", f"ATTACH '{tmp_path}/other.duckdb'",
        f"COPY run TO '{tmp_path}/run.csv'", "INSTALL httpfs", "SET enable_external_access = true",
        "FROM 'http://127.0.0.1:9/x.csv'",
    ]  # fmt: skip
    store = Store(path)
    for opened in (store.read, store.write, lambda: store.read(output=output)):
        for statement in reaching:
            with pytest.raises(duckdb.Error, match="configuration"), opened() as connection:
                connection.execute(statement)
    with store.read(output=output) as connection:
        connection.execute(f"COPY run TO '{output}'")
        connection.execute(f"COPY run TO '{output}'")
    assert output.read_text().count("\n") == 2
    assert {file.name for file in tmp_path.iterdir()} == {
        "secret.txt", "results.duckdb", "out.csv"
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".wal", ".wal.checkpoint", ".wal.recovery", ".tmp"])
def test_no_link_beside_the_file_leads_a_write_to_another(path: Path, suffix: str) -> None:
    link = path.with_name(path.name + suffix)
    link.symlink_to("secret.txt")
    with pytest.raises(HarnessError, match="is a link"), Journal(Store(path)) as journal:
        journal.append("model", model())
    assert path.with_name("secret.txt").read_text() == SECRET
    assert list(path.with_name(path.name + ".journal").rglob("*.jsonl")), "the row is kept"
    named = path.with_name("a link to the results")
    named.symlink_to(path.name)
    with pytest.raises(HarnessError, match="is a link"), Store(named).write():
        pass


@pytest.mark.parametrize("suffix", ["", ".wal"])
def test_a_pipe_is_refused_and_not_waited_for(path: Path, suffix: str) -> None:
    pipe = path.with_name(path.name + suffix)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(HarnessError, match="is a pipe"), Store(path).read():
        pass


@pytest.mark.parametrize(
    "odd",
    [
        "protocol = '[1]'", "chat = '7'", f"machine = '{'[' * 900 + ']' * 900}'",
        "created_at = '290000-01-01'", "created_at = '4000-01-01 (BC)'",
    ],
)  # fmt: skip
def test_values_that_no_run_has_are_refused_in_a_sentence(path: Path, odd: str) -> None:
    _change(path, f"UPDATE run SET {odd}")
    with pytest.raises(HarnessError, match="is not read: "):
        queries.runs(Store(path))


def test_a_journal_file_larger_than_any_is_refused_unread(path: Path) -> None:
    folder = path.with_name(path.name + ".journal") / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "owner.lock").touch()
    with (folder / "000001.jsonl").open("wb") as file:
        file.truncate(20 << 30)  # takes no room
    with pytest.raises(HarnessError, match="000001.jsonl is larger than 1,024 MiB"):
        recover(Store(path))
    assert (folder / "000001.jsonl").exists()


OLD_TRICKS = {
    "a view in a table's place": _replaced(
        "generation", "SELECT * REPLACE ((SELECT content FROM read_text('SECRET')) AS answer)"
        " FROM their_generation",
    ),
    "a view where a table is still to be made": ("CREATE VIEW run_tally AS FROM glob('/*')",),
    "a macro that the migration would call": ("CREATE MACRO count(x) AS 99",),
    "a type that the migration names": ("CREATE TYPE JSON AS ENUM ('a')",),
}  # fmt: skip


@pytest.mark.parametrize("trick", OLD_TRICKS)
def test_an_older_file_is_looked_at_before_it_is_brought_up_to_date(path: Path, trick: str) -> None:
    _change(
        path,
        "DROP TABLE run_tally", "UPDATE schema_version SET version = 5", *OLD_TRICKS[trick],
    )  # fmt: skip
    with pytest.raises(HarnessError, match="is not read: "), Store(path).read():
        pass
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (5,)

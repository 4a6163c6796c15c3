"""Ingest rows of a journal into the tables of the results file, each row by itself.

A value that its column cannot hold becomes NULL where the column may be NULL (a server's claim of
10**30 tokens, a negative count, an infinite time). A row that lacks a value which its table needs
is refused and reported to the caller; all others are inserted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.store import catalogue
from harness.store.store import append_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What makes a row the same row; a row that is already there is left as it is.
TABLE_KEYS = {
    "model": ("fingerprint",),
    "model_alias": ("fingerprint", "name", "source"),
    "run": ("id",),
    "run_session": ("id", "run_id"),
    "item": ("task", "data_sha256", "id", "gold_id"),
    "request": ("run_id", "item_id", "sample_index"),
    "generation": ("key",),
    "grade": ("key", "gold_id", "profile", "grader_version"),
    "gate_decision": ("id",),
    "critique": ("id",),
    "training": ("id",),
    "training_step": ("training_id", "step"),
    "training_checkpoint": ("training_id", "step", "fingerprint"),
    "training_choice": ("training_id", "task", "rule"),
    "human_label": ("id",),
}

REVIEW = "critique_review"
"""A row of a journal that is for no table: a human's review of a stored critique."""
_REVIEWED = {
    "human_right": "BOOLEAN",
    "human_sound": "BOOLEAN",
    "human_note": "VARCHAR",
    "reviewed_by": "VARCHAR",
    "reviewed_at": "TIMESTAMPTZ",
}

# The column by which a new row's runs are found. Items are written before what asks for them.
_BELONGS = {"request": "run_id", "generation": "key", "grade": "key"}

# Amounts that others measured: negative or infinite ones are no measurement.
_AMOUNTS = ("prompt_tokens", "completion_tokens", "thought_tokens", "tokens", "seconds")


class Line(NamedTuple):
    """A line of a journal: the table it is for, and ``{"table": …, "row": {…}}`` as text."""

    table: str
    text: str


class Ingested(NamedTuple):
    """The runs that have new rows, and the positions of the lines that were refused."""

    runs: set[str]
    unfit: list[int]


def ingest(connection: DuckDBPyConnection, lines: Sequence[Line]) -> Ingested:
    """Move rows into the tables, leaving out those already there.

    A review changes the critique that it is of, unless that has a newer review.
    The summaries of the runs they belong to are dropped: they no longer match the rows.

    Args:
        connection: Inside a transaction of :meth:`Store.write`.
        lines: For tables in :data:`TABLE_KEYS`, or :data:`REVIEW`.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE incoming"
        ' (line BIGINT NOT NULL, "table" VARCHAR NOT NULL, content VARCHAR NOT NULL)'
    )
    numbered = [(number, *line) for number, line in enumerate(lines)]
    append_rows(connection, "temp.incoming", ("line", "table", "content"), numbered)
    tables = {line.table for line in lines}
    added: dict[str, list[Any]] = {}
    unfit: list[int] = []
    for table in sorted(tables - {REVIEW}):
        added[table], refused = _insert(connection, table, table)
        unfit += refused
    if "model" in tables:
        # A model that is there already keeps its row; what it is called here becomes an alias.
        _insert(connection, "model_alias", "model")
    if REVIEW in tables:
        unfit += _review(connection)
    return Ingested(_drop_summaries(connection, added), sorted(unfit))


def _insert(connection: DuckDBPyConnection, table: str, source: str) -> tuple[list[Any], list[int]]:
    """Insert the rows of a table, made from lines for ``source``.

    Returns:
        What they belong to, and the lines left out.
    """
    # Those of the schema: a file may have others, of any name.
    columns = [
        (name, column.type, not column.not_null)
        for name, column in catalogue.current().columns[table].items()
    ]
    values = ", ".join(
        f"{_value(name, kind, nullable)} AS {name}" for name, kind, nullable in columns
    )
    _fit(connection, source, {name: kind for name, kind, _ in columns}, values)
    needed = [name for name, _, nullable in columns if not nullable]
    lacking = " OR ".join(f"{name} IS NULL" for name in needed)
    refused = connection.execute(f"SELECT line FROM temp.fitted WHERE {lacking}").fetchall()
    keys = TABLE_KEYS[table]
    same = " AND ".join(f"old.{key} = new.{key}" for key in keys)
    returning = f" RETURNING {_BELONGS[table]}" if table in _BELONGS else ""
    inserted = connection.execute(
        f"INSERT INTO {table} BY NAME SELECT * EXCLUDE (line) FROM ("
        f"  SELECT * FROM temp.fitted WHERE NOT ({lacking})"
        f"  QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)}) = 1) AS new"
        f" WHERE NOT EXISTS (SELECT 1 FROM {table} AS old WHERE {same}){returning}"
    )
    return inserted.fetchall() if returning else [], [line for (line,) in refused]


def _value(name: str, kind: str, nullable: bool) -> str:
    value = f"TRY_CAST(fields.{name} AS {kind})"
    if name in _AMOUNTS and nullable:
        finite = f"isfinite({value}) AND " if kind == "DOUBLE" else ""
        return f"CASE WHEN {finite}{value} >= 0 THEN {value} END"
    return value


def _fit(
    connection: DuckDBPyConnection, table: str, columns: Mapping[str, str], values: str
) -> None:
    """Read the lines for a table into ``temp.fitted``; what cannot be cast becomes NULL."""
    # JSON has no type of its own inside a struct, and casts from text as it is.
    structure = ", ".join(
        f'"{name}": "{"VARCHAR" if kind in ("UUID", "TIMESTAMP WITH TIME ZONE") else kind}"'
        for name, kind in columns.items()
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE fitted AS SELECT line, {values} FROM ("
        f'  SELECT line, from_json(content, \'{{"row": {{{structure}}}}}\')."row" AS fields'
        '  FROM temp.incoming WHERE "table" = ?)',
        [table],
    )


def _review(connection: DuckDBPyConnection) -> list[int]:
    """Update critiques with their reviews, unless they have a newer one."""
    values = ", ".join(
        f"TRY_CAST(fields.{name} AS {kind}) AS {name}" for name, kind in _REVIEWED.items()
    )
    columns = dict.fromkeys(("id", *_REVIEWED), "VARCHAR")
    _fit(connection, REVIEW, columns, f"TRY_CAST(fields.id AS UUID) AS critique_id, {values}")
    lacking = "critique_id IS NULL OR reviewed_at IS NULL"
    refused = connection.execute(f"SELECT line FROM temp.fitted WHERE {lacking}").fetchall()
    connection.execute(
        f"UPDATE critique SET {', '.join(f'{name} = said.{name}' for name in _REVIEWED)} FROM ("
        f"  SELECT * FROM temp.fitted WHERE NOT ({lacking})"
        "  QUALIFY row_number() OVER (PARTITION BY critique_id ORDER BY reviewed_at DESC) = 1"
        ") AS said WHERE critique.id = said.critique_id"
        " AND (critique.reviewed_at IS NULL OR critique.reviewed_at < said.reviewed_at)"
    )
    return [line for (line,) in refused]


def _drop_summaries(connection: DuckDBPyConnection, added: Mapping[str, list[Any]]) -> set[str]:
    """Drop the summaries of the runs that these rows belong to, and return the runs."""
    runs = {run for (run,) in added.get("request", ())}
    keys = {key for table in ("generation", "grade") for (key,) in added.get(table, ())}
    if keys:
        sharing = connection.execute(
            "SELECT DISTINCT run_id FROM request WHERE key IN (SELECT unnest(?))", [list(keys)]
        ).fetchall()
        runs |= {run for (run,) in sharing}
    if runs:
        connection.execute(
            "DELETE FROM run_tally WHERE run_id IN (SELECT unnest(?))", [sorted(runs)]
        )
    return runs

"""Check that a results file holds base tables with the schema's columns before any is used.

A results file may come from anybody, and a database can hold more than data: a view in place of a
table can read other files or run for ever, a macro can stand in for a function of DuckDB's own, a
default can be any expression. So the connection can reach no other file, DuckDB's own functions and
types are found before the file's, and what goes by the name of one of our tables is checked before
any of it is evaluated. Tables and columns that the schema does not know are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import HarnessError
from harness.store.sample_scan import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}
"""Settings under which a results file is opened: no other file, no network, no extension."""

SCHEMA = Path(str(resources.files("harness.store"))) / "schema.sql"
# As DuckDB writes a table's statement.
_COMPUTED = re.compile(r"GENERATED ALWAYS AS|CHECK\(")
# Those of views.sql.
_OUR_MACROS = frozenset({"sample_by", "item_score_by", "run_score_by"})


class Column(NamedTuple):
    """A column's definition, apart from its name."""

    type: str
    not_null: bool
    default: str | None
    primary_key: bool


class Schema(NamedTuple):
    """The tables of a schema: their columns by name, and the statement that makes each."""

    columns: Mapping[str, Mapping[str, Column]]
    statements: Mapping[str, str]


def confine(connection: DuckDBPyConnection, files: Collection[Path] = ()) -> None:
    """Let a connection reach the results file and ``files`` only, and keep it so.

    Args:
        connection: Just opened; with the settings :data:`CLOSED` unless there are ``files``.
        files: Other files that may be read and written.
    """
    if files:
        allowed = ", ".join(_literal(str(file)) for file in files)
        connection.execute(f"SET allowed_paths = [{allowed}]")
        connection.execute("SET enable_external_access = false")
    _search(connection, f"system.main,{_here(connection)}")
    connection.execute("SET lock_configuration = true")


@lru_cache(maxsize=4)
def schema_of(script: str) -> Schema:
    """Return the tables that an SQL script makes."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        connection.execute(script)
        statements = tables(connection)
        columns = {name: _columns(connection, name) for name in statements}
    return Schema(columns, statements)


def current() -> Schema:
    """Return the schema of files that this version of the harness makes."""
    return schema_of(SCHEMA.read_text())


def tables(connection: DuckDBPyConnection) -> dict[str, str]:
    """Return the base tables of the file by name, each with the statement that would make it."""
    rows = connection.execute(
        "SELECT table_name, sql FROM duckdb_tables()"
        " WHERE database_name = ? AND schema_name = 'main' AND NOT internal",
        [_database(connection)],
    ).fetchall()
    return {str(name): str(sql) for name, sql in rows}


def check(
    connection: DuckDBPyConnection,
    path: Path,
    found: Mapping[str, str],
    schema: Schema,
    *,
    names: Collection[str] = (),
    complete: bool = True,
) -> None:
    """Refuse a file in which one of our tables is something else than the schema says.

    Args:
        connection: Of the file.
        path: The file, for the message.
        found: Its tables, from :func:`tables`.
        schema: What is expected.
        names: The tables to look at; all of the schema if empty.
        complete: Every table and column has to be there; an older file lacks some.

    Raises:
        HarnessError: A table is a view, or a column is computed or of another type, or missing.
    """
    for name in names or schema.columns:
        if name not in found:
            if complete or name in _views(connection):
                kind = "a view" if name in _views(connection) else "missing"
                raise _refused(path, f"its table {name} is {kind}")
        elif found[name] != schema.statements[name]:
            _check_columns(connection, path, name, schema.columns[name], complete=complete)
            # Columns of the user's own are no matter, unless using the table evaluates them.
            if _COMPUTED.search(found[name]):
                raise _refused(path, f"its table {name} has a column or constraint that computes")


def check_names(connection: DuckDBPyConnection, path: Path) -> None:
    """Refuse a file whose own macros or types could stand in for those that an upgrade names.

    Raises:
        HarnessError: There is one that is not of the harness.
    """
    rows = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND database_name = $1"
        " UNION ALL"
        " SELECT type_name FROM duckdb_types() WHERE NOT internal AND database_name = $1",
        [_database(connection)],
    ).fetchall()
    if others := sorted({str(name) for (name,) in rows} - _OUR_MACROS):
        raise _refused(path, f"it defines {others[0]}, a macro or type that is not the harness's")


def missing(
    connection: DuckDBPyConnection, found: Mapping[str, str], schema: Schema
) -> Iterator[str]:
    """Yield the statements that add what a file lacks: all tables, or those and columns since.

    Args:
        connection: Of the file.
        found: Its tables, from :func:`tables`.
        schema: What it is to have; columns added to a table take NULL in the rows before.
    """
    for table, columns in schema.columns.items():
        if table not in found:
            yield schema.statements[table]
            continue
        present = _columns(connection, table)
        for name, column in columns.items():
            if name not in present:
                yield f"ALTER TABLE {table} ADD COLUMN {name} {column.type}"


@contextmanager
def creating(connection: DuckDBPyConnection) -> Iterator[None]:
    """Let our own statements make tables in the file; :func:`check_names` comes before."""
    _search(connection, _here(connection))
    yield
    _search(connection, f"system.main,{_here(connection)}")


def _check_columns(
    connection: DuckDBPyConnection,
    path: Path,
    table: str,
    expected: Mapping[str, Column],
    *,
    complete: bool,
) -> None:
    columns = _columns(connection, table)
    for name, column in expected.items():
        if name not in columns:
            if complete:
                raise _refused(path, f"its table {table} has no column {name}")
        elif columns[name] != column:
            what = (
                "is computed"
                if columns[name].default != column.default
                else f"is {columns[name].type}, not {column.type}, or takes other values"
            )
            raise _refused(path, f"the column {name} of its table {table} {what}")


def _columns(connection: DuckDBPyConnection, table: str) -> dict[str, Column]:
    whole = ".".join(map(_identifier, (_database(connection), "main", table)))
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', [whole]
    ).fetchall()
    return {name: Column(*column) for name, *column in rows}


def _views(connection: DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views()"
        " WHERE database_name = ? AND schema_name = 'main' AND NOT internal",
        [_database(connection)],
    ).fetchall()
    return {str(name) for (name,) in rows}


def _database(connection: DuckDBPyConnection) -> str:
    """Return what DuckDB calls the file: as the file is named, but for a few names of its own."""
    (name,) = connection.execute(
        "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
    ).fetchone() or ("",)
    return str(name)


def _here(connection: DuckDBPyConnection) -> str:
    return f"{_identifier(_database(connection))}.main"


def _search(connection: DuckDBPyConnection, where: str) -> None:
    connection.execute(f"SET search_path = {_literal(where)}")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return f"'{quoted(text)}'"


def _refused(path: Path, why: str) -> HarnessError:
    return HarnessError(
        f"{path} is not read: {why}.",
        "The harness uses only files of its own making; name another one with --results.",
    )

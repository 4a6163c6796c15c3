"""The results file: one DuckDB database that many processes share.

DuckDB lets one process write and keeps every other process out meanwhile, readers too. Every
connection made here is therefore held for milliseconds, with retry and jitter; what a run finishes
while somebody else holds the file waits in the run's journal (``journal.py``).
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import random
import re
import stat
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DiskFull, HarnessError, StoreLocked
from harness.store import catalogue
from harness.store.sample_scan import views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA_VERSION = 8
# Before it models had one name, and summaries were made by another order of grades.
_ALIASES_SINCE = 7
_BACKFILL = """
INSERT INTO model_alias
SELECT fingerprint, name, source, added_at FROM model ANTI JOIN model_alias USING (fingerprint);
DELETE FROM run_tally;
"""

WAIT_SECONDS = 20.0
_FIRST_RETRY_SECONDS = 0.02
_LONGEST_RETRY_SECONDS = 0.5
_NO_SPACE = "No space left on device"
# Files that DuckDB makes next to a file, and reads, fills, truncates and removes unasked.
_COMPANIONS = (".wal", ".wal.checkpoint", ".wal.recovery", ".tmp")
PUBLISHED = Path(str(resources.files("harness.store"))) / "published_scores.csv"
"""The published scores that come with this version of the harness."""
# Parameters that hold long lists are slow.
_ROWS_AT_ONCE = 100
# DuckDB refuses to open a file for reading and for writing at once within one process.
_in_process = threading.Lock()


class NoResults(HarnessError):
    """There is no results file yet."""


class Store:
    """One results file.

    Args:
        path: The DuckDB file; made at first use, its folder too.
        wait_seconds: How long to wait while another process holds it; ``None`` for
            :data:`WAIT_SECONDS`.
        memory_limit: How much DuckDB may take while the file is open, as in ``400MB``; its own
            default if empty.
        migrate: Bring a file of an earlier version up to date where it is only to be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait_seconds: float | None = None,
        memory_limit: str = "",
        migrate: bool = True,
    ) -> None:
        if not path.name or path.is_dir():
            raise HarnessError(
                f"{path} is a folder, not a results file.", "Name a file with --results."
            )
        self.path = path
        self.wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
        self._config = {"memory_limit": memory_limit} if memory_limit else {}
        self._may_migrate = migrate
        self._checked = False

    @property
    def journal_dir(self) -> Path:
        """The folder of journals and queued annotations, next to the file."""
        return self.path.with_name(self.path.name + ".journal")

    @contextmanager
    def write(self, *, wait_seconds: float | None = None) -> Iterator[DuckDBPyConnection]:
        """Open for writing inside one transaction: committed on success, else rolled back.

        Raises:
            StoreLocked: Another process held the file for longer than ``wait_seconds``.
            HarnessError: The file is not a DuckDB database, is of a newer schema, holds something
                else in place of our tables, or the disk is full.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error
        new = not self.path.exists()
        with self._connect(False, wait_seconds) as connection:
            version = self._version(connection)
            if new or not self._checked or version != SCHEMA_VERSION:
                if version != SCHEMA_VERSION:
                    self._upgrade(connection, version)
                self._load_published_scores(connection)
                self._checked = True
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def read(
        self, *, wait_seconds: float | None = None, output: Path | None = None
    ) -> Iterator[DuckDBPyConnection]:
        """Open for reading, for milliseconds.

        Args:
            wait_seconds: How long to wait while another process holds it.
            output: A file that the connection may write; it reaches no other but the results file.

        Raises:
            StoreLocked: As for :meth:`write`.
            HarnessError: There is no such file yet, or it cannot be read by this version.
        """
        if not self.path.exists():
            raise NoResults(
                f"There is no results file at {self.path}.",
                "Run `harness eval` first, or name another one with --results or HARNESS_RESULTS.",
            )
        # DuckDB writes next to a file that it is to replace.
        files = (output, output.with_name(f"tmp_{output.name}")) if output else ()
        with self._connect(True, wait_seconds, files) as connection:
            if self._version(connection) == SCHEMA_VERSION:
                yield connection
                return
        if not self._may_migrate:
            raise HarnessError(
                f"{self.path.name} was made by an earlier version of the harness.",
                f"`harness runs --results {self.path}` brings it up to date.",
            )
        with self.write(wait_seconds=wait_seconds):
            pass
        with self._connect(True, wait_seconds, files) as connection:
            self._version(connection)
            yield connection

    @contextmanager
    def _connect(
        self, read_only: bool, wait_seconds: float | None, files: Collection[Path] = ()
    ) -> Iterator[DuckDBPyConnection]:
        import duckdb

        closed = dict(catalogue.CLOSED)
        if files:
            del closed["enable_external_access"]  # confine() takes it away, but for these
        connection = self._open(read_only, wait_seconds, self._config | closed)
        try:
            catalogue.confine(connection, files)
            yield connection
        except duckdb.Error as error:
            if isinstance(error, duckdb.IOException) or _NO_SPACE in str(error):
                raise _as_harness_error(self.path, error) from error
            raise
        finally:
            try:
                # Closing checkpoints the log into the file, so this too can find the disk full.
                connection.close()
            except duckdb.Error as error:
                raise _as_harness_error(self.path, error) from error
            finally:
                _in_process.release()

    def _open(
        self, read_only: bool, wait_seconds: float | None, config: Mapping[str, str]
    ) -> DuckDBPyConnection:
        """Open the file, with ``_in_process`` held from then on, but not while waiting."""
        import duckdb

        _refuse_odd_files(self.path)
        deadline = time.monotonic() + (self.wait_seconds if wait_seconds is None else wait_seconds)
        pause = _FIRST_RETRY_SECONDS
        while True:
            _in_process.acquire()
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=config)
            except BaseException as error:
                _in_process.release()
                if not isinstance(error, duckdb.Error):
                    raise
                if "Could not set lock on file" not in str(error):
                    raise _as_harness_error(self.path, error) from error
                if time.monotonic() >= deadline:
                    raise _locked(self.path, error) from error
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_RETRY_SECONDS)

    def _version(self, connection: DuckDBPyConnection) -> int:
        """Return the file's schema version, 0 for an empty database; refuse what is not ours."""
        tables = catalogue.tables(connection)
        if not tables:
            return 0
        if "schema_version" not in tables:
            raise HarnessError(
                f"{self.path} is a DuckDB database, but not a results file of the harness.",
                "Name another file with --results.",
            )
        schema = catalogue.current()
        catalogue.check(connection, self.path, tables, schema, names=["schema_version"])
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = int(row[0]) if row and row[0] is not None else 0
        if version > SCHEMA_VERSION:
            raise HarnessError(
                f"{self.path} has schema {version}; this harness knows up to {SCHEMA_VERSION}.",
                "Update the harness, or name another file with --results.",
            )
        complete = version == SCHEMA_VERSION
        catalogue.check(connection, self.path, tables, schema, complete=complete)
        return version

    def _upgrade(self, connection: DuckDBPyConnection, version: int) -> None:
        """Bring an empty file, or one of any earlier version, to the schema of ``schema.sql``."""
        import duckdb

        catalogue.check_names(connection, self.path)
        schema = catalogue.current()
        with catalogue.creating(connection):
            connection.execute("BEGIN")
            try:
                lacking = catalogue.missing(connection, catalogue.tables(connection), schema)
                for statement in list(lacking):
                    connection.execute(statement)
                if version < _ALIASES_SINCE:
                    connection.execute(_BACKFILL)
                connection.execute(views())
            except (duckdb.CatalogException, duckdb.BinderException) as error:
                raise HarnessError(
                    f"{self.path} cannot be brought to schema {SCHEMA_VERSION}: "
                    f"{str(error).splitlines()[0]}.",
                    "Name another file with --results.",
                ) from error
            # The time is ours to say: the file's own default for it is an expression.
            connection.execute(
                "INSERT INTO schema_version (version, applied_at) VALUES (?, now())",
                [SCHEMA_VERSION],
            )
            catalogue.check(connection, self.path, catalogue.tables(connection), schema)
            connection.execute("COMMIT")

    def _load_published_scores(self, connection: DuckDBPyConnection) -> None:
        """Bring the published scores that come with this version of the harness."""
        content = PUBLISHED.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        row = connection.execute("SELECT value FROM meta WHERE name = 'published'").fetchone()
        if row == (sha256,):
            return
        names, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        connection.execute("BEGIN")
        connection.execute("DELETE FROM published_score")
        values = [[value or None for value in row] for row in rows]
        append_rows(connection, "published_score", names, values)
        connection.execute(
            "INSERT OR REPLACE INTO meta (name, value) VALUES ('published', ?)", [sha256]
        )
        connection.execute("COMMIT")


def append_rows(
    connection: DuckDBPyConnection,
    table: str,
    names: Sequence[str],
    rows: Sequence[Sequence[str | int | None]],
) -> None:
    """Append rows to these columns of a table; texts are cast to the column's type."""
    values = ", ".join("unnest(?)" for _ in names)
    columns = ", ".join(f'"{name}"' for name in names)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values}",
            [list(column) for column in zip(*some, strict=True)],
        )


def _refuse_odd_files(path: Path) -> None:
    """Refuse a pipe, and links in the places of DuckDB's own files, through which it would write.

    The results file itself may be a link, which the user names; DuckDB goes by where that leads.
    """
    found = path.resolve()
    companions = [found.with_name(found.name + suffix) for suffix in _COMPANIONS]
    for file in (found, *companions):
        try:
            mode = file.lstat().st_mode
        except OSError:
            continue  # it is not there, or DuckDB says what is wrong
        if not (stat.S_ISDIR(mode) if file == companions[-1] else stat.S_ISREG(mode)):
            what = "a link" if stat.S_ISLNK(mode) else "a pipe, a device or a folder"
            raise HarnessError(
                f"{path if file == found else file} is {what}, which DuckDB is not let at.",
                "Name another file with --results." if file == found else "Remove it.",
            )


def _locked(path: Path, error: Exception) -> StoreLocked:
    holder = re.search(r"\(PID (\d+)\)", str(error))
    who = f"process {holder[1]}" if holder else "another process"
    return StoreLocked(
        f"{path} is held open by {who}.",
        "Close it there and run the same command again; nothing that was finished is lost.",
    )


def unwritable(path: Path, error: OSError) -> HarnessError:
    """Say in one sentence why a results file or its journal cannot be written."""
    if error.errno == errno.ENOSPC:
        return _disk_full(path)
    return HarnessError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Name another file with --results or HARNESS_RESULTS.",
    )


def _disk_full(path: Path) -> DiskFull:
    return DiskFull(
        f"The disk that holds {path} is full.",
        "Free some space and run the same command again: it goes on where it stopped.",
    )


def _as_harness_error(path: Path, error: Exception) -> HarnessError:
    text = str(error)
    if _NO_SPACE in text:
        return _disk_full(path)
    if "not a valid DuckDB database file" in text or "SerializationException" in text:
        return HarnessError(
            f"{path} is not a DuckDB database.", "Name another file with --results."
        )
    first_line = text.splitlines()[0] if text else type(error).__name__
    return HarnessError(
        f"{path} cannot be opened: {first_line}", "Name another file with --results."
    )

"""The results file: one DuckDB database that many processes share.

DuckDB lets one process write and keeps every other process out meanwhile, readers too. Every
connection made here is therefore held for milliseconds, with retry and jitter; what a run finishes
while somebody else holds the file waits in the run's journal (``journal.py``).
"""

from __future__ import annotations

import errno
import hashlib
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DiskFull, HarnessError, StoreLocked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA_VERSION = 6

WAIT_SECONDS = 20.0
_FIRST_RETRY_SECONDS = 0.02
_LONGEST_RETRY_SECONDS = 0.5
_NO_SPACE = "No space left on device"
# DuckDB refuses to open a file for reading and for writing at once within one process.
_in_process = threading.Lock()


class Store:
    """One results file.

    Args:
        path: The DuckDB file; made at first use, its folder too.
        wait_seconds: How long to wait for another process to let go of it; ``None`` for
            :data:`WAIT_SECONDS`.
        memory_limit: How much DuckDB may take while the file is open, as in ``400MB``; its own
            default if empty.
        schema_dir: Where ``schema.sql``, ``views.sql`` and ``migrations/`` are; for tests.
        schema_version: The version those files describe; for tests.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait_seconds: float | None = None,
        memory_limit: str = "",
        schema_dir: Path | None = None,
        schema_version: int = SCHEMA_VERSION,
    ) -> None:
        if not path.name or path.is_dir():
            raise HarnessError(
                f"{path} is a folder, not a results file.", "Name a file with --results."
            )
        self.path = path
        self.wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
        self._config = {"memory_limit": memory_limit} if memory_limit else {}
        self._schema_dir = schema_dir or Path(str(resources.files("harness.store")))
        self._schema_version = schema_version
        self._checked = False

    @property
    def journal_dir(self) -> Path:
        """The folder beside the file where unfinished business waits."""
        return self.path.with_name(self.path.name + ".journal")

    @contextmanager
    def write(self, *, wait_seconds: float | None = None) -> Iterator[DuckDBPyConnection]:
        """Open for writing inside one transaction: committed on success, else rolled back.

        Raises:
            StoreLocked: Another process held the file for longer than ``wait_seconds``.
            HarnessError: The file is not a DuckDB database, is of a newer schema, or the disk is
                full.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error
        new = not self.path.exists()
        with self._connect(False, wait_seconds) as connection:
            if new or not self._checked:
                self._bring_up_to_date(connection)
                self._checked = True
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def read(self, *, wait_seconds: float | None = None) -> Iterator[DuckDBPyConnection]:
        """Open for reading, for milliseconds.

        Raises:
            StoreLocked: As for :meth:`write`.
            HarnessError: There is no such file yet, or it cannot be read by this version.
        """
        if not self.path.exists():
            raise HarnessError(
                f"There is no results file at {self.path}.",
                "Run `harness eval` first, or name another one with --results or HARNESS_RESULTS.",
            )
        with self._connect(True, wait_seconds) as connection:
            if self._checked or self._version(connection) == self._schema_version:
                self._checked = True
                yield connection
                return
        with self.write(wait_seconds=wait_seconds):
            pass
        with self._connect(True, wait_seconds) as connection:
            yield connection

    @contextmanager
    def _connect(self, read_only: bool, wait_seconds: float | None) -> Iterator[DuckDBPyConnection]:
        import duckdb

        connection = self._open(read_only, wait_seconds)
        try:
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

    def _open(self, read_only: bool, wait_seconds: float | None) -> DuckDBPyConnection:
        """Open the file, with ``_in_process`` held from then on, but not while waiting."""
        import duckdb

        deadline = time.monotonic() + (self.wait_seconds if wait_seconds is None else wait_seconds)
        pause = _FIRST_RETRY_SECONDS
        while True:
            _in_process.acquire()
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=self._config)
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
        """Return the file's schema version, 0 for an empty database."""
        tables = {
            str(row[0])
            for row in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE NOT internal"
            ).fetchall()
        }
        if not tables:
            return 0
        if "schema_version" not in tables:
            raise HarnessError(
                f"{self.path} is a DuckDB database, but not a results file of the harness.",
                "Name another file with --results.",
            )
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = int(row[0]) if row and row[0] is not None else 0
        if version > self._schema_version:
            raise HarnessError(
                f"{self.path} has schema {version}; this harness knows up to "
                f"{self._schema_version}.",
                "Update the harness, or name another file with --results.",
            )
        return version

    def _bring_up_to_date(self, connection: DuckDBPyConnection) -> None:
        version = self._version(connection)
        if version != self._schema_version:
            connection.execute("BEGIN")
            if version == 0:
                connection.execute((self._schema_dir / "schema.sql").read_text())
            else:
                for step in range(version + 1, self._schema_version + 1):
                    (script,) = (self._schema_dir / "migrations").glob(f"{step:04d}_*.sql")
                    connection.execute(script.read_text())
            connection.execute((self._schema_dir / "views.sql").read_text())
            connection.execute(
                "INSERT INTO schema_version (version) VALUES (?)", [self._schema_version]
            )
            connection.execute("COMMIT")
        self._load_published_scores(connection)

    def _load_published_scores(self, connection: DuckDBPyConnection) -> None:
        """Bring the published scores that come with this version of the harness."""
        path = Path(str(resources.files("harness.store"))) / "published_scores.csv"
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        row = connection.execute("SELECT value FROM meta WHERE name = 'published'").fetchone()
        if row == (sha256,):
            return
        connection.execute("BEGIN")
        connection.execute("DELETE FROM published_score")
        connection.execute(
            "INSERT INTO published_score BY NAME "
            "SELECT * FROM read_csv(?, header = true, all_varchar = true, nullstr = '')",
            [str(path)],
        )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('published', ?)", [sha256])
        connection.execute("COMMIT")


def _locked(path: Path, error: Exception) -> StoreLocked:
    holder = re.search(r"\(PID (\d+)\)", str(error))
    who = f"process {holder[1]}" if holder else "another process"
    return StoreLocked(
        f"{path} is held open by {who}.",
        "Close it there and run the same command again; nothing that was finished is lost.",
    )


def unwritable(path: Path, error: OSError) -> HarnessError:
    """Say in one sentence why a results file or what is beside it cannot be written."""
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

"""The journal: a write-ahead log of a run's rows, synced within a second whoever holds the file.

Each process that writes owns one folder of numbered JSONL files in the journal folder. Rows are
appended and synced by one thread; another ingests files into DuckDB whenever its lock is free, and
deletes a file only after its rows were committed. Rows that are already in the table are left out,
so ingesting a file twice does no harm: the next start repairs a crash between commit and delete by
replaying every folder whose owner has died (``recovery.py``). Where the results file itself goes
away, the rows stay in the journal.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from harness.errors import DiskFull, HarnessError, StoreLocked
from harness.store import recovery
from harness.store.journal_lines import Row, line
from harness.store.locks import OWNER, hold, in_journal_folder, open_plain
from harness.store.store import Store, unwritable

MOVE_EVERY_SECONDS = 2.0
_POLL_SECONDS = 0.2
_LARGEST_BATCH = 2000
# DuckDB takes some twenty times a file's size while it takes it in.
_LARGEST_FILE = 8 << 20


class Journal:
    """One writer's journal of a results file; used as a context manager.

    Args:
        store: Where the rows are going.

    Raises:
        HarnessError: The journal folder cannot be written.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dir, self._lock = in_journal_folder(store, _own_folder)
        # Whoever moves files holds the first, whoever opens, fills or closes one the second: rows
        # go to disk while others are being moved.
        self._moving = threading.Lock()
        self._filling = threading.Lock()
        self._rows: queue.SimpleQueue[tuple[str, Row] | threading.Event] = queue.SimpleQueue()
        self._number = 0
        self._file: IO[bytes] | None = None
        self._taken = recovery.Taken()
        self._runs: set[str] = set()
        # The file that a run began with must be there: rows that were moved are in it alone.
        self._seen = _identity(store.path)
        self._closing = threading.Event()
        self._failure: HarnessError | None = None
        self._writer = threading.Thread(target=self._carry_out, args=[self._write], daemon=True)
        self._mover = threading.Thread(target=self._carry_out, args=[self._move_often], daemon=True)
        self._writer.start()
        self._mover.start()

    def append(self, table: str, row: Row) -> None:
        """Queue one row; it is on disk within a second.

        Raises:
            HarnessError: An earlier row could not be written, for instance to a full disk.
        """
        if self._failure:
            raise self._failure
        if table == "run":
            self._runs.add(str(row["id"]))
        self._rows.put((table, row))

    def sync(self) -> None:
        """Wait until every row appended so far is on disk."""
        written = threading.Event()
        self._rows.put(written)
        while not written.wait(_POLL_SECONDS) and self._writer.is_alive():
            pass
        if self._failure:
            raise self._failure

    def register(
        self, rows: Iterable[tuple[str, Row]], *, wait_seconds: float | None = None
    ) -> None:
        """Append rows, move them into the results file, and keep a copy of them until the end.

        Everything that comes later needs them, should the results file be lost.

        Args:
            rows: As (table, row).
            wait_seconds: How long to wait while another process holds the results file.

        Raises:
            StoreLocked: Another process held it all the while; the rows stay in the journal.
            JournalRejected: The results file cannot take some of it.
        """
        with self._moving:  # the mover would keep no copy
            for table, row in rows:
                self.append(table, row)
            self.sync()
            self._move_finished(wait_seconds, keep=True)
        self._taken.check()

    def move(self, *, wait_seconds: float | None = None) -> None:
        """Move everything appended so far into the results file.

        Args:
            wait_seconds: How long to wait while another process holds it.

        Raises:
            StoreLocked: Another process held it all the while; the rows stay in the journal.
            JournalRejected: The results file cannot take some of it.
        """
        self.sync()
        self._move_files(wait_seconds)
        self._taken.check()

    def close(self) -> None:
        """Stop writing, and move what is left into the results file.

        Raises:
            StoreLocked: Another process held it all the while; the rows stay in the journal and the
                next start of the harness moves them.
            ResultsMoved: The file is not there, or is another one; the rows stay in the journal.
            JournalRejected: The results file cannot take some rows; the others are in it.
        """
        self._closing.set()
        self._writer.join()
        self._mover.join()
        with self._lock:
            try:
                self._move_files(None)
                self._register_again()
            except HarnessError as error:
                raise self._what_waits(error) from error
            if self._failure:
                raise self._failure
            recovery.remove_folder(self._dir)
        recovery.refresh_summaries(self._store, self._taken.runs)
        self._taken.check()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except HarnessError:
            if kind is None:  # else the first error is the one to raise
                raise

    def _carry_out(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._failure = unwritable(self._store.path, error)
        except Exception as error:  # noqa: BLE001 - whoever appends next must hear of it
            self._failure = HarnessError(
                f"The journal in {self._dir} cannot be written: {type(error).__name__}: {error}."
            )

    def _what_waits(self, error: HarnessError) -> HarnessError:
        """Add to what keeps rows from being moved how many there are, where, and what to do."""
        with contextlib.suppress(OSError):
            waiting = f"What it lacks waits in {self._dir}: {recovery.counted(self._dir)}."
            remedy = error.remedy
            if self._taken.origin and not isinstance(error, StoreLocked | DiskFull):
                remedy = (
                    f"Put the file back as it was, or rename {self._store.journal_dir} to go with "
                    "its new name (NAME.journal beside NAME): the next command takes that in. If "
                    "the file is lost, remove what is left of it and run the same command again: "
                    "it begins with what waits."
                )
            return type(error)(f"{error.message.rstrip('.')}. {waiting}", remedy)
        return error

    def _write(self) -> None:
        while not (self._closing.is_set() and self._rows.empty()):
            self._write_batch()

    def _write_batch(self) -> None:
        """Append what has gathered, with one sync for all of it."""
        batch = []
        try:
            batch.append(self._rows.get(timeout=_POLL_SECONDS))
            while len(batch) < _LARGEST_BATCH:
                batch.append(self._rows.get_nowait())
        except queue.Empty:
            pass
        with self._filling:
            for entry in batch:
                if not isinstance(entry, threading.Event):
                    self._write_line(line(*entry))
            if batch and self._file is not None:
                os.fsync(self._file.fileno())
        for entry in batch:
            if isinstance(entry, threading.Event):
                entry.set()

    def _write_line(self, content: bytes) -> None:
        if self._file is None:
            self._number += 1
            path = self._dir / f"{self._number:06d}.jsonl"
            # Unbuffered: nothing may be left to write when it is closed.
            self._file = os.fdopen(
                open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab", 0
            )
        _write_all(self._file, content)
        if self._file.tell() >= _LARGEST_FILE:
            self._finish_file()

    def _finish_file(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _move_often(self) -> None:
        """Move what has gathered, every few seconds.

        Errors do not stop the journal: closing it tries again, and raises them.
        """
        while not self._closing.wait(MOVE_EVERY_SECONDS):
            with contextlib.suppress(HarnessError):
                self._move_files(0.0)

    def _move_files(self, wait_seconds: float | None) -> None:
        with self._moving:
            self._move_finished(wait_seconds, keep=False)

    def _move_finished(self, wait_seconds: float | None, *, keep: bool) -> None:
        """Finish the file at hand, and move all that are finished; ``_moving`` is held."""
        with self._filling:
            self._finish_file()
            finished = recovery.row_files(self._dir)
        if not finished:
            return
        self._look_at_results()
        for file in finished:
            self._take(file, wait_seconds, remove=not keep)
            if keep:
                file.rename(file.with_suffix(f".plan{file.suffix}"))

    def _look_at_results(self) -> None:
        """Refuse a results file that has taken another's place before its id was known."""
        found = _identity(self._store.path)
        if self._seen in (None, found):
            return
        if found is None or not self._taken.origin:
            raise recovery.moved(self._store)

    def _register_again(self) -> None:
        """Bring back what was kept, where an older copy of the results file has taken its place."""
        kept = recovery.plan_files(self._dir)
        if not kept:
            return
        with contextlib.suppress(StoreLocked):
            with self._store.read() as connection:
                found = connection.execute(
                    "SELECT id FROM run WHERE id IN (SELECT unnest(?))", [sorted(self._runs)]
                ).fetchall()
            if len(found) < len(self._runs):
                for file in kept:
                    self._take(file, None, remove=False)

    def _take(self, file: Path, wait_seconds: float | None, *, remove: bool) -> None:
        origin = self._taken.origin
        taken = recovery.take(
            self._store, file, self._dir.name, wait_seconds, origin=origin, remove=remove
        )
        self._taken.add(taken)
        self._seen = _identity(self._store.path)
        if self._taken.origin and not origin:
            # Whoever finds this journal without its owner knows then where it belongs.
            _write_all(self._lock, self._taken.origin.encode())


def _own_folder(parent: Path) -> tuple[Path, IO[bytes]]:
    """Make a journal folder and own it."""
    name = uuid.uuid4().hex[:12]
    # Hidden until it is locked: recover() must not take it for a dead writer's.
    hidden = parent / f".{name}"
    hidden.mkdir()
    lock = hold(hidden / OWNER)
    hidden.rename(parent / name)
    return parent / name, lock


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from others that bear its name; ``None`` where there is none."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _write_all(file: IO[bytes], content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]

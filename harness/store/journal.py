"""The journal: what a run has finished, on disk within a second, whoever holds the results file.

Each process that writes owns one folder of numbered JSONL files beside the results file. Rows are
appended and synced to disk by one thread; another moves files into DuckDB whenever its lock is
free, and deletes a file only after its rows were committed. Rows that are already in the table are
left out, so moving a file twice does no harm: a crash between commit and delete is healed by the
next start, which replays every folder whose owner has died.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError, JournalRejected, StoreLocked
from harness.store import tallies
from harness.store.store import Store, absorb, unwritable

MOVE_EVERY_SECONDS = 2.0
_POLL_SECONDS = 0.2
_LARGEST_BATCH = 2000
# DuckDB takes some twenty times a file's size while it takes it in.
_LARGEST_FILE = 8 << 20

Row = Mapping[str, Any]


class Journal:
    """One writer's journal beside a results file; used as a context manager.

    Args:
        store: Where the rows are going.
        kind: What its folder's name begins with, to be told from the others by :func:`recover`.

    Raises:
        HarnessError: The folder beside the results file cannot be written.
    """

    def __init__(self, store: Store, *, kind: str = "") -> None:
        self._store = store
        name = f"{kind}{uuid.uuid4().hex[:12]}"
        self._dir = store.journal_dir / name
        try:
            # Hidden until it is locked: recover() must not take it for a dead writer's.
            hidden = store.journal_dir / f".{name}"
            hidden.mkdir(parents=True)
            self._lock = _lock(hidden)
            hidden.rename(self._dir)
        except OSError as error:
            raise unwritable(store.path, error) from error
        # A forked engine would otherwise keep a dead writer's journal locked.
        os.register_at_fork(after_in_child=self._lock.close)
        # Whoever moves files holds the first, whoever opens, fills or closes one the second: rows
        # go to disk while others are being moved.
        self._moving = threading.Lock()
        self._filling = threading.Lock()
        self._rows: queue.SimpleQueue[tuple[str, Row] | threading.Event] = queue.SimpleQueue()
        self._number = 0
        self._file: IO[bytes] | None = None
        self._touched: set[str] = set()
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
        self._rows.put((table, row))

    def sync(self) -> None:
        """Wait until every row appended so far is on disk."""
        written = threading.Event()
        self._rows.put(written)
        while not written.wait(_POLL_SECONDS) and self._writer.is_alive():
            pass
        if self._failure:
            raise self._failure

    def move(self, *, wait_seconds: float | None = None) -> None:
        """Move everything appended so far into the results file.

        Raises:
            StoreLocked: Somebody else held it all the while; the rows stay in the journal.
        """
        self.sync()
        self._move_files(wait_seconds)

    def close(self) -> None:
        """Stop writing, and move what is left into the results file.

        Raises:
            StoreLocked: Somebody else held it all the while; the rows stay in the journal and the
                next start of the harness moves them.
        """
        self._closing.set()
        self._writer.join()
        self._mover.join()
        try:
            self._move_files(None)
            if self._failure:
                raise self._failure
            _tally(self._store, self._touched)
        finally:
            self._lock.close()
            _remove_if_empty(self._dir)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except HarnessError:
            if kind is None:  # else the first error is the one to tell
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
                    self._write_line(_line(*entry))
            if batch and self._file is not None:
                os.fsync(self._file.fileno())
        for entry in batch:
            if isinstance(entry, threading.Event):
                entry.set()

    def _write_line(self, line: bytes) -> None:
        if self._file is None:
            self._number += 1
            # Unbuffered: nothing may be left to write when it is closed.
            self._file = (self._dir / f"{self._number:06d}.jsonl").open("ab", 0)
        _write_all(self._file, line)
        if self._file.tell() >= _LARGEST_FILE:
            self._finish_file()

    def _finish_file(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _move_often(self) -> None:
        """Move what has gathered, every few seconds.

        Whatever stands in the way, the journal goes on: closing it tries again, and tells.
        """
        while not self._closing.wait(MOVE_EVERY_SECONDS):
            with contextlib.suppress(HarnessError):
                self._move_files(0.0)

    def _move_files(self, wait_seconds: float | None) -> None:
        """Finish the file at hand, and move all that are finished."""
        with self._moving:
            with self._filling:
                self._finish_file()
                finished = sorted(self._dir.glob("*.jsonl"))
            for file in finished:
                self._touched |= _absorb_file(self._store, file, wait_seconds)


@contextmanager
def alone(store: Store, run_ids: Sequence[str]) -> Iterator[None]:
    """Keep every other process from carrying out the same runs meanwhile.

    Raises:
        HarnessError: Another process is at one of them.
    """
    with contextlib.ExitStack() as locks:
        locks.callback(_remove_folder_if_empty, store.journal_dir)
        for run_id in run_ids:
            path = store.journal_dir / f"{run_id}.running"
            try:
                store.journal_dir.mkdir(parents=True, exist_ok=True)
                file = locks.enter_context(path.open("ab"))
                os.register_at_fork(after_in_child=file.close)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HarnessError(
                    f"Another process is evaluating run {run_id} right now.",
                    "Wait for it, or ask for fresh samples with --replicate.",
                ) from error
            except OSError as error:
                raise unwritable(store.path, error) from error
            locks.callback(path.unlink, missing_ok=True)
        yield


def recover(store: Store, *, wait_seconds: float | None = None, kind: str = "") -> int:
    """Replay the journals of writers that died; return how many there were.

    Args:
        store: Where the rows are going.
        wait_seconds: How long to wait for another process to let go of it.
        kind: Only those of this kind; all if empty.

    Raises:
        StoreLocked: The results file is held by somebody else; the journals stay.
        JournalRejected: A journal cannot be taken in; it is set aside, not deleted.
    """
    if not store.journal_dir.is_dir():
        return 0
    recovered = 0
    touched: set[str] = set()
    for folder in sorted(path for path in store.journal_dir.glob(f"{kind}[!.]*") if path.is_dir()):
        try:
            lock = _lock(folder)
        except OSError:
            continue  # its owner lives, or has just tidied up, or it is not ours to move
        with lock:
            try:
                for file in sorted(folder.glob("*.jsonl")):
                    touched |= _absorb_file(store, file, wait_seconds)
            except JournalRejected:
                folder.rename(folder.with_name(f".rejected-{folder.name}"))
                raise
            _remove_if_empty(folder)
            recovered += 1
    _tally(store, touched)
    return recovered


def _lock(folder: Path) -> IO[bytes]:
    """Own a journal folder for as long as the returned file is open, or fail at once."""
    file = (folder / "owner.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def _absorb_file(store: Store, file: Path, wait_seconds: float | None) -> set[str]:
    """Move one file into the store, delete it, and return the runs there is something new of."""
    import duckdb

    try:
        _drop_torn_line(file)
        with store.write(wait_seconds=wait_seconds) as connection:
            touched = absorb(connection, file)
        file.unlink()
    except OSError as error:
        raise unwritable(store.path, error) from error
    except (duckdb.Error, KeyError, TypeError, ValueError) as error:
        raise JournalRejected(
            f"The journal {file.parent} does not fit into {store.path}: "
            f"{str(error).splitlines()[0]}",
            f"It is kept beside it, in {store.journal_dir}; other commands go on without it.",
        ) from error
    return touched


def _tally(store: Store, run_ids: set[str]) -> None:
    """Count what the rows of these runs come to; what stays uncounted is counted when asked for."""
    if run_ids:
        with contextlib.suppress(StoreLocked):
            tallies.refresh(store, sorted(run_ids))


def _drop_torn_line(file: Path) -> None:
    """Cut off a last line that a crash left unfinished: it had not been synced."""
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        if not stream.tell():
            return
        stream.seek(-1, os.SEEK_END)
        if stream.read() == b"\n":
            return
    os.truncate(file, file.read_bytes().rfind(b"\n") + 1)


def _write_all(file: IO[bytes], content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _remove_if_empty(folder: Path) -> None:
    if not list(folder.glob("*.jsonl")):
        shutil.rmtree(folder, ignore_errors=True)
    _remove_folder_if_empty(folder.parent)


def _remove_folder_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # other writers still have theirs in it
        folder.rmdir()


def _line(table: str, row: Row) -> bytes:
    """Serialize; a lone surrogate, which no UTF-8 file can hold, becomes a replacement mark."""
    text = json.dumps({"table": table, "row": row}, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"

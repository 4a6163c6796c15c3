"""File locks in the journal folder: who owns a journal, and who carries out a run.

They are locked by ``flock``, which the kernel releases when the process ends. A results file may
have come with a stranger's journal folder: no link in there is followed, and nothing is removed but
the lock files themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from harness.errors import HarnessError
from harness.store.store import Store, unwritable

OWNER = "owner.lock"
_RUNNING = ".running"
# Whoever leaves last removes the folder; each new try needs another process that just did.
_TRIES = 100

_T = TypeVar("_T")

_held: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()


def _close_inherited() -> None:
    for file in list(_held):
        file.close()


# A forked engine would otherwise keep a dead writer's files locked.
os.register_at_fork(after_in_child=_close_inherited)


def refuse_link(folder: Path) -> None:
    """Refuse a journal folder that is a link: it may lead to anybody's files.

    Raises:
        HarnessError: It is one.
    """
    if folder.is_symlink():
        raise HarnessError(
            f"{folder} is a link, and journals are not followed through links.",
            "Remove the link, or put the folder itself in its place.",
        )


def open_plain(path: Path, flags: int) -> int:
    """Open a regular file without following a link, and return its descriptor.

    Raises:
        OSError: It is not there, a link, or no regular file.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor


def hold(path: Path, *, make: bool = True) -> IO[bytes]:
    """Lock a file for as long as what is returned is open, or fail at once.

    Args:
        path: The lock file. Its owner may remove it while it is locked.
        make: Make it where it is not there.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: It cannot be opened, or is a link.
    """
    while True:
        file = os.fdopen(open_plain(path, os.O_RDWR | (os.O_CREAT if make else 0)), "rb+", 0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The owner before may have removed it between the two steps.
            if os.path.samestat(os.fstat(file.fileno()), os.lstat(path)):
                _held.add(file)
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def in_journal_folder(store: Store, make: Callable[[Path], _T]) -> _T:
    """Call ``make`` with the journal folder, which is there; again where it has just gone.

    Raises:
        BlockingIOError: Raised by ``make``.
        HarnessError: The folder is a link, or it cannot be written.
    """
    refuse_link(store.journal_dir)
    for last in (*[False] * _TRIES, True):
        try:
            store.journal_dir.mkdir(parents=True, exist_ok=True)
            return make(store.journal_dir)
        except BlockingIOError:
            raise
        except OSError as error:
            if last or not isinstance(error, FileNotFoundError | FileExistsError):
                raise unwritable(store.path, error) from error
    raise AssertionError("the last try returns or raises")


@contextmanager
def run_lock(store: Store, run_ids: Sequence[str]) -> Iterator[None]:
    """Hold the locks of these runs, so that no other process carries them out meanwhile.

    Raises:
        HarnessError: Another process is at one of them.
    """
    with contextlib.ExitStack() as locks:
        locks.callback(remove_if_empty, store.journal_dir)
        for run_id in run_ids:
            name = _file_name(run_id)
            try:
                file = in_journal_folder(store, partial(_hold_in, name))
            except BlockingIOError as error:
                raise HarnessError(
                    f"Another process is evaluating run {run_id} right now.",
                    "Wait for it, or ask for fresh samples with --replicate.",
                ) from error
            locks.enter_context(file)
            locks.callback((store.journal_dir / name).unlink, missing_ok=True)
        yield


def _hold_in(name: str, folder: Path) -> IO[bytes]:
    return hold(folder / name)


def clear_left_behind(store: Store) -> None:
    """Remove the locks of runs whose processes were killed."""
    for path in store.journal_dir.glob(f"*{_RUNNING}"):
        with contextlib.suppress(OSError), hold(path, make=False):
            path.unlink()


def remove_if_empty(folder: Path) -> None:
    """Remove a folder; one that holds anything stays."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _file_name(run_id: str) -> str:
    """Return the name of a run's lock; an id that is no word must not become a path."""
    word = run_id.isascii() and run_id.isalnum() and len(run_id) <= 64
    return (run_id if word else hashlib.sha256(run_id.encode()).hexdigest()) + _RUNNING

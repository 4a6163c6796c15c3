"""What people say: on disk at once, and in the results file as soon as nobody else holds it.

Each word is a file of its own beside the results file, with one line as a journal has them. While
somebody else holds the results file it waits there, whatever becomes of the page or the process
that it was said in; :func:`settle` and the next start of the harness move it.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path

from harness.errors import HarnessError
from harness.store import lines
from harness.store.lines import Row
from harness.store.locks import in_journal_folder, open_plain, remove_if_empty
from harness.store.recovery import recover, row_files, said_files, said_folders, take_said
from harness.store.store import Store


def say(store: Store, table: str, row: Row) -> bool:
    """Store one row that a person wrote; it is on disk when this returns.

    Args:
        store: The results file.
        table: One of those that a journal can hold.
        row: The row.

    Returns:
        Whether it is in the results file already. If not, somebody else holds that, or it cannot
        be written now, and the row waits beside it.

    Raises:
        HarnessError: It cannot be written.
    """
    content = lines.line(table, row)
    file = in_journal_folder(store, lambda folder: _written(folder, content))
    try:
        taken = take_said(store, file, None)
    except HarnessError:
        return False
    remove_if_empty(store.journal_dir)
    taken.check()
    return True


def settle(store: Store) -> None:
    """Move what waits into the results file, at once or not at all.

    Raises:
        StoreLocked: Somebody else still holds it.
        JournalRejected: Something does not fit into it; that is set aside, not deleted.
    """
    recover(store, wait_seconds=0.0, only_said=True)


def waiting(store: Store, table: str) -> list[Row]:
    """Return the rows for a table that wait beside the results file."""
    found: list[Row] = []
    files = said_files(store)
    for folder in said_folders(store):
        files += row_files(folder)
    for file in files:
        with contextlib.suppress(OSError):  # it may be moved away while it is read
            sound, _ = lines.read(file)
            found += [json.loads(one.text)["row"] for one in sound if one.table == table]
    return found


def _written(folder: Path, content: bytes) -> Path:
    """Write a file that is there whole or not at all, on disk when this returns."""
    name = f"said-{uuid.uuid4().hex[:12]}.jsonl"
    fresh = folder / f".{name}"
    try:
        with os.fdopen(open_plain(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(folder / name)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return folder / name

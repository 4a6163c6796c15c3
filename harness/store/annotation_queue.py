"""Annotations of people (labels, reviews), queued on disk until the results file can be written.

Each annotation is a file of its own in the journal folder, with one line in a journal's format,
synced before :func:`record` returns. While another process holds the results file it stays there;
:func:`flush` and the next start of the harness ingest it.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path

from harness.errors import HarnessError
from harness.store import journal_lines
from harness.store.journal_lines import Row
from harness.store.locks import in_journal_folder, open_plain, remove_if_empty
from harness.store.recovery import (
    annotation_files,
    annotation_folders,
    recover,
    row_files,
    take_annotation,
)
from harness.store.store import Store


def record(store: Store, table: str, row: Row) -> bool:
    """Store one annotation; it is on disk when this returns.

    Args:
        store: The results file.
        table: One of those that a journal can hold.
        row: The row.

    Returns:
        Whether it is in the results file already. If not, another process holds that, or it
        cannot be written now, and the row is queued.

    Raises:
        HarnessError: It cannot be written.
    """
    content = journal_lines.line(table, row)
    file = in_journal_folder(store, lambda folder: _write_atomically(folder, content))
    try:
        taken = take_annotation(store, file, None)
    except HarnessError:
        return False
    remove_if_empty(store.journal_dir)
    taken.check()
    return True


def flush(store: Store) -> None:
    """Ingest queued annotations, at once or not at all.

    Raises:
        StoreLocked: Another process still holds the results file.
        JournalRejected: Some rows do not fit the schema; they are set aside, not deleted.
    """
    recover(store, wait_seconds=0.0, only_annotations=True)


def pending(store: Store, table: str) -> list[Row]:
    """Return the queued rows for a table."""
    found: list[Row] = []
    files = annotation_files(store)
    for folder in annotation_folders(store):
        files += row_files(folder)
    for file in files:
        with contextlib.suppress(OSError):  # it may be moved away while it is read
            intact, _ = journal_lines.read(file)
            found += [json.loads(one.text)["row"] for one in intact if one.table == table]
    return found


def _write_atomically(folder: Path, content: bytes) -> Path:
    """Write a file atomically, synced when this returns."""
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

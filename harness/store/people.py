"""What people say: on disk at once, and in the results file as soon as nobody else holds it.

Each word goes through a journal of its own. While somebody else holds the results file it waits
there, whatever becomes of the page or the process that it was said in; :func:`settle` and the next
start of the harness move it.
"""

from __future__ import annotations

import contextlib
import json

from harness.errors import HarnessError, JournalRejected
from harness.store.journal import Journal, Row, recover
from harness.store.store import Store

_KIND = "said-"


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
    on_disk = False
    try:
        with Journal(store, kind=_KIND) as journal:
            journal.append(table, row)
            journal.sync()  # a full disk is told, also while the file is held
            on_disk = True
    except JournalRejected:
        raise
    except HarnessError:
        if on_disk:
            return False
        raise
    return True


def settle(store: Store) -> None:
    """Move what waits into the results file, at once or not at all.

    Raises:
        StoreLocked: Somebody else still holds it.
        JournalRejected: Something does not fit into it; that is set aside, not deleted.
    """
    recover(store, wait_seconds=0.0, kind=_KIND)


def waiting(store: Store, table: str) -> list[Row]:
    """Return the rows for a table that wait beside the results file."""
    found: list[Row] = []
    for file in sorted(store.journal_dir.glob(f"{_KIND}*/*.jsonl")):
        # It may be moved away, or still be written, while it is read.
        with contextlib.suppress(OSError, ValueError):
            entries = [json.loads(line) for line in file.read_bytes().splitlines()]
            found += [entry["row"] for entry in entries if entry["table"] == table]
    return found

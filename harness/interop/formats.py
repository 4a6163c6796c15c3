"""The formats that ``harness import`` reads, by name: one module each in ``importers``."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from harness.errors import HarnessError, nearest
from harness.interop.jsonl import LogReader, column_reader, columns_of, rows_as_log
from harness.registry import Entry, entries, package_folder


def importer_entries() -> list[Entry]:
    """List the import formats by name."""
    plain = Entry("jsonl", "Plain rows, their columns named with --map.")
    return [plain, *entries(package_folder("harness.interop.importers"))]


def load_importer(name: str, mapping: Sequence[str]) -> LogReader:
    """Import one format's reader.

    Args:
        name: A module of ``harness.interop.importers``, or ``jsonl`` for plain rows.
        mapping: ``ours=theirs`` column names, several parted by commas; for ``jsonl`` alone.

    Raises:
        HarnessError: There is no format of that name, or the mapping is not one.
    """
    known = [entry.name for entry in importer_entries()]
    wanted = name.replace("-", "_")
    if wanted not in known:
        raise HarnessError(
            f"There is no import format {name!r}. {nearest(name, known)}",
            f"Formats: {', '.join(known)}.",
        )
    if wanted != "jsonl":
        if mapping:
            raise HarnessError(
                f"--map names the columns of the format jsonl, and {wanted} knows its own.",
                "Leave it out, or give jsonl as the FORMAT.",
            )
        module = importlib.import_module(f"harness.interop.importers.{wanted}")
        log_reader: LogReader | None = getattr(module, "read_log", None)
        return log_reader or rows_as_log(module.read)
    columns = columns_of(mapping)
    return rows_as_log(column_reader(columns), columns.get("correct", ""))

"""Lines of a journal: written with a checksum, read one by one, so that a bad byte costs one line.

A line is eight hexadecimal digits (the CRC-32 of the rest), a space, and ``{"table": …, "row":
{…}}``. Journals of earlier versions have no checksum and are read all the same.
"""

from __future__ import annotations

import errno
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.store.ingest import REVIEW, TABLE_KEYS, Line
from harness.store.locks import open_plain

Row = Mapping[str, Any]

# A writer begins another file after 8 MiB, between two lines.
_MOST_BYTES = 1 << 30
# Where a line begins. Inside a text the quotes are escaped, so this can only be a line of its own
# whose predecessor has lost its end.
_BEGINS = re.compile(rb'(?:[0-9a-f]{8} )?\{"table": "')


def line(table: str, row: Row) -> bytes:
    """Serialize; a lone surrogate, which no UTF-8 file can hold, becomes a replacement mark."""
    text = json.dumps({"table": table, "row": row}, ensure_ascii=False, default=str)
    content = text.encode("utf-8", "replace")
    return b"%08x %b\n" % (zlib.crc32(content), content)


def read(path: Path) -> tuple[list[Line], list[bytes]]:
    """Return the intact lines of a journal file, and the damaged ones as they are.

    A last line that a crash left unfinished is neither: it had not been synced.

    Raises:
        OSError: It cannot be read, is a link, or is larger than any that a writer makes.
    """
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise OSError(errno.EFBIG, f"{path} is larger than {_MOST_BYTES >> 20:,} MiB")
        *whole, torn = file.read().split(b"\n")
    intact: list[Line] = []
    damaged: list[bytes] = []
    for raw in whole:
        for piece in _pieces(raw):
            found = _checked(piece)
            if found is not None:
                intact.append(found)
            else:
                damaged.append(piece)
    intact += filter(None, map(_checked, _pieces(torn)))
    return intact, damaged


def _pieces(raw: bytes) -> Iterator[bytes]:
    """Yield a line; one that is damaged, apart where lines have run into each other."""
    if not raw:
        return
    if _checked(raw) is not None:
        yield raw
        return
    starts = [found.start() for found in _BEGINS.finditer(raw)] or [0]
    starts[0] = 0
    for start, end in zip(starts, (*starts[1:], len(raw)), strict=True):
        # The damaged byte may be the one that ended the line.
        shorter = raw[start : end - 1]
        yield shorter if _checked(shorter) is not None else raw[start:end]


def _checked(raw: bytes) -> Line | None:
    """Return a line if its checksum, where it has one, and its form are right."""
    content = raw
    if raw[:1] != b"{":
        content = raw[9:]
        if raw[:9] != b"%08x " % zlib.crc32(content):
            return None
    try:
        text = content.decode()
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("row"), dict):
        return None
    table = entry.get("table")
    if isinstance(table, str) and (table in TABLE_KEYS or table == REVIEW):
        return Line(table, text)
    return None

"""Read untrusted files: regular files only, within limits, and only values that make sense.

A number out of range is unknown (``None``) and never costs the import; a file that is larger,
longer or deeper than any log is refused with the limit it breaks.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError

Row = dict[str, Any]

#: Limits of what is read.
MOST_JSON_BYTES = 256 << 20
MOST_LINES_BYTES = 4 << 30
MOST_LINE_BYTES = 64 << 20
MOST_ROWS = 2_000_000
MOST_DEPTH = 200
#: What a compressed file may unpack to: this, or this many times its own size.
MOST_UNPACKED_BYTES = 256 << 20
MOST_UNPACKED_TIMES = 200
#: The largest number that counts or times something; more is no token count and no duration.
MOST_COUNT = 2**31 - 1
MOST_SAMPLE_INDEX = 1_000_000

_CHUNK = 1 << 20
_LONGEST_NUMBER = 400
_OBJECTS = "Name a file of JSON objects, or mend this one."
_WORDS = {
    "true": True, "yes": True, "1": True, "1.0": True,
    "false": False, "no": False, "0": False, "0.0": False,
}  # fmt: skip


def opened(path: Path, most: int) -> IO[bytes]:
    """Open a regular file of at most ``most`` bytes.

    Raises:
        HarnessError: It cannot be read, is a pipe or a device, or is larger.
    """
    try:
        # Asked first: opening a pipe that nobody writes to would wait for ever.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise HarnessError(
                f"{path} is not a regular file.", "Name a file, or a copy of what this yields."
            )
        if found.st_size > most:
            raise too_large(str(path), most)
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise HarnessError(f"{path} cannot be read: {error}.") from error


def files_in(folder: Path, *patterns: str) -> list[Path]:
    """Return the files of these names at any depth of a folder, sorted.

    Raises:
        HarnessError: One of them is a link out of the folder, or is no file.
    """
    root = folder.resolve()
    found = sorted({path for pattern in patterns for path in folder.rglob(pattern)})
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise HarnessError(
                f"{path} is a link to a file outside of the folder.",
                "Name that file itself if it is meant, or remove the link.",
            )
    return [path for path in found if not path.is_dir()]


def file_sha256(path: Path) -> str:
    """Hash a file piece by piece.

    Raises:
        HarnessError: It cannot be read.
    """
    found = hashlib.sha256()
    try:
        with opened(path, MOST_LINES_BYTES) as file:
            while piece := file.read(_CHUNK):
                found.update(piece)
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error}.") from error
    return found.hexdigest()


def json_file(path: Path) -> Any:
    """Read one JSON value.

    Raises:
        HarnessError: It cannot be read, is too large, or is not JSON.
    """
    try:
        with opened(path, MOST_JSON_BYTES) as file:
            return parsed(file.read(), str(path))
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error}.") from error


def companion(path: Path) -> Mapping[str, Any]:
    """Read a JSON file that may accompany a log; empty where there is none.

    Raises:
        HarnessError: It is there and cannot be read.
    """
    try:
        # A link next to a log is not the log's: it could lead anywhere.
        if not stat.S_ISREG(path.lstat().st_mode):
            return {}
    except OSError:
        return {}
    try:
        return mapping(json_file(path))
    except HarnessError as error:
        raise HarnessError(error.message, "Move it away to import the log without it.") from error


def json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the objects of JSON lines, or of one JSON array, with their number from 1.

    Raises:
        HarnessError: The file cannot be read, breaks a limit, or holds something else.
    """
    try:
        with opened(path, MOST_LINES_BYTES) as file:
            begins = file.read(_CHUNK)
            if begins.startswith(b"\x1f\x8b"):
                raise HarnessError(f"{path} is compressed.", "Unpack it first: `gunzip -k FILE`.")
            if begins.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                yield from _elements(path)
                return
            file.seek(0)
            yield from _lines(path, file)
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error}.") from error


def _elements(path: Path) -> Iterator[tuple[int, Row]]:
    listed = json_file(path)
    if len(listed) > MOST_ROWS:
        raise _too_many(path)
    for number, row in enumerate(listed, start=1):
        if not isinstance(row, dict):
            raise _no_object(path, f"Element {number}")
        yield number, row


def _lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, Row]]:
    number = 0
    while line := file.readline(MOST_LINE_BYTES + 1):
        number += 1
        if len(line) > MOST_LINE_BYTES:
            raise too_large(f"Line {number} of {path}", MOST_LINE_BYTES)
        if number > MOST_ROWS:
            raise _too_many(path)
        if number == 1 and line.strip() == b"{":
            raise HarnessError(
                f"{path} is one JSON object over several lines, not an object a line.",
                "Choose another FORMAT: logs of Inspect and OpenCompass are such objects.",
            )
        if line.strip():
            row = parsed(line, f"Line {number} of {path}")
            if not isinstance(row, dict):
                raise _no_object(path, f"Line {number}")
            yield number, row


def _too_many(path: Path) -> HarnessError:
    return HarnessError(f"{path} has more than {MOST_ROWS:,} rows.", "Import it in parts.")


def _no_object(path: Path, what: str) -> HarnessError:
    return HarnessError(f"{what} of {path} is not a JSON object.", _OBJECTS)


def parsed(content: bytes, what: str) -> Any:
    """Parse JSON.

    Args:
        content: The JSON text in UTF-8.
        what: What it is, to be named.

    Raises:
        HarnessError: It is not JSON, or nested more deeply than :data:`MOST_DEPTH`.
    """
    try:
        found = json.loads(content.decode("utf-8-sig"), parse_int=_integer)
    except RecursionError:
        raise _too_deep(what) from None
    except ValueError as error:
        raise HarnessError(f"{what} is not JSON: {error}.", _OBJECTS) from error
    # Counting brackets is quick, and hardly any value has enough of them to be looked at.
    if content.count(b"[") + content.count(b"{") > MOST_DEPTH and _depth(found) > MOST_DEPTH:
        raise _too_deep(what)
    return found


def _integer(text: str) -> float:
    # Python refuses to read integers of some thousand digits, and with them the whole line.
    return int(text) if len(text) <= _LONGEST_NUMBER else math.inf


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level and depth <= MOST_DEPTH:
        inside: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        depth, level = depth + 1, [each for each in inside if isinstance(each, dict | list)]
    return depth


def _too_deep(what: str) -> HarnessError:
    return HarnessError(
        f"{what} is nested more than {MOST_DEPTH} levels deep.", "No log is: look at the file."
    )


def too_large(what: str, most: int) -> HarnessError:
    """Say that something is larger than may be read."""
    return HarnessError(
        f"{what} is larger than {most >> 20:,} MiB.", "Import it in parts, if it is what it says."
    )


def most_unpacked(path: Path) -> int:
    """Return how many bytes a compressed file may unpack to."""
    return max(MOST_UNPACKED_BYTES, MOST_UNPACKED_TIMES * path.stat().st_size)


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object, empty where it is something else."""
    return value if isinstance(value, dict) else {}


def as_number(value: object) -> float | None:
    """Return a finite number; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def as_count(value: object) -> int | None:
    """Return a count of tokens or the like; ``None`` for what cannot be one."""
    found = as_number(value)
    if found is None or not 0 <= found <= MOST_COUNT or found != int(found):
        return None
    return int(found)


def as_seconds(value: object) -> float | None:
    """Return a duration; ``None`` for what cannot be one."""
    found = as_number(value)
    return found if found is not None and 0 <= found <= MOST_COUNT else None


def as_sample_index(value: object, otherwise: int) -> int:
    """Return the place of a sample among those of its item, ``otherwise`` for what is none."""
    found = as_count(value)
    return otherwise if found is None or found > MOST_SAMPLE_INDEX else found


def boolean(value: object) -> bool | None:
    """Read yes or no: true/false, yes/no, 1/0; ``None`` where there is nothing.

    Raises:
        ValueError: It is something else.
    """
    if value is None or value == "":
        return None
    found = _WORDS.get(str(value).strip().casefold())
    if found is None or isinstance(value, dict | list):
        raise ValueError(f"{str(value)[:40]!r} is neither true nor false")
    return found

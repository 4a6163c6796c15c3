"""Recovery: replay the journals of dead writers and queued annotations into the results file.

A journal folder is touched only if it is named as ours and holds our lock file, and in it only the
files that a journal has. Lines that are damaged or do not fit the schema are set aside, one by one,
in a file in the journal folder. A journal goes into the results file that it was written for, known
by an id in the file, and not into another one that has taken its name.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from harness.errors import HarnessError, JournalRejected, ResultsMoved, StoreLocked
from harness.store import journal_lines, summaries
from harness.store.ingest import Line, ingest
from harness.store.locks import (
    OWNER,
    clear_left_behind,
    hold,
    open_plain,
    refuse_link,
    remove_if_empty,
)
from harness.store.store import Store, unwritable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Versions that set whole journals aside hid their folders; intact rows there are ingested too.
_FOLDER = re.compile(r"(\.rejected-)?(?P<said>said-)?[0-9a-f]{12}")
_ROWS = re.compile(r"\d{6}\.jsonl")
# What a run announced, kept until it ends: a journal that cannot be moved is whole with it.
_PLAN = re.compile(r"\d{6}\.plan\.jsonl")
_ANNOTATION = re.compile(r"said-[0-9a-f]{12}\.jsonl")
SET_ASIDE = "set-aside-"


@dataclass(slots=True)
class Taken:
    """What became of journal files.

    Attributes:
        runs: There is something new of them.
        origin: The id of the results file that they went into.
        set_aside: How many lines were set aside, by the file that they were set aside in.
    """

    runs: set[str] = field(default_factory=set)
    origin: str = ""
    set_aside: dict[Path, int] = field(default_factory=dict)

    def add(self, other: Taken) -> None:
        """Take another's part into this one."""
        self.runs |= other.runs
        self.origin = other.origin or self.origin
        for path, number in other.set_aside.items():
            self.set_aside[path] = self.set_aside.get(path, 0) + number

    def check(self) -> None:
        """Raise if anything was set aside.

        Raises:
            JournalRejected: Something was.
        """
        if self.set_aside:
            number = sum(self.set_aside.values())
            raise JournalRejected(
                f"{number} row{'s' if number > 1 else ''} in the journal "
                f"{'are' if number > 1 else 'is'} damaged or cannot be stored, set aside in "
                f"{' and '.join(map(str, sorted(self.set_aside)))}; all others are stored.",
                "Run the same command again for what is missing, and delete that file when it is "
                "of no use.",
            )


def recover(
    store: Store,
    *,
    wait_seconds: float | None = None,
    adopt: bool = False,
    only_annotations: bool = False,
) -> int:
    """Replay the journals of writers that died; return how many there were.

    Args:
        store: Where the rows are going.
        wait_seconds: How long to wait while another process holds it.
        adopt: Also those of another results file, which had this name before.
        only_annotations: Only annotations of people.

    Raises:
        StoreLocked: Another process holds the results file; the journals stay.
        JournalRejected: Not all could be taken in; what could was.
        HarnessError: The results file cannot be written; the journals stay.
    """
    refuse_link(store.journal_dir)
    if not store.journal_dir.is_dir():
        return 0
    recovered = 0
    total = Taken()
    left: list[str] = []
    for file in annotation_files(store):
        if store.path.exists():
            total.add(take_annotation(store, file, wait_seconds))
            recovered += 1
    for folder in _folders(store, only_annotations=only_annotations):
        try:
            lock = hold(folder / OWNER, make=False)
        except OSError:
            continue  # its owner lives, has just tidied up, or it is not ours
        with lock:
            try:
                total.add(_replay(store, folder, "" if adopt else _origin(lock), wait_seconds))
            except ResultsMoved:
                left.append(f"{counted(folder)} in {folder}")
                continue
            remove_folder(folder)
            recovered += 1
    links = _links(store)
    if not only_annotations:
        clear_left_behind(store)
    remove_if_empty(store.journal_dir)
    refresh_summaries(store, total.runs)
    total.check()
    if links:
        raise JournalRejected(
            f"{' and '.join(links)}: journals are not followed through links.",
            "Remove the link, or put in its place what it leads to.",
        )
    if left:
        raise JournalRejected(
            f"{', '.join(left)} wait for another results file, which had the name {store.path}.",
            "Put that file back, or move these folders into NAME.journal beside it, where NAME is "
            "its new name: the next command on it takes them in.",
        )
    return recovered


def pending_journals(store: Store) -> Iterator[tuple[Path, str]]:
    """Yield the journal folders that nobody owns any more, and how much waits in each."""
    if store.journal_dir.is_symlink():
        return
    for folder in _folders(store):
        with contextlib.suppress(OSError), hold(folder / OWNER, make=False):
            yield folder, counted(folder)


def set_aside(store: Store) -> list[Path]:
    """Return the files of what could not be taken in."""
    return sorted(store.journal_dir.glob(f"{SET_ASIDE}*.jsonl"))


def row_files(folder: Path) -> list[Path]:
    """Return the files of a journal that wait to be moved, in the order they were written."""
    return _plain(folder, _ROWS)


def plan_files(folder: Path) -> list[Path]:
    """Return the files of what a run announced, which were moved and kept."""
    return _plain(folder, _PLAN)


def annotation_files(store: Store) -> list[Path]:
    """Return the files of queued annotations."""
    return _plain(store.journal_dir, _ANNOTATION)


def annotation_folders(store: Store) -> list[Path]:
    """Return the folders in which earlier versions queued annotations."""
    return list(_folders(store, only_annotations=True))


def counted(folder: Path) -> str:
    """Say how much waits in a journal folder."""
    waiting = [one for file in row_files(folder) for one in _intact(file)]
    generations = sum(one.table == "generation" for one in waiting)
    number, what = (generations, "generation") if generations else (len(waiting), "row")
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def take(
    store: Store,
    file: Path,
    name: str,
    wait_seconds: float | None,
    *,
    origin: str = "",
    remove: bool = True,
) -> Taken:
    """Move one file's rows into the results file, and remove it.

    Args:
        store: Where the rows are going.
        file: Of a journal; the same rows may have been moved before.
        name: Which journal, for the file of what is set aside.
        wait_seconds: How long to wait while another process holds it.
        origin: The id of the results file that they belong to; any if empty.
        remove: Whether the file is not needed any more.

    Raises:
        ResultsMoved: The results file is not there, or is another one; the file stays.
        HarnessError: It cannot be read or written; the file stays.
    """
    try:
        intact, damaged = journal_lines.read(file)
        taken = _move(store, intact, name, wait_seconds, origin)
        taken.add(_keep_aside(store, name, damaged))
        if remove:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(store.path, error) from error
    return taken


def take_annotation(store: Store, file: Path, wait_seconds: float | None) -> Taken:
    """Ingest a queued annotation, unless another process has just done so."""
    try:
        return take(store, file, file.stem, wait_seconds)
    except HarnessError:
        if file.exists():
            raise
        return Taken()


def refresh_summaries(store: Store, run_ids: set[str]) -> None:
    """Refresh the summaries of these runs; missing ones are computed on read."""
    if run_ids:
        with contextlib.suppress(StoreLocked):
            summaries.refresh(store, sorted(run_ids))


def remove_folder(folder: Path) -> None:
    """Remove a journal folder that one owns and in which nothing waits; what is not ours stays."""
    if not row_files(folder):
        for file in (*plan_files(folder), folder / OWNER):
            file.unlink(missing_ok=True)
        remove_if_empty(folder)
        remove_if_empty(folder.parent)


def _folders(store: Store, *, only_annotations: bool = False) -> Iterator[Path]:
    """Yield the folders that are named as a journal's, links left out."""
    for path in sorted(store.journal_dir.glob("*")):
        name = _FOLDER.fullmatch(path.name)
        if (
            name
            and (name["said"] or not only_annotations)
            and path.is_dir()
            and not path.is_symlink()
        ):
            yield path


def _plain(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """Return the regular files of a folder that are named so; a link is none."""
    found = sorted(path for path in folder.glob("*") if name.fullmatch(path.name))
    return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]


def _links(store: Store) -> list[str]:
    """Return the links that stand where a journal has folders or files."""
    named = [path for path in store.journal_dir.glob("*") if _FOLDER.fullmatch(path.name)]
    inside = [path for folder in _folders(store) for path in folder.glob("*.jsonl")]
    said = store.journal_dir.glob("said-*.jsonl")
    return sorted(str(path) for path in (*named, *inside, *said) if path.is_symlink())


def _origin(lock: IO[bytes]) -> str:
    """Return the id of the results file that a journal belongs to; empty if not known."""
    lock.seek(0)
    return lock.read(64).decode("ascii", "replace").strip()


def _replay(store: Store, folder: Path, origin: str, wait_seconds: float | None) -> Taken:
    total = Taken()
    for file in (*plan_files(folder), *row_files(folder)):
        remove = _ROWS.fullmatch(file.name) is not None
        name = folder.name.lstrip(".")
        total.add(take(store, file, name, wait_seconds, origin=origin, remove=remove))
    return total


def _move(
    store: Store, intact: Sequence[Line], name: str, wait_seconds: float | None, origin: str
) -> Taken:
    import duckdb

    if not intact:
        return Taken()
    if origin and not store.path.exists():
        raise moved(store)
    try:
        with store.write(wait_seconds=wait_seconds) as connection:
            found = _file_id(connection)
            if origin and found != origin:
                raise moved(store)
            ingested = ingest(connection, intact)
            # On disk before the others are committed.
            aside = _keep_aside(store, name, [intact[at].text.encode() for at in ingested.unfit])
        return Taken(ingested.runs, found, aside.set_aside)
    except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException):
        if len(intact) == 1:
            return _keep_aside(store, name, [intact[0].text.encode()])
        half = len(intact) // 2
        taken = _move(store, intact[:half], name, wait_seconds, origin)
        taken.add(_move(store, intact[half:], name, wait_seconds, origin))
        return taken
    except duckdb.Error as error:
        if origin and isinstance(error, duckdb.CatalogException):
            raise moved(store) from error  # another database has its name
        raise HarnessError(
            f"{store.path} cannot be written: {str(error).splitlines()[0]}.",
            "Name another file with --results or HARNESS_RESULTS.",
        ) from error


def moved(store: Store) -> ResultsMoved:
    if store.path.exists():
        return ResultsMoved(f"Another file has taken the place of {store.path}.")
    return ResultsMoved(f"{store.path} has been moved or deleted.")


def _file_id(connection: DuckDBPyConnection) -> str:
    """Return the id of this results file, by which a journal knows it under any name."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
    if row:
        return str(row[0])
    made = uuid.uuid4().hex
    connection.execute("INSERT INTO meta (name, value) VALUES ('id', ?)", [made])
    return made


def _keep_aside(store: Store, name: str, bad: Sequence[bytes]) -> Taken:
    """Append lines that cannot be taken in to a file of their own, on disk when this returns."""
    if not bad:
        return Taken()
    path = store.journal_dir / f"{SET_ASIDE}{name}.jsonl"
    with os.fdopen(open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as file:
        file.write(b"".join(one + b"\n" for one in bad))
        file.flush()
        os.fsync(file.fileno())
    return Taken(set_aside={path: len(bad)})


def _intact(file: Path) -> list[Line]:
    try:
        return journal_lines.read(file)[0]
    except OSError:
        return []

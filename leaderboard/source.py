"""What is read from the results file, and when.

Every reading opens the file for milliseconds. Between two changes of the file nothing is read
again: the summaries are kept under the file's own time stamp.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from harness.errors import HarnessError, StoreLocked
from harness.store import Store, queries
from harness.store.queries import PublishedScore, RunSummary

REFRESH_SECONDS = 2.0
_WAIT_SECONDS = 1.0


# The task under which a teacher's critiques are stored (train_cft): no benchmark.
CRITIQUES = "critique"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store as the ranking needs it.

    Attributes:
        runs: All runs, the newest first.
        published: What others printed.
        stale: Why this is not the newest state, empty if it is.
    """

    runs: list[RunSummary]
    published: list[PublishedScore]
    stale: str = ""


def results_path() -> Path:
    """Return the results file that ``harness leaderboard`` named."""
    return Path(os.environ.get("HARNESS_RESULTS") or "results.duckdb")


def store(*, patient: bool = True) -> Store:
    """Return the results file, to be waited for only briefly, or not at all."""
    return Store(results_path(), wait_seconds=_WAIT_SECONDS if patient else 0.0)


def snapshot(*, patient: bool = True) -> Snapshot:
    """Return the newest state of the store.

    While somebody else holds the file, this session goes on with what it saw last.

    Args:
        patient: Wait a little for the file to be let go of. Whoever asks again and again must not:
            within one process the waits of all sessions add up.

    Raises:
        HarnessError: There is nothing to show, and why.
    """
    try:
        seen: Snapshot = _cached_read(
            str(results_path()), _stamp(results_path()), _WAIT_SECONDS if patient else 0.0
        )
    except StoreLocked as error:
        last = st.session_state.get("last_snapshot")
        if not isinstance(last, Snapshot):
            raise
        return replace(last, stale=error.message)
    st.session_state["last_snapshot"] = seen
    return seen


def _stamp(path: Path) -> tuple[int, ...]:
    """Tell one state of the file from the next; the log beside it holds what was added last."""
    parts: list[int] = []
    for file in (path, path.with_name(path.name + ".wal")):
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HarnessError(
                f"{path} cannot be read: {error.strerror or error}.",
                "Name another file with --results or HARNESS_RESULTS.",
            ) from error
        parts += [status.st_ino, status.st_mtime_ns, status.st_size]
    return tuple(parts)


def readable() -> bool:
    """Tell, without waiting, whether the results file can be read now."""
    try:
        with store(patient=False).read():
            return True
    except HarnessError:
        return False


def _read(path: str, stamp: tuple[int, ...], _wait_seconds: float) -> Snapshot:
    # Streamlit leaves arguments with a leading underscore out of the key it caches under.
    results = Store(Path(path), wait_seconds=_wait_seconds)
    measured = [run for run in queries.runs(results) if run.task != CRITIQUES]
    return Snapshot(measured, queries.published(results))


_cached_read = st.cache_resource(_read, max_entries=4, show_spinner=False)

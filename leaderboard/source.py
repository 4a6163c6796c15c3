"""What is read from the results file, and when.

Every reading opens the file for milliseconds. Between two changes of the file nothing is read
again: the summaries are kept under the file's own time stamp.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import streamlit as st

from harness.errors import HarnessError, StoreLocked
from harness.statistics.betting import Floats
from harness.statistics.ranking import Standing, suite_standings
from harness.store import Store, gate_decisions, published, queries, training
from harness.store.published import PublishedScore
from harness.store.queries import RunSummary
from harness.store.store import NoResults
from harness.store.training import Lineage

REFRESH_SECONDS = 2.0
_WAIT_SECONDS = 1.0
# Of DuckDB while a page reads: the server stays small however large the file is.
_MEMORY = "400MB"


# Tasks under which what a teacher wrote is stored (train_cft): no benchmarks.
_BY_A_TEACHER = frozenset({"critique", "solution"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store as the ranking needs it.

    Attributes:
        runs: All runs, the newest first.
        published: What others printed.
        lineages: Where checkpoints trained here come from, by fingerprint.
        chosen_on: Tasks that checkpoints were chosen on.
        decided: When the gate last decided on a run of a candidate, by run.
        stamp: Tells this state of the file from the next.
        stale: Why this is not the newest state, empty if it is.
        missing: Said where there is no results file: what others printed is all there is.
    """

    runs: list[RunSummary]
    published: list[PublishedScore]
    stale: str = ""
    lineages: dict[str, Lineage] = field(default_factory=dict)
    chosen_on: frozenset[str] = frozenset()
    decided: dict[str, datetime] = field(default_factory=dict)
    stamp: tuple[int, ...] = ()
    missing: NoResults | None = None


def results_path() -> Path:
    """Return the results file that ``harness leaderboard`` named."""
    return Path(os.environ.get("HARNESS_RESULTS") or "results.duckdb")


def store(*, patient: bool = True) -> Store:
    """Return the results file, to be waited for only briefly, or not at all."""
    return _opened(results_path(), _WAIT_SECONDS if patient else 0.0)


def _opened(path: Path, wait_seconds: float) -> Store:
    # Pages only read; `harness leaderboard` has brought the file up to date.
    return Store(path, wait_seconds=wait_seconds, memory_limit=_MEMORY, migrate=False)


def snapshot(*, patient: bool = True) -> Snapshot:
    """Return the newest state of the store.

    While somebody else holds the file, this session goes on with what it saw last. Only who has
    seen nothing yet waits, and only if patient: the waits of all sessions add up.

    Args:
        patient: Wait a little for the file to be let go of.

    Raises:
        HarnessError: There is nothing to show, and why.
    """
    last = st.session_state.get("last_snapshot")
    wait_seconds = _WAIT_SECONDS if patient and not isinstance(last, Snapshot) else 0.0
    try:
        seen = newest(wait_seconds)
    except StoreLocked as error:
        if not isinstance(last, Snapshot):
            raise
        return replace(last, stale=error.message)
    st.session_state["last_snapshot"] = seen
    return seen


def newest(wait_seconds: float = _WAIT_SECONDS) -> Snapshot:
    """Return the state of the store now, read only if it has changed.

    Args:
        wait_seconds: How long to wait for the file to be let go of.

    Raises:
        HarnessError: It cannot be read.
    """
    path = results_path()
    seen: Snapshot = _cached_read(str(path), file_state(path), wait_seconds)
    return seen


def file_state(path: Path) -> tuple[int, ...]:
    """Tell one state of the file from the next; the log beside it holds what was added last.

    Raises:
        HarnessError: The file is there and cannot be read.
    """
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
    results = _opened(Path(path), _wait_seconds)
    try:
        runs = queries.runs(results)
    except NoResults as error:
        return Snapshot([], published.shipped(), stamp=stamp, missing=error)
    measured = [run for run in runs if run.task not in _BY_A_TEACHER]
    return Snapshot(
        measured,
        published.scores(results),
        lineages=training.lineages(results),
        chosen_on=frozenset(choice.task for choice in training.training_choices(results)),
        decided=gate_decisions.decided(results),
        stamp=stamp,
    )


def item_scores(runs: Sequence[RunSummary]) -> dict[str, Floats]:
    """Return the scores by item of these runs, by run; kept until one of them is judged again."""
    runs = sorted(runs, key=lambda run: run.id)
    found: dict[str, Floats] = _cached_scores(str(results_path()), _as_judged(runs), runs)
    return found


def standings(columns: Sequence[Sequence[RunSummary]]) -> Sequence[Standing]:
    """Rank models by paired tests of their runs; kept like the scores.

    Args:
        columns: For each task a run of each model, in one order.
    """
    known = "; ".join(map(_as_judged, columns))
    ranked: Sequence[Standing] = _cached_standings(str(results_path()), known, columns)
    return ranked


def _as_judged(runs: Sequence[RunSummary]) -> str:
    """Name runs as they are judged now, in one text: Streamlit takes long to hash many."""
    return ", ".join(f"{run.id} {run.graded_at}" for run in runs)


def _standings(
    path: str, known: str, _columns: Sequence[Sequence[RunSummary]]
) -> Sequence[Standing]:
    by_task = [item_scores(runs) for runs in _columns]
    return suite_standings(
        [[found[run.id] for run in runs] for runs, found in zip(_columns, by_task, strict=True)]
    )


def changed(seen: Snapshot) -> bool:
    """Tell whether the results file is another than this was read from."""
    return file_state(results_path()) != seen.stamp


def _scores(path: str, known: str, _runs: Sequence[RunSummary]) -> dict[str, Floats]:
    results = _opened(Path(path), _WAIT_SECONDS)
    return queries.item_scores(results, [run.id for run in _runs])


# Eight bytes an item: sixteen benchmarks of 2,000 items and 500 models take 128 MB.
_cached_scores = st.cache_resource(_scores, max_entries=16, show_spinner=False)
_cached_standings = st.cache_resource(_standings, max_entries=64, show_spinner=False)
_cached_read = st.cache_resource(_read, max_entries=2, show_spinner=False)

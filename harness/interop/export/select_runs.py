"""Select the runs to export, and write files atomically.

Nothing of a restricted benchmark's text leaves in any format: of its runs go ids, grades, token
counts and scores, never a question, a gold answer, a thought, an answer or what was extracted.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.analysis.select import find_runs
from harness.errors import HarnessError, nearest
from harness.store import Store, queries
from harness.store.queries import RunSummary
from harness.text import harness_command


def select_runs(
    store: Store,
    names: Sequence[str],
    tasks: Collection[str],
    models: Collection[str],
    profile: str,
) -> list[RunSummary]:
    """Return the runs to take out, the newest first.

    Args:
        store: The results file.
        names: Runs or models, as in :func:`harness.analysis.select.find_runs`; all if empty.
        tasks: Only runs on these; all if empty.
        models: Only runs of these, by name; all if empty.
        profile: Whose grades count.

    Raises:
        HarnessError: A name stands for nothing, or nothing is left.
    """
    if names:
        named = find_runs(store, names, profile)
        found = list({run.id: run for runs in named for run in runs}.values())
    else:
        found = queries.runs(store, profile=profile)
    for wanted, known in (
        (tasks, {run.task for run in found}),
        (models, {run.model for run in found}),
    ):
        for name in wanted:
            if name not in known:
                raise HarnessError(f"There is no run of {name!r} here.", nearest(name, known))
    chosen = [
        run
        for run in found
        if (not tasks or run.task in tasks) and (not models or run.model in models)
    ]
    if not chosen:
        raise HarnessError(
            f"There is no run in {store.path.name} to export.",
            f"`{harness_command('runs', results=store.path)}` lists them.",
        )
    return chosen


@contextmanager
def atomic_write(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a path to write to, and put what was written in place only once it is whole.

    Args:
        path: Where it is to go.
        force: Replace what is there.

    Raises:
        HarnessError: Something is there already, or it cannot be written.
    """
    if path.is_dir():
        raise HarnessError(f"{path} is a folder.", "Name a file with --out.")
    if path.exists() and not force:
        raise HarnessError(f"{path} is there already.", "Name another file, or give --force.")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)  # a link would be written through
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)

"""Runs of which something is missing: what is said of them, and the command that completes them.

An incomplete run is no sample of its benchmark. What is missing is what takes longest, and long
answers are more often wrong; where a gate stopped it, the moment was chosen by the answers as well.
:attr:`harness.store.queries.RunSummary.complete` tells, and nothing is concluded from a run without
it: no interval, test or rank.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from harness.errors import HarnessError
from harness.store import Store
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE

WHY = "what is missing is what takes longest"
CAVEAT = f"{WHY}: no interval, not comparable"


def how_far(run: RunSummary) -> str:
    """Say how much of a run is judged, and which gate stopped it."""
    by = f", stopped by gate {run.stopped_by}" if run.stopped_by else ""
    return f"{run.graded:,} of {run.requests:,} samples judged{by}"


def caveat(run: RunSummary) -> str:
    """Say of an incomplete run that it is one, and what that means for its score."""
    return f"incomplete: {how_far(run)}; {CAVEAT}"


def all_generated(run: RunSummary) -> bool:
    """Say whether every answer has come back; what is not judged yet can be judged at any time."""
    return run.generated >= run.requests


def to_complete(
    store: Store,
    run: RunSummary,
    *,
    profile: str = DEFAULT_PROFILE,
    tasks_dir: Path | None = None,
) -> str:
    """Return a sentence with the command that completes a run.

    Args:
        store: The results file.
        run: An incomplete run.
        profile: Whose grades are missing, where grades are.
        tasks_dir: A folder of the user's own tasks, as the command is to name it.
    """
    from harness.gate.command import resume_command

    if all_generated(run):
        words = ["harness", "regrade", run.id, "--results", str(store.path)]
        words += [] if profile == DEFAULT_PROFILE else ["--profile", profile]
        return f"`{shlex.join(words)}` judges the rest."
    try:
        command = resume_command(store, run, tasks_dir)
    except HarnessError:
        return "Its responses were imported: import all of them."
    return f"`{command}` goes on with it (add its --system, if it was made with one)."


def check_complete(
    store: Store,
    runs: Iterable[RunSummary],
    *,
    profile: str = DEFAULT_PROFILE,
    tasks_dir: Path | None = None,
    otherwise: str = "",
) -> None:
    """Refuse runs that are not complete.

    Args:
        store: The results file.
        runs: What is to be concluded from.
        profile: Whose grades count.
        tasks_dir: A folder of the user's own tasks, for the command that completes a run.
        otherwise: What else can be done, as a sentence.

    Raises:
        HarnessError: One is incomplete; the remedy is the command that completes it.
    """
    for run in runs:
        if run.complete:
            continue
        remedy = [to_complete(store, run, profile=profile, tasks_dir=tasks_dir), otherwise]
        if run.stopped_by:
            remedy.append(
                f"The verdict and the interval of gate {run.stopped_by} are in its report, on the "
                "leaderboard's Gate page and in the table gate_decision."
            )
        raise HarnessError(
            f"{run.model} ({run.id}) on {run.task} is incomplete: {how_far(run)}, and {WHY}.",
            " ".join(filter(None, remedy)),
        )

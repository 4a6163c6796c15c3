"""Incomplete runs: the caveat, the refusal, and the command that completes them.

An incomplete run is no sample of its benchmark. What is missing is what takes longest, and long
answers are more often wrong; where a gate stopped it, the moment was chosen by the answers as well.
A run without :attr:`harness.store.queries.RunSummary.complete` gets no interval, test or rank.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import HarnessError
from harness.store import Store
from harness.store.queries import RunSummary
from harness.text import harness_command
from harness.types import DEFAULT_PROFILE

WHY = "what is missing is what takes longest"
CAVEAT = f"{WHY}: no interval, not comparable"


def describe_progress(run: RunSummary) -> str:
    """Return how much of a run is graded, and which gate stopped it, in words."""
    by = f", stopped by gate {run.stopped_by}" if run.stopped_by else ""
    return f"{run.graded:,} of {run.requests:,} samples judged{by}"


def caveat(run: RunSummary) -> str:
    """Return the caveat for the score of an incomplete run."""
    return f"incomplete: {describe_progress(run)}; {CAVEAT}"


def all_generated(run: RunSummary) -> bool:
    """Return whether every response has come back; the rest can be graded at any time."""
    return run.generated >= run.requests


def completion_hint(
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
    from harness.run.command import resume_command

    if all_generated(run):
        return f"`{regrade_command(store, run.id, profile)}` judges the rest."
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
        runs: The runs.
        profile: Whose grades count.
        tasks_dir: A folder of the user's own tasks, for the command that completes a run.
        otherwise: Another remedy, as a sentence.

    Raises:
        HarnessError: One is incomplete; the remedy is the command that completes it.
    """
    for run in runs:
        if run.complete:
            continue
        remedy = [completion_hint(store, run, profile=profile, tasks_dir=tasks_dir), otherwise]
        if run.stopped_by:
            remedy.append(
                f"The verdict and the interval of gate {run.stopped_by} are in its report, on the "
                "leaderboard's Gate page and in the table gate_decision."
            )
        raise HarnessError(
            f"{run.model} ({run.id}) on {run.task} is incomplete: {describe_progress(run)}, "
            f"and {WHY}.",
            " ".join(filter(None, remedy)),
        )


def regrade_command(store: Store, run_id: str, profile: str) -> str:
    """Return the command that judges a run by a profile, quoted for a shell."""
    words = [] if profile == DEFAULT_PROFILE else ["--profile", profile]
    return harness_command("regrade", run_id, *words, results=store.path)

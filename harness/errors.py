"""Errors a user can act on.

    HarnessError        one sentence and its remedy; the command line prints both, exit code 2
    ├── StoreLocked     another process has held the results file for too long
    ├── JournalRejected what a run left behind does not fit into the results file
    ├── DiskFull        the disk of the results file has no space left
    ├── ResultsMoved    the results file was moved, deleted or replaced under a run
    ├── EngineError     the engine could not start or died
    │   └── NotStarted  it could not start with one model; another may do
    ├── Stopped         the user or the system ended the command; exit code by the signal
    └── NoVerdict       the gate's machinery failed before there was a verdict; exit code 4

Everything else that escapes is a bug of the harness: one sentence, exit code 1, and the traceback
with ``--debug``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Something the user can fix.

    Args:
        message: One sentence: what is wrong.
        remedy: One sentence: what to do about it.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class StoreLocked(HarnessError):
    """Another process has held the results file for longer than the timeout."""


class JournalRejected(HarnessError):
    """Rows in a journal do not fit into the results file."""


class DiskFull(HarnessError):
    """The disk that holds the results file has no space left."""


class ResultsMoved(HarnessError):
    """The results file that a run began with has been moved or deleted, or another has its name."""


class EngineError(HarnessError):
    """The engine could not start, or died."""


class NotStarted(EngineError):
    """The engine could not start with one model, of which nothing was asked yet."""


class Stopped(HarnessError):
    """The user or the system ended the command; what was finished is kept."""


class NoVerdict(HarnessError):
    """The machinery of a gate failed, or was stopped, before there was a verdict.

    Neither 0 nor 1, which are verdicts, and not 2, which is a mistake in the question.
    """

    exit_code = 4


def nearest(word: str, known: Iterable[str], *, most: int = 3) -> str:
    """Say which known names are closest to ``word``, or list the known ones; case is no matter."""
    names = sorted(known)
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    matches = difflib.get_close_matches(word.casefold(), folded, n=most, cutoff=0.5)
    close = [name for match in matches for name in folded[match]][:most]
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(names)}." if names else ""

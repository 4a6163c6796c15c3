"""Errors a user can act on.

    HarnessError        one sentence and its remedy; the command line prints both, exit code 2
    ├── StoreLocked     another process has held the results file for too long
    ├── JournalRejected what a run left behind does not fit into the results file
    ├── DiskFull        the disk of the results file has no space left
    ├── ResultsMoved    the results file was moved, deleted or replaced under a run
    ├── EngineError     the engine could not start or died
    └── NoVerdict       the gate's machinery failed before there was a verdict; exit code 4

Everything else that escapes is a bug of the harness and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Something the user can mend.

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
    """Another process has held the results file for longer than this one was told to wait."""


class JournalRejected(HarnessError):
    """Rows in a journal do not fit into the results file."""


class DiskFull(HarnessError):
    """The disk that holds the results file has no space left."""


class ResultsMoved(HarnessError):
    """The results file that a run began with has been moved or deleted, or another has its name."""


class EngineError(HarnessError):
    """The engine could not start, or died."""


class NoVerdict(HarnessError):
    """The machinery of a gate failed, or was stopped, before there was a verdict.

    Neither 0 nor 1, which are verdicts, and not 2, which is a mistake in the question.
    """

    exit_code = 4


def nearest(word: str, known: Iterable[str], *, most: int = 3) -> str:
    """Say which known names are closest to ``word``, or list the known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=most, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(names)}." if names else ""

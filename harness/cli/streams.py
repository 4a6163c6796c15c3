"""Standard output and error for any terminal, closed pipes and the logs of CI servers."""

from __future__ import annotations

import io
import os
import sys

from harness.errors import HarnessError
from harness.text import without_commands

_LONGEST_INDENT = 1000
_ENDED_BY_SIGPIPE = 141


class Output(io.TextIOWrapper):
    """Standard output or standard error, to which every text can be written.

    What its encoding lacks is escaped, and no line is a command to a CI server, wherever a text is
    wrapped. Once it cannot be written to, what follows is dropped.

    Args:
        stream: What to write to.
        needed: Whether the command line has to end where it cannot be written to: with 141, as
            by SIGPIPE, where the reader has gone, and else with an error.

    Raises:
        HarnessError: By ``write`` and ``flush``: there is no room, for instance.
    """

    def __init__(self, stream: io.TextIOWrapper, *, needed: bool) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._needed = needed
        self._failure: BaseException | None = None
        self._begun = ""  # the line at hand, for as long as a command could still come of it

    def write(self, text: str, /) -> int:
        line = self._begun + text
        try:
            super().write(without_commands(line)[len(self._begun) :])
        except OSError as error:
            self._give_up(error)
        line = line[max(line.rfind("\n"), line.rfind("\r")) + 1 :]
        self._begun = line if line.strip() in ("", ":") and len(line) < _LONGEST_INDENT else "-"
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def finish(self) -> None:
        """Write what is left; raise what has gone wrong, if whoever wrote it took no note of it."""
        self.flush()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Leave the stream open: it is the process's, not this object's."""
        self.flush()

    def _give_up(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())  # else what is left would fail again at the very end
        os.close(nowhere)
        if not self._needed:
            return
        if isinstance(error, BrokenPipeError):
            self._failure = SystemExit(_ENDED_BY_SIGPIPE)
        else:
            self._failure = HarnessError(
                f"Standard output cannot be written to: {error.strerror}.",
                "What is in the results file is kept; print it to somewhere else.",
            )
        raise self._failure from error


def finish_output() -> None:
    """Write what is left on standard output.

    Raises:
        HarnessError: It could not be written, now or earlier.
    """
    if isinstance(sys.stdout, Output):
        sys.stdout.finish()


def take_streams() -> None:
    """Have everything that is printed from now on go through :class:`Output`."""
    for name, needed in (("stdout", True), ("stderr", False)):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Output):
            setattr(sys, name, Output(stream, needed=needed))

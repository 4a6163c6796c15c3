"""Run a command line: print errors as one sentence and its remedy, set the exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from typer import Typer


def run(app: Typer) -> None:
    """Run a command line; print an error as one sentence and its remedy."""
    from harness.cli.streams import finish_output, take_streams

    take_streams()
    try:
        try:
            app()
        finally:
            finish_output()
    except HarnessError as error:
        _fail(error, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - a bug, reported without a page of traceback
        found = f"{type(error).__name__}: {error}"
        _fail(error, f"This should not have happened ({found}). --debug shows where.", 1)


def _fail(error: Exception, sentence: str, code: int) -> None:
    from harness.text import clean

    if os.environ.get("HARNESS_DEBUG"):
        print(clean("".join(traceback.format_exception(error))), file=sys.stderr)
    print(f"error: {clean(sentence)}", file=sys.stderr)
    sys.exit(code)

"""Options that several commands share, and what they do with them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.store import Store

ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="HARNESS_RESULTS", help="The results file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
TasksDirOption = Annotated[
    Path | None,
    typer.Option("--tasks-dir", envvar="HARNESS_TASKS_DIR", help="A folder of your own tasks."),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="Name of a grading profile.")]
RESULTS = Path("results.duckdb")


def known_profile(name: str) -> None:
    """Refuse a profile that no grade can have.

    Raises:
        HarnessError: There is no such profile.
    """
    from harness.grading import profiles
    from harness.importing import SOURCE_PROFILE

    if name != SOURCE_PROFILE:
        profiles.get(name)


def recovered(results: Path) -> Store:
    """Open the results file, first taking in what a crashed run left in its journal."""
    from harness.errors import StoreLocked
    from harness.store import Store, recover

    store = Store(results)
    with contextlib.suppress(StoreLocked):  # reading may still go through, and says so if not
        recover(store, wait_seconds=1.0)
    return store


def key_value(text: str, option: str) -> tuple[str, Any]:
    """Read one ``key=value``; the value is JSON where it can be, else text.

    Raises:
        HarnessError: It is none.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise HarnessError(f"{option} {text!r} is not key=value.")
    try:
        return name.strip().replace("-", "_"), json.loads(value)
    except ValueError:
        return name.strip().replace("-", "_"), value

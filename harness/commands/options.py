"""Options that several commands share, and what they do with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
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
TasksOption = Annotated[str, typer.Option("--tasks", help="Tasks, separated by commas.")]
SuiteOption = Annotated[str | None, typer.Option(help="A named list of tasks.")]

ENGINE = "Engine"
SERVER = "A server (--backend openai)"
CLUSTER = "A cluster (--backend ray)"
BackendOption = Annotated[
    str, typer.Option(help="What generates: vllm, openai or ray.", rich_help_panel=ENGINE)
]
EngineArgOption = Annotated[
    list[str] | None,
    typer.Option(help="key=value, passed through to the engine.", rich_help_panel=ENGINE),
]
TensorParallelOption = Annotated[
    int | None, typer.Option(help="GPUs that share one engine.", rich_help_panel=ENGINE)
]
RevisionOption = Annotated[str | None, typer.Option(help="Commit of a hub model.")]
TrustOption = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run the checkpoint's own Python.")
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        help="Its address, as in http://localhost:8000/v1; the key comes from OPENAI_API_KEY.",
        rich_help_panel=SERVER,
    ),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(help="Most requests under way.", rich_help_panel=SERVER)
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        help="Seconds for one answer; by its budget if not given.", rich_help_panel=SERVER
    ),
]
PriceOption = Annotated[
    str | None,
    typer.Option(
        help="USD per million tokens as IN,OUT, to state what it cost.", rich_help_panel=SERVER
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="A running cluster's; a cluster on this machine if not given.",
        rich_help_panel=CLUSTER,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        help="Engines; as many as there are devices if not given.", rich_help_panel=CLUSTER
    ),
]
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
    """Open the results file, first taking in what a crashed run left in its journal.

    What cannot be taken in now (the disk may be full) is told: what is there can still be read.
    """
    from harness.errors import HarnessError
    from harness.store import Store, recover
    from harness.terminal import clean

    store = Store(results)
    try:
        recover(store, wait_seconds=1.0)
    except HarnessError as error:
        print(clean(f"note: not all that waits is in {results.name}: {error}"), file=sys.stderr)
    return store


def listed(text: str) -> list[str]:
    """Return names that were given separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def engine_args(texts: Iterable[str] | None) -> dict[str, Any]:
    """Read every ``--engine-arg``."""
    return dict(key_value(text, "--engine-arg") for text in texts or [])


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


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

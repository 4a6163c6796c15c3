"""Options that several commands share, and what they do with them."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.backends.base import EngineOptions
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.store import Store

ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="HARNESS_RESULTS", help="The results file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
TasksDirOption = Annotated[
    Path | None,
    typer.Option(
        "--tasks-dir", envvar="HARNESS_TASKS_DIR", help="Folder with your own task files."
    ),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="Name of a grading profile.")]
TasksOption = Annotated[str, typer.Option("--tasks", help="Task names, separated by commas.")]
SuiteOption = Annotated[
    str | None, typer.Option(help="A named list of tasks, in addition to --tasks.")
]

ENGINE = "Engine"
SERVER = "A server (--backend openai)"
CLUSTER = "A cluster (--backend ray)"
BackendOption = Annotated[
    str, typer.Option(help="Inference backend: vllm, openai or ray.", rich_help_panel=ENGINE)
]
EngineArgOption = Annotated[
    list[str] | None,
    typer.Option(
        help="key=value, passed to the engine unchanged; repeatable.", rich_help_panel=ENGINE
    ),
]
TensorParallelOption = Annotated[
    int | None, typer.Option(help="Tensor-parallel size: GPUs per engine.", rich_help_panel=ENGINE)
]
RevisionOption = Annotated[
    str | None, typer.Option(help="Git revision (branch, tag or commit) of a hub model.")
]
TrustOption = Annotated[
    bool, typer.Option("--trust-remote-code", help="Allow a checkpoint's own Python code to run.")
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        help="URL of the server, such as http://localhost:8000/v1; its key is OPENAI_API_KEY.",
        rich_help_panel=SERVER,
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of concurrent requests; adaptive by default.", rich_help_panel=SERVER
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        help="Timeout of one request in seconds; by default it grows with the token budget.",
        rich_help_panel=SERVER,
    ),
]
PriceOption = Annotated[
    str | None,
    typer.Option(
        help="USD per million tokens as IN,OUT, to report the cost.", rich_help_panel=SERVER
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="Address of a running cluster; by default one is started on this machine.",
        rich_help_panel=CLUSTER,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        help="Number of engine replicas; by default as many as the devices allow.",
        rich_help_panel=CLUSTER,
    ),
]
RESULTS = Path("results.duckdb")


def known_profile(name: str) -> None:
    """Refuse a profile that no grade can have.

    Raises:
        HarnessError: There is no such profile.
    """
    from harness.grading import profiles
    from harness.types import SOURCE_PROFILE

    if name != SOURCE_PROFILE:
        profiles.get(name)


def recovered(results: Path) -> Store:
    """Open the results file, first ingesting what a crashed run left in its journal.

    What cannot be ingested now (the disk may be full) is a notice: the rest can still be read.
    """
    from harness.errors import HarnessError
    from harness.store import Store, recover
    from harness.text import clean

    store = Store(results)
    try:
        recover(store, wait_seconds=1.0)
    except HarnessError as error:
        print(
            clean(f"note: not everything in the journal is in {results.name}: {error}"),
            file=sys.stderr,
        )
    return store


def listed(text: str) -> list[str]:
    """Return names that were given separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def engine_options(
    backend: BackendOption = "vllm",
    engine_arg: EngineArgOption = None,
    tensor_parallel: TensorParallelOption = None,
    base_url: BaseUrlOption = None,
    max_concurrency: ConcurrencyOption = None,
    timeout: TimeoutOption = None,
    price: PriceOption = None,
    address: AddressOption = None,
    replicas: ReplicasOption = None,
    trust_remote_code: TrustOption = False,
) -> EngineOptions:
    """Read the options of a command line that say what generates."""
    return EngineOptions(
        backend,
        engine_args(engine_arg),
        given(
            tensor_parallel=tensor_parallel,
            base_url=base_url,
            max_concurrency=max_concurrency,
            timeout=timeout,
            price=price,
            address=address,
            replicas=replicas,
        ),
        trust_remote_code,
    )


def with_engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of :func:`engine_options`, in place of its parameter ``engine``.

    Typer reads a command's options from its signature, so they stand in that.
    """
    added = inspect.signature(engine_options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)
    parameters = [
        parameter
        for name, one in own.parameters.items()
        for parameter in (added.values() if name == "engine" else [one])
    ]

    @functools.wraps(command)
    def wrapped(**options: Any) -> None:
        engine = engine_options(**{name: options.pop(name) for name in added})
        command(engine=engine, **options)

    wrapped.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapped


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

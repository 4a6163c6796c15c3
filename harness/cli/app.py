"""A Typer application with the options that all commands share (--debug, --version)."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def command_line(name: str, description: str) -> typer.Typer:
    """Return a command line that has no commands yet."""
    app = typer.Typer(
        name=name,
        help=description,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_common)
    return app


def _show_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"{context.find_root().command.name} {version('cft-harness')}")
        raise typer.Exit


def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and the engine's own messages.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Of whatever is started from here on, engines and their helpers too: the folder that a command
    # is called in may be somebody else's, and no module is looked for in it.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    if debug:
        os.environ["HARNESS_DEBUG"] = "1"
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    else:
        # Read once, when torch is loaded, which rendering prompts may already do.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

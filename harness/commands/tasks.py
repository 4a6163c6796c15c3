"""The tasks: which there are, and whether their gold answers hold."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.commands.options import JsonOption, TasksDirOption
from harness.commands.stopping import stoppable
from harness.errors import HarnessError

tasks_app = typer.Typer(help="List the tasks and suites, or check the tasks' gold answers.")


@tasks_app.callback(invoke_without_command=True)
def list_tasks(
    context: typer.Context, tasks_dir: TasksDirOption = None, as_json: JsonOption = False
) -> None:
    """List the tasks and suites, or check the tasks' gold answers."""
    if context.invoked_subcommand is not None:
        context.obj = tasks_dir, as_json
        return
    from harness import display, registry

    entries, suites = registry.TaskRegistry(tasks_dir).entries(), registry.suites()
    if as_json:
        listed = [{"name": entry.name, "summary": entry.summary} for entry in entries]
        print(json.dumps({"tasks": listed, "suites": suites}, indent=2))
        return
    display.print_table(("task", "what"), [(entry.name, entry.summary) for entry in entries])
    display.print_table(
        ("suite", "tasks"), [(name, ", ".join(tasks)) for name, tasks in suites.items()]
    )


@tasks_app.command("check")
def check_tasks(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Tasks; all if none is named.")] = None,
    tasks_dir: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every gold answer parses, equals itself, and differs from its neighbour's."""
    from dataclasses import asdict

    from harness import display
    from harness.check import check_task
    from harness.registry import TaskRegistry

    # Both options may also stand before `check`.
    given_dir, given_json = context.obj
    as_json = as_json or given_json
    registry = TaskRegistry(tasks_dir or given_dir)
    chosen = names or [entry.name for entry in registry.entries() if not entry.is_family]
    found, missing = [], []
    with stoppable(lambda: "Stopped. Nothing was changed."):
        for name in chosen:
            try:
                found.append(check_task(registry.load(name)))
            except HarnessError as error:
                if names:
                    raise
                missing.append((name, error.message))
    if as_json:
        print(json.dumps([asdict(findings) for findings in found], indent=2))
    else:
        display.print_checks(found, missing)
    if not all(findings.sound for findings in found):
        raise typer.Exit(1)

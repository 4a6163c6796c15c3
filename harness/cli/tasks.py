"""The tasks: which there are, what one asks, and whether its reference answers hold."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.cli.options import JsonOption, TasksDirOption
from harness.cli.signals import stoppable
from harness.errors import HarnessError

tasks_app = typer.Typer(help="List the tasks and suites, show one, or check reference answers.")


@tasks_app.callback(invoke_without_command=True)
def list_tasks(
    context: typer.Context, tasks_dir: TasksDirOption = None, as_json: JsonOption = False
) -> None:
    """List the tasks and suites, show one, or check reference answers."""
    if context.invoked_subcommand is not None:
        context.obj = tasks_dir, as_json
        return
    from harness import registry
    from harness.cli import render

    entries, suites = registry.TaskRegistry(tasks_dir).entries(), registry.suites()
    if as_json:
        listed = [{"name": entry.name, "summary": entry.summary} for entry in entries]
        print(json.dumps({"tasks": listed, "suites": suites}, indent=2))
        return
    render.print_table(("task", "what"), [(entry.name, entry.summary) for entry in entries])
    render.print_table(
        ("suite", "tasks"), [(name, ", ".join(tasks)) for name, tasks in suites.items()]
    )


@tasks_app.command("show")
def show_task(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A task.")],
    item: Annotated[str | None, typer.Option(help="This item; the first if not given.")] = None,
    tasks_dir: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a task asks and how: one item's prompt, the number of items, the defaults."""
    from harness.cli import render_tasks
    from harness.registry import TaskRegistry
    from harness.task import data_sha256

    given_dir, given_json = context.obj
    task = TaskRegistry(tasks_dir or given_dir).load(name)
    items = {one.id: one for one in task.items()}
    shown = items.get(item) if item else next(iter(items.values()))
    if shown is None:
        raise HarnessError(
            f"{name} has no item {item!r}.", f"Its first: {', '.join(list(items)[:5])}."
        )
    hidden = task.restricted
    facts = {
        "task": task.name,
        "version": task.version,
        "items": len(items),
        "data_sha256": data_sha256(list(items.values())),
        "max_tokens": task.max_tokens,
        "samples": task.samples,
        "temperature": task.temperature,
        "stop": list(task.stop),
        "restricted": task.restricted,
        "item": shown.id,
        "prompt": None if hidden else [dict(message) for message in task.prompt(shown)],
        "reference": None if hidden else shown.gold,
        "answer_type": str(shown.answer_type),
    }
    if as_json or given_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        render_tasks.print_task(facts)


@tasks_app.command("check")
def check_tasks(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Tasks; all if none is named.")] = None,
    tasks_dir: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every reference answer parses, equals itself, and differs from its neighbour's."""
    from dataclasses import asdict

    from harness.cli import render_tasks
    from harness.registry import TaskRegistry
    from harness.run.check_task import check_task

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
        render_tasks.print_checks(found, missing)
    if not all(findings.sound for findings in found):
        raise typer.Exit(1)

"""Names to things, without importing any of them before it is asked for.

Tasks are the modules of the package ``tasks``, backends those of ``harness.backends``: adding one
is adding a file. Nothing here imports an engine, a task's data or a numeric library.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from harness.errors import HarnessError, nearest

if TYPE_CHECKING:
    from harness.backends import Backend
    from harness.tasks_api import Task


@dataclass(frozen=True, slots=True)
class Entry:
    """A named thing and the first line its author wrote about it."""

    name: str
    summary: str


def task_entries() -> list[Entry]:
    """List the tasks by name, reading only the first line of each file's docstring."""
    return _entries("tasks")


def backend_entries() -> list[Entry]:
    """List the backends by name."""
    return _entries("harness.backends")


def load_task(name: str) -> Task:
    """Import one task.

    Raises:
        HarnessError: There is no task of that name.
    """
    known = [entry.name for entry in task_entries()]
    if name not in known:
        raise HarnessError(
            f"There is no task {name!r}. {nearest(name, known)}",
            "`harness tasks` lists them all.",
        )
    task: Task = importlib.import_module(f"tasks.{name}").TASK
    return task


def load_backend(name: str) -> type[Backend]:
    """Import one backend's class.

    Raises:
        HarnessError: There is no backend of that name.
    """
    known = [entry.name for entry in backend_entries()]
    if name not in known:
        raise HarnessError(f"There is no backend {name!r}. {nearest(name, known)}")
    module: ModuleType = importlib.import_module(f"harness.backends.{name}")
    backend: type[Backend] = module.BACKEND
    return backend


def suites() -> dict[str, list[str]]:
    """Return the suites: name to the names of their tasks."""
    content = (_folder("tasks") / "suites.toml").read_text()
    return {name: list(tasks) for name, tasks in tomllib.loads(content).items()}


def resolve_tasks(names: Sequence[str], suite: str | None) -> list[str]:
    """Return the task names asked for by ``--tasks`` and ``--suite``, each once, in order.

    Raises:
        HarnessError: One of them is not known.
    """
    wanted = list(names)
    if suite is not None:
        known = suites()
        if suite not in known:
            raise HarnessError(f"There is no suite {suite!r}. {nearest(suite, known)}")
        wanted += known[suite]
    listed = {entry.name for entry in task_entries()}
    for name in wanted:
        if name not in listed:
            load_task(name)
    return list(dict.fromkeys(wanted))


def _entries(package: str) -> list[Entry]:
    folder = _folder(package)
    return [
        Entry(module.name, _summary(folder / f"{module.name}.py"))
        for module in pkgutil.iter_modules([str(folder)])
        if not module.name.startswith("_")
    ]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise HarnessError(f"The package {package!r} is not installed.", "Run `make install`.")
    return Path(next(iter(spec.submodule_search_locations)))


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0] if docstring else ""

"""Look up tasks and backends by name, importing only the one that is asked for.

Tasks are the modules of the package ``tasks``, files in a folder the user names, and entry points
of the group ``harness.tasks``; backends are what defines ``BACKEND`` in ``harness.backends``, a
module or a package. Adding one is adding a file. Nothing here imports an engine, a task's data or a
numeric library.

A module with ``TASK`` is one task. A module with ``FAMILY`` makes one for each name behind a colon:
``fresh:chain_sum`` is the family ``fresh`` asked for ``chain_sum``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from harness.errors import HarnessError, nearest

if TYPE_CHECKING:
    from harness.backends.base import Backend
    from harness.task import Family, Task

ENTRY_POINT_GROUP = "harness.tasks"
_FAMILY_MARK = "FAMILY"


@dataclass(frozen=True, slots=True)
class Entry:
    """A task, backend or format by name, and the first line of its docstring.

    Attributes:
        name: What the user calls it; a family's ends in a colon and a placeholder.
        summary: One line.
        is_family: It makes a task for each name behind the colon.
    """

    name: str
    summary: str
    is_family: bool = False


class TaskRegistry:
    """The tasks that can be named.

    Attributes:
        folder: A user's own folder of task files, searched first.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise HarnessError(f"--tasks-dir {folder} is not a folder.")
        self.folder = folder

    def entries(self) -> list[Entry]:
        """List the tasks by name, reading only the first line of each file's docstring."""
        own = entries(self.folder) if self.folder else []
        plugins = [Entry(name, f"from {value}") for name, value in _entry_points().items()]
        listed = {
            entry.name: entry for entry in [*entries(package_folder("tasks")), *plugins, *own]
        }
        return list(listed.values())

    def load(self, name: str) -> Task:
        """Import one task.

        Raises:
            HarnessError: There is no task of that name, or its file is unusable.
        """
        stem, colon, argument = name.partition(":")
        known = {entry.name.partition(":")[0]: entry for entry in self.entries()}
        if stem not in known:
            raise HarnessError(
                f"There is no task {name!r}. {nearest(stem, known)}",
                "`harness tasks` lists them all.",
            )
        if known[stem].is_family != bool(colon and argument):
            raise HarnessError(
                f"{name!r} does not name a task.", f"Write it as {known[stem].name!r}."
            )
        module = self._module(stem)
        if colon:
            family: Family = module.FAMILY
            return family.make(argument)
        task = getattr(module, "TASK", None)
        if task is None or getattr(task, "name", None) != stem:
            raise HarnessError(
                f"{module.__file__} defines no TASK named {stem!r}.",
                "docs/tasks.md shows a complete example.",
            )
        made: Task = task
        return made

    def load_all(self, names: Sequence[str], suite: str | None) -> list[Task]:
        """Load the tasks asked for by ``--tasks`` and ``--suite``, each once, in order.

        Raises:
            HarnessError: One of them is not known.
        """
        wanted = list(names)
        if suite is not None:
            known = suites()
            if suite not in known:
                raise HarnessError(f"There is no suite {suite!r}. {nearest(suite, known)}")
            wanted += known[suite]
        return [self.load(name) for name in dict.fromkeys(wanted)]

    def _module(self, stem: str) -> ModuleType:
        try:
            if self.folder and (file := self.folder / f"{stem}.py").is_file():
                return _import_file(stem, file)
            if stem in _entry_points():
                return _import_entry_point(_entry_points()[stem])
            return importlib.import_module(f"tasks.{stem}")
        except HarnessError:
            raise
        except Exception as error:
            renamed = getattr(error, "name", None) == "harness.tasks_api"
            raise HarnessError(
                f"The task {stem!r} cannot be imported ({type(error).__name__}: {error}).",
                "Import the same names from harness.task."
                if renamed
                else "Fix its file; docs/tasks.md shows a complete example.",
            ) from error


def load_task(name: str) -> Task:
    """Import one of the harness's own tasks."""
    return TaskRegistry().load(name)


def backend_entries() -> list[Entry]:
    """List the backends by name: what defines ``BACKEND`` in ``harness.backends``."""
    return entries(package_folder("harness.backends"), defining="BACKEND")


def load_backend(name: str) -> type[Backend]:
    """Import one backend's class.

    Raises:
        HarnessError: There is no backend of that name.
    """
    known = [entry.name for entry in backend_entries()]
    if name not in known:
        raise HarnessError(f"There is no backend {name!r}. {nearest(name, known)}")
    backend: type[Backend] = importlib.import_module(f"harness.backends.{name}").BACKEND
    return backend


def suites() -> dict[str, list[str]]:
    """Return the suites: name to the names of their tasks."""
    content = (package_folder("tasks") / "suites.toml").read_text()
    return {name: list(tasks) for name, tasks in tomllib.loads(content).items()}


def entries(folder: Path, *, defining: str | None = None) -> list[Entry]:
    """List the public modules and packages of a folder, without importing them.

    Args:
        folder: Where they are.
        defining: Only those that bind this name at their top level; ``None`` for all.
    """
    found = []
    for module in pkgutil.iter_modules([str(folder)]):
        if module.name.startswith("_"):
            continue
        file = f"{module.name}/__init__.py" if module.ispkg else f"{module.name}.py"
        try:
            tree = ast.parse((folder / file).read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError) as error:
            found.append(Entry(module.name, f"cannot be read: {error}"))
            continue
        names = _bound_names(tree)
        if defining is None or defining in names:
            summary = (ast.get_docstring(tree) or "").partition("\n")[0]
            is_family = _FAMILY_MARK in names
            name = f"{module.name}:…" if is_family else module.name
            found.append(Entry(name, summary, is_family))
    return found


def _bound_names(tree: ast.Module) -> set[str]:
    """Return the names that a module assigns or imports at its top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it.

    Raises:
        HarnessError: It is not installed, or something else is found under its name.
    """
    spec = importlib.util.find_spec(name)
    if spec is not None and not spec.submodule_search_locations:
        raise HarnessError(
            f"{spec.origin} is found before the harness's own package {name!r}.",
            "Rename it, or take its folder off PYTHONPATH.",
        )
    if spec is None or not spec.submodule_search_locations:
        raise HarnessError(f"The package {name!r} is not installed.", "Run `make install`.")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def _entry_points() -> dict[str, str]:
    points = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    return {point.name: point.value for point in points}


def _import_entry_point(value: str) -> ModuleType:
    """Import what ``package.module:TASK`` names, as a module with that ``TASK``."""
    module_name, _, attribute = value.partition(":")
    found = importlib.import_module(module_name)
    holder = ModuleType(module_name)
    holder.__file__ = found.__file__
    holder.TASK = getattr(found, attribute or "TASK")  # type: ignore[attr-defined]
    return holder


def _import_file(stem: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"own_task_{stem}", file)
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

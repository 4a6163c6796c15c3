"""Names to things, without importing any of them before it is asked for.

Tasks are the modules of the package ``tasks``, files in a folder the user names, and entry points
of the group ``harness.tasks``; backends are the modules of ``harness.backends``. Adding one is
adding a file. Nothing here imports an engine, a task's data or a numeric library.

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
    from harness.backends import Backend
    from harness.importers import LogReader
    from harness.tasks_api import Family, Task

ENTRY_POINT_GROUP = "harness.tasks"
_FAMILY_MARK = "FAMILY"


@dataclass(frozen=True, slots=True)
class Entry:
    """A named thing and the first line its author wrote about it.

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
        own = _entries(self.folder) if self.folder else []
        plugins = [Entry(name, f"from {value}") for name, value in _entry_points().items()]
        listed = {entry.name: entry for entry in [*_entries(_package("tasks")), *plugins, *own]}
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
            raise HarnessError(
                f"The task {stem!r} cannot be imported ({type(error).__name__}: {error}).",
                "Mend its file; docs/tasks.md shows a complete example.",
            ) from error


def load_task(name: str) -> Task:
    """Import one of the harness's own tasks."""
    return TaskRegistry().load(name)


def backend_entries() -> list[Entry]:
    """List the backends by name."""
    return _entries(_package("harness.backends"))


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


def importer_entries() -> list[Entry]:
    """List the import formats by name."""
    plain = Entry("jsonl", "Plain rows, their columns named with --map.")
    return [plain, *_entries(_package("harness.importers"))]


def load_importer(name: str, mapping: Sequence[str]) -> LogReader:
    """Import one format's reader.

    Args:
        name: A module of ``harness.importers``, or ``jsonl`` for plain rows.
        mapping: ``ours=theirs`` column names, several parted by commas; for ``jsonl`` alone.

    Raises:
        HarnessError: There is no format of that name, or the mapping is not one.
    """
    from harness.importers import column_reader, columns_of, rows_as_log

    known = [entry.name for entry in importer_entries()]
    wanted = name.replace("-", "_")
    if wanted not in known:
        raise HarnessError(
            f"There is no import format {name!r}. {nearest(name, known)}",
            f"Formats: {', '.join(known)}.",
        )
    if wanted != "jsonl":
        if mapping:
            raise HarnessError(
                f"--map names the columns of the format jsonl, and {wanted} knows its own.",
                "Leave it out, or give jsonl as the FORMAT.",
            )
        module = importlib.import_module(f"harness.importers.{wanted}")
        log_reader: LogReader | None = getattr(module, "read_log", None)
        return log_reader or rows_as_log(module.read)
    columns = columns_of(mapping)
    return rows_as_log(column_reader(columns), columns.get("correct", ""))


def suites() -> dict[str, list[str]]:
    """Return the suites: name to the names of their tasks."""
    content = (_package("tasks") / "suites.toml").read_text()
    return {name: list(tasks) for name, tasks in tomllib.loads(content).items()}


def _entries(folder: Path) -> list[Entry]:
    return [
        _entry(module.name, folder / f"{module.name}.py")
        for module in pkgutil.iter_modules([str(folder)])
        if not module.name.startswith("_")
    ]


def _entry(name: str, path: Path) -> Entry:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        return Entry(name, f"cannot be read: {error}")
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if _FAMILY_MARK in assigned:
        return Entry(f"{name}:…", summary, is_family=True)
    return Entry(name, summary)


def _package(name: str) -> Path:
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
    """Import what ``package.module:TASK`` names, as a module-like thing with that ``TASK``."""
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

# mypy: disable-error-code="import-untyped,import-not-found"
"""Finds and reads one task's configuration among lm-eval's 14,000 YAML files.

lm-eval's own index parses all of them (7 to 15 s). Here their bytes are searched for one line,
which takes a quarter of a second and finds the same 13,123 tasks in the same files.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

_TASK = re.compile(rb"^['\"]?task['\"]?:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)
_GROUP = re.compile(rb"^['\"]?group['\"]?:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)
_ANTLR = "antlr4-python3-runtime"
#: Keys of a YAML file that are no part of a task's configuration.
_STRUCTURAL = ("tag", "group", "task_list")


@cache
def task_files() -> dict[str, Path]:
    """Return the YAML file of every task of the installed lm-eval.

    Raises:
        HarnessError: lm-eval is not installed.
    """
    return {name: path for name, (path, is_group) in _named().items() if not is_group}


def group_names() -> set[str]:
    """Return the names that stand for several tasks."""
    return {name for name, (_, is_group) in _named().items() if is_group}


@cache
def _named() -> dict[str, tuple[Path, bool]]:
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise HarnessError(
            "Tasks of lm-eval need the package `lm_eval`.", "pip install 'cft-harness[lm-eval]'."
        )
    found: dict[str, tuple[Path, bool]] = {}
    folder = Path(spec.origin).parent / "tasks"
    # Of two tasks with one name lm-eval takes the first by path.
    for path in sorted(folder.glob("**/*.yaml"), key=Path.as_posix):
        content = path.read_bytes()
        task = _TASK.search(content)  # A group's has a list, which begins on the next line.
        match = task or _GROUP.search(content)
        if match:
            name = match.group(1).decode().partition(" #")[0].strip().strip("'\"")
            found.setdefault(name, (path, task is None))
    return found


def outline(name: str) -> dict[str, Any]:
    """Read a task's configuration; functions stay ``path/of/module.function``."""
    with quiet():
        from lm_eval.tasks._yaml_loader import load_yaml

        config: dict[str, Any] = load_yaml(task_files()[name], resolve_func=False)
    return config


def configuration(name: str) -> dict[str, Any]:
    """Read a task's configuration with its functions, which imports the task's own code.

    Raises:
        HarnessError: That code cannot be imported.
    """
    with quiet(), accepting_antlr():
        from lm_eval.tasks._yaml_loader import load_yaml

        try:
            config: dict[str, Any] = load_yaml(task_files()[name], resolve_func=True)
        except Exception as error:  # noqa: BLE001 - tasks' modules raise what they like
            raise HarnessError(
                f"lm-eval's own code for {name} cannot be imported ({type(error).__name__}: "
                f"{str(error).partition(chr(10))[0]}).",
                "Install what it names.",
            ) from error
    return {key: value for key, value in config.items() if key not in _STRUCTURAL}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep lm-eval's remarks about its own tasks from the user."""
    logger = logging.getLogger("lm_eval")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def accepting_antlr() -> Iterator[None]:
    """Tell lm-eval and SymPy that the ANTLR runtime is the 4.11 that they ask for by number.

    SymPy's parser was generated for 4.11; 4.13 reads the same serialized grammar (its format has
    been 4 since 4.10). ``bench/lm_eval_scores.py --antlr`` compares with the real 4.11.
    """
    # These choose their generated parser by the true version, so they must have done so before.
    with contextlib.suppress(ImportError):
        import latex2sympy2_extended.antlr_parser  # noqa: F401
    true_version = importlib.metadata.version

    def version(distribution: str) -> str:
        return "4.11.0" if distribution == _ANTLR else true_version(distribution)

    # SymPy has bound the name by now or does so here, so it is replaced in both places.
    import sympy.parsing.latex._parse_latex_antlr as parser

    bound = parser.version
    parser.version = version
    importlib.metadata.version = version  # type: ignore[assignment]
    try:
        yield
    finally:
        importlib.metadata.version, parser.version = true_version, bound

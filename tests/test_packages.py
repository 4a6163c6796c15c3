"""Other packages import only what a package exports; the rest is its own business."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent.parent
PACKAGES = sorted(
    f"{root}.{file.parent.name}"
    for root in ("harness", "train_cft")
    for file in (ROOT / root).glob("*/__init__.py")
)
SOURCES = [
    path
    for package in ("harness", "leaderboard", "tasks", "train_cft")
    for path in sorted((ROOT / package).rglob("*.py"))
]


@cache
def _imports() -> list[tuple[Path, str, list[str]]]:
    """Return each ``from module import names`` with its file."""
    return [
        (path, node.module, [alias.name for alias in node.names])
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    ]


def _taken(package: str) -> Iterator[tuple[str, str]]:
    """Yield what modules elsewhere import of a package, with the importing file."""
    own = ROOT / package.replace(".", "/")
    for path, module, names in _imports():
        if path.is_relative_to(own):
            continue
        if module == package:
            yield from ((name, path.name) for name in names)
        elif module.startswith(f"{package}."):
            yield module.removeprefix(f"{package}.").partition(".")[0], path.name


@pytest.mark.parametrize("package", PACKAGES)
def test_others_import_only_what_a_package_exports(package: str) -> None:
    module = importlib.import_module(package)
    taken = dict(_taken(package))
    private = {name: file for name, file in taken.items() if name not in module.__all__}
    assert not private
    for name in module.__all__:
        if not hasattr(module, name):
            importlib.import_module(f"{package}.{name}")

"""The package without extras: what needs no engine works with the declared dependencies alone."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

# Found by the interpreter at its start, here and in the workers that judge.
ONLY = """
import importlib.abc, json, pathlib, sys
blocked = set(json.loads(pathlib.Path(__file__).with_name("blocked.json").read_text()))
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (undeclared)", name=name)
sys.meta_path.insert(0, Blocked())
"""

# One process for all: what takes long is importing.
COMMANDS = """
import pathlib, sys
from harness.cli.main import main
from harness.store import Store, queries
for command in {commands!r}:
    if "RUN" in command:
        command[command.index("RUN")] = queries.runs(Store(pathlib.Path({results!r})))[0].id
    sys.argv = ["harness", *command]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"{{command}} ended with {{stop.code}}")
"""


def _declared() -> set[str]:
    """The distributions that a core install has."""
    # Not from what is installed: that may be older than the file.
    wanted = list(
        tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    )
    found = {"cft-harness"}
    while wanted:
        requirement = Requirement(wanted.pop())
        name = canonicalize_name(requirement.name)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and name not in found:
            found.add(name)
            wanted += importlib.metadata.requires(name) or []
    return found


def _blocked() -> list[str]:
    """The top-level modules that a core install does not have."""
    declared = _declared()
    return [
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if not declared & {canonicalize_name(name) for name in distributions}
    ]


def test_a_core_install_grades_imports_and_shows(tmp_path: Path) -> None:
    rows = [{"id": str(n), "gold": "x+1", "pred": f"\\boxed{{{n}+x}}", "q": "?"} for n in range(4)]
    answers, results = tmp_path / "answers.jsonl", str(tmp_path / "results.duckdb")
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sitecustomize.py").write_text(ONLY)
    (tmp_path / "blocked.json").write_text(json.dumps(blocked := _blocked()))
    assert {"torch", "streamlit", "pytest"} <= set(blocked) and "duckdb" not in blocked
    mapping = ["--map", "response=pred", "--map", "question=q"]
    where = ["--results", results]
    imported = ["import", "jsonl", str(answers), "--task", "own", *mapping, *where]
    commands = [
        ["grade", str(answers), "--out", str(tmp_path / "verdicts.jsonl")],
        [*imported, "--model", "one"], [*imported, "--model", "two"],
        ["runs", *where], ["models", *where], ["show", "RUN", *where], ["score", "RUN", *where],
        ["compare", "one", "two", "--allow-different", *where],
        ["export", "--format", "html", "--out", str(tmp_path / "report.html"), *where],
        ["export", "--format", "parquet", "--out", str(tmp_path / "rows.parquet"), *where],
        ["regrade", "RUN", "--profile", "math-verify", *where], ["tasks"],
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS.format(commands=commands, results=results)],
        cwd=REPOSITORY, env={"PATH": "", "PYTHONPATH": str(tmp_path)}, timeout=900,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = map(json.loads, (tmp_path / "verdicts.jsonl").read_text().splitlines())
    assert [row["correct"] for row in verdicts] == [False, True, False, False]
    assert "own" in (tmp_path / "report.html").read_text()

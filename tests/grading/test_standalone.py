"""The grader needs nothing of the rest of the harness, so that a trainer can use it as a reward."""

from __future__ import annotations

import ast
import graphlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "harness"
GRADING = sorted((PACKAGE / "grading").rglob("*.py"))
BESIDE = ("__init__.py", "errors.py", "environment.py", "types.py")
LIBRARIES = {"latex2sympy2_extended", "math_verify", "mpmath", "sympy"}
#: Imported by the one function of ``environment.py`` that measures; the last test sees it unloaded.
MEASURING = {("environment.py", "torch")}

PROGRAM = """
import importlib, json, pkgutil, sys
import harness, harness.grading
for found in pkgutil.walk_packages(harness.grading.__path__, "harness.grading."):
    importlib.import_module(found.name)
from harness.grading import PROFILES, GraderPool, grade, grade_response

if __name__ == "__main__":
    said = {"gold": "1/2", "response": "So \\\\boxed{0.5}.", "truncated": False}
    verdicts = [grade_response(**said, profile=name).correct for name in PROFILES]
    verdicts += [grade(gold=gold, answer=gold).correct for gold in ("x^2-1", "[1, 2)", "yes")]
    with GraderPool(workers=1) as pool:
        verdicts.append(pool.submit(**said).result(60).correct)
    print(json.dumps([harness.__file__, verdicts, sorted(sys.modules)]))
"""


def _imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # What only a type checker reads is never imported.
    unread = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_names_another_part_of_the_harness() -> None:
    allowed = sys.stdlib_module_names | LIBRARIES
    ours = ("harness.grading", *(f"harness.{name.removesuffix('.py')}" for name in BESIDE[1:]))
    for path in [*GRADING, *(PACKAGE / name for name in BESIDE)]:
        for name in _imported(path):
            root = name.partition(".")[0]
            if (path.name, root) in MEASURING:
                continue
            assert root in allowed or name.startswith(ours), f"{path.name} imports {name}"


def test_the_files_import_each_other_in_one_direction_only() -> None:
    files = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
        for path in GRADING
        if path.stem != "__init__"
    }
    imports = {
        module: {
            known
            for name in _imported(path)
            for known in (name, name.rpartition(".")[0])
            if known in files
        }
        for module, path in files.items()
    }
    assert sum(map(len, imports.values())) > len(files)
    graphlib.TopologicalSorter(imports).prepare()


def test_the_files_grade_where_nothing_else_of_the_harness_is(tmp_path: Path) -> None:
    alone = tmp_path / "harness"
    shutil.copytree(PACKAGE / "grading", alone / "grading")
    for name in BESIDE:
        shutil.copy(PACKAGE / name, alone)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, program],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, verdicts, modules = json.loads(done.stdout)
    assert Path(file).parent == alone and all(verdicts)
    roots = {name.partition(".")[0] for name in modules}
    assert roots & {"sympy", "math_verify"}
    assert not roots & {"duckdb", "typer", "rich", "streamlit", "vllm", "torch", "transformers"}

"""Tasks and backends are found by listing files, without importing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.registry import Entry, TaskRegistry, backend_entries, entries


def test_a_backend_is_what_defines_backend() -> None:
    assert [entry.name for entry in backend_entries()] == ["openai", "ray", "vllm"]


def test_a_module_or_package_that_binds_a_name_is_listed_unimported(tmp_path: Path) -> None:
    (tmp_path / "assigned.py").write_text('"""Assigns it."""\nBACKEND = 1\nraise SystemExit\n')
    (tmp_path / "imported").mkdir()
    (tmp_path / "imported" / "__init__.py").write_text("from somewhere import BACKEND\n")
    (tmp_path / "without.py").write_text("OTHER = 1\n")
    (tmp_path / "_private.py").write_text("BACKEND = 1\n")
    (tmp_path / "broken.py").write_text("BACKEND = (\n")
    assigned, broken, imported = entries(tmp_path, defining="BACKEND")
    assert (assigned, imported) == (Entry("assigned", "Assigns it."), Entry("imported", ""))
    assert broken.summary.startswith("cannot be read")


def test_the_former_name_of_the_task_module_is_refused_with_the_new_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text("from harness.tasks_api import Task\n")
    with pytest.raises(
        HarnessError, match=r"harness\.tasks_api.*Import the same names from harness\.task\."
    ):
        TaskRegistry(tmp_path).load("mine")

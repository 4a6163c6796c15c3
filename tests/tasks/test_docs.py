"""The example of docs/tasks.md is a whole task that loads, prompts and grades."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.grading import grade
from harness.registry import TaskRegistry
from harness.task import Source, data_sha256

DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"


def test_the_example_works_as_a_file_in_a_folder(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 35
    (tmp_path / "products.py").write_text(example, encoding="utf-8")
    registry = TaskRegistry(tmp_path)
    [entry] = [entry for entry in registry.entries() if entry.name == "products"]
    assert entry.summary.endswith("(3 items).")
    task = registry.load("products")
    items = task.items()
    assert [item.gold for item in items] == ["56", "54", "64"]
    assert len(data_sha256(items)) == 64
    for item in items:
        assert task.prompt(item)[-1] == {"role": "user", "content": item.question}
        assert grade(gold=item.gold, answer=item.gold, answer_type=item.answer_type).correct


def test_a_file_without_a_known_hash_loads_and_one_with_another_hash_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n')
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))

    def source(file_sha256: str | None) -> Source:
        return Source("rows.jsonl", file_sha256, "x/y", "default", "test", None, "MIT")

    assert list(source(None).rows()) == [{"a": 1}]
    with pytest.raises(HarnessError, match="not the file that is meant"):
        list(source("0" * 64).rows())

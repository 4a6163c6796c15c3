"""`harness tasks check` over all the data that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import run_harness


def test_every_gold_of_every_benchmark_holds_under_its_own_grading(data_dir: Path) -> None:
    done = run_harness("tasks", "check", "--json", HARNESS_DATA_DIR=str(data_dir))
    assert done.code == 0, done.out
    found = {findings["task"]: findings for findings in done.json}
    if not found.keys() >= {"gsm8k", "math500", "theoremqa"}:
        pytest.skip("few of the benchmark files are here")
    for findings in found.values():
        assert not findings["unparsed"] + findings["unequal"] + findings["confused"]
    pictures = [ids for note, ids in found["theoremqa"]["noted"].items() if "picture" in note]
    assert sum(map(len, pictures)) == 53
    assert len(found["theoremqa"]["duplicates"]) == 1

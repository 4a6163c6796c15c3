"""The fixed split of the selection benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from train_cft.data import splits


def test_the_parts_are_whole_and_apart(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    build = {item.id for item in splits.BUILD.items()}
    select = {item.id for item in splits.SELECT.items()}
    assert len(build) == 350 and len(select) == 150 and not build & select


def test_the_order_of_the_rows_does_not_matter() -> None:
    ids = [f"test/{number}" for number in range(500)]
    assert splits.build_ids(ids) == splits.build_ids(ids[::-1])

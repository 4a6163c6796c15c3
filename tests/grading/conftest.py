"""Finds the labelled pairs, which are not part of the repository."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared_rows() -> Callable[[str], list[dict[str, Any]]]:
    """Return a reader of a JSONL file of the shared grading data, skipping where there is none."""
    candidates = [REPOSITORY.parent / "shared" / "grading"]
    if os.environ.get("HARNESS_DATA_DIR"):
        candidates.insert(0, Path(os.environ["HARNESS_DATA_DIR"]).parent / "grading")

    def read(name: str) -> list[dict[str, Any]]:
        for folder in candidates:
            if (folder / name).is_file():
                with open(folder / name, encoding="utf-8") as lines:
                    return [json.loads(line) for line in lines]
        pytest.skip(
            f"{name} is not on this machine (looked beside HARNESS_DATA_DIR and in shared/)"
        )

    return read

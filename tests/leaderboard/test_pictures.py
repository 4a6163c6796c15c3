"""Every page at both widths: nothing breaks, nothing scrolls sideways; CI keeps the pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.store import Journal, Store
from tests.leaderboard.made_gate import decision_row, task_row, write_gate
from tests.leaderboard.made_training import critique_row, write_trainings
from tests.leaderboard.pictures import PAGES, WIDTHS, name_of, take


@pytest.fixture
def filled(served: Path) -> Path:
    """Return a results file that has something for every page."""
    with Journal(Store(served)) as journal:
        decision = decision_row("made-up-pass", "pass", "step-1000", [task_row("gsm8k", "pass")])
        write_gate(journal, [decision], ["step-1000"])
        write_trainings(journal)
        journal.append("critique", critique_row(1))
    return served


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_drawn_whole_and_fits_the_screen(
    filled: Path, visit: Callable[..., Any], tmp_path: Path, width: int
) -> None:
    kept = Path(os.environ.get("HARNESS_ARTIFACTS") or tmp_path)
    for path in PAGES:
        page = visit(path, width=width)
        take(page, kept / f"{name_of(path)}-{width}.png")
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_role("dialog")).to_have_count(0)
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(too_wide) <= 0, path
        page.close()

"""A results file of made-up runs, the real server on it, and a real browser in front of that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.store import Journal, Store
from tests.leaderboard.made_store import made_runs, write
from tests.leaderboard.serving import serving

_PAGE_MILLISECONDS = 20_000


@pytest.fixture(scope="session")
def made_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results file written the way a run writes it; not to be changed."""
    path = tmp_path_factory.mktemp("made") / "made.duckdb"
    with Journal(Store(path)) as journal:
        for run in made_runs():
            write(journal, run)
    return path


@pytest.fixture
def made_store(made_results: Path, tmp_path: Path) -> Store:
    """Return a copy of the results file, for one test."""
    return Store(Path(shutil.copy(made_results, tmp_path / "results.duckdb")))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve the leaderboard as the command line does; give its address and its results file."""
    folder = tmp_path_factory.mktemp("served")
    results = folder / "results.duckdb"
    with serving(results, folder) as address:
        yield address, results


@pytest.fixture
def served(server: tuple[str, Path], made_results: Path) -> Iterator[Path]:
    """Put the made-up results where the server reads them; anything may be done to the file."""
    results = server[1]
    fresh = results.with_name("fresh")
    shutil.copy(made_results, fresh)
    os.replace(fresh, results)
    yield results
    results.unlink(missing_ok=True)


@pytest.fixture
def visit(browser: Any, server: tuple[str, Path]) -> Iterator[Callable[..., Any]]:
    """Open pages of the leaderboard; nothing may be fetched from elsewhere, and no script fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_PAGE_MILLISECONDS)
    foreign: list[str] = []
    failures: list[str] = []

    def open_page(path: str = "", *, width: int = 1280) -> Any:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.on("request", lambda request: _note_foreign(request.url, server[0], foreign))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"{server[0]}/{path}")
        return page

    yield open_page
    context.close()
    assert foreign == []
    assert failures == []


def _note_foreign(url: str, base: str, foreign: list[str]) -> None:
    local = (base, base.replace("http", "ws", 1), "data:", "blob:")
    if not url.startswith(local):
        foreign.append(url)

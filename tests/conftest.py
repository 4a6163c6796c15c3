"""Real parts shared among the tests: the built-in model, the command line, a DuckDB file.

The engine is started by few tests, each in a process of its own as a user starts it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
HARNESS = [sys.executable, "-m", "harness.cli.main"]
# Where models, benchmark files and CI's pictures of pages are.
_OF_THE_TESTS = ("HARNESS_CACHE_DIR", "HARNESS_DATA_DIR", "HARNESS_ARTIFACTS")


@dataclass(frozen=True)
class Finished:
    """What a command line printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _clean_environment() -> Iterator[None]:
    """No variable of whoever runs the tests, or of another test, may change what they see."""
    # A command line that ran in this process, for a fixture of many tests, has set it for good.
    os.environ.pop("PYTHONSAFEPATH", None)
    before = dict(os.environ)
    for name in before:
        if name.startswith("HARNESS_") and name not in _OF_THE_TESTS:
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


def in_this_process(
    name: str,
    main: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Finished]:
    """Return what calls a command line in this process, with what it printed and its exit code."""

    def call(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Finished(code, printed.out, printed.err)

    return call


@pytest.fixture
def harness(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Finished]:
    """Call the command line in this process: for everything that starts no engine."""
    from harness.cli.main import main

    return in_this_process("harness", main, monkeypatch, capsys)


def run_harness(*arguments: object, timeout: float = 900, **environment: str) -> Finished:
    """Run the command line as a process of its own."""
    done = subprocess.run(
        [*HARNESS, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@contextmanager
def held_by_another_process(results: Path) -> Iterator[subprocess.Popen[str]]:
    """Keep a results file open for writing elsewhere, as a forgotten SQL shell does."""
    program = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]);"
        " print('held', flush=True); time.sleep(180)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(results)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the benchmark files, which are not part of the project."""
    named = os.environ.get("HARNESS_DATA_DIR")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "benchmarks"
    if not folder.is_dir():
        pytest.skip("the benchmark files are not here: set HARNESS_DATA_DIR to their folder")
    return folder


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The built-in model, fetched and converted where the cache lacks it."""
    from harness.models.resolve import resolve_model

    return resolve_model("smollm2-135m").path


@dataclass(frozen=True)
class Evaluated:
    """One real evaluation that several tests look at."""

    results: Path
    arguments: tuple[str, ...]
    first: Finished

    @property
    def run(self) -> Any:
        return self.first.json["runs"][0]


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Evaluated]:
    """A real model on a real engine: 40 items of ``quick``, 48 new tokens each."""
    arguments = ("eval", "--model", "smollm2-135m", "--tasks", "quick", "--limit", "40")
    arguments += ("--max-tokens", "48", "--json", "--results")
    # The processes of pytest-xdist make it once, and each has a copy.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, printed = shared / "evaluated.duckdb", shared / "evaluated.json"
    with (shared / "evaluated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            first = run_harness(*arguments, made)
            assert first.code == 0, first.err
            printed.write_text(json.dumps(asdict(first)))
    results = tmp_path_factory.mktemp("evaluated") / "results.duckdb"
    shutil.copy(made, results)
    first = Finished(**json.loads(printed.read_text()))
    yield Evaluated(results, (*arguments, str(results)), first)


# On a busy machine a page may take a while; what never comes is still found.
_EXPECT_MILLISECONDS = 60_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start one Chromium for all tests."""
    from playwright.sync_api import expect, sync_playwright

    from tests.leaderboard.pictures import executable

    expect.set_options(timeout=_EXPECT_MILLISECONDS)
    with sync_playwright() as playwright:
        found = executable(playwright)
        if found is None:
            pytest.fail(
                "There is no Chromium: `python -m playwright install --with-deps chromium` "
                "(or `make test`, which does it) installs one."
            )
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()

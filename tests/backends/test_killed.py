"""What a server or an engine has delivered is kept, whenever the evaluation is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.store import Store, recover
from tests.backends.fake_server import Answer, FakeServer, completion
from tests.backends.openai_calls import arguments
from tests.conftest import HARNESS

pytestmark = pytest.mark.usefixtures("openai_environment")
# A second, and what a busy machine adds to one sync of a disk.
_SYNC_SECONDS = 1.5


def killed(results: Path, seconds: float) -> tuple[int, int]:
    """Kill an evaluation some time after its first answer.

    Returns:
        How many answers were older than a second then, and how many of all are kept.
    """
    delivered: list[float] = []

    def answer(body: dict[str, Any], number: int) -> Answer:
        time.sleep(0.05)
        delivered.append(time.monotonic())
        return completion(f"The answer is {number}.")

    server = FakeServer()
    server.answer = answer
    with server.running():
        command = arguments(server, results, "--max-concurrency", "2", "--n", "30")
        command += ["--temperature", "0.7"]
        with subprocess.Popen(
            [*HARNESS, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while not delivered and process.poll() is None:
                time.sleep(0.01)
            time.sleep(seconds)
            process.kill()
            at = time.monotonic()
    return sum(when < at - _SYNC_SECONDS for when in delivered), kept_in(results)


def kept_in(results: Path) -> int:
    """Return how many generations a killed evaluation has left."""
    store = Store(results)
    recover(store)
    with store.read() as connection:
        (kept,) = connection.execute("SELECT count(*) FROM generation").fetchone() or (0,)
    return int(kept)


# Notes when each generation reaches the journal, in a file that a kill cannot empty.
_NOTED = """
import os, sys, time
from harness.store.journal import Journal
notes = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
append = Journal.append
def noted(self, table, row):
    if table == "generation":
        os.write(notes, f"{time.monotonic()}\\n".encode())
    append(self, table, row)
Journal.append = noted
from harness.cli.main import main
main()
"""


def killed_engine(folder: Path, seconds: float) -> tuple[int, int]:
    """Kill an evaluation by vLLM some time after its first completion; see :func:`killed`."""
    notes, results = folder / "notes", folder / "results.duckdb"
    command = [sys.executable, "-c", _NOTED, str(notes), "eval", "--model", "smollm2-135m"]
    command += ["--tasks", "quick", "--n", "8", "--temperature", "0.7", "--max-tokens", "64"]
    command += ["--results", str(results)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not notes.exists() or not notes.stat().st_size:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        at = time.monotonic()
    delivered = [float(line) for line in notes.read_text().splitlines()]
    return sum(when < at - _SYNC_SECONDS for when in delivered), kept_in(results)


def test_answers_older_than_a_second_outlive_a_kill_early_on(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as several:
        runs = several.map(killed, (tmp_path / f"{i}.duckdb" for i in range(3)), (2.1, 2.8, 3.6))
        outcomes = list(runs)
    assert all(due for due, _ in outcomes)
    assert all(kept >= due for due, kept in outcomes), outcomes


@pytest.mark.slow
def test_answers_older_than_a_second_outlive_a_kill_at_any_time(tmp_path: Path) -> None:
    chance = random.Random(0)
    moments = [chance.uniform(0, 10) for _ in range(10)] + [12.0, 15.0]
    outcomes = [killed(tmp_path / f"{i}.duckdb", at) for i, at in enumerate(moments)]
    assert all(kept >= due for due, kept in outcomes), outcomes


@pytest.mark.slow
def test_completions_of_an_engine_older_than_a_second_outlive_a_kill(
    tmp_path: Path, model_folder: Path
) -> None:
    chance = random.Random(0)
    moments = [chance.uniform(0, 10) for _ in range(10)]
    outcomes = []
    for number, moment in enumerate(moments):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcomes.append(killed_engine(folder, moment))
    print(list(zip(moments, outcomes, strict=True)))
    assert all(kept >= due for due, kept in outcomes), outcomes

"""Whatever signal ends an evaluation: what is finished is kept, and a record says so."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.backends.base import EngineOptions
from harness.cli.progress import EvaluationProgress
from harness.cli.signals import stoppable
from harness.errors import Stopped
from harness.registry import load_task
from harness.run.evaluate import Evaluation, evaluate
from harness.run.plan import Settings
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion
from tests.backends.openai_calls import arguments, kept
from tests.conftest import HARNESS, Finished

pytestmark = pytest.mark.usefixtures("openai_environment")

GENERATING = "generating"
STARTING = "starting"


class SlowToStart(dict[str, Answer]):
    """Pages of a server that is asked for its version and does not answer meanwhile."""

    def __init__(self, pages: dict[str, Answer]) -> None:
        super().__init__(pages)
        self.asked, self.release = threading.Event(), threading.Event()

    def get(self, path: str, default: Any = None) -> Any:
        if path == "/version":
            self.asked.set()
            self.release.wait(60)
        return super().get(path, default)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*HARNESS, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hold_after(server: FakeServer, answered: int) -> threading.Event:
    """Have so many calls answered and the others wait for the event."""
    release = threading.Event()

    def answer(body: dict[str, Any], number: int) -> Answer:
        if number > answered:
            release.wait(60)
        return completion()

    server.answer = answer
    return release


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def sessions(results: Path) -> list[tuple[str, int, float]]:
    with duckdb.connect(str(results), read_only=True) as connection:
        return connection.execute(
            "SELECT outcome, generated, start_seconds FROM run_session ORDER BY started_at"
        ).fetchall()


@pytest.mark.parametrize(
    ("signals", "during", "code"),
    [
        ([signal.SIGTERM, signal.SIGTERM], GENERATING, 143),
        ([signal.SIGHUP], STARTING, 129),
        ([signal.SIGINT, signal.SIGINT, signal.SIGTERM], GENERATING, 2),
    ],
)
def test_a_signal_keeps_what_is_finished_and_leaves_a_record(
    server: FakeServer,
    harness: Callable[..., Finished],
    tmp_path: Path,
    signals: list[signal.Signals],
    during: str,
    code: int,
) -> None:
    results = tmp_path / "results.duckdb"
    command = arguments(server, results, "--max-concurrency", "2")
    finished = 5 if during == GENERATING else 0
    release = hold_after(server, finished)
    pages = server.pages
    if during == STARTING:
        server.pages = slow = SlowToStart(pages)
    with started(command) as process:
        if during == STARTING:
            assert slow.asked.wait(60)
        else:
            wait_for(lambda: kept(results, "grade") == finished)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.05)
        _, error = process.communicate(timeout=30)
    release.set()
    assert process.returncode == code, error
    assert f"error: Stopped. {finished} finished generations are kept. Run the same" in error
    assert "Traceback" not in error, error
    ((outcome, generated, start_seconds),) = sessions(results)
    assert (outcome, generated) == ("interrupted", finished)
    assert start_seconds > 0
    assert not list(tmp_path.glob("results.duckdb.journal/*.running"))

    server.answer = lambda body, number: completion()
    if during == STARTING:
        slow.release.set()
    again = harness(*command)
    assert (again.json["stored"], again.json["generated"]) == (finished, 12 - finished), again.err


def test_answers_that_came_back_while_another_was_being_kept_are_kept_too(
    server: FakeServer, tmp_path: Path
) -> None:
    class StopsAtTheFirst(EvaluationProgress):
        def generated(self, completion_tokens: int, status: str) -> None:
            super().generated(completion_tokens, status)
            if self.kept == 1:
                wait_for(lambda: len(server.bodies) == 12)
                time.sleep(0.3)  # the last answers are on their way
                raise KeyboardInterrupt

    results, callbacks = tmp_path / "results.duckdb", StopsAtTheFirst()
    evaluation = Evaluation(
        [MODEL],
        [load_task("quick")],
        results,
        Settings(limit=12, max_tokens=64),
        engine=EngineOptions("openai", backend_options={"base_url": server.url}),
    )
    with pytest.raises(KeyboardInterrupt):
        evaluate(evaluation, callbacks)
    assert callbacks.kept == kept(results) == 12
    assert sessions(results)[0][:2] == ("interrupted", 12)


def test_a_signal_that_was_ignored_before_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        with stoppable(lambda: "Stopped."):
            os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Stopped) as stopped, stoppable(lambda: "Stopped."):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is on_term, "as it was before"

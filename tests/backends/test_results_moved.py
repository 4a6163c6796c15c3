"""A results file that goes away while an evaluation writes to it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backends.fake_server import Answer, FakeServer, completion
from tests.backends.openai_calls import arguments
from tests.conftest import HARNESS, Finished

pytestmark = pytest.mark.usefixtures("openai_environment")


def test_no_answer_is_lost_or_asked_for_again(
    server: FakeServer, tmp_path: Path, harness: Callable[..., Finished]
) -> None:
    results, elsewhere = tmp_path / "results.duckdb", tmp_path / "elsewhere.duckdb"
    asked, release = threading.Event(), threading.Event()

    def answer(body: dict[str, Any], number: int) -> Answer:
        if number > 4:
            asked.set()
            release.wait(60)
        return completion()

    server.answer = answer
    command = arguments(server, results, "--max-concurrency", "2")
    with subprocess.Popen(
        [*HARNESS, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert asked.wait(60)
        results.rename(elsewhere)
        release.set()
        _, error = process.communicate(timeout=300)
    assert process.returncode == 2, error
    assert "moved or deleted" in error
    assert "generations" in error and f"{results}.journal" in error

    elsewhere.rename(results)
    server.bodies.clear()
    again = harness(*command)
    assert (again.code, again.json["stored"], again.json["generated"]) == (0, 12, 0), again.err
    assert server.bodies == []

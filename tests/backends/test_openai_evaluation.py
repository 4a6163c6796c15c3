"""Evaluations by way of a server, and at the end of a real vLLM."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from harness.environment import has_bfloat16_units
from harness.errors import EngineError, HarnessError
from tests.backends.fake_server import MODEL, FakeServer, completion, refusal
from tests.backends.openai_calls import KEY, arguments, opened, requests
from tests.conftest import Evaluated, Finished, run_harness

pytestmark = pytest.mark.usefixtures("openai_environment")


def test_an_evaluation_survives_a_server_that_dies_and_never_keeps_the_key(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> None:
    results = tmp_path / "results.duckdb"
    command = arguments(server, results, "--max-concurrency", "1", "--price", "1,2")

    server.answer = lambda body, number: (
        completion() if number <= 5 else refusal(503, f"no workers for {KEY}")
    )
    died = harness(*command)
    assert died.code == 2
    assert "answered 503: no workers for …, 8 times in a row." in died.err
    assert "same command again" in died.err

    server.bodies.clear()
    server.answer = lambda body, number: completion()
    went_on = harness(*command)
    assert went_on.code == 0, went_on.err
    assert (went_on.json["stored"], went_on.json["generated"], len(server.bodies)) == (5, 7, 7)

    server.bodies.clear()
    assert harness(*command).json["stored"] == 12
    assert server.bodies == []

    assert "asking the server for served-model" in went_on.err
    assert "starting the engine" not in went_on.err

    assert server.keys == {f"Bearer {KEY}"}
    everything = died.out + died.err + went_on.out + went_on.err
    assert KEY not in everything
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    with duckdb.connect(str(results), read_only=True) as connection:
        usages = connection.execute("SELECT usage FROM run_session ORDER BY started_at").fetchall()
        sources = connection.execute("SELECT source FROM model").fetchall()
    assert [json.loads(usage)["requests"] for (usage,) in usages] == [5, 7]
    assert json.loads(usages[1][0])["cost_usd"] == pytest.approx(7 * 20 / 1e6)
    assert sources == [(f"server:{server.url} {MODEL} (weights unverified)",)]


@contextmanager
def vllm_server(folder: Path, name: str) -> Iterator[str]:
    """Serve a checkpoint with vLLM's own server on the loopback; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", name, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--enforce-eager", "--max-model-len", "2048", "--max-num-batched-tokens", "1024"]
    command += ["--generation-config", "vllm", "--disable-uvicorn-access-log"]
    # The server takes the checkpoint's own dtype everywhere; this is what the engine here takes.
    command += [] if has_bfloat16_units() else ["--dtype", "float32"]
    cpu = {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0", "VLLM_CPU_KVCACHE_SPACE": "1"}
    quiet = {"VLLM_LOGGING_LEVEL": "WARNING", "VLLM_NO_USAGE_STATS": "1"}
    # A session of its own, so that the engine's process ends with it.
    with subprocess.Popen(
        command,
        env=os.environ | cpu | quiet | {"VLLM_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 600
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, process.communicate()[0].decode()
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.communicate(timeout=20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def texts(results: Path, run: str) -> dict[str, tuple[str, int, int]]:
    with duckdb.connect(str(results), read_only=True) as connection:
        rows = connection.execute(
            "SELECT item_id, answer, prompt_tokens, completion_tokens"
            " FROM request JOIN generation USING (key) WHERE run_id = ?",
            [run],
        ).fetchall()
    return {item: (answer, prompt, completion) for item, answer, prompt, completion in rows}


def test_a_server_gives_the_answers_of_the_engine_up_to_numerics(
    evaluated: Evaluated, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.duckdb"
    command = ["eval", "--backend", "openai", "--model", "smollm2", "--tasks", "quick"]
    command += ["--limit", "40", "--max-tokens", "48", "--results", str(results), "--json"]
    with vllm_server(model_folder, "smollm2") as url:
        served = run_harness(*command, "--base-url", url)
        assert served.code == 0, served.err
        with opened(SimpleNamespace(url=url)) as backend:
            assert backend.open("smollm2", None).max_context == 2048
            with pytest.raises(HarnessError, match="does not serve 'smollm'.*mean smollm2"):
                backend.open("smollm", None)
            with pytest.raises(
                EngineError, match="context of 2048 tokens .* after the prompt of i0"
            ):
                requests(backend, 1, "smollm2", max_tokens=2040)
            watched = requests(backend, 1, "smollm2", max_tokens=8, stop_loops=True)
            assert len(list(backend.generate(watched))) == 1
        with monkeypatch.context() as other:
            other.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
            sentence = "refuses the key in OPENAI_API_KEY"
            with (
                opened(SimpleNamespace(url=url)) as backend,
                pytest.raises(EngineError, match=sentence),
            ):
                backend.open("smollm2", None)
    offline = texts(evaluated.results, evaluated.run["id"])
    online = texts(results, served.json["runs"][0]["id"])
    assert online.keys() == offline.keys()
    assert {item: row[1] for item, row in online.items()} == {
        item: row[1] for item, row in offline.items()
    }, "the server renders the same prompts"
    identical = sum(online[item] == offline[item] for item in offline)
    print(f"{identical} of {len(offline)} answers are the same to the letter")
    assert identical >= 0.8 * len(offline)

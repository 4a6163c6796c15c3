"""A server as the backend: real HTTP throughout, and at the end a real vLLM."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from harness.backends import BackendOptions, _pace
from harness.backends import openai as backend_module
from harness.backends._pace import Pace
from harness.backends.openai import OpenAIBackend
from harness.completions import read_completion
from harness.errors import EngineError, HarnessError
from harness.types import Chat, Completion, Generation, Request, Sampling
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion, refusal
from tests.conftest import HARNESS, Evaluated, Finished, run_harness

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(backend_module, "_FIRST_WAIT", 0.01)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer().running() as running:
        yield running


def requests(
    backend: OpenAIBackend, count: int, name: str = MODEL, **sampling: Any
) -> list[Request]:
    model = backend.open(name, None)
    prompts = [
        backend.render(model, [{"role": "user", "content": f"What is 0 + {i}?"}], Chat())
        for i in range(count)
    ]
    made = Sampling(**({"max_tokens": 64} | sampling))
    made_requests = [
        Request(f"{i:032x}", f"i{i}", 0, prompt, made, seed=(1 << 62) + i)
        for i, prompt in enumerate(prompts)
    ]
    backend.start(model, made_requests, longest=64)
    return made_requests


def opened(server: FakeServer | SimpleNamespace, **named: Any) -> closing[OpenAIBackend]:
    options = {"base_url": server.url} | named
    engine_args = options.pop("engine_args", {})
    tell = options.pop("tell", lambda _: None)
    return closing(OpenAIBackend(BackendOptions(engine_args=engine_args, named=options, tell=tell)))


def complete(server: FakeServer, count: int = 1, **named: Any) -> list[Completion]:
    sampling = named.pop("sampling", {})
    with opened(server, **named) as backend:
        return list(backend.generate(requests(backend, count, **sampling)))


def read(server: FakeServer, **named: Any) -> Generation:
    with opened(server, **named) as backend:
        (request,) = requests(backend, 1)
        (came_back,) = backend.generate([request])
        return read_completion(request, came_back, lambda _: None)


def arguments(server: FakeServer, results: Path, *more: object) -> list[str]:
    command = ["eval", "--backend", "openai", "--base-url", server.url, "--model", MODEL]
    command += ["--tasks", "quick", "--limit", "12", "--max-tokens", "64"]
    return [*command, "--results", str(results), "--json", *map(str, more)]


# What a call says, and what is read into its answer.


def test_a_call_says_all_of_the_protocol_and_no_stop_string(server: FakeServer) -> None:
    server.answer = lambda body, number: completion("Seven.\n\nQ: and now?")
    with opened(server, engine_args={"reasoning_effort": "low"}) as backend:
        model = backend.open(MODEL, None)
        prompt = backend.render(model, [{"role": "user", "content": "?"}], Chat(False, {"a": 1}))
        sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=64, stop=("\n\nQ:",))
        request = Request("k", "i", 0, prompt, sampling, seed=(1 << 63) - 1)
        backend.start(model, [request], longest=64)
        (came_back,) = backend.generate([request])
    assert read_completion(request, came_back, lambda _: None).answer == "Seven."
    assert server.bodies == [
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": "?"}],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 64,
            "seed": (1 << 63) - 1,
            "chat_template_kwargs": {"enable_thinking": False, "thinking": False, "a": 1},
            "reasoning_effort": "low",
        }
    ]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_a_thought_that_the_server_keeps_apart_stays_apart(server: FakeServer, name: str) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 3}}
    server.answer = lambda body, number: completion(
        r"\boxed{7}", message={name: r"maybe \boxed{8}"}, usage=details
    )
    generation = read(server)
    assert (generation.thought, generation.answer) == (r"maybe \boxed{8}", r"\boxed{7}")
    assert not generation.truncated
    counts = (generation.prompt_tokens, generation.completion_tokens, generation.thought_tokens)
    assert counts == (10, 5, 3)


def test_an_unfinished_thought_is_no_answer(server: FakeServer) -> None:
    server.answer = lambda body, number: completion(
        None,
        message={"reasoning": r"maybe \boxed{8}"},
        finish_reason="length",
        usage={"completion_tokens": 64},
    )
    generation = read(server)
    assert (generation.thought, generation.answer) == (r"maybe \boxed{8}", "")
    assert generation.truncated


def test_a_thought_that_the_server_leaves_in_the_text_is_cut_off(server: FakeServer) -> None:
    server.answer = lambda body, number: completion("so it is</think> 7")
    generation = read(server)
    assert (generation.thought, generation.answer) == ("so it is", "7")


@pytest.mark.parametrize(
    "answer",
    [
        completion(None, finish_reason="content_filter"),
        Answer(400, {"error": {"message": "filtered", "code": "content_filter"}}),
    ],
)
def test_what_a_filter_refuses_is_a_generation_without_an_answer(
    server: FakeServer, answer: Answer
) -> None:
    server.answer = lambda body, number: answer
    (came_back,) = complete(server)
    assert (came_back.text, came_back.finish_reason) == ("", "content_filter")


def test_a_server_that_refuses_max_tokens_gets_max_completion_tokens(server: FakeServer) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        if "max_tokens" not in body:
            return completion()
        message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return refusal(400, message)

    server.answer = answer
    assert len(complete(server, 40)) == 40
    assert {body.get("max_completion_tokens") for body in server.bodies} == {None, 64}


def test_a_server_without_seeds_is_used_and_said_to_be(server: FakeServer) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        if "seed" not in body:
            return completion()
        error = {"message": "no", "code": "unsupported_parameter", "param": "seed"}
        return Answer(400, {"error": error})

    server.answer = answer
    told: list[str] = []
    assert len(complete(server, 20, tell=told.append, sampling={"temperature": 1.0})) == 20
    assert told == ["The server takes no seed: its samples cannot be repeated."]


def test_what_a_server_would_ignore_is_refused_unless_it_lists_it(server: FakeServer) -> None:
    with pytest.raises(EngineError, match="--stop-loops needs"):
        complete(server, sampling={"stop_loops": True})
    with pytest.raises(EngineError, match="--thinking-budget needs"):
        complete(server, sampling={"thinking_budget": 5})
    properties = {"repetition_detection": {}, "thinking_token_budget": {}}
    server.pages["/openapi.json"] = Answer(body={"properties": properties})
    complete(server, sampling={"stop_loops": True, "thinking_budget": 5})
    (body,) = server.bodies
    assert body["repetition_detection"]["min_count"] > 1
    assert body["thinking_token_budget"] == 5


# What it costs.


def test_usage_tells_tokens_cost_and_who_answered(server: FakeServer) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        name = MODEL if number < 4 else "another"
        cached = {"prompt_tokens_details": {"cached_tokens": 4}, "cost": 0.5}
        return completion(model=name, system_fingerprint="fp", usage=cached)

    server.answer = answer
    told: list[str] = []
    for price, cost in ((None, 2.0), ("1,2", 4 * (10 * 1 + 5 * 2) / 1e6)):
        server.bodies.clear()
        named = {"max_concurrency": 1, "tell": told.append} | ({"price": price} if price else {})
        with opened(server, **named) as backend:
            list(backend.generate(requests(backend, 4)))
            usage = backend.usage()
        assert usage == {
            "requests": 4,
            "prompt_tokens": 40,
            "completion_tokens": 20,
            "cached_tokens": 16,
            "retries": 0,
            "cost_usd": pytest.approx(cost),
            "served": {MODEL: {"fp": 3}, "another": {"fp": 1}},
        }
    assert set(told) == {"The server now says that it is another."}


# How many at once.


def test_requests_are_taken_as_there_is_room_and_never_more_are_under_way(
    server: FakeServer,
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        time.sleep(0.02)
        return completion()

    server.answer = answer
    taken = 0

    def lazily(made: list[Request]) -> Iterator[Request | None]:
        nonlocal taken
        for request in made:
            taken += 1
            yield request
            if taken == 30:
                yield None  # nothing more until something has come back

    with opened(server, max_concurrency=5) as backend:
        generation = backend.generate(lazily(requests(backend, 60)))
        first = next(generation)
        assert taken < 20
        keys = {first.key, *(rest.key for rest in generation)}
        assert backend.status() == "5 at once"
    assert len(keys) == 60
    assert server.most == 5


def test_closing_the_iterator_ends_what_is_under_way(server: FakeServer) -> None:
    release = threading.Event()

    def answer(body: dict[str, Any], number: int) -> Answer:
        if number > 1:
            release.wait(20)
        return completion()

    server.answer = answer
    with opened(server, max_concurrency=4) as backend:
        generation = backend.generate(requests(backend, 50))
        next(generation)
        began = time.monotonic()
        generation.close()
        assert time.monotonic() - began < 5
        release.set()
        time.sleep(0.3)
        assert len(server.bodies) < 10


def test_a_server_that_asks_for_a_pause_gets_it_from_every_call(server: FakeServer) -> None:
    times: list[float] = []

    def answer(body: dict[str, Any], number: int) -> Answer:
        times.append(time.monotonic())
        return refusal(429, "slow down", Retry_After="0.7") if number == 3 else completion()

    server.answer = answer
    with opened(server, max_concurrency=2) as backend:
        assert len(list(backend.generate(requests(backend, 12)))) == 12
        assert backend.status().endswith(" at once, 1 retry")
        assert backend.usage()["retries"] == 1
    assert times[4] - times[2] > 0.65, "but for the one under way, all calls waited"


def simulated(
    monkeypatch: pytest.MonkeyPatch, latency: Callable[[int], float], rounds: int
) -> list[int]:
    """Return the bound after each round on a server that answers a token in so long."""
    now = 0.0
    monkeypatch.setattr(_pace, "time", SimpleNamespace(monotonic=lambda: now))
    pace = Pace(512)
    bounds = [pace.bound]
    for _ in range(rounds):
        sent, bound = now, pace.bound
        now += 100 * latency(bound)
        for _ in range(bound):
            pace.answered(sent, 100)
        bounds.append(pace.bound)
    return bounds


def test_the_bound_doubles_only_while_that_brings_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert simulated(monkeypatch, lambda at_once: 1.0, 6) == [16, 32, 64, 128, 256, 512, 512]
    # Serves 40 at once; what is more waits: going on doubling would only make a longer queue.
    queueing = simulated(monkeypatch, lambda at_once: max(1.0, at_once / 40), 6)
    assert queueing[:3] == [16, 32, 64]
    assert queueing[3] == 128 and queueing[4:] == [129, 130, 131]
    # Thrashes beyond 40: what was one step too far is taken back.
    thrashing = simulated(monkeypatch, lambda at_once: max(1.0, (at_once / 40) ** 3), 3)
    assert thrashing == [16, 32, 64, 32]


def test_a_failure_halves_the_bound_once_for_all_calls_sent_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1.0
    monkeypatch.setattr(_pace, "time", SimpleNamespace(monotonic=lambda: now))
    pace = Pace(512)
    for _ in range(10):
        pace.failed(0.5)
    assert pace.bound == 8
    for now in range(2, 9):
        pace.failed(now)
    assert pace.bound == 1


# What fails.


def test_a_busy_server_is_asked_again_until_it_has_answered_everything(server: FakeServer) -> None:
    """Each request is refused more often than would end the evaluation, were it alone."""
    refused: dict[str, int] = {}

    def answer(body: dict[str, Any], number: int) -> Answer:
        question = body["messages"][0]["content"]
        refused[question] = refused.get(question, 0) + 1
        enough = 1 if question.endswith(" 0?") or number % 3 == 0 else 12
        return completion() if refused[question] > enough else refusal(429, "slow down")

    server.answer = answer
    assert len(complete(server, 10)) == 10


def test_a_server_that_fails_for_ever_ends_it_with_what_it_said(server: FakeServer) -> None:
    server.answer = lambda body, number: refusal(500, f"CUDA error; you sent {KEY}")
    told: list[str] = []
    with pytest.raises(EngineError) as raised:
        complete(server, 3, tell=told.append)
    assert "answered 500: CUDA error; you sent …, 8 times in a row." in str(raised.value)
    assert "same command again" in raised.value.remedy
    assert told == [
        "The server answered 500: CUDA error; you sent …; each request is tried 8 times."
    ]
    assert len(server.bodies) <= 24


def test_one_request_that_always_fails_does_not_hold_up_the_others(server: FakeServer) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        poisoned = body["messages"][0]["content"].endswith(" 3?")
        time.sleep(0.02)
        return Answer(502, "<html>Bad gateway</html>") if poisoned else completion()

    server.answer = answer
    came_back = []
    with opened(server, max_concurrency=2) as backend:
        generation = backend.generate(requests(backend, 40))
        with pytest.raises(EngineError, match="1 requests were given up.*answered 502"):
            came_back.extend(generation)  # extend keeps what came before the error
    assert len(came_back) == 39


def test_a_server_that_hangs_is_given_up(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def answer(body: dict[str, Any], number: int) -> Answer:
        release.wait(20)
        return completion()

    server.answer = answer
    monkeypatch.setattr(backend_module, "_SILENCE", 0.1)
    told: list[str] = []
    began = time.monotonic()
    with pytest.raises(EngineError, match="did not answer within 0 seconds, 3 times in a row"):
        complete(server, 4, timeout=0.3, tell=told.append)
    assert time.monotonic() - began < 8
    assert "answered none" in told[0]
    release.set()


def test_a_quota_that_is_used_up_is_not_waited_for(server: FakeServer) -> None:
    exhausted = {"message": "You exceeded your quota", "code": "insufficient_quota"}
    server.answer = lambda body, number: Answer(429, {"error": exhausted})
    with pytest.raises(EngineError, match="429: You exceeded your quota"):
        complete(server)
    server.answer = lambda body, number: refusal(429, "tomorrow", Retry_After="7200")
    with pytest.raises(EngineError, match="pause of 7200 seconds"):
        complete(server)
    assert len(server.bodies) == 2


def test_a_call_that_makes_no_sense_is_not_repeated(server: FakeServer) -> None:
    server.answer = lambda body, number: refusal(400, "maximum context length is 8 tokens")
    with pytest.raises(EngineError, match="400: maximum context length is 8 tokens"):
        complete(server)
    assert len(server.bodies) == 1


def test_a_budget_that_the_server_cuts_is_not_taken_for_the_one_asked_for(
    server: FakeServer,
) -> None:
    server.answer = lambda body, number: completion("cut", finish_reason="length")
    with pytest.raises(EngineError, match="answer to i0 after 5 tokens, of a budget of 64"):
        complete(server)
    server.pages["/tokenize"] = Answer(body={"count": 4090, "max_model_len": 4096})
    with pytest.raises(EngineError, match=r"prompt of i2 \(4090 tokens\). Give --max-tokens 6 or"):
        complete(server, 3)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("body", ["<html>hello</html>", {"error": {"message": "x"}}, {}])
def test_an_answer_that_is_no_completion_is_trouble(server: FakeServer, body: Any) -> None:
    server.answer = lambda _, number: Answer(body=body) if number == 1 else completion()
    assert len(complete(server)) == 1
    assert len(server.bodies) == 2


# What is refused before anything is generated.


def test_a_name_that_is_not_served_is_refused_with_the_nearest(server: FakeServer) -> None:
    with opened(server) as backend:
        with pytest.raises(HarnessError, match=f"does not serve 'serve-model'.*mean {MODEL}"):
            backend.open("serve-model", None)
        assert backend.open(f"{MODEL}:free", None).max_context is None
        assert backend.open(MODEL, None).max_context == 4096
    assert server.bodies == []


def test_a_server_without_a_list_of_models_is_taken_at_its_word(server: FakeServer) -> None:
    del server.pages["/v1/models"]
    assert len(complete(server)) == 1


def test_the_same_server_is_the_same_model_however_its_address_is_written(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
    with opened(server) as first, closing(OpenAIBackend(BackendOptions())) as second:
        assert first.open(MODEL, None) == second.open(MODEL, None)
        assert first.identity() == second.identity()


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_missing_or_wrong_is_said_to_be(
    server: FakeServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/v1/models"] = refusal(status, f"Incorrect API key provided: {KEY[:8]}***89")
    with pytest.raises(EngineError, match="refuses the key in OPENAI_API_KEY") as raised:
        complete(server)
    assert KEY[:8] not in str(raised.value)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(EngineError, match="wants a key.* Set OPENAI_API_KEY"):
        complete(server)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"base_url": "http://me:hunter2@localhost/v1"}, "a password"),
        ({"base_url": "http://localhost/v1?key=hunter2"}, "a query"),
        ({"base_url": "localhost:8000/v1"}, "no address"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "No server answers at http://127.0.0.1:9/v1"),
        ({"max_concurrency": 0}, "between 1 and"),
        ({"timeout": -1}, "no number of seconds"),
        ({"price": "cheap"}, "not IN,OUT"),
        ({"replicas": 2}, "no option --replicas"),
        ({"engine_args": {"temperature": 1}}, "Use --temperature"),
        ({"engine_args": {"user": f"me {KEY}"}}, "holds the key"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    server: FakeServer, named: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(HarnessError, match=sentence) as raised, opened(server, **named) as backend:
        backend.open(MODEL, None)
    assert "hunter2" not in str(raised.value)
    assert KEY not in str(raised.value)


# The command line.


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


def kept(results: Path) -> int:
    """Count the generations in the journal, or in the file where they have moved there."""
    journalled = 0
    for file in Path(f"{results}.journal").glob("*/*.jsonl"):
        with contextlib.suppress(FileNotFoundError):  # just moved
            journalled += file.read_bytes().count(b'{"table": "generation"')
    try:
        with duckdb.connect(str(results), read_only=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM generation").fetchone() or (0,)
    except duckdb.Error:
        count = 0
    return max(journalled, count)


def test_ctrl_c_keeps_what_was_finished(server: FakeServer, tmp_path: Path) -> None:
    release = threading.Event()

    def answer(body: dict[str, Any], number: int) -> Answer:
        if number > 4:
            release.wait(60)
        return completion()

    server.answer = answer
    results = tmp_path / "results.duckdb"
    command = arguments(server, results, "--max-concurrency", "2")
    with subprocess.Popen(
        [*HARNESS, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while kept(results) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "4 finished generations are kept" in error, error
    release.set()
    rest = run_harness(*command)
    assert (rest.json["stored"], rest.json["generated"]) == (4, 8), rest.err


# The same model behind a real server.


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
            deadline = time.monotonic() + 120
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

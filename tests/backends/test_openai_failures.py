"""What fails, and what is refused before anything is generated."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from harness.backends.base import EngineOptions
from harness.backends.openai import backend as backend_module
from harness.backends.openai.backend import OpenAIBackend
from harness.errors import EngineError, HarnessError
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion, refusal
from tests.backends.openai_calls import KEY, complete, opened, requests

pytestmark = pytest.mark.usefixtures("openai_environment")


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
    notices: list[str] = []
    with pytest.raises(EngineError) as raised:
        complete(server, 3, notify=notices.append)
    assert "answered 500: CUDA error; you sent …, 8 times in a row." in str(raised.value)
    assert "same command again" in raised.value.remedy
    assert notices == [
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
    notices: list[str] = []
    began = time.monotonic()
    with pytest.raises(EngineError, match="did not answer within 0 seconds, 3 times in a row"):
        complete(server, 4, timeout=0.3, notify=notices.append)
    assert time.monotonic() - began < 8
    assert "answered none" in notices[0]
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
    with opened(server) as first, closing(OpenAIBackend(EngineOptions())) as second:
        model = first.open(MODEL, None)
        assert model == second.open(MODEL, None)
        assert first.identity(model) == second.identity(model)


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
        (
            {"base_url": "http://127.0.0.1:9/v1"},
            "No server answers at http://127.0.0.1:9/v1: .*onnect",
        ),
        ({"max_concurrency": 0}, "between 1 and"),
        ({"timeout": -1}, "no number of seconds"),
        ({"price": "cheap"}, "not IN,OUT"),
        ({"replicas": 2}, "no option --replicas"),
        ({"engine_args": {"temperature": 1}}, "Use --temperature"),
        ({"engine_args": {"thinking_token_budget": 9}}, "Use --thinking-budget"),
        ({"engine_args": {"repetition_detection": {}}}, "Use --stop-loops"),
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


def test_a_server_is_asked_from_within_a_running_event_loop_too(server: FakeServer) -> None:
    async def in_a_notebook() -> int:
        return len(complete(server))

    # In a thread of its own: where pages were tested before, this one has the browser's loop.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(lambda: asyncio.run(in_a_notebook())).result() == 1

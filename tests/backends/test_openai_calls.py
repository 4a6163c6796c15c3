"""What a call says, what is read into its answer, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import EngineError
from harness.run.completion import read_completion
from harness.types import Chat, Request, Sampling
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion, refusal
from tests.backends.openai_calls import complete, opened, read, requests

pytestmark = pytest.mark.usefixtures("openai_environment")


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
    notices: list[str] = []
    assert len(complete(server, 20, notify=notices.append, sampling={"temperature": 1.0})) == 20
    assert notices == ["The server takes no seed: its samples cannot be repeated."]


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


def test_usage_tells_tokens_cost_and_who_answered(server: FakeServer) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        name = MODEL if number < 4 else "another"
        cached = {"prompt_tokens_details": {"cached_tokens": 4}, "cost": 0.5}
        return completion(model=name, system_fingerprint="fp", usage=cached)

    server.answer = answer
    notices: list[str] = []
    for price, cost in ((None, 2.0), ("1,2", 4 * (10 * 1 + 5 * 2) / 1e6)):
        server.bodies.clear()
        named = {"price": price} if price else {}
        with opened(server, max_concurrency=1, notify=notices.append, **named) as backend:
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
    assert set(notices) == {"The server now says that it is another."}

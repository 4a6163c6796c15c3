"""The adaptive limit on calls in flight."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.backends.openai import concurrency
from harness.backends.openai.concurrency import AdaptiveLimit
from harness.types import Request
from tests.backends.fake_server import Answer, FakeServer, completion, refusal
from tests.backends.openai_calls import opened, requests

pytestmark = pytest.mark.usefixtures("openai_environment")


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


def test_an_interrupt_hands_over_what_has_come_back_first(server: FakeServer) -> None:
    with opened(server, max_concurrency=4) as backend:
        asked = requests(backend, 4)
        generation = backend.generate(asked)
        keys = {next(generation).key}
        while backend.usage()["requests"] < 4:
            time.sleep(0.05)
        time.sleep(0.2)
        keys.add(generation.throw(KeyboardInterrupt).key)
        with pytest.raises(KeyboardInterrupt):
            for completion_ in generation:
                keys.add(completion_.key)
    assert keys == {request.key for request in asked}


def test_calls_that_are_still_connecting_are_ended_without_a_warning(server: FakeServer) -> None:
    def some(asked: list[Request], seconds: float) -> Iterator[Request]:
        yield from asked
        time.sleep(seconds)
        raise ZeroDivisionError

    for number in range(4):
        with opened(server, max_concurrency=64) as backend:
            generation = backend.generate(some(requests(backend, 15), number * 0.005))
            with pytest.raises(ZeroDivisionError):
                list(generation)
        gc.collect()  # warns of what was never awaited, and fails the test


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
    assert times[4] - times[2] > 0.65, "but for the one in flight, all calls waited"


def simulated(
    monkeypatch: pytest.MonkeyPatch, latency: Callable[[int], float], rounds: int
) -> list[int]:
    """Return the bound after each round on a server that answers a token in so long."""
    now = 0.0
    monkeypatch.setattr(concurrency, "time", SimpleNamespace(monotonic=lambda: now))
    limit = AdaptiveLimit(512)
    bounds = [limit.bound]
    for _ in range(rounds):
        sent, bound = now, limit.bound
        now += 100 * latency(bound)
        for _ in range(bound):
            limit.answered(sent, 100)
        bounds.append(limit.bound)
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
    monkeypatch.setattr(concurrency, "time", SimpleNamespace(monotonic=lambda: now))
    limit = AdaptiveLimit(512)
    for _ in range(10):
        limit.failed(0.5)
    assert limit.bound == 8
    for now in range(2, 9):
        limit.failed(now)
    assert limit.bound == 1

"""The adaptive concurrency limit for servers beside fixed limits and the SDK's own retries.

    python -m bench.concurrency --servers overloaded

A server on the loopback whose behaviour under load is simulated answers the same requests to each
client. ``adaptive`` is the backend as it is; ``fixed N`` the backend with a constant limit;
``sdk N`` a semaphore and ``AsyncOpenAI(max_retries=8)``. Prints seconds, refused calls and requests
that failed for good.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from harness.backends.openai import backend as backend_module
from harness.backends.openai.concurrency import AdaptiveLimit
from harness.errors import EngineError
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion, refusal
from tests.backends.openai_calls import opened, requests

Client = Callable[[FakeServer, int], int]


class Load:
    """A server under load; counts what it refuses."""

    def __init__(self) -> None:
        self.refused = 0
        self.in_flight = 0
        self.lock = threading.Lock()
        self.recent: deque[float] = deque()

    def answer(self, body: dict[str, Any], number: int) -> Answer:
        with self.lock:
            self.in_flight += 1
            refused = self.refusal(time.monotonic())
            self.refused += refused is not None
            seconds = 0.0 if refused else self.latency(self.in_flight)
        time.sleep(seconds)
        with self.lock:
            self.in_flight -= 1
        return refused or completion()

    def refusal(self, now: float) -> Answer | None:
        return None

    def latency(self, in_flight: int) -> float:
        return 1.0


class Batching(Load):
    """Runs 64 at once; latency grows in proportion beyond (vLLM with a full batch)."""

    def latency(self, in_flight: int) -> float:
        return max(1.0, in_flight / 64)


class Thrashing(Load):
    """Loses throughput beyond 32 at once (a cache of keys and values that is too small)."""

    def latency(self, in_flight: int) -> float:
        return max(1.0, (in_flight / 32) ** 2)


class RateLimited(Load):
    """Takes 40 calls in 2 seconds, and refuses others with 429 and Retry-After (a provider)."""

    def refusal(self, now: float) -> Answer | None:
        while self.recent and self.recent[0] < now - 2:
            self.recent.popleft()
        if len(self.recent) >= 40:
            return refusal(429, "rate limit", Retry_After=f"{self.recent[0] + 2 - now:.2f}")
        self.recent.append(now)
        return None


class Overloaded(Load):
    """Refuses with 503 beyond 24 at once, without Retry-After (a gateway)."""

    def refusal(self, now: float) -> Answer | None:
        return refusal(503, "overloaded") if self.in_flight > 24 else None


def harness(most: int, limit: type[AdaptiveLimit]) -> Client:
    """Send requests through the backend; return how many failed."""

    def client(server: FakeServer, count: int) -> int:
        setattr(backend_module, "AdaptiveLimit", limit)  # noqa: B010
        done = 0
        try:
            with opened(server, max_concurrency=most) as backend:
                for _ in backend.generate(requests(backend, count)):
                    done += 1
        except EngineError:
            pass
        return count - done

    return client


class FixedLimit(AdaptiveLimit):
    """The same without adaptation: a semaphore that honours Retry-After."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.bound = most

    def answered(self, sent: float, tokens: int) -> None:
        pass

    def failed(self, sent: float) -> None:
        pass


def sdk(most: int) -> Client:
    """Send requests through the SDK with its own retries; return how many failed."""

    async def all_of(url: str, count: int) -> int:
        import openai

        room = asyncio.Semaphore(most)
        async with openai.AsyncOpenAI(base_url=url, api_key="EMPTY", max_retries=8) as client:

            async def one(number: int) -> bool:
                async with room:
                    try:
                        await client.chat.completions.create(
                            model=MODEL, messages=[{"role": "user", "content": str(number)}]
                        )
                    except openai.APIError:
                        return True
                    return False

            return sum(await asyncio.gather(*map(one, range(count))))

    return lambda server, count: asyncio.run(all_of(server.url, count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=512)
    kinds = {kind.__name__.lower(): kind for kind in (Batching, Thrashing, RateLimited, Overloaded)}
    parser.add_argument("--servers", nargs="+", choices=kinds, default=list(kinds))
    arguments = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = "EMPTY"
    clients = {"adaptive": harness(256, AdaptiveLimit)}
    clients |= {f"fixed {most}": harness(most, FixedLimit) for most in (8, 32, 128)}
    clients |= {f"sdk {most}": sdk(most) for most in (8, 32, 128)}
    print("| server | client | seconds | refused calls | failed requests |")
    print("|---|---|--:|--:|--:|")
    for kind in arguments.servers:
        for name, client in clients.items():
            load, server = kinds[kind](), FakeServer()
            server.answer = load.answer
            with server.running():
                began = time.monotonic()
                failed = client(server, arguments.requests)
                seconds = time.monotonic() - began
            row = f"{seconds:.1f} | {load.refused} | {failed}"
            print(f"| {kind} | {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()

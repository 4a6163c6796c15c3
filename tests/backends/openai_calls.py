"""Calls of the backend for servers, for the tests of its several sides."""

from __future__ import annotations

import contextlib
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from harness.backends.base import EngineOptions
from harness.backends.openai.backend import OpenAIBackend
from harness.run.completion import read_completion
from harness.types import Chat, Completion, Generation, Request, Sampling
from tests.backends.fake_server import MODEL, FakeServer

KEY = "sk-very-secret-0123456789"


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
    notify = options.pop("notify", lambda _: None)
    return closing(
        OpenAIBackend(
            EngineOptions(engine_args=engine_args, backend_options=options), notify=notify
        )
    )


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


def kept(results: Path, table: str = "generation") -> int:
    """Count a table's rows in the journal, or in the file where they have moved there."""
    journalled = 0
    for file in Path(f"{results}.journal").glob("*/*.jsonl"):
        with contextlib.suppress(FileNotFoundError):  # just moved
            journalled += file.read_bytes().count(f'"table": "{table}"'.encode())
    try:
        with duckdb.connect(str(results), read_only=True) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    except duckdb.Error:
        count = 0
    return max(journalled, count)

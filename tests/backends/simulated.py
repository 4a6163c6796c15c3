"""A backend without a model: it answers arithmetic after a short while, or dies on request."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.backends.base import EngineOptions, Notify, OnProgress, ignore
from harness.errors import EngineError
from harness.types import (
    Chat,
    Completion,
    EngineIdentity,
    Item,
    Message,
    Model,
    Prompt,
    Request,
)

AT_ONCE = 8


def items(count: int) -> list[Item]:
    """Make items whose answers a grader settles at once."""
    return [Item(f"sum-{n}", f"What is {n} + {n}?", str(2 * n)) for n in range(count)]


class Simulated:
    """Generates ``seconds`` after it was asked, ``AT_ONCE`` at a time.

    Engine arguments: ``seconds``; ``poison``, a question that ends the process; ``refuse``, a
    reason not to start; ``notice``, given at each model's opening; ``pids``, a folder where each
    engine leaves its process id.
    """

    def __init__(
        self, options: EngineOptions, *, notify: Notify = ignore, on_progress: OnProgress = ignore
    ) -> None:
        self._notify = notify
        self._given = dict(options.engine_args)
        self._served = ""
        self._aborted = 0

    def open(self, name: str, revision: str | None) -> Model:
        if "notice" in self._given:
            self._notify(str(self._given["notice"]))
        return Model(name=name, source="simulated", fingerprint=name.ljust(64, "0"))

    def identity(self, model: Model) -> EngineIdentity:
        return EngineIdentity("simulated", "1", "cpu")

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        return Prompt(token_ids=tuple(messages[-1]["content"].encode()))

    def count_tokens(self, model: Model, text: str) -> int:
        return len(text)

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        if "refuse" in self._given:
            raise EngineError(str(self._given["refuse"]), "Ask it nicely.")
        if "pids" in self._given:
            Path(self._given["pids"], str(os.getpid())).touch()
        self._served = model.name
        return {"max_num_seqs": AT_ONCE}

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = iter(requests)
        under_way: dict[str, tuple[Request, float]] = {}
        seconds = float(self._given.get("seconds", 0.05))
        try:
            while True:
                while len(under_way) < AT_ONCE and (request := next(waiting, None)) is not None:
                    under_way[request.key] = (request, time.monotonic())
                if not under_way:
                    return
                time.sleep(0.01)
                for key, (request, began) in list(under_way.items()):
                    if time.monotonic() - began >= seconds:
                        del under_way[key]
                        yield self._answer(request)
        finally:
            self._aborted += len(under_way)

    def usage(self) -> Mapping[str, Any]:
        return {"aborted_tokens": self._aborted}

    def _answer(self, request: Request) -> Completion:
        question = bytes(request.prompt.token_ids).decode()
        if question == self._given.get("poison"):
            os._exit(1)
        left, right = map(int, re.findall(r"\d+", question))
        text = f"{self._served}: \\boxed{{{left + right}}}"
        return Completion(request.key, text, tuple(text.encode()), "stop", 0.05)

    def close(self) -> None:
        pass

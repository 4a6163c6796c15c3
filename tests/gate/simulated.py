"""A backend whose models are as good as their names say, and whose wrong answers run longer.

A name is ``NAME`` or ``NAME:what=share,…``: ``drop`` of the right answers are missed, ``hard`` of
all answers are such that :class:`Judging` fails on them, and ``loop``, ``cut`` and ``silent`` of
the wrong answers loop, are cut off or say nothing. ``dies=1`` ends the engine after 20 answers.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from harness.backends.base import EngineOptions
from harness.errors import EngineError
from harness.types import (
    Chat,
    Completion,
    EngineIdentity,
    Message,
    Model,
    Prompt,
    Request,
    Status,
    Verdict,
    digest,
)

# One task of sums, as a file for --tasks-dir.
TASK_FILE = '''
"""Sums (made up)."""

from harness.task import Task
from harness.types import AnswerType, Item

def load():
    for n in range({items}):
        yield Item(f"{prefix}-{{n}}", f"What is {{n}} + {{n}} in {name}?", str(2 * n), AnswerType.INTEGER)

def prompt(item):
    return [{{"role": "user", "content": item.question}}]

TASK = Task("{name}", "1", load, prompt, max_tokens=400, temperature=1.0, restricted={restricted})
'''  # noqa: E501

RIGHT_TOKENS, WRONG_TOKENS = 40, 100
AT_ONCE = 256
# What no grader gets done with, if the test says so.
HARD = "\\boxed{hard}"


class Simulated:
    """An engine on a clock of its own, which gives every request one token a tick."""

    latest: Simulated
    # Called with each key that is handed over; a test may raise there.
    handed_over: Callable[[str], None] = staticmethod(lambda key: None)

    def __init__(self, options: EngineOptions, **_: object) -> None:
        type(self).latest = self
        self._given = dict(options.engine_args)
        self._model = ""
        self.taken: list[tuple[str, int]] = []
        self.most_under_way = 0
        self.aborted = 0
        self.starts = 0

    def open(self, name: str, revision: str | None) -> Model:
        return Model(name, f"builtin:{name}", digest(name), parameters=1)

    def identity(self, model: Model) -> EngineIdentity:
        return EngineIdentity("simulated", "1", "cpu", {"dtype": "auto"} | self._given)

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        return Prompt(token_ids=tuple(messages[-1]["content"].encode()))

    def count_tokens(self, model: Model, text: str) -> int:
        return len(text)

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        self._model = model.name
        self.starts += 1
        return {}

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = iter(requests)
        under_way: list[tuple[float, int, Completion]] = []
        clock, count = 0.0, 0
        try:
            while True:
                while len(under_way) < AT_ONCE and (request := next(waiting, None)) is not None:
                    self.taken.append((request.item_id, request.sample_index))
                    done = self._answer(request)
                    ends = clock + len(done.token_ids)
                    heapq.heappush(under_way, (ends, len(self.taken), done))
                if not under_way:
                    return
                self.most_under_way = max(self.most_under_way, len(under_way))
                clock, _, done = heapq.heappop(under_way)
                count += 1
                if "dies" in self._model and count > 20:
                    raise EngineError("The simulated engine died.", "Run the same command again.")
                type(self).handed_over(done.key)
                yield done
        finally:
            left = (len(done.token_ids) - (ends - clock) for ends, _, done in under_way)
            self.aborted += int(sum(left))

    def _answer(self, request: Request) -> Completion:
        question = bytes(request.prompt.token_ids).decode()
        number = int(question.split()[2])
        traits = _traits(self._model)
        # The item's difficulty is the same for every model; what a sample comes to is not.
        easy = random.Random(question).random() < 0.6
        draw = random.Random(f"{self._model} {request.key}")
        right = draw.random() < (0.95 if easy else 0.1)
        right = right and draw.random() >= traits.get("drop", 0.0)
        text = f"\\boxed{{{2 * number if right else 2 * number + 1}}}"
        tokens = list(range(RIGHT_TOKENS if right else WRONG_TOKENS))
        reason = "stop"
        if draw.random() < traits.get("hard", 0.0):
            text = HARD
        for kind in ("loop", "cut", "silent"):
            if not right and draw.random() < traits.get(kind, 0.0):
                text = "I do not know" if kind == "silent" else "Let me see"
                tokens = [1, 2] * 200 if kind == "loop" else tokens
                reason = "stop" if kind == "silent" else "length"
        return Completion(request.key, text, tuple(tokens), reason, 0.1)

    def status(self) -> str:
        return ""

    def usage(self) -> Mapping[str, Any]:
        return {"aborted_tokens": self.aborted}

    def close(self) -> None:
        pass


class Judging:
    """Stands in for the pool of workers: judges these sums at once, and fails on ``hard`` ones."""

    def __init__(self, **_: object) -> None:
        pass

    def __enter__(self) -> Judging:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_until_ready(self) -> None:
        pass

    def submit(self, *, gold: str, response: str, truncated: bool, **_: object) -> Future[Verdict]:
        future: Future[Verdict] = Future()
        status = Status.OK
        if response == HARD:
            status = Status.CRASH
        elif "boxed" not in response:
            status = Status.TRUNCATED if truncated else Status.NO_ANSWER
        future.set_result(Verdict(response == f"\\boxed{{{gold}}}", status, response))
        return future


def _traits(name: str) -> dict[str, float]:
    pairs = (pair.partition("=") for pair in name.partition(":")[2].split(",") if pair)
    return {what: float(share) for what, _, share in pairs}


def arrivals(lengths: Sequence[float], window: int) -> Iterator[int]:
    """Yield places in the order in which an engine is done with them, ``window`` at a time."""
    under_way = [(length, place) for place, length in enumerate(lengths[:window])]
    heapq.heapify(under_way)
    ahead = window
    while under_way:
        clock, place = heapq.heappop(under_way)
        if ahead < len(lengths):
            heapq.heappush(under_way, (clock + lengths[ahead], ahead))
            ahead += 1
        yield place

"""A server that speaks OpenAI's chat API: vLLM's own, a gateway's, a provider's.

The server renders and tokenizes by itself, so a prompt is its messages. What it serves cannot be
looked into: the address and the name stand for the weights.

Calls are awaited on a loop in a thread of its own; each completion comes out of a queue as it
finishes. How many run at once is for :class:`harness.backends._pace.Pace` to say. A call that
fails is tried again after a wait that doubles, 8 times in all, one that is not answered within its
time limit 3 times in all. The first request to fail so often ends the evaluation, unless others
were answered meanwhile: then these are finished first.
"""

from __future__ import annotations

import asyncio
import math
import queue
import random
import threading
import time
from collections.abc import Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from harness.backends import BackendOptions
from harness.backends._answers import Answer, read_answer
from harness.backends._bounded import NoJson, UnreadableAnswer
from harness.backends._pace import Pace
from harness.backends._server import GOES_ON, Server, asked_wait
from harness.backends._usage import Usage
from harness.backends.vllm import LOOP
from harness.errors import EngineError, HarnessError
from harness.types import (
    Chat,
    Completion,
    EngineIdentity,
    Message,
    Model,
    Prompt,
    Request,
    canonical_json,
    digest,
)

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_T = TypeVar("_T")

_MOST_AT_ONCE = 64
_CLIENT_HOLDS = 1000  # connections, in the client's own pool
_AHEAD = 8  # requests that wait for room, so that none stands empty while results are kept
_ATTEMPTS = 8
_FEW_ATTEMPTS = 3
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
# A server that asks for more has run out of a day's quota, not of a minute's.
_LONGEST_ASKED_WAIT = 300.0
_SECONDS_PER_TOKEN = 0.25
_SECONDS_BESIDE = 120.0
_SILENCE = 60.0
_THINKING_SWITCHES = ("enable_thinking", "thinking")
_FILTERED = ("content_filter", "content_policy_violation")


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a call is to be tried again.

    Attributes:
        what: What the server did, to follow "The server".
        attempts: After how many of these a request is given up.
        busy: It was asked for too much; nothing is wrong with it.
        wait: For how long it asks to be left alone, in seconds.
    """

    what: str
    attempts: int = _ATTEMPTS
    busy: bool = False
    wait: float = 0.0


class _GivenUp(Exception):
    """One request failed too often, while others were answered."""


class OpenAIBackend:
    """One server; see :class:`harness.backends.Backend`."""

    beginning = "asking the server for"

    def __init__(self, options: BackendOptions) -> None:
        options.refuse_unknown("openai", ["base_url", "max_concurrency", "price", "timeout"])
        named = options.named
        self._server = Server.at(named.get("base_url"))
        self._most = _most_at_once(named.get("max_concurrency", _MOST_AT_ONCE))
        self._timeout = _seconds(named["timeout"]) if "timeout" in named else None
        self._extra = dict(options.engine_args)
        self._server.refuse_parameters(self._extra)
        self._tell = options.tell
        self._told: set[str] = set()
        self._served = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncOpenAI | None = None
        self._pace = Pace(self._most)
        self._events: queue.SimpleQueue[Future[Completion] | str] = queue.SimpleQueue()
        self._last_answer = -math.inf
        self._budget_parameter = "max_tokens"
        self._left_out: frozenset[str] = frozenset()
        self._retries = 0
        self._usage = Usage(named.get("price"))

    def open(self, name: str, revision: str | None) -> Model:
        if revision is not None:
            raise HarnessError(
                "A server serves what it was started with, whatever --revision says.",
                "Leave it out.",
            )
        return Model(
            name=name,
            source=f"server:{self._server.url} {name} (weights unverified)",
            fingerprint=digest(["server", self._server.url, name]),
            max_context=self._server.context(name),
        )

    def identity(self, model: Model) -> EngineIdentity:
        # The server's version is told with each sitting, not here: it may change behind the
        # address, and one that cannot be asked once would make every key another.
        return EngineIdentity("openai", "unverified", "server", dict(self._extra))

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        switches = {} if chat.thinking is None else dict.fromkeys(_THINKING_SWITCHES, chat.thinking)
        return Prompt(messages=tuple(messages), template_args=switches | dict(chat.template_args))

    def count_tokens(self, model: Model, text: str) -> int | None:
        return None

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        self._refuse_unsupported(requests)
        self._refuse_tight(model, requests)
        self._served = model.name
        if self._loop is None:
            self._start_loop()
        return {
            "base_url": self._server.url,
            "max_concurrency": self._most,
            "timeout": max(map(self._time_limit, requests), default=self._timeout),
            "server_version": self._server.version(),
        }

    def _refuse_unsupported(self, requests: Sequence[Request]) -> None:
        """Refuse what a server would ignore without a word; vLLM lists what it takes."""
        wanted = {
            "--stop-loops": ("repetition_detection", any(r.sampling.stop_loops for r in requests)),
            "--thinking-budget": (
                "thinking_token_budget",
                any(r.sampling.thinking_budget is not None for r in requests),
            ),
        }
        asked = {flag: name for flag, (name, is_wanted) in wanted.items() if is_wanted}
        if not asked:
            return
        listed = canonical_json(self._server.look_up("openapi.json"))
        for flag, parameter in asked.items():
            if f'"{parameter}"' not in listed:
                raise EngineError(
                    f"The server at {self._server.url} does not say that it knows {parameter}, "
                    f"which {flag} needs.",
                    "Leave it out, or serve the model with a recent vLLM.",
                )

    def _refuse_tight(self, model: Model, requests: Sequence[Request]) -> None:
        """Refuse a context that is too short: vLLM's server would cut the budget, and not say so.

        The longest prompt of each budget is counted, where the server counts; for what that misses
        :meth:`_read` looks at what comes back.
        """
        context = model.max_context
        if context is None:
            return
        longest: dict[int, Request] = {}
        for request in sorted(requests, key=lambda request: _length(request.prompt)):
            longest[request.sampling.max_tokens] = request
        for budget, request in longest.items():
            tokens = self._server.count(model.name, request.prompt)
            if tokens is not None and tokens + budget > context:
                raise EngineError(
                    f"The context of {context} tokens at {self._server.url} has no room "
                    f"for {budget} new ones after the prompt of {request.item_id} "
                    f"({tokens} tokens).",
                    f"Give --max-tokens {max(1, context - tokens)} or less.",
                )

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = iter(requests)
        under_way: set[Future[Completion]] = set()
        given_up: list[_GivenUp] = []
        self._events = queue.SimpleQueue()
        try:
            while True:
                # None stands for the end too: it is the end where nothing is under way.
                while (
                    len(under_way) < self._pace.bound + _AHEAD
                    and (request := next(waiting, None)) is not None
                ):
                    future = self._submit(self._complete(request))
                    under_way.add(future)
                    future.add_done_callback(self._events.put)
                if not under_way:
                    break
                event = self._next_event(len(under_way))
                if isinstance(event, str):
                    self._tell(event)
                    continue
                under_way.remove(event)
                try:
                    completion = event.result()
                except _GivenUp as failure:
                    given_up.append(failure)
                    continue
                yield completion
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._finished()
            raise
        finally:
            self._cancel()
        if given_up:
            raise EngineError(
                f"{len(given_up)} requests were given up, though the server at {self._server.url} "
                f"answered others: it {given_up[0]}.",
                GOES_ON,
            )

    def _next_event(self, under_way: int) -> Future[Completion] | str:
        """Wait for an event; say once that nothing happens where nothing does."""
        if self._last_answer > -math.inf or "silence" in self._told:
            return self._events.get()
        try:
            return self._events.get(timeout=_SILENCE)
        except queue.Empty:
            self._told.add("silence")
            return (
                f"The server has taken up to {under_way} requests and answered none for "
                f"{_SILENCE:.0f} seconds; --timeout bounds how long each may take."
            )

    def _finished(self) -> Iterator[Completion]:
        """Yield what has come back already, so that it is kept whatever else went wrong."""
        while not self._events.empty():
            event = self._events.get()
            if not isinstance(event, str) and event.exception() is None:
                yield event.result()

    async def _complete(self, request: Request) -> Completion:
        """Have one request answered, however often it takes within the stated end.

        Raises:
            EngineError: It makes no sense to go on.
            _GivenUp: It failed too often, though the server answered others meanwhile.
        """
        failures, failing_since = 0, math.inf
        while True:
            async with self._pace.call() as sent:
                answer = await self._ask(request)
                if isinstance(answer, Completion):
                    self._pace.answered(sent, answer.completion_tokens or 1)
                    self._last_answer = time.monotonic()
                    return answer
                self._pace.failed(sent)
            if answer.busy and self._last_answer > sent:
                failures = 0  # others get through: its turn will come
            failures += 1
            if failures == 1:
                failing_since = sent
            if failures >= answer.attempts:
                if self._last_answer > failing_since:
                    raise _GivenUp(answer.what)
                raise EngineError(
                    f"The server at {self._server.url} {answer.what}, {failures} times in a row.",
                    GOES_ON,
                )
            if not answer.busy:
                self._tell_once(
                    f"The server {answer.what}; each request is tried {answer.attempts} times."
                )
            self._retries += 1
            if answer.wait:
                self._pace.pause(answer.wait)
            backoff = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (failures - 1))
            await asyncio.sleep(max(answer.wait, backoff * random.uniform(0.5, 1)))

    async def _ask(self, request: Request) -> Completion | _Trouble:
        import openai

        assert self._client is not None, "generate follows start"
        body = self._body(request)
        limit = self._time_limit(request)
        began = time.monotonic()
        try:
            # A clock of our own: the client's begins anew with each byte.
            async with asyncio.timeout(limit):
                found = await self._server.call(self._client, "/chat/completions", body)
        except TimeoutError:
            return _Trouble(f"did not answer within {limit:.0f} seconds", _FEW_ATTEMPTS)
        except openai.APIStatusError as error:
            if self._gave_way(error, body):
                return await self._ask(request)
            return self._judge(error, request, time.monotonic() - began)
        except openai.APIConnectionError as error:
            return _Trouble(f"cannot be reached ({self._server.reason(error)})")
        except UnreadableAnswer as error:
            is_page = isinstance(error, NoJson)  # a gateway's, perhaps, until its server is up
            what = self._server.presentable(str(error))
            return _Trouble(what, _ATTEMPTS if is_page else _FEW_ATTEMPTS)
        return self._read(request, found, time.monotonic() - began)

    def _body(self, request: Request) -> dict[str, Any]:
        """Return a call's parameters.

        Stop strings are not among them: a server acts on them within the thought as well. The
        answer is cut at them when it is read.
        """
        sampling, prompt = request.sampling, request.prompt
        extra: dict[str, Any] = {}
        if prompt.template_args:
            extra["chat_template_kwargs"] = dict(prompt.template_args)
        if sampling.thinking_budget is not None:
            extra["thinking_token_budget"] = sampling.thinking_budget
        if sampling.stop_loops:
            extra["repetition_detection"] = LOOP
        body: dict[str, Any] = {
            "model": self._served,
            "messages": list(prompt.messages),
            "temperature": sampling.temperature,
            # Told even where it changes nothing: vLLM's server has defaults from the checkpoint.
            "top_p": sampling.top_p,
            self._budget_parameter: sampling.max_tokens,
        }
        if sampling.temperature > 0:
            body["seed"] = request.seed
        taken = {name: value for name, value in body.items() if name not in self._left_out}
        return taken | extra | self._extra

    def _gave_way(self, error: APIStatusError, body: Mapping[str, Any]) -> bool:
        """Do without what the server refuses, where that asks for the same; say whether so."""
        if error.status_code not in (400, 422):
            return False
        message = self._server.message(error)
        if "max_tokens" in body and "max_completion_tokens" in message:
            self._budget_parameter = "max_completion_tokens"
            return True
        refused = error.param if error.code == "unsupported_parameter" else None
        if refused == "seed" and "seed" in body:
            self._tell_once("The server takes no seed: its samples cannot be repeated.")
        elif refused != "top_p" or body.get("top_p") != 1:
            return False
        self._left_out |= {refused}
        return True

    def _judge(
        self, error: APIStatusError, request: Request, seconds: float
    ) -> Completion | _Trouble:
        """Say whether a call that was not answered is worth another.

        Raises:
            EngineError: It is not.
        """
        status = error.status_code
        if status == 400 and error.code in _FILTERED:
            # Asked again it would be refused again: this is what the server makes of the prompt.
            return Completion(request.key, "", (), "content_filter", seconds)
        passing = status in (408, 409, 429) or status >= 500
        if not passing or error.code == "insufficient_quota":
            raise self._server.refusal(error) from None
        wait = asked_wait(error.response.headers)
        if wait > _LONGEST_ASKED_WAIT:
            raise EngineError(
                f"The server at {self._server.url} asks for a pause of {wait:.0f} seconds "
                f"({self._server.told_by(error)}).",
                "What was finished is kept: run the same command again after that.",
            ) from None
        return _Trouble(f"answered {self._server.told_by(error)}", busy=status == 429, wait=wait)

    def _read(self, request: Request, found: object, seconds: float) -> Completion | _Trouble:
        try:
            answer = read_answer(found)
        except UnreadableAnswer as error:
            return _Trouble(str(error), _FEW_ATTEMPTS)
        if answer is None:
            return _Trouble("answered without a completion")
        reason = self._server.presentable(answer.finish_reason)
        tokens, budget = answer.completion_tokens, request.sampling.max_tokens
        if reason == "length" and tokens is not None and tokens < budget:
            raise EngineError(
                f"The server at {self._server.url} ended the answer to {request.item_id} after "
                f"{tokens} tokens, of a budget of {budget}.",
                "Its context is too short for prompt and budget, or it has a limit of its own: "
                "lower --max-tokens.",
            )
        self._count(answer)
        if self._server.repeats_the_key:
            self._tell_once("The server repeats the key; it is taken out of all that is kept.")
        return Completion(
            key=request.key,
            text=answer.text,
            token_ids=(),
            finish_reason=reason,
            seconds=seconds,
            thought=answer.thought,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=tokens,
            thought_tokens=answer.thought_tokens,
        )

    def _count(self, answer: Answer) -> None:
        shown = self._server.presentable
        named = replace(answer, model=shown(answer.model), fingerprint=shown(answer.fingerprint))
        if (name := self._usage.add(named)) is not None:
            self._tell_once(f"The server now says that it is {name}.")

    def _time_limit(self, request: Request) -> float:
        """Return how long one call may take, in seconds."""
        if self._timeout is not None:
            return self._timeout
        return _SECONDS_BESIDE + _SECONDS_PER_TOKEN * request.sampling.max_tokens

    def status(self) -> str:
        count = self._retries
        words = f", {count} {'retry' if count == 1 else 'retries'}" if count else ""
        return f"{self._pace.bound} at once{words}"

    def usage(self) -> Mapping[str, Any]:
        return self._usage.record() | {"retries": self._retries}

    def _tell_once(self, sentence: str) -> None:
        """Have a notice told by the thread that takes the completions."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._events.put(sentence)

    def _start_loop(self) -> None:
        self._client = self._server.client()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="openai-calls", daemon=True
        )
        self._thread.start()

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        assert self._loop is not None, "generate follows start"
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _cancel(self) -> None:
        """End what is under way; a server that notices stops generating for it."""
        if self._loop is not None:
            self._submit(_cancel_calls()).result()

    def close(self) -> None:
        if self._loop is None or self._thread is None or self._client is None:
            return
        self._cancel()
        self._submit(self._client.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = self._client = None


async def _cancel_calls() -> None:
    # Not the tasks that the client starts within a call, which it ends itself.
    code = OpenAIBackend._complete.__code__
    calls = [t for t in asyncio.all_tasks() if getattr(t.get_coro(), "cr_code", None) is code]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def _length(prompt: Prompt) -> int:
    return sum(len(message["content"]) for message in prompt.messages)


def _most_at_once(given: object) -> int:
    if isinstance(given, int) and 1 <= given <= _CLIENT_HOLDS:
        return given
    raise HarnessError(f"--max-concurrency {given} is not between 1 and {_CLIENT_HOLDS}.")


def _seconds(given: object) -> float:
    if isinstance(given, int | float) and 0 < given < math.inf:
        return float(given)
    raise HarnessError(f"--timeout {given} is no number of seconds.")


BACKEND = OpenAIBackend

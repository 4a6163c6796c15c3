"""A server that speaks OpenAI's chat API: vLLM's own, a gateway's, a provider's.

The server renders and tokenizes by itself, so a prompt is its messages. What it serves cannot be
verified: the address and the name stand for the weights.

Calls run on an asyncio loop in a thread of its own, at most as many as
``concurrency.AdaptiveLimit`` says; each completion comes out of a queue as it finishes. A failed
call is retried with exponential backoff, 8 attempts in all, one that times out 3. The first request
to run out of attempts ends the evaluation, unless others were answered meanwhile: then these are
finished first.
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

from harness.backends.base import (
    LOOP_DETECTION,
    RESUME_REMEDY,
    EngineOptions,
    Notify,
    OnProgress,
    ignore,
)
from harness.backends.openai.concurrency import AdaptiveLimit
from harness.backends.openai.http import NotJson, UnreadableAnswer
from harness.backends.openai.responses import Answer, read_answer
from harness.backends.openai.server import Server, retry_after_seconds
from harness.backends.openai.usage import Usage
from harness.errors import EngineError, HarnessError
from harness.types import (
    Chat,
    Completion,
    EngineIdentity,
    Message,
    Model,
    Prompt,
    Request,
    digest,
)

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_T = TypeVar("_T")

_MAX_CONCURRENCY = 64
_CLIENT_POOL_SIZE = 1000  # connections, in the client's own pool
_PREFETCH = 8  # queued requests, so that no slot idles while results are stored
_ATTEMPTS = 8
_TIMEOUT_ATTEMPTS = 3
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
# A server that asks for more has run out of a day's quota, not of a minute's.
_LONGEST_ASKED_WAIT = 300.0
_SECONDS_PER_TOKEN = 0.25
_BASE_TIMEOUT_SECONDS = 120.0
_SILENCE = 60.0
_THINKING_SWITCHES = ("enable_thinking", "thinking")
_FILTERED = ("content_filter", "content_policy_violation")


@dataclass(frozen=True, slots=True)
class _Retryable:
    """Why a call is to be retried.

    Attributes:
        what: What the server did, to follow "The server".
        attempts: How many of these a request is allowed.
        busy: It refused for load (429), not for a fault.
        wait: Its ``Retry-After``, in seconds.
    """

    what: str
    attempts: int = _ATTEMPTS
    busy: bool = False
    wait: float = 0.0


class _RetriesExhausted(Exception):
    """One request ran out of attempts while others were answered."""


class OpenAIBackend:
    """One server; see :class:`harness.backends.base.Backend`."""

    start_label = "asking the server for"

    def __init__(
        self, options: EngineOptions, *, notify: Notify = ignore, on_progress: OnProgress = ignore
    ) -> None:
        options.refuse_unknown("openai", ["base_url", "max_concurrency", "price", "timeout"])
        named = options.backend_options
        self._server = Server.at(named.get("base_url"))
        self._most = _checked_max_concurrency(named.get("max_concurrency", _MAX_CONCURRENCY))
        self._timeout = _checked_timeout(named["timeout"]) if "timeout" in named else None
        self._extra = dict(options.engine_args)
        self._server.refuse_parameters(self._extra)
        self._notify = notify
        self._notified: set[str] = set()
        self._served = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncOpenAI | None = None
        self._limit = AdaptiveLimit(self._most)
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
            max_context=self._server.max_context(name),
        )

    def identity(self, model: Model) -> EngineIdentity:
        # The server's version is recorded with each session, not here: it may change behind the
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
        self._server.refuse_unsupported(requests)
        self._server.refuse_short_context(model, requests)
        self._served = model.name
        if self._loop is None:
            self._start_loop()
        return {
            "base_url": self._server.url,
            "max_concurrency": self._most,
            "timeout": max(map(self._time_limit, requests), default=self._timeout),
            "server_version": self._server.version(),
        }

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = iter(requests)
        in_flight: set[Future[Completion]] = set()
        given_up: list[_RetriesExhausted] = []
        self._events = queue.SimpleQueue()
        try:
            while True:
                # None also stands for the end, if nothing is in flight.
                while (
                    len(in_flight) < self._limit.bound + _PREFETCH
                    and (request := next(waiting, None)) is not None
                ):
                    future = self._submit(self._complete(request))
                    in_flight.add(future)
                    future.add_done_callback(self._events.put)
                if not in_flight:
                    break
                event = self._next_event(len(in_flight))
                if isinstance(event, str):
                    self._notify(event)
                    continue
                in_flight.remove(event)
                try:
                    completion = event.result()
                except _RetriesExhausted as failure:
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
                RESUME_REMEDY,
            )

    def _next_event(self, in_flight: int) -> Future[Completion] | str:
        """Wait for an event; notify once if the server answers nothing for a minute."""
        if self._last_answer > -math.inf or "silence" in self._notified:
            return self._events.get()
        try:
            return self._events.get(timeout=_SILENCE)
        except queue.Empty:
            self._notified.add("silence")
            return (
                f"The server has taken up to {in_flight} requests and answered none for "
                f"{_SILENCE:.0f} seconds; --timeout bounds how long each may take."
            )

    def _finished(self) -> Iterator[Completion]:
        """Yield the completions that are in the queue, so that they are kept after an error."""
        while not self._events.empty():
            event = self._events.get()
            if not isinstance(event, str) and event.exception() is None:
                yield event.result()

    async def _complete(self, request: Request) -> Completion:
        """Send one request until it is answered or out of attempts.

        Raises:
            EngineError: A retry is pointless, or no request was answered meanwhile.
            _RetriesExhausted: It is out of attempts, though others were answered meanwhile.
        """
        failures, failing_since = 0, math.inf
        while True:
            async with self._limit.call() as sent:
                answer = await self._ask(request)
                if isinstance(answer, Completion):
                    self._limit.answered(sent, answer.completion_tokens or 1)
                    self._last_answer = time.monotonic()
                    return answer
                self._limit.failed(sent)
            if answer.busy and self._last_answer > sent:
                failures = 0  # others get through: this is load, not a fault
            failures += 1
            if failures == 1:
                failing_since = sent
            if failures >= answer.attempts:
                if self._last_answer > failing_since:
                    raise _RetriesExhausted(answer.what)
                raise EngineError(
                    f"The server at {self._server.url} {answer.what}, {failures} times in a row.",
                    RESUME_REMEDY,
                )
            if not answer.busy:
                self._notify_once(
                    f"The server {answer.what}; each request is tried {answer.attempts} times."
                )
            self._retries += 1
            if answer.wait:
                self._limit.pause(answer.wait)
            backoff = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (failures - 1))
            await asyncio.sleep(max(answer.wait, backoff * random.uniform(0.5, 1)))

    async def _ask(self, request: Request) -> Completion | _Retryable:
        import openai

        assert self._client is not None, "generate follows start"
        body = self._body(request)
        limit = self._time_limit(request)
        began = time.monotonic()
        try:
            # Not the client's own timeout, which restarts with each byte received.
            async with asyncio.timeout(limit):
                found = await self._server.call(self._client, "/chat/completions", body)
        except TimeoutError:
            return _Retryable(f"did not answer within {limit:.0f} seconds", _TIMEOUT_ATTEMPTS)
        except openai.APIStatusError as error:
            if self._drop_unsupported_parameter(error, body):
                return await self._ask(request)
            return self._classify_error(error, request, time.monotonic() - began)
        except openai.APIConnectionError as error:
            return _Retryable(f"cannot be reached ({self._server.reason(error)})")
        except UnreadableAnswer as error:
            is_page = isinstance(error, NotJson)  # a gateway's, perhaps, until its server is up
            what = self._server.sanitize(str(error))
            return _Retryable(what, _ATTEMPTS if is_page else _TIMEOUT_ATTEMPTS)
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
            extra["repetition_detection"] = LOOP_DETECTION
        body: dict[str, Any] = {
            "model": self._served,
            "messages": list(prompt.messages),
            "temperature": sampling.temperature,
            # Sent even where it changes nothing: vLLM's server has defaults from the checkpoint.
            "top_p": sampling.top_p,
            self._budget_parameter: sampling.max_tokens,
        }
        if sampling.temperature > 0:
            body["seed"] = request.seed
        taken = {name: value for name, value in body.items() if name not in self._left_out}
        return taken | extra | self._extra

    def _drop_unsupported_parameter(self, error: APIStatusError, body: Mapping[str, Any]) -> bool:
        """Stop sending a parameter that the server refuses, if that does not change the task."""
        if error.status_code not in (400, 422):
            return False
        message = self._server.message(error)
        if "max_tokens" in body and "max_completion_tokens" in message:
            self._budget_parameter = "max_completion_tokens"
            return True
        refused = error.param if error.code == "unsupported_parameter" else None
        if refused == "seed" and "seed" in body:
            self._notify_once("The server takes no seed: its samples cannot be repeated.")
        elif refused != "top_p" or body.get("top_p") != 1:
            return False
        self._left_out |= {refused}
        return True

    def _classify_error(
        self, error: APIStatusError, request: Request, seconds: float
    ) -> Completion | _Retryable:
        """Decide whether an error response is worth a retry.

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
        wait = retry_after_seconds(error.response.headers)
        if wait > _LONGEST_ASKED_WAIT:
            raise EngineError(
                f"The server at {self._server.url} asks for a pause of {wait:.0f} seconds "
                f"({self._server.describe(error)}).",
                "What was finished is kept: run the same command again after that.",
            ) from None
        return _Retryable(f"answered {self._server.describe(error)}", busy=status == 429, wait=wait)

    def _read(self, request: Request, found: object, seconds: float) -> Completion | _Retryable:
        try:
            answer = read_answer(found)
        except UnreadableAnswer as error:
            return _Retryable(str(error), _TIMEOUT_ATTEMPTS)
        if answer is None:
            return _Retryable("answered without a completion")
        reason = self._server.sanitize(answer.finish_reason)
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
            self._notify_once("The server repeats the key; it is taken out of all that is kept.")
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
        shown = self._server.sanitize
        named = replace(answer, model=shown(answer.model), fingerprint=shown(answer.fingerprint))
        if (name := self._usage.add(named)) is not None:
            self._notify_once(f"The server now says that it is {name}.")

    def _time_limit(self, request: Request) -> float:
        """Return the time limit of one call, in seconds."""
        if self._timeout is not None:
            return self._timeout
        return _BASE_TIMEOUT_SECONDS + _SECONDS_PER_TOKEN * request.sampling.max_tokens

    def status(self) -> str:
        count = self._retries
        words = f", {count} {'retry' if count == 1 else 'retries'}" if count else ""
        return f"{self._limit.bound} at once{words}"

    def usage(self) -> Mapping[str, Any]:
        return self._usage.record() | {"retries": self._retries}

    def _notify_once(self, sentence: str) -> None:
        """Queue a notice, once, for the thread that takes the completions."""
        if sentence not in self._notified:
            self._notified.add(sentence)
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
        """Cancel calls in flight; a server that notices stops generating for them."""
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


def _checked_max_concurrency(given: object) -> int:
    if isinstance(given, int) and 1 <= given <= _CLIENT_POOL_SIZE:
        return given
    raise HarnessError(f"--max-concurrency {given} is not between 1 and {_CLIENT_POOL_SIZE}.")


def _checked_timeout(given: object) -> float:
    if isinstance(given, int | float) and 0 < given < math.inf:
        return float(given)
    raise HarnessError(f"--timeout {given} is no number of seconds.")


BACKEND = OpenAIBackend

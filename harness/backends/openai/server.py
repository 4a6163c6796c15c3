"""HTTP access to an OpenAI-compatible server: address, metadata, error messages.

The key is read from the environment, is sent to the server and goes nowhere else: what the server
answers passes through :meth:`Server.call` before anything is read from it, and whatever of it is
put into a sentence or a record through :meth:`Server.sanitize`.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
import os
import re
import textwrap
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.backends.base import RESUME_REMEDY
from harness.backends.openai.http import NotJson, UnreadableAnswer, bounded_client
from harness.backends.openai.redaction import KeyRedactor
from harness.backends.openai.responses import whole
from harness.errors import EngineError, HarnessError, nearest
from harness.types import Model, Prompt, Request, canonical_json

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_METADATA_TIMEOUT_SECONDS = 30.0
_MAX_METADATA_BYTES = 8 << 20  # a list of models, a description of what the server takes
_MAX_ANSWER_BYTES = 64 << 20
_LONGEST_REASON = 200
_LONGEST_WAIT = 10 * 365 * 86400.0
_LOOKS_LIKE_A_KEY = re.compile(r"\bsk-[\w*.-]+")
# What the harness sets itself, because it is part of the protocol.
_OWN_PARAMETERS = {
    "model": "--model",
    "messages": "--system",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "max_tokens": "--max-tokens",
    "max_completion_tokens": "--max-tokens",
    "seed": "--seed",
    "n": "--n",
    "thinking_token_budget": "--thinking-budget",
    "repetition_detection": "--stop-loops",
    "stop": "",
    "stream": "",
}
_NO_KEY = "EMPTY"  # the client insists on one, and a server without keys takes any


@dataclass(frozen=True, slots=True)
class Server:
    """One server.

    Attributes:
        url: Its address, without a slash at the end.
        key: What it is shown; empty for none.
    """

    url: str
    key: str = field(repr=False)
    _redactor: KeyRedactor = field(repr=False, compare=False)

    @classmethod
    def at(cls, address: object) -> Server:
        """Find the server at an address, the client's own where none is given.

        Raises:
            HarnessError: No client is installed, or it is no address, or one that holds a secret.
        """
        try:
            from openai import OpenAI
        except ImportError as error:
            raise HarnessError(
                "Asking a server needs the package `openai`.", "pip install 'cft-harness[openai]'."
            ) from error
        wanted = str(address or os.environ.get("OPENAI_BASE_URL") or "")
        parts = urlsplit(wanted)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise HarnessError(
                "--base-url holds a name, a password or a query, which would be stored.",
                "Give the bare address, and the key in OPENAI_API_KEY.",
            )
        if wanted and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise HarnessError(
                f"--base-url {wanted!r} is no address.", "Write it as http://localhost:8000/v1."
            )
        with OpenAI(base_url=wanted or None, api_key=_NO_KEY) as client:
            url = str(client.base_url).rstrip("/")
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not (key.isascii() and key.isprintable()):
            raise HarnessError(
                "OPENAI_API_KEY holds a character that is not printable ASCII, which no key has.",
                "Copy the key again: a look-alike letter, a typographic quote or a line break may "
                "have come along.",
            )
        return cls(url, key, KeyRedactor(key))

    def client(self, *, largest: int = _MAX_ANSWER_BYTES) -> AsyncOpenAI:
        """Return a client without retries and without a read timeout."""
        from openai import Timeout

        timeout = Timeout(None, connect=_METADATA_TIMEOUT_SECONDS)
        key = self.key or _NO_KEY
        return bounded_client(largest=largest, base_url=self.url, api_key=key, timeout=timeout)

    @property
    def repeats_the_key(self) -> bool:
        """Whether the key was found in anything that the server said."""
        return self._redactor.found

    async def call(
        self, client: AsyncOpenAI, page: str, body: Mapping[str, Any] | None = None
    ) -> object:
        """Return the server's JSON answer, with the key redacted.

        Args:
            client: One of :meth:`client`.
            page: What to call, below the server's address, or a whole address.
            body: What to send; with none the page is only read.

        Raises:
            openai.APIStatusError: It refuses; what it says then still may hold the key.
            openai.APIConnectionError: It cannot be reached.
            UnreadableAnswer: It answers with something that cannot be read.
        """
        import openai

        try:
            if body is None:
                found = await client.get(page, cast_to=object)
            else:
                found = await client.post(page, body=body, cast_to=object)
            if isinstance(found, str):  # not said to be JSON
                found = json.loads(found)
            return self._redactor.redact(found)
        except (openai.APIStatusError, UnreadableAnswer):
            raise
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, UnreadableAnswer):
                raise error.__cause__ from None
            raise
        except RecursionError:
            raise UnreadableAnswer("answered with JSON that is nested too deeply") from None
        except (openai.APIError, ValueError):
            raise NotJson("answered with something that is no JSON") from None

    def max_context(self, name: str) -> int | None:
        """Return the context length of a served model, in tokens; ``None`` where it is not said.

        Raises:
            HarnessError: The server lists other models, wants another key, or cannot be reached.
        """
        import openai

        try:
            listed = self._look("/models")
        except openai.APIStatusError as error:
            status = error.status_code
            if status in (401, 403) or status < 400 or status >= 500:
                raise self.refusal(error) from None
            return None
        except openai.APIConnectionError as error:
            raise EngineError(
                f"No server answers at {self.url}: {self.reason(error)}.",
                "Check --base-url, and that the server has finished starting.",
            ) from None
        except TimeoutError:
            raise EngineError(
                f"No server answers at {self.url} within {_METADATA_TIMEOUT_SECONDS:.0f} seconds.",
                "Check --base-url, and that the server has finished starting.",
            ) from None
        except NotJson:
            return None
        except UnreadableAnswer as error:
            what = self.sanitize(str(error))
            raise EngineError(
                f"The server at {self.url} {what} when asked for its models.",
                "Check --base-url.",
            ) from None
        cards = listed.get("data") if isinstance(listed, dict) else None
        by_name: dict[str, dict[str, Any]] = {
            entry["id"]: entry
            for entry in (cards if isinstance(cards, list) else ())
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
        # Gateways serve variants of a listed name behind a colon.
        if by_name and name not in by_name and name.partition(":")[0] not in by_name:
            known = self.sanitize(nearest(name, by_name))
            raise HarnessError(f"The server at {self.url} does not serve {name!r}. {known}")
        return whole(by_name.get(name, {}), "max_model_len") or None

    def get_optional(self, page: str) -> object:
        """Return a page beside the API, as vLLM's server has; ``None`` where it cannot be read."""
        import openai

        try:
            return self._look(f"{self.url.removesuffix('/v1')}/{page}")
        except (openai.APIError, UnreadableAnswer, TimeoutError):
            return None

    def version(self) -> str | None:
        """Return the version that the server reports, if it does."""
        found = self.get_optional("version")
        version = found.get("version") if isinstance(found, dict) else None
        return self.sanitize(version) if isinstance(version, str) else None

    def count(self, name: str, prompt: Prompt) -> int | None:
        """Count a prompt's tokens (vLLM's ``/tokenize``); ``None`` where the server cannot."""
        import openai

        body: dict[str, Any] = {"model": name, "messages": list(prompt.messages)}
        if prompt.template_args:
            body["chat_template_kwargs"] = dict(prompt.template_args)
        try:
            counted = self._look(f"{self.url.removesuffix('/v1')}/tokenize", body)
        except (openai.APIError, UnreadableAnswer, TimeoutError):
            return None
        return whole(counted, "count") if isinstance(counted, dict) else None

    def refuse_parameters(self, extra: Mapping[str, Any]) -> None:
        """Refuse extra parameters that contradict the protocol or would store the key.

        Raises:
            HarnessError: There is one.
        """
        for name in extra:
            if name in _OWN_PARAMETERS:
                option = _OWN_PARAMETERS[name]
                raise HarnessError(
                    f"--engine-arg {name} would not be what the run says it did.",
                    f"Use {option}." if option else "Leave it out.",
                )
        if self.key and self.key in canonical_json(extra):
            raise HarnessError(
                "An --engine-arg holds the key, and would be stored.",
                "OPENAI_API_KEY is sent as it should be; leave it out.",
            )

    def refuse_unsupported(self, requests: Sequence[Request]) -> None:
        """Refuse parameters that a server would ignore silently; vLLM's lists those it takes."""
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
        listed = canonical_json(self.get_optional("openapi.json"))
        for flag, parameter in asked.items():
            if f'"{parameter}"' not in listed:
                raise EngineError(
                    f"The server at {self.url} does not say that it knows {parameter}, "
                    f"which {flag} needs.",
                    "Leave it out, or serve the model with a recent vLLM.",
                )

    def refuse_short_context(self, model: Model, requests: Sequence[Request]) -> None:
        """Refuse a context that is too short: vLLM's server would cut the budget silently.

        The longest prompt of each budget is counted, where the server counts; for what that misses
        the backend checks each answer.
        """
        context = model.max_context
        if context is None:
            return
        longest: dict[int, Request] = {}
        for request in sorted(requests, key=lambda request: _length(request.prompt)):
            longest[request.sampling.max_tokens] = request
        for budget, request in longest.items():
            tokens = self.count(model.name, request.prompt)
            if tokens is not None and tokens + budget > context:
                raise EngineError(
                    f"The context of {context} tokens at {self.url} has no room "
                    f"for {budget} new ones after the prompt of {request.item_id} "
                    f"({tokens} tokens).",
                    f"Give --max-tokens {max(1, context - tokens)} or less.",
                )

    def _look(self, page: str, body: Mapping[str, Any] | None = None) -> object:
        """Call a page synchronously, within half a minute; see :meth:`call`.

        Raises:
            TimeoutError: It took longer.
        """

        async def look() -> object:
            async with (
                asyncio.timeout(_METADATA_TIMEOUT_SECONDS),
                self.client(largest=_MAX_METADATA_BYTES) as client,
            ):
                return await self.call(client, page, body)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(look())
        # Within a notebook, for instance, where this thread has a loop already.
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(asyncio.run, look()).result()

    def refusal(self, error: APIStatusError) -> EngineError:
        """Return the error for an answer that a retry would not change."""
        description = self.describe(error)
        if error.status_code < 400:
            address = self.sanitize(error.response.headers.get("location", "elsewhere"))
            return EngineError(
                f"The server at {self.url} answered {description}: it sends on to {address}.",
                "The key is not sent there: give that address as --base-url if it is right.",
            )
        if error.status_code in (401, 403):
            if self.key:
                return EngineError(
                    f"The server at {self.url} refuses the key in OPENAI_API_KEY ({description}).",
                    "Set it to one that this server knows.",
                )
            return EngineError(
                f"The server at {self.url} wants a key ({description}).", "Set OPENAI_API_KEY."
            )
        if error.status_code == 404 and not self.url.endswith("/v1"):
            remedy = "Most addresses end in /v1: check --base-url."
        elif error.status_code in (402, 429) or error.status_code >= 500:
            remedy = RESUME_REMEDY
        else:
            remedy = "What was finished is kept; correct what it names, for instance --max-tokens."
        return EngineError(f"The server at {self.url} answered {description}.", remedy)

    def describe(self, error: APIStatusError) -> str:
        """Return the status and the message of an error response."""
        message = self.message(error)
        return f"{error.status_code}: {message}" if message else str(error.status_code)

    def message(self, error: APIStatusError) -> str:
        """Return the message of an error response in JSON; empty for other pages, such as HTML."""
        body = error.body
        found = (body.get("message") or body.get("detail")) if isinstance(body, dict) else ""
        return self.sanitize(found).rstrip(".") if isinstance(found, str) else ""

    def reason(self, error: BaseException) -> str:
        """Return the innermost message of a connection error's chain, the system's own if any."""
        words, of_system = "", ""
        found: BaseException | None = error
        while found is not None:
            words = str(found) or words
            of_system = (isinstance(found, OSError) and str(found)) or of_system
            found = found.__cause__ or found.__context__
        words = of_system or words
        return self.sanitize(words).rstrip(".") or type(error).__name__

    def sanitize(self, text: str) -> str:
        """Shorten untrusted text, and redact what looks like a key."""
        text = _LOOKS_LIKE_A_KEY.sub("…", self._redactor.redact_message(text))
        return textwrap.shorten(text, _LONGEST_REASON, placeholder=" …")


def _length(prompt: Prompt) -> int:
    return sum(len(message["content"]) for message in prompt.messages)


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Return the wait that ``Retry-After`` asks for, in seconds; 0 without one."""
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "")
        try:
            seconds = float(value) / divisor
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, OverflowError, OSError):
                continue
        if not math.isnan(seconds):
            return min(max(0.0, seconds), _LONGEST_WAIT)
    return 0.0

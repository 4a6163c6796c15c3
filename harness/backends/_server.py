"""A server that speaks OpenAI's API: where it is, what it tells of itself, what its errors say.

The key is read from the environment, is sent to the server and goes nowhere else: what the server
answers passes through :meth:`Server.call` before anything is read from it, and whatever of it is
put into a sentence or a record through :meth:`Server.presentable`.
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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.backends._answers import whole
from harness.backends._bounded import NoJson, UnreadableAnswer, bounded_client
from harness.backends._secrets import Secret
from harness.errors import EngineError, HarnessError, nearest
from harness.types import Prompt, canonical_json

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

GOES_ON = "What was finished is kept: run the same command again to go on."
_SECONDS_TO_LOOK = 30.0
_LARGEST_LOOK = 8 << 20  # a list of models, a description of what the server takes
_LARGEST_ANSWER = 64 << 20
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
    _secret: Secret = field(repr=False, compare=False)

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
                "Copy the key anew: a look-alike letter, a typographic quote or a line break may "
                "have come along.",
            )
        return cls(url, key, Secret(key))

    def client(self, *, largest: int = _LARGEST_ANSWER) -> AsyncOpenAI:
        """Return a client that neither tries again nor gives up by itself."""
        from openai import Timeout

        timeout = Timeout(None, connect=_SECONDS_TO_LOOK)
        key = self.key or _NO_KEY
        return bounded_client(largest=largest, base_url=self.url, api_key=key, timeout=timeout)

    @property
    def repeats_the_key(self) -> bool:
        """Whether the key has been taken out of anything that the server said."""
        return self._secret.found

    async def call(
        self, client: AsyncOpenAI, page: str, body: Mapping[str, Any] | None = None
    ) -> object:
        """Return what the server answers, read from JSON and without the key.

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
            return self._secret.without(found)
        except (openai.APIStatusError, UnreadableAnswer):
            raise
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, UnreadableAnswer):
                raise error.__cause__ from None
            raise
        except RecursionError:
            raise UnreadableAnswer("answered with JSON that is nested too deeply") from None
        except (openai.APIError, ValueError):
            raise NoJson("answered with something that is no JSON") from None

    def card(self, name: str) -> Mapping[str, Any]:
        """Return what the server tells about a model; empty where it lists none.

        Raises:
            HarnessError: It lists others, wants another key, or is not there.
        """
        import openai

        try:
            listed = self._look("/models")
        except openai.APIStatusError as error:
            status = error.status_code
            if status in (401, 403) or status < 400 or status >= 500:
                raise self.refusal(error) from None
            return {}
        except openai.APIConnectionError as error:
            raise EngineError(
                f"No server answers at {self.url}: {self.reason(error)}.",
                "Check --base-url, and that the server has finished starting.",
            ) from None
        except TimeoutError:
            raise EngineError(
                f"No server answers at {self.url} within {_SECONDS_TO_LOOK:.0f} seconds.",
                "Check --base-url, and that the server has finished starting.",
            ) from None
        except NoJson:
            return {}
        except UnreadableAnswer as error:
            what = self.presentable(str(error))
            raise EngineError(
                f"The server at {self.url} {what} when asked for its models.",
                "Check --base-url.",
            ) from None
        cards = listed.get("data") if isinstance(listed, dict) else None
        by_name: dict[str, dict[str, Any]] = {
            card["id"]: card
            for card in (cards if isinstance(cards, list) else ())
            if isinstance(card, dict) and isinstance(card.get("id"), str)
        }
        # Gateways serve variants of a listed name behind a colon.
        if by_name and name not in by_name and name.partition(":")[0] not in by_name:
            known = self.presentable(nearest(name, by_name))
            raise HarnessError(f"The server at {self.url} does not serve {name!r}. {known}")
        return by_name.get(name, {})

    def context(self, name: str) -> int | None:
        """Return how long prompt and answer may be together, in tokens, where the server says.

        Raises:
            HarnessError: As :meth:`card` does.
        """
        return whole(self.card(name), "max_model_len") or None

    def look_up(self, page: str) -> object:
        """Return what a server of vLLM's kind says beside its API; ``None`` where it does not."""
        import openai

        try:
            return self._look(f"{self.url.removesuffix('/v1')}/{page}")
        except (openai.APIError, UnreadableAnswer, TimeoutError):
            return None

    def version(self) -> str | None:
        """Return the version that the server says it has, where it does."""
        found = self.look_up("version")
        version = found.get("version") if isinstance(found, dict) else None
        return self.presentable(version) if isinstance(version, str) else None

    def count(self, name: str, prompt: Prompt) -> int | None:
        """Return how many tokens a prompt is; ``None`` where the server does not count them."""
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
        """Refuse further parameters that would contradict the protocol, or store the key.

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

    def _look(self, page: str, body: Mapping[str, Any] | None = None) -> object:
        """Do what :meth:`call` does, by itself and within half a minute.

        Raises:
            TimeoutError: It took longer.
        """

        async def look() -> object:
            async with (
                asyncio.timeout(_SECONDS_TO_LOOK),
                self.client(largest=_LARGEST_LOOK) as client,
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
        """Return what to raise for an answer that will stay the same."""
        told = self.told_by(error)
        if error.status_code < 400:
            address = self.presentable(error.response.headers.get("location", "elsewhere"))
            return EngineError(
                f"The server at {self.url} answered {told}: it sends on to {address}.",
                "The key is not sent there: give that address as --base-url if it is right.",
            )
        if error.status_code in (401, 403):
            if self.key:
                return EngineError(
                    f"The server at {self.url} refuses the key in OPENAI_API_KEY ({told}).",
                    "Set it to one that this server knows.",
                )
            return EngineError(
                f"The server at {self.url} wants a key ({told}).", "Set OPENAI_API_KEY."
            )
        if error.status_code == 404 and not self.url.endswith("/v1"):
            remedy = "Most addresses end in /v1: check --base-url."
        elif error.status_code in (402, 429) or error.status_code >= 500:
            remedy = GOES_ON
        else:
            remedy = "What was finished is kept; correct what it names, for instance --max-tokens."
        return EngineError(f"The server at {self.url} answered {told}.", remedy)

    def told_by(self, error: APIStatusError) -> str:
        """Return the status of an answer, and what it says."""
        message = self.message(error)
        return f"{error.status_code}: {message}" if message else str(error.status_code)

    def message(self, error: APIStatusError) -> str:
        """Return what an answer says, if it says it in JSON: pages of HTML explain nothing."""
        body = error.body
        found = (body.get("message") or body.get("detail")) if isinstance(body, dict) else ""
        return self.presentable(found).rstrip(".") if isinstance(found, str) else ""

    def reason(self, error: BaseException) -> str:
        """Return the innermost words on why there was no answer."""
        words = ""
        found: BaseException | None = error
        while found is not None:
            words, found = str(found) or words, found.__cause__ or found.__context__
        return self.presentable(words).rstrip(".") or type(error).__name__

    def presentable(self, text: str) -> str:
        """Shorten a text that came from outside, and take out what looks like a key."""
        text = _LOOKS_LIKE_A_KEY.sub("…", self._secret.without_ends(text))
        return textwrap.shorten(text, _LONGEST_REASON, placeholder=" …")


def asked_wait(headers: Mapping[str, str]) -> float:
    """Return for how many seconds an answer asks to be left alone; 0 where it does not."""
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

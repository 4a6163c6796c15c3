"""A server that speaks OpenAI's API: where it is, what it tells of itself, what its errors say.

The key is read from the environment, is sent to the server and goes nowhere else: whatever the
server says passes through :meth:`Server.presentable` before it is put into a sentence.
"""

from __future__ import annotations

import email.utils
import os
import re
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.errors import EngineError, HarnessError, nearest
from harness.types import Prompt, canonical_json

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, OpenAI

GOES_ON = "What was finished is kept: run the same command again to go on."
_SECONDS_TO_LOOK = 30.0
_LONGEST_REASON = 200
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
        return cls(url, os.environ.get("OPENAI_API_KEY", "").strip())

    def client(self) -> AsyncOpenAI:
        """Return a client that neither tries again nor gives up by itself."""
        from openai import AsyncOpenAI, Timeout

        timeout = Timeout(None, connect=_SECONDS_TO_LOOK)
        key = self.key or _NO_KEY
        return AsyncOpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=timeout)

    def card(self, name: str) -> Mapping[str, Any]:
        """Return what the server tells about a model; empty where it lists none.

        Raises:
            HarnessError: It lists others, wants another key, or is not there.
        """
        import openai

        try:
            with self._for_a_look() as client:
                listed: Any = client.get("/models", cast_to=object)
        except openai.APIStatusError as error:
            if error.status_code in (401, 403) or error.status_code >= 500:
                raise self.refusal(error) from None
            return {}
        except openai.APIConnectionError as error:
            raise EngineError(
                f"No server answers at {self.url}: {self.reason(error)}.",
                "Check --base-url, and that the server has finished starting.",
            ) from None
        except ValueError:
            return {}
        cards = listed.get("data") if isinstance(listed, dict) else None
        by_name: dict[str, dict[str, Any]] = {
            str(card.get("id")): card for card in cards or () if isinstance(card, dict)
        }
        # Gateways serve variants of a listed name behind a colon.
        if by_name and name not in by_name and name.partition(":")[0] not in by_name:
            known = textwrap.shorten(nearest(name, by_name), _LONGEST_REASON, placeholder=" …")
            raise HarnessError(f"The server at {self.url} does not serve {name!r}. {known}")
        return by_name.get(name, {})

    def look_up(self, page: str) -> object:
        """Return what a server of vLLM's kind says beside its API; ``None`` where it does not."""
        import openai

        root = self.url.removesuffix("/v1")
        try:
            with self._for_a_look() as client:
                return client.get(f"{root}/{page}", cast_to=object)
        except (openai.APIError, ValueError):
            return None

    def count(self, name: str, prompt: Prompt) -> int | None:
        """Return how many tokens a prompt is; ``None`` where the server does not count them."""
        import openai

        root = self.url.removesuffix("/v1")
        body: dict[str, Any] = {"model": name, "messages": list(prompt.messages)}
        if prompt.template_args:
            body["chat_template_kwargs"] = dict(prompt.template_args)
        try:
            with self._for_a_look() as client:
                counted = client.post(f"{root}/tokenize", body=body, cast_to=object)
        except (openai.APIError, ValueError):
            return None
        found = counted.get("count") if isinstance(counted, dict) else None
        return found if isinstance(found, int) else None

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

    def _for_a_look(self) -> OpenAI:
        from openai import OpenAI

        key = self.key or _NO_KEY
        return OpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=_SECONDS_TO_LOOK)

    def refusal(self, error: APIStatusError) -> EngineError:
        """Return what to raise for an answer that will stay the same."""
        told = self.told_by(error)
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
        return self.presentable(found if isinstance(found, str) else "")

    def reason(self, error: BaseException) -> str:
        """Return the innermost words on why there was no answer."""
        words = ""
        found: BaseException | None = error
        while found is not None:
            words, found = str(found) or words, found.__cause__ or found.__context__
        return self.presentable(words) or type(error).__name__

    def presentable(self, text: str) -> str:
        """Shorten a text that came from outside, and take out what looks like a key."""
        if self.key:
            text = text.replace(self.key, "…")
        text = _LOOKS_LIKE_A_KEY.sub("…", text)
        return textwrap.shorten(text, _LONGEST_REASON, placeholder=" …").rstrip(".")


def asked_wait(headers: Mapping[str, str]) -> float:
    """Return for how many seconds an answer asks to be left alone; 0 where it does not."""
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "")
        try:
            return max(0.0, float(value) / divisor)
        except ValueError:
            pass
        try:
            at = email.utils.parsedate_to_datetime(value)
        except ValueError:
            continue
        return max(0.0, at.timestamp() - time.time())
    return 0.0

"""Parse a chat completion defensively: no field of the response is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.backends.openai.http import UnreadableAnswer

# No text has more tokens, and the results file has room for no more.
_MOST_TOKENS = (1 << 31) - 1
_HIGHEST_COST = 1e9
_LONGEST_REASON = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; what the server does not say, or says as no number can be, is ``None``.

    Attributes:
        text: The answer's text, or why it was refused.
        thought: What the server keeps apart of it; no part of OpenAI's own API.
        finish_reason: Why it ended; ``stop`` where the server does not say.
        prompt_tokens: Length of the prompt.
        completion_tokens: Length of thought and answer.
        thought_tokens: Length of the thought.
        cached_tokens: How much of the prompt the server had before.
        cost: What the server says it cost, in USD.
        model: Which model it says it is.
        fingerprint: Which state of it, as the server names it.
    """

    text: str
    thought: str | None
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    thought_tokens: int | None
    cached_tokens: int | None
    cost: float | None
    model: str
    fingerprint: str


def read_answer(found: object) -> Answer | None:
    """Read an answer; ``None`` where it is well-formed and holds no completion.

    Raises:
        UnreadableAnswer: It is no answer as OpenAI's API has it.
    """
    body = _mapping(found, "something that is no JSON object")
    choices = body.get("choices") or []
    if not isinstance(choices, list):
        raise UnreadableAnswer("answered with choices that are no list")
    if not choices:
        return None
    choice = _mapping(choices[0], "a choice that is no object")
    reason = choice.get("finish_reason") or "stop"
    if reason in ("error", "abort"):
        return None
    if not isinstance(reason, str) or len(reason) > _LONGEST_REASON:
        raise UnreadableAnswer("answered with a finish reason that is no word")
    message = _mapping(choice.get("message"), "a choice without a message")
    text = message.get("content") or message.get("refusal") or ""
    if isinstance(text, list):
        raise UnreadableAnswer("answered in parts, which are not understood")
    if not isinstance(text, str):
        raise UnreadableAnswer("answered with content that is no text")
    usage = _part(body, "usage")
    return Answer(
        text=text,
        thought=_first_text(message, "reasoning", "reasoning_content"),
        finish_reason=reason,
        prompt_tokens=whole(usage, "prompt_tokens"),
        completion_tokens=whole(usage, "completion_tokens"),
        thought_tokens=whole(_part(usage, "completion_tokens_details"), "reasoning_tokens"),
        cached_tokens=whole(_part(usage, "prompt_tokens_details"), "cached_tokens"),
        cost=_cost(usage),
        model=_first_text(body, "model") or "unnamed",
        fingerprint=_first_text(body, "system_fingerprint") or "",
    )


def whole(part: Mapping[str, object], name: str) -> int | None:
    """Return a count of tokens that a server gave; ``None`` where it gave none that can be."""
    found = part.get(name)
    return found if isinstance(found, int) and _is_amount(found, _MOST_TOKENS) else None


def _mapping(found: object, what: str) -> dict[str, object]:
    if not isinstance(found, dict):
        raise UnreadableAnswer(f"answered with {what}")
    return found


def _part(of: dict[str, object], name: str) -> dict[str, object]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _cost(usage: dict[str, object]) -> float | None:
    found = usage.get("cost")
    if isinstance(found, int | float) and _is_amount(found, _HIGHEST_COST):
        return float(found)
    return None


def _is_amount(found: float, most: float) -> bool:
    return not isinstance(found, bool) and 0 <= found <= most


def _first_text(part: dict[str, object], *names: str) -> str | None:
    """Return the first of these fields that holds a text."""
    texts = (part.get(name) for name in names)
    return next((text for text in texts if text and isinstance(text, str)), None)

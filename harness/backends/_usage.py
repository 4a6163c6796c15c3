"""What the answers of a server took: tokens, money, and which model it says it was."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from harness.errors import HarnessError


class Usage:
    """Adds up what a server says of its answers.

    Args:
        price: USD per million tokens as ``IN,OUT``; ``None`` to take what the server itself says an
            answer cost, where it does. A price counts cached tokens as if they were not.

    Raises:
        HarnessError: That is no price.
    """

    def __init__(self, price: str | None) -> None:
        self._price = _price(price) if price is not None else None
        self._counts: Counter[str] = Counter()
        self._cost: float | None = None
        self._models: dict[str, Counter[str]] = {}

    def add(self, answer: Any) -> str | None:
        """Count an answer; return the model's name if that is another than before."""
        usage = answer.usage
        prompt = whole(usage, "prompt_tokens") or 0
        completion = whole(usage, "completion_tokens") or 0
        self._counts.update(requests=1, prompt_tokens=prompt, completion_tokens=completion)
        cached = whole(getattr(usage, "prompt_tokens_details", None), "cached_tokens")
        if cached is not None:
            self._counts["cached_tokens"] += cached
        cost = getattr(usage, "cost", None)
        if self._price is not None:
            cost = (prompt * self._price[0] + completion * self._price[1]) / 1e6
        if isinstance(cost, int | float):
            self._cost = (self._cost or 0.0) + cost
        name = str(answer.model)
        is_another = bool(self._models) and name not in self._models
        fingerprint = str(getattr(answer, "system_fingerprint", None) or "")
        self._models.setdefault(name, Counter())[fingerprint] += 1
        return name if is_another else None

    def record(self) -> dict[str, Any]:
        """Return the sums, and how many answers came from which model and fingerprint."""
        cost = {} if self._cost is None else {"cost_usd": round(self._cost, 6)}
        served = {name: dict(fingerprints) for name, fingerprints in self._models.items()}
        return dict(self._counts) | cost | {"served": served}


def whole(part: object, name: str) -> int | None:
    """Return a count that a server gave; ``None`` where it gave none."""
    found = getattr(part, name, None)
    return found if isinstance(found, int) else None


def _price(given: str) -> tuple[float, float]:
    try:
        prompt, completion = (float(part) for part in given.split(","))
    except ValueError:
        prompt = completion = math.nan
    if 0 <= prompt < math.inf and 0 <= completion < math.inf:
        return prompt, completion
    raise HarnessError(
        f"--price {given} is not IN,OUT in USD per million tokens.", "For instance 0.15,0.6."
    )

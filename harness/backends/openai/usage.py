"""Usage of a server: tokens, cost, and the models it says have answered."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from harness.backends.openai.responses import Answer
from harness.errors import HarnessError

# A server may claim another name with each answer.
_MOST_NAMES = 64
_OTHERS = "others"


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

    def add(self, answer: Answer) -> str | None:
        """Count an answer; return the model's name if that is another than before.

        Its names are stored: they are to be sanitize.
        """
        prompt, completion = answer.prompt_tokens or 0, answer.completion_tokens or 0
        self._counts.update(requests=1, prompt_tokens=prompt, completion_tokens=completion)
        if answer.cached_tokens is not None:
            self._counts["cached_tokens"] += answer.cached_tokens
        cost = answer.cost
        if self._price is not None:
            cost = (prompt * self._price[0] + completion * self._price[1]) / 1e6
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost
        name, fingerprint = answer.model, answer.fingerprint
        is_another = bool(self._models) and name not in self._models
        if len(self._models) >= _MOST_NAMES and is_another:
            name = _OTHERS
        of_the_model = self._models.setdefault(name, Counter())
        if len(of_the_model) >= _MOST_NAMES and fingerprint not in of_the_model:
            fingerprint = _OTHERS
        of_the_model[fingerprint] += 1
        return name if is_another else None

    def record(self) -> dict[str, Any]:
        """Return the sums, and how many answers came from which model and fingerprint."""
        cost = {} if self._cost is None else {"cost_usd": round(self._cost, 6)}
        served = {name: dict(fingerprints) for name, fingerprints in self._models.items()}
        return dict(self._counts) | cost | {"served": served}


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

"""Length statistics of examples, in tokens or words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from train_cft.data.examples import Example

# The paper cut at 2,048; a bound in the histogram shows what would be lost to that.
BOUNDS = (128, 256, 512, 1024, 2048, 4096, 8192)

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of prompt and critique together, without what a chat template adds.

    Attributes:
        unit: ``tokens of MODEL`` or ``words``.
        histogram: Upper bound and how many are no longer; the last bound is ``None``.
        median: Of all.
        longest: Of all.
        total: Over all.
        critiques: Of that, in the critiques, which are what is trained on.
    """

    unit: str
    histogram: list[tuple[int | None, int]]
    median: int
    longest: int
    total: int
    critiques: int


def counter(tokenizer: str | None) -> tuple[Count, str]:
    """Return how to count, and what is counted: a model's tokens, or words.

    Raises:
        HarnessError: There is no such model, or it has no tokenizer.
    """
    if tokenizer is None:
        return lambda text: len(text.split()), "words"
    from harness.models.prompts import PromptRenderer
    from harness.models.resolve import resolve_model

    checkpoint = resolve_model(tokenizer)
    return PromptRenderer(checkpoint.path).count, f"tokens of {checkpoint.name}"


def measure(examples: Sequence[Example], count: Count, unit: str) -> Lengths:
    """Count prompt and critique of each example."""
    critiques = [count(example.critique) for example in examples]
    whole = [
        count(example.prompt) + critique
        for example, critique in zip(examples, critiques, strict=True)
    ]
    histogram: list[tuple[int | None, int]] = []
    below = 0
    for bound in BOUNDS:
        up_to = sum(length <= bound for length in whole)
        histogram.append((bound, up_to - below))
        below = up_to
    histogram.append((None, len(whole) - below))
    return Lengths(
        unit,
        histogram,
        median=sorted(whole)[len(whole) // 2],
        longest=max(whole),
        total=sum(whole),
        critiques=sum(critiques),
    )

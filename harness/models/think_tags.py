"""Find the tags that mark a model's reasoning: its tokenizer's own, else ``<think>``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from harness.types import ThoughtTags

# gpt-oss writes in channels (the "harmony" format): the thought is one, the answer another.
_HARMONY = ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|channel|>")
_ABOUT_THOUGHT = re.compile(r"think|thought|reason", re.IGNORECASE)
_OPENINGS = (("/", ""), ("END", "START"), ("end", "start"), ("end", "begin"))


def find_think_tags(
    vocabulary: Collection[str], template: str, encode: Callable[[str], Sequence[int]]
) -> ThoughtTags:
    """Return the tags that a model with this tokenizer uses.

    Args:
        vocabulary: The tokenizer's added tokens.
        template: The chat template; empty where there is none.
        encode: Tokenizes a text.

    Returns:
        Tags that are tokens of the model's own; where there are none, ``<think>`` as plain text,
        which models trained on others' thoughts write. Where a tokenizer carries several pairs,
        those its chat template mentions come first, then ``<think>``, then the shortest.
    """
    opening, closing, marker = _HARMONY
    if marker in vocabulary and marker in template:
        return ThoughtTags(opening, closing, tuple(encode(closing)))
    pairs = [
        (first, last)
        for last in vocabulary
        if _ABOUT_THOUGHT.search(last)
        for old, new in _OPENINGS
        if old in last and (first := last.replace(old, new, 1)) in vocabulary
    ]
    if not pairs:
        return ThoughtTags()
    first, last = min(
        pairs,
        key=lambda pair: (pair[1] not in template, pair[1] != ThoughtTags().closing, len(pair[1])),
    )
    return ThoughtTags(first, last, tuple(encode(last)))

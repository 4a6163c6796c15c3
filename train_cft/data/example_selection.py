"""Choose examples: several a question, right and wrong ones in a given ratio."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from train_cft.data.examples import Example


def choose(
    examples: Sequence[Example],
    *,
    right_share: float | None,
    per_question: int | None,
    limit: int | None,
    seed: int,
) -> list[Example]:
    """Choose examples, each question's first responses before any question's second.

    Args:
        examples: What there is.
        right_share: Share of right responses among those whose verdict is known; as many are
            taken as give it exactly, up to rounding. ``None`` takes them as they come.
        per_question: At most so many a question, right and wrong ones in turn.
        limit: At most so many in all.
        seed: Of the order in which they are drawn.

    Returns:
        The chosen ones in the order of ``examples``.
    """
    ranked = _in_turns(examples, per_question, seed)
    if right_share is None:
        chosen = ranked[:limit]
    else:
        right = [example for example in ranked if example.right]
        wrong = [example for example in ranked if example.right is False]
        rights, wrongs = _counts(len(right), len(wrong), right_share, limit)
        chosen = right[:rights] + wrong[:wrongs]
    taken = {example.id for example in chosen}
    return [example for example in examples if example.id in taken]


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return examples in an order that depends on the seed and on nothing else about them."""
    return sorted(examples, key=lambda example: _rank(example, seed))


def _in_turns(examples: Sequence[Example], per_question: int | None, seed: int) -> list[Example]:
    """Return every question's first response, then every question's second, and so on."""
    by_question: dict[str, dict[bool | None, list[Example]]] = defaultdict(dict)
    for example in shuffled(examples, seed):
        by_question[example.question].setdefault(example.right, []).append(example)
    ranked: list[tuple[int, Example]] = []
    for kinds in by_question.values():
        turns = [
            (turn, place, example)
            for place, listed in enumerate(kinds.values())
            for turn, example in enumerate(listed)
        ]
        in_order = sorted(turns, key=lambda turn: turn[:2])[:per_question]
        ranked += [(number, example) for number, (_, _, example) in enumerate(in_order)]
    ranked.sort(key=lambda pair: (pair[0], _rank(pair[1], seed)))
    return [example for _, example in ranked]


def _counts(right: int, wrong: int, share: float, limit: int | None) -> tuple[int, int]:
    """Return how many right and wrong ones give the share with as many as possible."""
    exact = Fraction(str(share))
    total = right + wrong if limit is None else min(limit, right + wrong)
    if exact > 0:
        total = min(total, int(right / exact))
    if exact < 1:
        total = min(total, int(wrong / (1 - exact)))
    rights = min(right, int(total * exact + Fraction(1, 2)))
    return rights, min(wrong, total - rights)


def _rank(example: Example, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {example.id}".encode()).digest()

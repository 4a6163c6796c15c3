"""Seeded reading order of evidence, fixed before anything is generated.

Wrong answers run longer, so that results read as they arrive begin with the right ones. Evidence
therefore comes from the completed prefix of a seeded order only: an item that arrives early waits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Generic, TypeVar

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


def seeded_order(items: Iterable[str], seed: int) -> list[str]:
    """Return the items in a random order that depends on the seed and the names alone.

    Each item's place follows from a hash of its own, so that the order is the same on every machine
    and leaving an item out moves no other.
    """
    return sorted(items, key=lambda item: sha256(f"{seed}\0{item}".encode()).digest())


def rounds(sizes: Mapping[Key, int]) -> list[dict[Key, range]]:
    """Divide several tasks into rounds, each holding items of every task in proportion to its size.

    There are as many rounds as the smallest task has items, and all tasks end in the last one.

    Args:
        sizes: Number of items by task (or of whatever else it is read in).

    Returns:
        For each round, the positions in each task's own seeded order, none empty.

    Raises:
        ValueError: There is no task, or one without items.
    """
    if not sizes or min(sizes.values()) < 1:
        raise ValueError("every task needs an item")
    count = min(sizes.values())
    return [
        {
            task: range(number * size // count, (number + 1) * size // count)
            for task, size in sizes.items()
        }
        for number in range(count)
    ]


def whole_weight(
    divided: Sequence[Mapping[Key, range]], widths: Mapping[Key, int] | None = None
) -> int:
    """Return the weight of all rounds as ``SuiteEvidence`` weighs them: every task alike in each.

    Args:
        divided: The rounds.
        widths: Differences in each position of a task; one if left out.
    """

    def fewest(spans: Mapping[Key, range]) -> int:
        return min(len(span) * (widths[task] if widths else 1) for task, span in spans.items())

    return sum(len(spans) * fewest(spans) for spans in divided)


class CompletedPrefix(Generic[T]):
    """Holds back what arrives early, and releases results in the order that was fixed before."""

    def __init__(self) -> None:
        self._waiting: dict[int, T] = {}
        self._next = 0

    @property
    def waiting(self) -> Mapping[int, T]:
        """What has arrived early, by position."""
        return self._waiting

    def arrive(self, position: int, result: T) -> list[T]:
        """Take in the result at a position; return those that can now be read, in order.

        Raises:
            ValueError: This position has arrived before.
        """
        if position < self._next or position in self._waiting:
            raise ValueError(f"position {position} has arrived before")
        self._waiting[position] = result
        released = []
        while self._next in self._waiting:
            released.append(self._waiting.pop(self._next))
            self._next += 1
        return released

"""Which items of a task are asked where not all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from harness.types import Item

# Never to be changed: another one draws other items.
_SALT = "cft-harness limit"


def drawn(items: Sequence[Item], limit: int | None) -> list[Item]:
    """Return the items whose ids have the smallest hashes, in the order they come in.

    Which they are depends on the ids alone: they are the same on every machine, those of a small
    limit are among those of a larger one, and an item that is added to a benchmark displaces at
    most one. A benchmark's file may be sorted by subject or level, so that its first items are no
    sample of it.

    Args:
        items: All items.
        limit: How many to return at most; ``None`` for all.
    """
    if limit is None or limit >= len(items):
        return list(items)
    chosen = {item.id for item in sorted(items, key=_hash)[:limit]}
    return [item for item in items if item.id in chosen]


def _hash(item: Item) -> bytes:
    return sha256(f"{_SALT}\0{item.id}".encode()).digest()

"""Which items of ``math500_validation`` data is built from, and which choose the checkpoint.

A fixed split by hash of the item's id: 350 to build from, 150 to select on, whatever the order of
the rows. Each half is a task of its own, so that responses are generated for the one and
checkpoints swept on the other: ``math500_build`` and ``math500_select``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from harness.types import Item
from tasks import math500_validation

PARENT = math500_validation.TASK.name
BUILD_ITEMS = 350


def build_ids(ids: Collection[str]) -> frozenset[str]:
    """Return the ids of the build part, 350 of all 500."""
    return frozenset(sorted(ids, key=_rank)[:BUILD_ITEMS])


def _rank(item_id: str) -> bytes:
    return hashlib.sha256(f"{PARENT} build/select: {item_id}".encode()).digest()


def _part(*, build: bool) -> Iterator[Item]:
    items = list(math500_validation.TASK.items())
    chosen = build_ids([item.id for item in items])
    return (item for item in items if (item.id in chosen) is build)


BUILD = replace(
    math500_validation.TASK,
    name="math500_build",
    load=partial(_part, build=True),
    data_sha256="f71d0cd91d0f63af88ce0fbee72afe8f13331bafb9ed0b8710eaacae22cc2c26",
)
SELECT = replace(
    math500_validation.TASK,
    name="math500_select",
    load=partial(_part, build=False),
    data_sha256="224ce517496f411ccef9f8d29758ce772fe337eba1b41d23d48aa9799edcf8c0",
)
# Benchmarks that are parts of another: compared with examples through their parent.
PARTS = (BUILD.name, SELECT.name)

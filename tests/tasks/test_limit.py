"""``--limit`` draws a sample of a benchmark: the same one everywhere, and like the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.registry import load_task
from harness.run.plan import limit_items
from harness.types import AnswerType, Item


def _items(names: Sequence[str]) -> list[Item]:
    return [Item(name, "", "1", AnswerType.INTEGER) for name in names]


def _ids(items: Sequence[Item]) -> list[str]:
    return [item.id for item in items]


def test_which_items_a_limit_draws_depends_on_their_ids_alone() -> None:
    items = _items([f"item-{n}" for n in range(300)])
    chosen = _ids(limit_items(items, 10))
    # On every machine and in every version: results files hold runs on these items.
    assert chosen == [f"item-{n}" for n in (19, 28, 74, 118, 145, 174, 187, 219, 265, 270)]
    assert set(_ids(limit_items(items[::-1], 10))) == set(chosen)
    assert set(chosen) < set(_ids(limit_items(items, 50))) < set(_ids(limit_items(items, 200)))
    more = limit_items(items + _items([f"new-{n}" for n in range(100)]), 10)
    assert {name for name in _ids(more) if name.startswith("item")} <= set(chosen)
    assert limit_items(items, 300) == limit_items(items, 5000) == limit_items(items, None) == items


@pytest.mark.parametrize(
    ("name", "kind", "of_first"),
    [("minerva_math", "subject", 0.55), ("olympiadbench", "answer_type", 0.3)],
)
def test_a_limit_draws_a_sample_like_the_whole_benchmark(
    name: str, kind: str, of_first: float, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    items = load_task(name).items()

    def distance(some: Sequence[Item]) -> float:
        """Return the total variation between the kinds of some items and of all items."""
        part, whole = (Counter(getattr(item, kind) for item in of) for of in (some, items))
        return sum(abs(part[t] / len(some) - whole[t] / len(items)) for t in whole) / 2

    assert distance(items[:100]) > of_first, "what the first items were"
    assert distance(limit_items(items, 100)) < 0.1

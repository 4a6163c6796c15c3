"""Match imported responses to the items of a task, by question or id."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from harness.interop.imported import ImportedSample, letter, short_gold
from harness.task import Task
from harness.types import Item

# What an item's question must have at least to be looked for within a prompt, once normalised.
_SHORTEST_WITHIN = 24
_OPTIONS = re.compile(
    r"\s*(?:\n\s*(?:answer choices|options|choices)\s*:?\s*)?\n\s*\(?A[).:]\s.*",
    re.DOTALL | re.IGNORECASE,
)


def match_items(
    samples: Sequence[ImportedSample], task: Task | None
) -> tuple[dict[str, Item], list[str]]:
    """Return the item of each of the file's ids, and the questions without one.

    Args:
        samples: From an importer.
        task: Whose items to find, by question or id; ``None`` makes items of the file's own.
    """
    if task is None:
        return {sample.item_id: _own_item(sample) for sample in samples}, []
    known = _Known(task.items())
    items: dict[str, Item] = {}
    unmatched: dict[str, str] = {}
    for sample in samples:
        if sample.item_id in items or sample.item_id in unmatched:
            continue
        if item := known.take(sample):
            items[sample.item_id] = item
        else:
            unmatched[sample.item_id] = sample.question or sample.prompt or sample.item_id
    return items, list(unmatched.values())


class _Known:
    """A task's items, each to be taken once, by question or by id."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._by_question: dict[str, list[Item]] = defaultdict(list)
        self._by_beginning: dict[str, list[tuple[str, Item]]] = defaultdict(list)
        self._by_id = {item.id: item for item in items}
        self._taken: set[str] = set()
        for item in items:
            whole, stem = _plain(item.question), _plain(_OPTIONS.sub("", item.question))
            for text in dict.fromkeys((whole, stem)):
                self._by_question[text].append(item)
            if len(stem) >= _SHORTEST_WITHIN:
                self._by_beginning[stem[:_SHORTEST_WITHIN]].append((stem, item))

    def take(self, sample: ImportedSample) -> Item | None:
        """Return the item that a sample answers, as it is to be judged."""
        question = _plain(sample.question)
        # A benchmark may ask one question twice, of two pictures: the gold tells them apart, and
        # no two questions of the file become one item.
        found = self._free(self._by_question.get(question, []), sample)
        for text in dict.fromkeys((question, _plain(sample.prompt))):
            found = found or self._free(self._within(text), sample)
        # A number is a place in somebody's list, and says nothing where there is a question.
        if not found and sample.item_id in self._by_id:
            named = not sample.item_id.isdecimal() or not (sample.question or sample.prompt)
            found = self._free([self._by_id[sample.item_id]] if named else [], sample)
        if not found:
            return None
        item = _as_asked(found[0], sample)
        if item is not None:
            self._taken.add(item.id)
        return item

    def _free(self, items: Sequence[Item], sample: ImportedSample) -> list[Item]:
        free = [item for item in items if item.id not in self._taken]
        gold = _plain(short_gold(sample.gold))
        free.sort(key=lambda item: _plain(item.gold) != gold)
        return free

    def _within(self, text: str) -> list[Item]:
        """Return the items whose question ends last in a prompt: examples stand before it."""
        found: list[Item] = []
        last = (0, 0)
        for start in range(len(text) - _SHORTEST_WITHIN + 1):
            for stem, item in self._by_beginning.get(text[start : start + _SHORTEST_WITHIN], ()):
                place = (start + len(stem), len(stem))
                if place >= last and text.startswith(stem, start):
                    found = [*found, item] if place == last else [item]
                    last = place
        return found


def _as_asked(item: Item, sample: ImportedSample) -> Item | None:
    """Return an item as the source asked it; ``None`` where that cannot be known.

    Where we shuffle the options, the source's letters stand for others than ours: then its letter
    is the gold.
    """
    if not item.option_order:
        return item
    asked = letter(sample.gold)
    return replace(item, gold=asked, option_order=()) if asked else None


def _own_item(sample: ImportedSample) -> Item:
    return Item(
        id=sample.item_id,
        question=sample.question,
        gold=short_gold(sample.gold),
        answer_type=sample.answer_type,
        tolerance=sample.tolerance,
        subject=sample.subject,
        level=sample.level,
    )


def _plain(question: str) -> str:
    return re.sub(r"\s+", " ", question).strip().casefold()

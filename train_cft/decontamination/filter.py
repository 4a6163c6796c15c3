"""Decontaminate examples against benchmarks: remove those that repeat a benchmark item.

Every benchmark counts that ``tasks`` knows and that can be loaded here; the others are named.
Nothing of a restricted benchmark is written anywhere: rows that repeat it are removed before they
are stored, sent or counted by more than a number.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.registry import TaskRegistry
from harness.task import DATA_DIR_VARIABLE
from harness.types import Item
from train_cft.data import splits
from train_cft.data.examples import Example
from train_cft.decontamination.overlap import BenchmarkIndex, Hit, normalised

_FAMILY = "fresh"


@dataclass(slots=True)
class Removed:
    """How many examples one benchmark took out.

    Attributes:
        exact: They ask one of its questions.
        ngram: They share an n-gram of 13 words with one.
    """

    exact: int = 0
    ngram: int = 0


@dataclass(slots=True)
class Decontaminated:
    """What is left, and which benchmarks it was compared with.

    Attributes:
        kept: Examples that repeat nothing, or only what they are exempt from.
        index: The benchmarks.
        not_checked: Benchmarks that could not be loaded, with the reason.
        removed: By benchmark; an example may repeat several.
        rows_removed: How many examples were removed in all.
        allowed: Questions that may be trained on, normalised: those of the build split.
        exempt: The items of the build split that an example repeats, by the example's id.
    """

    kept: list[Example] = field(default_factory=list)
    index: BenchmarkIndex = field(default_factory=BenchmarkIndex)
    not_checked: dict[str, str] = field(default_factory=dict)
    removed: dict[str, Removed] = field(default_factory=lambda: defaultdict(Removed))
    rows_removed: int = 0
    allowed: set[str] = field(default_factory=set)
    exempt: dict[str, list[Hit]] = field(default_factory=dict)


def decontaminate(
    examples: Sequence[Example],
    registry: TaskRegistry,
    against: Collection[str],
    on_phase: Callable[[str], None],
) -> Decontaminated:
    """Remove what repeats a benchmark item.

    Args:
        examples: What there is.
        registry: The benchmarks.
        against: Further tasks, such as ``fresh:chain_sum@7``.
        on_phase: Hears which benchmark is being loaded.

    Raises:
        HarnessError: One of ``against`` cannot be loaded.
    """
    cleaned = Decontaminated()
    _load(cleaned, registry, _wanted(examples, registry, against), against, on_phase)
    on_phase("comparing with the benchmarks")
    for example in examples:
        texts = [example.response, example.critique, example.solution]
        hits = cleaned.index.hits(example.question, texts)
        foreign = _foreign(cleaned, hits)
        if foreign:
            cleaned.rows_removed += 1
            _count(cleaned.removed, foreign)
            continue
        if hits:
            cleaned.exempt[example.id] = hits
        cleaned.kept.append(example)
    return cleaned


def repeats(cleaned: Decontaminated, example: Example, text: str) -> bool:
    """Return whether what was written about an example later on repeats a benchmark item."""
    return bool(_foreign(cleaned, cleaned.index.hits(example.question, [text])))


def exempt_items(cleaned: Decontaminated, examples: Sequence[Example]) -> dict[str, list[str]]:
    """Return the items of the build split that ``examples`` repeat, by every benchmark.

    They are to be dropped from each report on that benchmark.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        for hit in cleaned.exempt.get(example.id, ()):
            found[hit.task].add(hit.item_id)
    return {task: sorted(found[task]) for task in sorted(found)}


def _foreign(cleaned: Decontaminated, hits: Sequence[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.question not in cleaned.allowed]


def _wanted(
    examples: Sequence[Example], registry: TaskRegistry, against: Collection[str]
) -> list[str]:
    """Name the benchmarks: all single tasks, and the test seed of each generator trained on."""
    single = [
        entry.name
        for entry in registry.entries()
        if not entry.is_family and entry.name not in splits.PARTS
    ]
    trained = sorted({example.task for example in examples})
    fresh = [name.partition("@")[0] for name in trained if name.partition(":")[0] == _FAMILY]
    return list(dict.fromkeys([*single, *fresh, *against]))


def _load(
    cleaned: Decontaminated,
    registry: TaskRegistry,
    names: Sequence[str],
    against: Collection[str],
    on_phase: Callable[[str], None],
) -> None:
    for name in names:
        on_phase(f"loading {name}")
        try:
            task = registry.load(name)
            items = task.items()
        except HarnessError as error:
            if name in against:
                raise
            # The card is the same wherever the benchmarks lie.
            folder = os.environ.get(DATA_DIR_VARIABLE) or "\0"
            cleaned.not_checked[name] = error.message.replace(folder, f"${DATA_DIR_VARIABLE}")
            continue
        cleaned.index.add(name, items, exact_only=task.source is None)
        if name == splits.PARENT:
            cleaned.allowed |= _build_questions(items)


def _build_questions(items: Sequence[Item]) -> set[str]:
    build = splits.build_ids([item.id for item in items])
    return {normalised(item.question) for item in items if item.id in build}


def _count(removed: dict[str, Removed], hits: Sequence[Hit]) -> None:
    for task in {hit.task for hit in hits}:
        if any(hit.exact for hit in hits if hit.task == task):
            removed[task].exact += 1
        else:
            removed[task].ngram += 1

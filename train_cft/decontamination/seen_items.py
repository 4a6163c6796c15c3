"""Items of a benchmark that a model has seen: trained on, or asked again under another id."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from harness.errors import HarnessError
from harness.registry import TaskRegistry
from harness.types import Item
from train_cft.data import splits
from train_cft.decontamination.overlap import BenchmarkIndex


def trained_items(task: str, exempt: Mapping[str, Collection[str]]) -> set[str]:
    """Return the items of a task that are named as training source.

    Args:
        task: The task.
        exempt: Items by benchmark, as a build's ``build.json`` lists them. It names the items of
            ``math500_validation`` and not those of its two parts, which are the same.
    """
    names = (task, splits.PARENT) if task in splits.PARTS else (task,)
    return {item_id for name in names for item_id in exempt.get(name, ())}


def items_asking(questions: Sequence[str], task: str, items: Collection[Item]) -> set[str]:
    """Return the items of a task that ask one of these questions, whatever their ids are."""
    index = BenchmarkIndex()
    index.add(task, items, exact_only=True)
    return {hit.item_id for question in questions for hit in index.hits(question, ())}


def loaded_items(registry: TaskRegistry, task: str) -> Sequence[Item] | None:
    """Return a task's items; ``None`` where they cannot be had here."""
    try:
        return registry.load(task).items()
    except HarnessError:
        return None

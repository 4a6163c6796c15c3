"""Check a task's data: is every reference answer right under the task's own grading?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from harness.grading import GraderPool
from harness.task import Task, data_sha256, scorers_of
from harness.types import Item, Status, Verdict

_NEIGHBOURS = 1


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found about one task; everything is listed by item id.

    Attributes:
        task: Its name.
        items: How many it has.
        data_sha256: Hash of its rows, for the field of that name in the task's file.
        unparsed: Reference answers that the grader could not read.
        unequal: Reference answers that do not equal themselves.
        confused: Reference answers graded as equal to that of the item before, though the two
            differ as numbers.
        duplicates: Groups of items that ask the same question.
        conflicting: Those of them whose reference answers differ.
        noted: Items with a note of the task's author, for instance that a picture is missing.
    """

    task: str
    items: int
    data_sha256: str
    unparsed: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    confused: list[str] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    conflicting: list[list[str]] = field(default_factory=list)
    noted: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Nothing stands in the way of a right grade."""
        return not (self.unparsed or self.unequal or self.confused)


def check_task(task: Task) -> Findings:
    """Grade each reference answer against itself and its neighbour's, and find duplicates.

    Raises:
        HarnessError: The items cannot be loaded.
    """
    items = task.items()
    pairs = [
        (item, other)
        for item, other in zip(items[_NEIGHBOURS:], items, strict=False)
        if _differ_as_numbers(item.gold, other.gold)
    ]
    with GraderPool(scorers=scorers_of(items)) as pool:
        itself = [_compare(pool, item, item.gold) for item in items]
        crossed = [_compare(pool, item, other.gold) for item, other in pairs]
        verdicts = [future.result() for future in itself]
    groups = _same_questions(items)
    noted: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if item.note:
            noted[item.note].append(item.id)
    return Findings(
        task=task.name,
        items=len(items),
        data_sha256=data_sha256(items),
        unparsed=[i.id for i, v in zip(items, verdicts, strict=True) if v.status != Status.OK],
        unequal=[
            item.id
            for item, verdict in zip(items, verdicts, strict=True)
            if verdict.status == Status.OK and not verdict.correct
        ],
        confused=[
            item.id
            for (item, _), future in zip(pairs, crossed, strict=True)
            if future.result().correct
        ],
        duplicates=[[item.id for item in group] for group in groups],
        conflicting=[
            [item.id for item in group] for group in groups if len({i.gold for i in group}) > 1
        ],
        noted=dict(noted),
    )


def _compare(pool: GraderPool, item: Item, answer: str) -> Future[Verdict]:
    return pool.submit(
        gold=item.gold,
        response=answer,
        truncated=False,
        answer_type=item.answer_type,
        tolerance=item.tolerance,
        is_answer=True,
        scorer=item.scorer,
        reference=item.reference,
    )


def _differ_as_numbers(gold: str, other: str) -> bool:
    try:
        return abs(float(gold) - float(other)) > 0.05 * max(abs(float(gold)), abs(float(other)))
    except ValueError:
        return False


def _same_questions(items: Sequence[Item]) -> list[list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[re.sub(r"\s+", " ", item.question).strip().casefold()].append(item)
    return [group for group in groups.values() if len(group) > 1]

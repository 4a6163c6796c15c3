"""Solutions by a teacher, for the questions that come without one.

Each question becomes an item of a task, with its gold answer and judged as its benchmark judges:
the harness plans, sends, resumes and stores what the teacher writes as it does any generation.
Solutions that our grader does not find right are not used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.registry import TaskRegistry
from harness.run.callbacks import Callbacks
from harness.store.samples import Sample
from harness.task import Task
from harness.types import INFRASTRUCTURE_FAILURES, Item, Message, digest
from train_cft.critic.teacher import MAX_TOKENS, TEMPERATURE, Teacher, put
from train_cft.data.examples import Example
from train_cft.decontamination.seen_items import loaded_items

TASK = "solution"
BY_SOURCE = "source"
BY_TEACHER = "teacher"

_SYSTEM = (
    "You are an expert in science and mathematics. Solve the question step by step, so that a "
    "student can follow, and put your final answer within \\boxed{}."
)
WITHOUT_GOLD = "train_cft.solutions:score"


class Finding(StrEnum):
    """What became of one solution that a teacher was asked for."""

    RIGHT = "right"
    UNCHECKED = "unchecked"
    WRONG = "wrong"
    CUT_OFF = "cut off"
    EMPTY = "empty"
    NOT_JUDGED = "not judged"
    REPEATS = "repeats a benchmark"


_KEPT = (Finding.RIGHT, Finding.UNCHECKED)


def examine(sample: Sample, *, has_gold: bool) -> Finding:
    """Decide whether a solution may be trained on: complete, and right as far as is known.

    Args:
        sample: What the teacher wrote, as our grader judged it.
        has_gold: There was something to judge it by.
    """
    if not sample.answer.strip():
        return Finding.EMPTY
    if sample.truncated or sample.loop:
        return Finding.CUT_OFF
    if not has_gold:
        return Finding.UNCHECKED
    if sample.correct is None or sample.status in INFRASTRUCTURE_FAILURES:
        return Finding.NOT_JUDGED
    return Finding.RIGHT if sample.correct else Finding.WRONG


@dataclass(slots=True)
class Solved:
    """Examples with their solutions, and how these came about.

    Attributes:
        examples: All of them; those without a solution too.
        findings: Of the solutions that a teacher was asked for, one a question.
    """

    examples: list[Example] = field(default_factory=list)
    findings: Counter[Finding] = field(default_factory=Counter)

    def questions(self, by: str) -> int:
        """Return how many questions have a solution by the source, or by the teacher."""
        return len({one.question for one in self.examples if one.solution_by == by})


def solve(
    examples: Sequence[Example],
    teacher: Teacher | None,
    registry: TaskRegistry,
    repeats: Callable[[Example, str], bool],
    callbacks: Callbacks,
) -> Solved:
    """Ask a teacher for the solutions that are missing, and keep the right ones.

    Args:
        examples: What there is.
        teacher: Who is asked; ``None`` leaves it at the sources' own.
        registry: Where a task is loaded from, to judge by its own rules.
        repeats: Whether a solution of an example repeats a benchmark.
        callbacks: Hears of progress.

    Raises:
        HarnessError: The teacher stopped answering, or a prompt does not fit. What it wrote is
            kept, and the same call resumes.
    """
    marked = [replace(one, solution_by=BY_SOURCE if one.solution else "") for one in examples]
    own = {one.question for one in marked if one.solution}
    asked = {_id(one): one for one in reversed(marked) if one.question not in own}
    if teacher is None or not asked:
        return Solved(marked)
    items = {item.id: item for item in _items(asked, registry)}
    callbacks.phase(f"asking for {len(items):,} solutions")
    solved = Solved()
    texts = {}
    for sample in put(teacher, _task(items), callbacks)[1]:
        has_gold = items[sample.item_id].scorer != WITHOUT_GOLD
        finding = examine(sample, has_gold=has_gold)
        if finding in _KEPT and repeats(asked[sample.item_id], sample.answer):
            finding = Finding.REPEATS
        if finding in _KEPT:
            texts[sample.item_id] = sample.answer.strip()
        solved.findings[finding] += 1
    solved.examples = [
        replace(one, solution=texts[_id(one)], solution_by=BY_TEACHER) if _id(one) in texts else one
        for one in marked
    ]
    return solved


def _id(example: Example) -> str:
    return digest([example.question, example.gold])[:32]


def _items(asked: Mapping[str, Example], registry: TaskRegistry) -> Iterator[Item]:
    """Yield what is asked, with the tolerance or the scorer of its benchmark where that is here."""
    tasks = sorted({one.task for one in asked.values()} - {""})
    known = {
        (task, item.id, item.question, item.gold): item
        for task in tasks
        for item in loaded_items(registry, task) or ()
    }
    for name, one in asked.items():
        item = known.get((one.task, one.item_id, one.question, one.gold))
        if item is None:
            item = Item(name, one.question, one.gold, one.answer_type)
        if not item.gold and not item.scorer:
            item = replace(item, scorer=WITHOUT_GOLD)
        yield replace(item, id=name, subject=one.task)


def _task(items: Mapping[str, Item]) -> Task:
    return Task(
        TASK,
        "1",
        lambda: iter(items.values()),
        _prompt,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
    )


def _prompt(item: Item) -> Sequence[Message]:
    return [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": item.question},
    ]

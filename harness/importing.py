"""Taking another harness's responses into the store as a run of ours, graded by us."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.completions import split_thought
from harness.environment import libraries, machine
from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.importers import ImportedSample
from harness.judging import Judge, Told, grade_row
from harness.plan import item_row, now
from harness.store import Journal, Store
from harness.tasks_api import Task, data_sha256
from harness.types import DEFAULT_PROFILE, Item, Status, ThoughtTags, Verdict, digest

SOURCE_PROFILE = "source"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where responses come from.

    Attributes:
        format: Name of the importer.
        file_sha256: Hash of the file.
        model: What the leaderboard is to call the model.
        task: Name of the task they answer.
    """

    format: str
    file_sha256: str
    model: str
    task: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        run_id: The run it became.
        samples: How many responses were taken in.
        unmatched: Questions of the file that the task does not have; left out.
    """

    run_id: str
    samples: int
    unmatched: list[str]


def import_samples(
    store: Store,
    samples: Sequence[ImportedSample],
    origin: Origin,
    task: Task | None,
    told: Told,
) -> Imported:
    """Store responses as a run and judge them, beside the judgements they came with.

    Args:
        store: The results file.
        samples: From an importer.
        origin: Where they come from.
        task: Our task, whose items then replace the file's own by equal question text; ``None``
            keeps the file's items and gold answers.
        told: Called with run id, item id and verdict as they come.

    Raises:
        HarnessError: Not one question is the task's.
    """
    items, unmatched = _match(samples, task)
    if not items:
        raise HarnessError(
            f"None of the file's questions is an item of {origin.task}.",
            "Leave out --match to import it with its own questions and answers.",
        )
    listed = list({item.id: item for item in items.values()}.values())
    kept = [sample for sample in samples if sample.item_id in items]
    data = data_sha256(listed if task is None else task.items())
    run_id = digest([origin.file_sha256, origin.format, origin.model, origin.task, data])[:12]
    with Journal(store) as journal, GraderPool(profile=DEFAULT_PROFILE) as pool:
        for table, row in _head(run_id, origin, data, listed, kept, task):
            journal.append(table, row)
        judge = Judge(pool, journal, DEFAULT_PROFILE, told)
        for sample in kept:
            item = items[sample.item_id]
            key = digest([run_id, sample.item_id, sample.sample_index])[:32]
            generation = _generation(key, sample, restricted=bool(task and task.restricted))
            journal.append("request", _request(run_id, item, sample, key))
            journal.append("generation", generation)
            if sample.correct is not None:
                verdict = Verdict(sample.correct, Status.OK, method=origin.format)
                row = grade_row(key, item, verdict, SOURCE_PROFILE, origin.format)
                journal.append("grade", row)
            truncated = bool(generation["truncated"])
            judge.submit(run_id, item, key, generation["answer"], truncated=truncated)
        judge.wait()
    return Imported(run_id, len(kept), unmatched)


def _match(
    samples: Sequence[ImportedSample], task: Task | None
) -> tuple[dict[str, Item], list[str]]:
    """Return the item of each of the file's ids, and the questions without one."""
    if task is None:
        return {sample.item_id: _own_item(sample) for sample in samples}, []
    by_question: dict[str, list[Item]] = defaultdict(list)
    for item in task.items():
        by_question[_plain(item.question)].append(item)
    items: dict[str, Item] = {}
    unmatched: list[str] = []
    taken: set[str] = set()
    for sample in samples:
        if sample.item_id in items:
            continue
        # A benchmark may ask one question twice, of two pictures: the gold tells them apart, and
        # no two questions of the file become one item.
        asked = by_question.get(_plain(sample.question), [])
        same = [item for item in asked if item.id not in taken]
        same.sort(key=lambda item: _plain(item.gold) != _plain(sample.gold))
        if same:
            items[sample.item_id] = same[0]
            taken.add(same[0].id)
        elif sample.sample_index == 0:
            unmatched.append(sample.question)
    return items, unmatched


def _own_item(sample: ImportedSample) -> Item:
    return Item(
        id=sample.item_id,
        question=sample.question,
        gold=sample.gold,
        answer_type=sample.answer_type,
        tolerance=sample.tolerance,
        subject=sample.subject,
        level=sample.level,
    )


def _plain(question: str) -> str:
    return re.sub(r"\s+", " ", question).strip().casefold()


def _head(
    run_id: str,
    origin: Origin,
    data: str,
    items: Sequence[Item],
    samples: Sequence[ImportedSample],
    task: Task | None,
) -> list[tuple[str, dict[str, Any]]]:
    """Return the model, run and item rows."""
    fingerprint = digest(["imported", origin.model])
    # How it was sampled is not known, so that no other run has an equal protocol.
    protocol = {"task": origin.task, "imported": origin.format, "file_sha256": origin.file_sha256}
    model = {
        "fingerprint": fingerprint,
        "name": origin.model,
        "source": f"imported:{origin.format}",
        "architecture": "unknown",
        "parameters": None,
        "chat_template_sha256": None,
        "added_at": now(),
    }
    run = {
        "id": run_id,
        "model": fingerprint,
        "task": origin.task,
        "data_sha256": data,
        "protocol_sha256": digest(protocol),
        "protocol": protocol,
        "samples": 1 + max(sample.sample_index for sample in samples),
        "seed": 0,
        "replicate": 0,
        "items": len(items),
        "requests": len(samples),
        "backend": "imported",
        "engine_version": origin.format,
        "device": "unknown",
        "output_args": {},
        "chat": {},
        "libraries": libraries(),
        "machine": machine(),
        "restricted": bool(task and task.restricted),
        "created_at": now(),
    }
    rows: list[tuple[str, dict[str, Any]]] = [("model", model), ("run", run)]
    for ordinal, item in enumerate(items):
        row = item_row(item, origin.task, data, ordinal)
        if task and task.restricted:
            del row["question"], row["gold"]
        rows.append(("item", row))
    return rows


def _request(run_id: str, item: Item, sample: ImportedSample, key: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "item_id": item.id,
        "gold_id": item.gold_id,
        "sample_index": sample.sample_index,
        "key": key,
    }


def _generation(key: str, sample: ImportedSample, *, restricted: bool) -> dict[str, Any]:
    thought, answer = split_thought(sample.response, ThoughtTags(), starts_in_thought=False)
    return {
        "key": key,
        "thought": thought,
        "answer": answer or "",
        "finish_reason": "unknown",
        "truncated": answer is None,
        "loop": False,
        "prompt_tokens": None,
        "completion_tokens": None,
        "thought_tokens": None,
        "seconds": None,
        "restricted": restricted,
        "finished_at": now(),
    }

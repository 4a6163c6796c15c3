"""Runs to be compared, written the way a run writes them; every value is made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.grading import GRADER_VERSION
from harness.store import Journal, Store
from harness.store.rows import item_row
from harness.types import AnswerType, Item, Protocol, Sampling, digest

GREEDY = Sampling(max_tokens=512)
SAMPLED = Sampling(temperature=0.7, max_tokens=512)
_OLD = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Made:
    """One run: for each item, whether each of its samples is right.

    Attributes:
        template: Hash of the chat template.
        answers_from: What the generations say, where that is not what the grades say.
        grader: The version that judged them.
        shift: Number of the first item.
        cut_off: How many of the wrong samples were cut off.
        finished: Only so many items have come back.
        imported: Generated elsewhere.
        restricted: The benchmark keeps its text to itself.
    """

    model: str
    right: Sequence[Sequence[bool]]
    task: str = "sums"
    sampling: Sampling = GREEDY
    task_version: str = "1"
    template: str | None = "a" * 64
    chat: dict[str, Any] = field(default_factory=dict)
    engine: str = "0.32.0"
    output_args: dict[str, Any] = field(default_factory=lambda: {"dtype": "auto"})
    grader: str = GRADER_VERSION
    answers_from: Sequence[Sequence[bool]] | None = None
    replicate: int = 0
    shift: int = 0
    tokens: int = 20
    cut_off: int = 0
    finished: int | None = None
    imported: bool = False
    restricted: bool = False

    @property
    def id(self) -> str:
        facts = [self.model, self.task, asdict(self.sampling), self.replicate, self.grader]
        return digest([*facts, self.task_version, self.template, self.engine, self.output_args])[
            :12
        ]

    @property
    def fingerprint(self) -> str:
        return digest(["made up", self.model])


def store_of(path: Path, runs: Sequence[Made]) -> Path:
    """Write the runs into a results file through a journal, as a run does."""
    store = Store(path)
    with Journal(store) as journal:
        for run in runs:
            for table, row in _head(run):
                journal.append(table, row)
            for number in range(len(run.right)):
                for table, row in _item_rows(run, number):
                    journal.append(table, row)
    return path


def _data(run: Made) -> str:
    return digest(["made up data", run.task])


def _head(run: Made) -> list[tuple[str, dict[str, Any]]]:
    protocol = Protocol(run.task, run.task_version, _data(run), "m" * 64, run.sampling)
    facts = {"task": run.task, "imported": "jsonl", "file_sha256": digest(run.model)}
    model = {
        "fingerprint": run.fingerprint,
        "name": run.model,
        "source": f"/checkpoints/{run.model}",
        "architecture": "MadeUpForCausalLM",
        "parameters": 1000,
        "chat_template_sha256": run.template,
        "added_at": _OLD,
    }
    row = {
        "id": run.id,
        "model": run.fingerprint,
        "task": run.task,
        "data_sha256": _data(run),
        "protocol_sha256": protocol.sha256,
        "protocol": facts if run.imported else asdict(protocol),
        "samples": len(run.right[0]),
        "seed": 0,
        "replicate": run.replicate,
        "items": len(run.right),
        "requests": sum(map(len, run.right)),
        "backend": "imported" if run.imported else "vllm",
        "engine_version": run.engine,
        "device": "cpu",
        "output_args": run.output_args,
        "chat": run.chat,
        "libraries": {"torch": "2.13.0"},
        "machine": {"cpu": "made up"},
        "restricted": run.restricted,
        "created_at": _OLD,
    }
    return [("model", model), ("run", row)]


def _item_rows(run: Made, number: int) -> list[tuple[str, dict[str, Any]]]:
    number_of_item = number + run.shift
    item = Item(
        f"item {number_of_item}",
        f"What is {number_of_item} + 0?",
        f"{number_of_item}",
        AnswerType.INTEGER,
        subject="even" if number_of_item % 2 == 0 else "odd",
        level=f"Level {number_of_item % 3}",
    )
    row = item_row(item, run.task, _data(run), number_of_item)
    if run.restricted:
        del row["question"], row["gold"]
    rows = [("item", row)]
    finished = run.finished is None or number < run.finished
    for index, right in enumerate(run.right[number]):
        key = digest([run.id, number_of_item, index])[:32]
        rows.append(("request", _request(run, item, index, key)))
        if finished:
            written = right if run.answers_from is None else run.answers_from[number][index]
            cut_off = not right and number < run.cut_off
            rows.append(("generation", _generation(run, key, item.gold, written, cut_off)))
            rows.append(("grade", _grade(run, key, item, right, cut_off)))
    return rows


def _request(run: Made, item: Item, index: int, key: str) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "item_id": item.id,
        "gold_id": item.gold_id,
        "sample_index": index,
        "key": key,
    }


def _generation(run: Made, key: str, gold: str, right: bool, cut_off: bool) -> dict[str, Any]:
    return {
        "key": key,
        "thought": "",
        "answer": "so " * 9 if cut_off else f"The answer is {gold if right else '-1'}.",
        "finish_reason": "length" if cut_off else "stop",
        "truncated": cut_off,
        "loop": False,
        "prompt_tokens": 10,
        "completion_tokens": run.tokens,
        "thought_tokens": None,
        "seconds": 1.0,
        "restricted": run.restricted,
        "finished_at": _OLD,
    }


def _grade(run: Made, key: str, item: Item, right: bool, cut_off: bool) -> dict[str, Any]:
    return {
        "key": key,
        "gold_id": item.gold_id,
        "profile": "strict",
        "grader_version": run.grader,
        "correct": right,
        "status": "truncated" if cut_off else "ok",
        "extracted": item.gold if right else "-1",
        "extraction": "phrase",
        "method": "text",
        "seconds": 0.001,
        "graded_at": _OLD,
    }

"""Rows as a run writes them, with values made for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.store import Store
from harness.store.rows import item_row
from harness.types import AnswerType, Item, Protocol, Sampling

NOW = "2026-01-01T00:00:00+00:00"
PROTOCOL = Protocol("gsm8k", "1", "d" * 64, "m" * 64, Sampling())


def key(number: int) -> str:
    return f"{number:032x}"


def model(name: str = "tiny") -> dict[str, Any]:
    return {
        "fingerprint": f"fingerprint of {name}",
        "name": name,
        "source": "builtin:tiny",
        "architecture": "LlamaForCausalLM",
        "parameters": 1000,
        "chat_template_sha256": None,
        "added_at": NOW,
    }


def run(*, items: int = 1, requests: int = 1, name: str = "tiny") -> dict[str, Any]:
    return {
        "id": "aaaaaaaaaaaa",
        "model": f"fingerprint of {name}",
        "task": PROTOCOL.task,
        "data_sha256": PROTOCOL.data_sha256,
        "protocol_sha256": PROTOCOL.sha256,
        "protocol": {},
        "samples": 1,
        "seed": 0,
        "replicate": 0,
        "items": items,
        "requests": requests,
        "backend": "vllm",
        "engine_version": "0",
        "device": "cpu",
        "output_args": {},
        "libraries": {},
        "machine": {},
        "restricted": False,
        "created_at": NOW,
    }


def _item(number: int) -> Item:
    return Item(str(number), f"question {number}", str(number), AnswerType.INTEGER)


def item(number: int) -> dict[str, Any]:
    made = _item(number)
    return item_row(made, PROTOCOL.task, PROTOCOL.data_sha256, number)


def request(number: int) -> dict[str, Any]:
    return {
        "run_id": "aaaaaaaaaaaa",
        "item_id": str(number),
        "gold_id": _item(number).gold_id,
        "sample_index": 0,
        "key": key(number),
    }


def generation(
    number: int, *, answer: str = "an answer", truncated: bool = False
) -> dict[str, Any]:
    return {
        "key": key(number),
        "thought": "",
        "answer": answer,
        "finish_reason": "length" if truncated else "stop",
        "truncated": truncated,
        "loop": False,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "seconds": 1.5,
        "restricted": False,
        "finished_at": NOW,
    }


def grade(
    number: int,
    *,
    correct: bool,
    status: str = "ok",
    version: str = "1",
    graded_at: str = NOW,
) -> dict[str, Any]:
    return {
        "key": key(number),
        "gold_id": _item(number).gold_id,
        "profile": "strict",
        "grader_version": version,
        "correct": correct,
        "status": status,
        "extracted": str(number),
        "extraction": "boxed",
        "method": "text",
        "seconds": 0.001,
        "graded_at": graded_at,
    }


def left_by_an_earlier_version(
    store: Store, *rows: tuple[str, dict[str, Any]], name: str = "0123456789ab"
) -> Path:
    """Write the journal of a dead writer as versions before checksums did; return its one file."""
    folder = store.journal_dir / name
    folder.mkdir(parents=True)
    (folder / "owner.lock").touch()
    file = folder / "000001.jsonl"
    lines = (json.dumps({"table": table, "row": row}, ensure_ascii=False) for table, row in rows)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file

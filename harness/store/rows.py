"""Rows of the results file: one function a table makes what the store keeps of a thing."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.environment import libraries, machine
from harness.types import (
    RESOLVED_DTYPE,
    EngineIdentity,
    Generation,
    Item,
    Model,
    Verdict,
    digest,
    without_credentials,
)


def now() -> str:
    """Return the time in UTC, as the store keeps it."""
    return datetime.now(UTC).isoformat()


def model_row(model: Model) -> dict[str, Any]:
    """Return the row of a model."""
    return {
        "fingerprint": model.fingerprint,
        "name": model.name,
        "source": model.source,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "chat_template_sha256": model.chat_template_sha256,
        "added_at": now(),
    }


def run_row(
    run_id: str,
    fingerprint: str,
    protocol: Mapping[str, Any],
    engine: EngineIdentity,
    *,
    task: str,
    data_sha256: str,
    samples: int,
    items: int,
    requests: int,
    restricted: bool,
    seed: int = 0,
    replicate: int = 0,
    chat: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the row of a run.

    Args:
        run_id: Its id.
        fingerprint: Of its model.
        protocol: What makes it comparable, as ``Protocol.as_dict()``; an import's own where its
            source does not say that.
        engine: What generates, or generated.
        task: Name of the task.
        data_sha256: Hash of the task's items.
        samples: Samples per item.
        items: How many items are asked.
        requests: How many generations that takes.
        restricted: The task's text may appear nowhere.
        seed: Base seed.
        replicate: Number of this set of samples.
        chat: What the model's template is asked for, and what is wrong with it.
    """
    resolved = {RESOLVED_DTYPE: engine.dtype} if engine.dtype else {}
    return {
        "id": run_id,
        "model": fingerprint,
        "task": task,
        "data_sha256": data_sha256,
        "protocol_sha256": digest(protocol),
        "protocol": protocol,
        "samples": samples,
        "seed": seed,
        "replicate": replicate,
        "items": items,
        "requests": requests,
        "backend": engine.backend,
        "engine_version": engine.version,
        "device": engine.device,
        "output_args": without_credentials(engine.output_args) | resolved,
        "chat": chat or {},
        "libraries": libraries(),
        "machine": machine(),
        "restricted": restricted,
        "created_at": now(),
    }


def item_row(
    item: Item, task: str, data_sha256: str, ordinal: int, *, without: Collection[str] = ()
) -> dict[str, Any]:
    """Return the row of an item.

    Args:
        item: The item.
        task: Name of its task.
        data_sha256: Hash of the task's items.
        ordinal: Its place among all items of the task.
        without: Columns that are left out, because a restricted benchmark's text is not kept.
    """
    tolerance = item.tolerance
    row = {
        "task": task,
        "data_sha256": data_sha256,
        "id": item.id,
        "ordinal": ordinal,
        "question": item.question,
        "gold": item.gold,
        "gold_id": item.gold_id,
        "answer_type": item.answer_type,
        "tolerance_absolute": tolerance.absolute if tolerance else None,
        "tolerance_relative": tolerance.relative if tolerance else None,
        "subject": item.subject,
        "level": item.level,
        "option_order": list(item.option_order),
        "scorer": item.scorer,
    }
    return {name: value for name, value in row.items() if name not in without}


def request_row(run_id: str, item: Item, sample_index: int, key: str) -> dict[str, Any]:
    """Return the row of a request, whose generation has ``key``."""
    return {
        "run_id": run_id,
        "item_id": item.id,
        "gold_id": item.gold_id,
        "sample_index": sample_index,
        "key": key,
    }


def generation_row(generation: Generation, *, restricted: bool) -> dict[str, Any]:
    """Return the row of a generation; of a restricted task's the text may appear nowhere."""
    return _fields(generation) | {"restricted": restricted, "finished_at": now()}


def grade_row(key: str, item: Item, verdict: Verdict, profile: str, version: str) -> dict[str, Any]:
    """Return the row of a grade.

    Args:
        key: Of the generation.
        item: What it was graded against.
        verdict: The grader's.
        profile: Name of the grading profile.
        version: Of the grader.
    """
    return _fields(verdict) | {
        "key": key,
        "gold_id": item.gold_id,
        "profile": profile,
        "grader_version": version,
        "graded_at": now(),
    }


@dataclass(slots=True)
class SessionStats:
    """Wall clock of one session in seconds, by phase, and what it generated."""

    start: float = 0.0
    generate: float = 0.0
    grade: float = 0.0
    generated: int = 0
    completion_tokens: int = 0
    engine_settings: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)


def session_row(stats: SessionStats, outcome: str) -> dict[str, Any]:
    """Return the row of a session that ends now; the runs it was of are still to be named."""
    ended = datetime.now(UTC)
    seconds = stats.start + stats.generate + stats.grade
    return {
        "id": uuid.uuid4().hex[:12],
        "started_at": (ended - timedelta(seconds=seconds)).isoformat(),
        "ended_at": ended.isoformat(),
        "outcome": outcome,
        "engine_settings": without_credentials(stats.engine_settings),
        "generated": stats.generated,
        "completion_tokens": stats.completion_tokens,
        "start_seconds": stats.start,
        "generate_seconds": stats.generate,
        "grade_seconds": stats.grade,
        "usage": dict(stats.usage),
    }


def _fields(record: Generation | Verdict) -> dict[str, Any]:
    """Return the fields of a dataclass by name, unconverted."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}

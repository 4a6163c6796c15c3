"""From what was asked for to the requests it takes, before anything is started."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from harness.backends import Backend
from harness.environment import libraries, machine
from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from harness.models.prompts import RenderedPrompt
from harness.tasks_api import Task, data_sha256
from harness.types import EngineIdentity, Item, Protocol, Request, Run, Sampling, digest

_LISTED_ITEMS = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample; everything a user may choose about the requests of a run.

    Attributes:
        limit: Only the first items of each task; ``None`` for all.
        samples: Samples per item; ``None`` for the task's own number.
        temperature: 0 is greedy; ``None`` for the task's own.
        top_p: Nucleus mass in (0, 1].
        max_tokens: Budget of new tokens; ``None`` for the task's own.
        seed: Base seed.
        replicate: A fresh set of samples of the same model under the same protocol.
    """

    limit: int | None = None
    samples: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    max_tokens: int | None = None
    seed: int = 0
    replicate: int = 0

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            HarnessError: A value is out of range, or many greedy samples are asked for.
        """
        if self.limit is not None and self.limit < 1:
            raise HarnessError(
                f"--limit {self.limit} leaves nothing to evaluate.",
                "Give a positive number, or leave it out for all items.",
            )
        if self.samples is not None and self.samples < 1:
            raise HarnessError(f"--n {self.samples} is not a number of samples.", "Give 1 or more.")
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise HarnessError(
                f"--temperature {self.temperature} is negative or not a number.", "0 is greedy."
            )
        if not 0 < self.top_p <= 1:
            raise HarnessError(f"--top-p {self.top_p} is outside (0, 1].", "1 keeps everything.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise HarnessError(f"--max-tokens {self.max_tokens} leaves no room for an answer.")
        for name, value, bits in (("seed", self.seed, 63), ("replicate", self.replicate, 31)):
            if not 0 <= value < 1 << bits:
                raise HarnessError(
                    f"--{name} {value} is negative or has more than {bits} bits.",
                    "The first one is 0.",
                )

    def of(self, task: Task) -> tuple[int, Sampling]:
        """Return samples per item and sampling parameters, the task's own where none are given.

        Raises:
            HarnessError: Many greedy samples are asked for.
        """
        temperature = task.temperature if self.temperature is None else self.temperature
        samples = task.samples if self.samples is None else self.samples
        if samples > 1 and temperature == 0:
            raise HarnessError(
                f"{samples} greedy samples of an item of {task.name} would all be the same.",
                "Give a --temperature above 0, or --n 1.",
            )
        budget = self.max_tokens or task.max_tokens
        return samples, Sampling(temperature, self.top_p, budget, task.stop)


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One run: its items and the requests that it takes."""

    run: Run
    task: Task
    items: tuple[Item, ...]
    requests: tuple[Request, ...]

    @property
    def longest(self) -> int:
        """The longest prompt with its budget, in tokens."""
        return max(len(r.prompt_token_ids) + r.sampling.max_tokens for r in self.requests)

    def rows(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what the store is told before the run begins, as (table, row)."""
        run, protocol, engine = self.run, self.run.protocol, self.run.engine
        rows: list[tuple[str, dict[str, Any]]] = [
            (
                "run",
                {
                    "id": run.id,
                    "model": run.model,
                    "task": protocol.task,
                    "data_sha256": protocol.data_sha256,
                    "protocol_sha256": protocol.sha256,
                    "protocol": asdict(protocol),
                    "samples": run.samples,
                    "seed": run.seed,
                    "replicate": run.replicate,
                    "items": len(self.items),
                    "requests": len(self.requests),
                    "backend": engine.backend,
                    "engine_version": engine.version,
                    "device": engine.device,
                    "output_args": dict(engine.output_args),
                    "libraries": libraries(),
                    "machine": machine(),
                    "restricted": self.task.restricted,
                    "created_at": now(),
                },
            )
        ]
        for ordinal, item in enumerate(self.items):
            row = item_row(item, self.task.name, protocol.data_sha256, ordinal)
            if self.task.restricted:
                del row["question"], row["gold"]
            rows.append(("item", row))
        gold_ids = {item.id: item.gold_id for item in self.items}
        for request in self.requests:
            row = {
                "run_id": run.id,
                "item_id": request.item_id,
                "gold_id": gold_ids[request.item_id],
                "sample_index": request.sample_index,
                "key": request.key,
            }
            rows.append(("request", row))
        return rows


def item_row(item: Item, task: str, data_sha256: str, ordinal: int) -> dict[str, Any]:
    """Return what the store keeps about an item."""
    tolerance = item.tolerance
    return {
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


def model_row(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what the store keeps about a model."""
    return {
        "fingerprint": checkpoint.fingerprint,
        "name": checkpoint.name,
        "source": checkpoint.source,
        "architecture": checkpoint.architecture,
        "parameters": checkpoint.parameters,
        "chat_template_sha256": checkpoint.chat_template_sha256,
        "added_at": now(),
    }


def plan_task(task: Task, checkpoint: Checkpoint, backend: Backend, settings: Settings) -> TaskPlan:
    """Render one task's prompts and name its requests.

    Raises:
        HarnessError: The items cannot be loaded, or a prompt leaves less than the token budget.
    """
    every_item = task.items()
    items = every_item[: settings.limit]
    messages = [list(task.prompt(item)) for item in every_item]
    samples, sampling = settings.of(task)
    protocol = Protocol(
        task=task.name,
        task_version=task.version,
        data_sha256=data_sha256(every_item),
        messages_sha256=digest(messages),
        sampling=sampling,
    )
    engine = backend.identity()
    prompts = [backend.render(messages[number]) for number in range(len(items))]
    _check_room(task, items, prompts, sampling, checkpoint.max_context)
    requests = tuple(
        _request(checkpoint, engine, item, prompt, sampling, settings, sample_index)
        for item, prompt in zip(items, prompts, strict=True)
        for sample_index in range(samples)
    )
    run_id = digest(
        [
            checkpoint.fingerprint,
            protocol.sha256,
            asdict(engine),
            [[item.id, item.gold_id] for item in items],
            [request.key for request in requests],
        ]
    )[:12]
    run = Run(
        id=run_id,
        model=checkpoint.fingerprint,
        protocol=protocol,
        item_ids=tuple(item.id for item in items),
        samples=samples,
        seed=settings.seed,
        replicate=settings.replicate,
        engine=engine,
    )
    return TaskPlan(run, task, tuple(items), requests)


def _request(
    checkpoint: Checkpoint,
    engine: EngineIdentity,
    item: Item,
    prompt: RenderedPrompt,
    sampling: Sampling,
    settings: Settings,
    sample_index: int,
) -> Request:
    of_the_sample = [prompt.token_ids, settings.seed, settings.replicate, sample_index]
    key = digest([checkpoint.fingerprint, asdict(engine), asdict(sampling), *of_the_sample])
    return Request(
        key=key[:32],
        item_id=item.id,
        sample_index=sample_index,
        prompt_token_ids=prompt.token_ids,
        sampling=sampling,
        seed=int(digest(of_the_sample)[:16], 16) >> 1,
        starts_in_thought=prompt.starts_in_thought,
    )


def _check_room(
    task: Task,
    items: Sequence[Item],
    prompts: Sequence[RenderedPrompt],
    sampling: Sampling,
    context: int | None,
) -> None:
    """No prompt is ever truncated: one that leaves less than the budget refuses the run."""
    if context is None:
        return
    tight = [
        (item.id, len(prompt.token_ids))
        for item, prompt in zip(items, prompts, strict=True)
        if len(prompt.token_ids) + sampling.max_tokens > context
    ]
    if not tight:
        return
    longest = max(length for _, length in tight)
    listed = ", ".join(f"{name} ({length} tokens)" for name, length in tight[:_LISTED_ITEMS])
    more = f" and {len(tight) - _LISTED_ITEMS} more" if len(tight) > _LISTED_ITEMS else ""
    raise HarnessError(
        f"The model's context of {context} tokens has no room for {sampling.max_tokens} new tokens "
        f"after these prompts of {task.name}: {listed}{more}.",
        f"Give --max-tokens {context - longest} or less."
        if longest < context
        else "Use a model with a longer context.",
    )


def now() -> str:
    """Return the time in UTC, as the store keeps it."""
    return datetime.now(UTC).isoformat()

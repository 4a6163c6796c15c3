"""From what was asked for to the requests it takes, before anything is started."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from harness.backends import Backend
from harness.environment import libraries, machine
from harness.errors import HarnessError
from harness.restricted import guarded
from harness.subset import drawn
from harness.tasks_api import Task, data_sha256
from harness.types import (
    RESOLVED_DTYPE,
    Chat,
    EngineIdentity,
    Item,
    Message,
    Model,
    Prompt,
    Protocol,
    Request,
    Run,
    Sampling,
    digest,
    without_credentials,
)

_LISTED_ITEMS = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample; everything a user may choose about the requests of a run.

    Attributes:
        limit: How many items of each task, chosen by :func:`harness.subset.drawn`; ``None`` for
            all.
        item_ids: The only items that may be asked; ``None`` for all of the task.
        samples: Samples per item; ``None`` for the task's own number.
        temperature: 0 is greedy; ``None`` for the task's own.
        top_p: Nucleus mass in (0, 1].
        max_tokens: Budget of new tokens; ``None`` for the task's own.
        seed: Base seed.
        replicate: A fresh set of samples of the same model under the same protocol.
        system: A system prompt in place of the task's own.
        chat: What the model's template is asked for.
        thinking_budget: Tokens after which the engine ends a thought.
        stop_loops: End a generation that repeats itself.
    """

    limit: int | None = None
    item_ids: frozenset[str] | None = None
    samples: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    max_tokens: int | None = None
    seed: int = 0
    replicate: int = 0
    system: str | None = None
    chat: Chat = Chat()
    thinking_budget: int | None = None
    stop_loops: bool = False

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
        if self.thinking_budget is not None and self.thinking_budget < 0:
            raise HarnessError(f"--thinking-budget {self.thinking_budget} is negative.")
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
        return samples, Sampling(
            temperature=temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens or task.max_tokens,
            stop=task.stop,
            thinking_budget=self.thinking_budget,
            stop_loops=self.stop_loops,
        )

    def chosen(self, items: Sequence[Item]) -> list[Item]:
        """Return those of a task's items that are asked, in the order of the task."""
        ids = self.item_ids
        return drawn([item for item in items if ids is None or item.id in ids], self.limit)

    def messages(self, task: Task, item: Item) -> list[Message]:
        """Return an item's conversation, with the system prompt that was asked for.

        A task's own system prompt gives way: two would leave open which of them counts.
        """
        messages = list(task.prompt(item))
        if self.system is None:
            return messages
        turns = [message for message in messages if message["role"] != "system"]
        return [{"role": "system", "content": self.system}, *turns]

    def replaces_system(self, task: Task) -> bool:
        """Say whether a task has a system prompt, in whose place another is put."""
        if self.system is None:
            return False
        turns = [turn for item in task.items()[:1] for turn in task.prompt(item)]
        own = [turn["content"] for turn in turns if turn["role"] == "system"]
        return bool(own) and own != [self.system]


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One run: its items and the requests that it takes.

    Attributes:
        run: What defines it.
        task: The task.
        model: The model.
        items: The items that are asked.
        requests: What is to be completed.
        chat: What the model's template is asked for.
        ordinals: The place of each item among all items of the task.
    """

    run: Run
    task: Task
    model: Model
    items: tuple[Item, ...]
    requests: tuple[Request, ...]
    chat: Chat
    ordinals: tuple[int, ...]

    @property
    def longest(self) -> int:
        """The longest prompt with its budget, in tokens."""
        return max(len(r.prompt.token_ids) + r.sampling.max_tokens for r in self.requests)

    def rows(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what the store is told before the run begins, as (table, row)."""
        run, protocol, engine = self.run, self.run.protocol, self.run.engine
        fault = self.model.chat_template_fault
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
                    "output_args": without_credentials(engine.output_args)
                    | ({RESOLVED_DTYPE: engine.dtype} if engine.dtype else {}),
                    "chat": asdict(self.chat)
                    | ({"template_fault": fault} if fault is not None else {}),
                    "libraries": libraries(),
                    "machine": machine(),
                    "restricted": self.task.restricted,
                    "created_at": now(),
                },
            )
        ]
        for ordinal, item in zip(self.ordinals, self.items, strict=True):
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


def model_row(model: Model) -> dict[str, Any]:
    """Return what the store keeps about a model."""
    return {
        "fingerprint": model.fingerprint,
        "name": model.name,
        "source": model.source,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "chat_template_sha256": model.chat_template_sha256,
        "added_at": now(),
    }


def plan_task(task: Task, model: Model, backend: Backend, settings: Settings) -> TaskPlan:
    """Render one task's prompts and name its requests.

    Raises:
        HarnessError: The items cannot be loaded, or a prompt leaves less than the token budget.
    """
    every_item = task.items()
    task = guarded(task, every_item)
    items = settings.chosen(every_item)
    ordinals = {item.id: ordinal for ordinal, item in enumerate(every_item)}
    samples, sampling = settings.of(task)
    protocol = protocol_of(task, every_item, settings)
    engine = backend.identity(model)
    prompts = [
        backend.render(model, settings.messages(task, item), settings.chat) for item in items
    ]
    _check_room(task, items, prompts, sampling, model.max_context)
    requests = tuple(
        request
        for item, prompt in zip(items, prompts, strict=True)
        for request in _requests(model, engine, item, prompt, sampling, settings, samples)
    )
    run_id = digest(
        [
            model.fingerprint,
            protocol.sha256,
            engine.identity,
            [[item.id, item.gold_id] for item in items],
            [request.key for request in requests],
        ]
    )[:12]
    run = Run(
        id=run_id,
        model=model.fingerprint,
        protocol=protocol,
        item_ids=tuple(item.id for item in items),
        samples=samples,
        seed=settings.seed,
        replicate=settings.replicate,
        engine=engine,
    )
    return TaskPlan(
        run=run,
        task=task,
        model=model,
        items=tuple(items),
        requests=requests,
        chat=settings.chat,
        ordinals=tuple(ordinals[item.id] for item in items),
    )


def protocol_of(task: Task, items: Sequence[Item], settings: Settings) -> Protocol:
    """Return the protocol of a task with all its items, whatever model is asked.

    Raises:
        HarnessError: Many greedy samples are asked for.
    """
    return Protocol(
        task=task.name,
        task_version=task.version,
        data_sha256=data_sha256(items),
        messages_sha256=digest([settings.messages(task, item) for item in items]),
        sampling=settings.of(task)[1],
    )


def _requests(
    model: Model,
    engine: EngineIdentity,
    item: Item,
    prompt: Prompt,
    sampling: Sampling,
    settings: Settings,
    samples: int,
) -> Iterator[Request]:
    """Yield one item's requests, next to each other so that they share its prompt's cache."""
    of_the_item = [digest(prompt.identity), settings.seed, settings.replicate]
    of_the_run = [model.fingerprint, engine.identity, asdict(sampling)]
    for sample_index in range(samples):
        of_the_sample = [*of_the_item, sample_index]
        yield Request(
            key=digest([*of_the_run, *of_the_sample])[:32],
            item_id=item.id,
            sample_index=sample_index,
            prompt=prompt,
            sampling=sampling,
            seed=int(digest(of_the_sample)[:16], 16) >> 1,
        )


def _check_room(
    task: Task,
    items: Sequence[Item],
    prompts: Sequence[Prompt],
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


def run_names(plans: Sequence[TaskPlan]) -> dict[str, str]:
    """Return what to call each run: its task, and its model where there are several."""
    several = len({plan.model.fingerprint for plan in plans}) > 1
    return {
        plan.run.id: f"{plan.model.name} {plan.task.name}" if several else plan.task.name
        for plan in plans
    }


def now() -> str:
    """Return the time in UTC, as the store keeps it."""
    return datetime.now(UTC).isoformat()

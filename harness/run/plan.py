"""From what was asked for to the requests it takes, before anything is started."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from harness.backends.base import Backend
from harness.errors import HarnessError
from harness.run.restricted import mark_restricted
from harness.store import Store, queries, rows
from harness.task import Task, data_sha256
from harness.types import (
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
)

_LISTED_ITEMS = 5
# Reasoning models write some thousand tokens before they answer a mathematical question.
_ENOUGH_FOR_THOUGHTS = 8192
# Never to be changed: another one selects other items.
_LIMIT_SALT = "cft-harness limit"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample; everything a user may choose about the requests of a run.

    Attributes:
        limit: How many items of each task, chosen by :func:`limit_items`; ``None`` for all.
        item_ids: The only items that may be asked; ``None`` for all of the task.
        samples: Samples per item; ``None`` for the task's own number.
        temperature: 0 is greedy; ``None`` for the task's own.
        top_p: Nucleus sampling, in (0, 1].
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
        """Refuse values out of range.

        Raises:
            HarnessError: A value is out of range.
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

    def resolve(self, task: Task) -> tuple[int, Sampling]:
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

    def select(self, items: Sequence[Item]) -> list[Item]:
        """Return those of a task's items that are asked, in the order of the task."""
        ids = self.item_ids
        return limit_items([item for item in items if ids is None or item.id in ids], self.limit)

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

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what the store keeps of the run before it begins, as (table, row)."""
        run, protocol, fault = self.run, self.run.protocol, self.model.chat_template_fault
        yield "model", rows.model_row(self.model)
        yield (
            "run",
            rows.run_row(
                run.id,
                run.model,
                protocol.as_dict(),
                run.engine,
                task=protocol.task,
                data_sha256=protocol.data_sha256,
                samples=run.samples,
                items=len(self.items),
                requests=len(self.requests),
                restricted=self.task.restricted,
                seed=run.seed,
                replicate=run.replicate,
                chat=asdict(self.chat) | ({"template_fault": fault} if fault is not None else {}),
            ),
        )
        hidden = ("question", "gold") if self.task.restricted else ()
        for ordinal, item in zip(self.ordinals, self.items, strict=True):
            row = rows.item_row(item, protocol.task, protocol.data_sha256, ordinal, without=hidden)
            yield "item", row
        items = {item.id: item for item in self.items}
        for request in self.requests:
            item = items[request.item_id]
            yield "request", rows.request_row(run.id, item, request.sample_index, request.key)


def plan_task(task: Task, model: Model, backend: Backend, settings: Settings) -> TaskPlan:
    """Render one task's prompts and name its requests.

    Raises:
        HarnessError: The items cannot be loaded, or a prompt leaves less than the token budget.
    """
    every_item = task.items()
    task = mark_restricted(task, every_item)
    items = settings.select(every_item)
    ordinals = {item.id: ordinal for ordinal, item in enumerate(every_item)}
    samples, sampling = settings.resolve(task)
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
        sampling=settings.resolve(task)[1],
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
    of_the_run = [model.fingerprint, engine.identity, sampling.as_dict()]
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


def limit_items(items: Sequence[Item], limit: int | None) -> list[Item]:
    """Return the items whose ids have the smallest hashes, in the order they come in.

    Which they are depends on the ids alone: they are the same on every machine, those of a small
    limit are among those of a larger one, and an item that is added to a benchmark displaces at
    most one. A benchmark's file may be sorted by subject or level, so that its first items are no
    sample of it.

    Args:
        items: All items.
        limit: How many to return at most; ``None`` for all.
    """
    if limit is None or limit >= len(items):
        return list(items)
    chosen = {item.id for item in sorted(items, key=_limit_hash)[:limit]}
    return [item for item in items if item.id in chosen]


def _limit_hash(item: Item) -> bytes:
    return sha256(f"{_LIMIT_SALT}\0{item.id}".encode()).digest()


def with_stored_items(store: Store, task: Task, settings: Settings) -> Settings:
    """Return the settings for one task with the items that a limit selects in a results file.

    Earlier versions took the first items of a task. A file that has such a run, and none on the
    items that :func:`limit_items` selects, goes on with the first ones: interrupted runs are
    completed, and its runs can be compared.
    """
    limit = settings.limit
    if limit is None or not store.path.exists():
        return settings
    items = task.items()
    data = data_sha256(items)
    first = frozenset(item.id for item in items[:limit])
    by_hash = {item.id for item in limit_items(items, limit)}
    if (
        first == by_hash
        or queries.has_run_on(store, task.name, data, by_hash)
        or not queries.has_run_on(store, task.name, data, first)
    ):
        return settings
    return replace(settings, item_ids=first)


def with_stored_fingerprint(model: Model, store: Store) -> Model:
    """Return a model under the fingerprint that its stored results or its training have.

    Earlier versions took the fingerprint over files that no loader reads as well. Where those are
    as they were, what is stored under it is of these very files, and is gone on with.
    """
    earlier = model.earlier_fingerprint
    if earlier is None or not store.path.exists():
        return model
    known = queries.fingerprints(store)
    if earlier in known and model.fingerprint not in known:
        return replace(model, fingerprint=earlier)
    return model


def thought_budget_notice(plans: Sequence[TaskPlan], settings: Settings) -> str:
    """Return a notice where a reasoning model has only the tasks' default budgets, else nothing."""
    if settings.max_tokens is not None or settings.chat.thinking is False:
        return ""
    prompts = [request.prompt for plan in plans for request in plan.requests]
    marks = any(prompt.starts_in_thought or prompt.tags.closing_ids for prompt in prompts)
    short = [plan.task for plan in plans if plan.task.max_tokens < _ENOUGH_FOR_THOUGHTS]
    if not short or not (marks or settings.chat.thinking):
        return ""
    budgets = ", ".join(f"{task.max_tokens:,} for {task.name}" for task in short)
    return (
        f"{plans[0].model.name} can think, and the tasks' own budgets of new tokens may cut its "
        f"thoughts off ({budgets}): --max-tokens sets another."
    )

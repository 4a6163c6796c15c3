"""What a gate spends beyond what it reads, and how long it takes: its driver on a simulated engine.

    python -m bench.window [--gates 100] [--slots 256 64] [--json OUT.json]

The driver, the evidence and the plan of the requests are the gate's own. The engine
has a clock of its own: continuous batching, requests taken in order and twice as many as it has
slots for, one token a step and sequence, and steps that take 7 ms and 0.035 ms for each sequence (a
7B model in bf16 on one H100: weights are read once a step, caches once a sequence; no prefill).
What is under way when the verdict comes is aborted and counts. Graders take no time, and there are
no guards. Lengths are log-normal, and wrong answers 2.5 times as long.

``in flight`` is a gate that limits only the number of requests under way. Read as they arrive is
the same evidence without its seeded order.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.items import population
from harness.backends.base import EngineOptions
from harness.gate.evidence import GateEvidence, TaskEvidence, order_of
from harness.gate.run import EarlyStopping
from harness.run.plan import Settings, TaskPlan, plan_task
from harness.statistics.betting import Floats
from harness.statistics.sequential import Evidence, Outcome, Rule
from harness.store.item_results import ItemResult
from harness.task import Task
from harness.types import (
    AnswerType,
    Chat,
    Completion,
    EngineIdentity,
    Generation,
    Item,
    Message,
    Model,
    Prompt,
    Request,
    Status,
    Verdict,
)

ITEMS = 1319  # as many as GSM8K's test
RULE = Rule(0.03, 0.04, 0.05)  # the defaults for one task; the rest of alpha is the guards'
DISCORDANCE = 0.2
TOKENS = 300  # of a right answer
WRONG_IS_LONGER = 2.5
STEP_MS, SEQUENCE_MS = 7.0, 0.035
WHOLE_EVALUATIONS = 10  # so many are enough for their mean time
DROPS = (0.0, 0.03, 0.05, 0.10)


class Engine:
    """An engine with so many slots, whose clock counts milliseconds.

    Args:
        tokens: How many each request takes, by its key.
        slots: Most sequences in a batch.

    Attributes:
        milliseconds: What its steps have taken.
        made: New tokens, those of aborted requests included.
    """

    def __init__(self, tokens: Mapping[str, int], slots: int) -> None:
        self._tokens = tokens
        self._slots = slots
        self.milliseconds = 0.0
        self.made = 0

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        """Yield completions as :meth:`harness.backends.base.Backend.generate` does."""
        waiting = iter(requests)
        queued: deque[Request] = deque()
        batch: list[tuple[int, int, Request]] = []  # last step, number, request
        step = number = 0
        try:
            while True:
                while len(queued) + len(batch) < 2 * self._slots:
                    if (request := next(waiting, None)) is None:
                        break
                    queued.append(request)
                while queued and len(batch) < self._slots:
                    request = queued.popleft()
                    number += 1
                    heapq.heappush(batch, (step + self._tokens[request.key], number, request))
                if not batch:
                    return
                ended, _, request = batch[0]
                self.milliseconds += (ended - step) * (STEP_MS + SEQUENCE_MS * len(batch))
                step = ended
                heapq.heappop(batch)
                count = self._tokens[request.key]
                self.made += count
                yield Completion(request.key, "", (), "stop", 0.0, completion_tokens=count)
        finally:
            self.made += sum(self._tokens[r.key] - (ended - step) for ended, _, r in batch)


class Planned:
    """As much of a backend as the plan of a run asks for."""

    def __init__(self, options: EngineOptions, **_: object) -> None:
        pass

    def identity(self, model: Model) -> EngineIdentity:
        return EngineIdentity("simulated", "1", "none", {})

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        return Prompt(token_ids=tuple(messages[-1]["content"].encode()))


@cache
def plan_of(samples: int) -> TaskPlan:
    def load() -> Iterator[Item]:
        for number in range(ITEMS):
            yield Item(str(number), f"question {number}", "1", AnswerType.INTEGER)

    def prompt(item: Item) -> list[Message]:
        return [{"role": "user", "content": item.question}]

    task = Task("simulated", "1", load, prompt, temperature=1.0)
    model = Model("candidate", "simulated", "0" * 64, parameters=1)
    backend: Any = Planned(EngineOptions())
    return plan_task(task, model, backend, Settings(samples=samples))


@dataclass(frozen=True, slots=True)
class Answers:
    """What both models answer to every item.

    Attributes:
        stored: How many of the baseline's samples were right, by item.
        right: Whether each sample of the candidate is; shape (items, samples).
        tokens: How long each of them is.
    """

    stored: NDArray[np.intp]
    right: NDArray[np.bool_]
    tokens: NDArray[np.intp]

    @classmethod
    def drawn(cls, drop: float, samples: int, sigma: float, seed: int) -> Answers:
        """Draw them; the baseline has as many samples of an item as the candidate."""
        random = np.random.default_rng([seed, samples, round(100 * sigma), round(1000 * drop)])
        kinds = _kinds(drop)
        kind = random.choice(len(kinds.chances), p=kinds.weights, size=ITEMS)
        stored = random.binomial(samples, kinds.chances[kind])
        right = random.random((ITEMS, samples)) < kinds.candidate(drop)[kind][:, None]
        lengths = random.lognormal(0.0, sigma, (ITEMS, samples))
        tokens = np.ceil(TOKENS * lengths * np.where(right, 1.0, WRONG_IS_LONGER)).astype(int)
        return cls(stored, right, tokens)

    @property
    def drops(self) -> Floats:
        """The difference on each item."""
        difference: Floats = self.stored / self.right.shape[1] - self.right.mean(1)
        return difference


@cache
def _kinds(drop: float) -> Any:
    return population(None).tilted(DISCORDANCE, drop)


class InFlight(EarlyStopping):
    """Limits how many requests are under way, however far ahead they are."""

    def _has_room(self, task: str, unit: int) -> bool:
        return len(self._unjudged) < (self._window or ITEMS)


Directed = Callable[[GateEvidence, Sequence[TaskPlan]], EarlyStopping]
WAYS: dict[str, Directed] = {
    "in flight, 256": lambda evidence, plans: InFlight(evidence, plans, 256),
    "window 256": lambda evidence, plans: EarlyStopping(evidence, plans, 256),
    "window 64": lambda evidence, plans: EarlyStopping(evidence, plans, 64),
    "default": lambda evidence, plans: EarlyStopping(evidence, plans, None),
}


@dataclass(frozen=True, slots=True)
class Gate:
    """How one gate ended: verdict, items read, new tokens, milliseconds."""

    outcome: Outcome
    read: int
    tokens: int
    milliseconds: float


def gate(directed: Directed, answers: Answers, slots: int, seed: int) -> Gate:
    """Carry out one gate as ``harness.gate.run`` does, without store and graders."""
    samples = answers.right.shape[1]
    plan = plan_of(samples)
    items = plan.run.item_ids
    baseline = {
        item: ItemResult(item, "", "", "", samples, int(right), 0, 0, 0, 0, 0)
        for item, right in zip(items, answers.stored, strict=True)
    }
    order = order_of(list(items), seed, "candidate")
    evidence = GateEvidence(
        [TaskEvidence(plan.task.name, order, samples, baseline, {})], {plan.task.name: RULE}, None
    )
    stopping = directed(evidence, [plan])
    asked = {request.key: request for request in plan.requests}
    stopping.missing = set(asked)
    right = dict(zip(asked, answers.right.ravel().tolist(), strict=True))
    engine = Engine(dict(zip(asked, answers.tokens.ravel().tolist(), strict=True)), slots)
    completions = engine.generate(stopping.requests())
    for done in completions:
        count = done.completion_tokens
        generation = Generation(done.key, "", "", "stop", False, False, 0, count, 0, 0.0)
        verdict = Verdict(right[done.key], Status.OK)
        stopping.on_verdict(plan, asked[done.key], generation, verdict)
        if stopping.on_completion(done.key):
            break
    completions.close()
    read = len(evidence.tasks[plan.task.name].read)
    return Gate(evidence.outcome, read, engine.made, engine.milliseconds)


def whole(answers: Answers, slots: int) -> tuple[float, list[str]]:
    """Return what everything takes in milliseconds, and the keys as they arrive."""
    requests = plan_of(answers.right.shape[1]).requests
    lengths = zip(requests, answers.tokens.ravel().tolist(), strict=True)
    engine = Engine({request.key: count for request, count in lengths}, slots)
    arrived = [done.key for done in engine.generate(iter(requests))]
    return engine.milliseconds, arrived


@dataclass(frozen=True, slots=True)
class Cell:
    """Means over simulated gates, each with its standard error.

    ``read`` is the share of the items, ``spent`` that of a whole evaluation's new tokens, ``ratio``
    their quotient, and ``waited`` the share of a whole evaluation's time.
    """

    slots: int
    samples: int
    sigma: float
    drop: float
    way: str
    gates: int
    failed: float
    passed: float
    read: tuple[float, float]
    spent: tuple[float, float]
    ratio: float
    waited: tuple[float, float]


def cell(way: str, slots: int, samples: int, sigma: float, drop: float, gates: int) -> Cell:
    drawn = [Answers.drawn(drop, samples, sigma, seed) for seed in range(gates)]
    ended = [gate(WAYS[way], answers, slots, seed) for seed, answers in enumerate(drawn)]
    everything = np.mean([whole(answers, slots)[0] for answers in drawn[:WHOLE_EVALUATIONS]])
    read = [one.read / ITEMS for one in ended]
    spent = [one.tokens / answers.tokens.sum() for one, answers in zip(ended, drawn, strict=True)]
    return Cell(
        slots,
        samples,
        sigma,
        drop,
        way,
        gates,
        float(np.mean([one.outcome is Outcome.FAIL for one in ended])),
        float(np.mean([one.outcome is Outcome.PASS for one in ended])),
        _mean(read),
        _mean(spent),
        float(np.mean(spent) / np.mean(read)),
        _mean([one.milliseconds / everything for one in ended]),
    )


def _mean(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values) / len(values) ** 0.5)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Shares of gates that end so when the evidence is read as it arrives."""

    slots: int
    sigma: float
    drop: float
    gates: int
    failed: float
    passed: float


def by_arrival(slots: int, sigma: float, drop: float, gates: int) -> Arrival:
    """Read single samples as they arrive, as a gate without a seeded order would."""
    outcomes = []
    for seed in range(gates):
        answers = Answers.drawn(drop, 1, sigma, seed)
        differences = dict(zip((r.key for r in plan_of(1).requests), answers.drops, strict=True))
        evidence = Evidence(RULE, ITEMS)
        for key in whole(answers, slots)[1]:
            if evidence.update(float(differences[key])) is not Outcome.UNDECIDED:
                break
        outcomes.append(evidence.outcome)
    failed, passed = (outcomes.count(which) / gates for which in (Outcome.FAIL, Outcome.PASS))
    return Arrival(slots, sigma, drop, gates, failed, passed)


COLUMNS = ("slots", "samples", "sigma", "drop", "way", "pass", "fail", "read", "spent")


def show(console: Console, cells: Sequence[Cell], arrivals: Sequence[Arrival]) -> None:
    title = f"{ITEMS} items, margin {RULE.margin:.0%}; % of the gates, % of a whole evaluation"
    table = Table(*COLUMNS, "spent/read", "time", title=title)
    for c in cells:
        table.add_row(
            str(c.slots), str(c.samples), f"{c.sigma}", f"{c.drop:.0%}", c.way, f"{c.passed:.0%}",
            f"{c.failed:.0%}", _percent(c.read), _percent(c.spent), f"{c.ratio:.2f}",
            _percent(c.waited), end_section=c.way == list(WAYS)[-1],
        )  # fmt: skip
    console.print(table)
    title = "Single samples, read as they arrive"
    table = Table("slots", "sigma", "drop", "pass", "fail", title=title)
    for a in arrivals:
        table.add_row(
            str(a.slots), f"{a.sigma}", f"{a.drop:.0%}", f"{a.passed:.0%}", f"{a.failed:.0%}"
        )
    console.print(table)


def _percent(estimate: tuple[float, float]) -> str:
    value, error = (100 * number for number in estimate)
    return f"{value:.1f} ± {error:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gates", type=int, default=100, help="a cell")
    parser.add_argument("--slots", type=int, nargs="+", default=[256, 64])
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.5, 1.0], help="log-normal")
    parser.add_argument("--drops", type=float, nargs="+", default=list(DROPS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, help="write every cell here")
    arguments = parser.parse_args()
    began = time.monotonic()
    kinds = [
        (slots, samples, sigma, drop)
        for slots in arguments.slots
        for samples in arguments.samples
        for sigma in arguments.sigma
        for drop in arguments.drops
    ]
    cells = [cell(way, *kind, arguments.gates) for kind in kinds for way in arguments.ways]
    arrivals = [
        by_arrival(slots, sigma, drop, arguments.gates)
        for slots in arguments.slots
        for sigma in arguments.sigma
        for drop in arguments.drops
    ]
    console = Console(width=120)
    show(console, cells, arrivals)
    console.print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        found = {"cells": [asdict(c) for c in cells], "arrivals": [asdict(a) for a in arrivals]}
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

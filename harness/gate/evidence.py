"""The evidence of one gate: what has arrived, what of it may be read, and the tests on it.

Evidence is read in units, from their completed prefix. Over new items a unit is an item with all
its samples, and the items have a seeded random order; on these items it is a round, one sample of
every item. Of several tasks units are requested and read in proportion. Answers that the grader's
infrastructure failed on count as wrong; as soon as there is one, the same evidence is tested twice
more, with such answers counted for the candidate and against it, and a verdict holds only where all
three agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from harness.gate.config import Guards, Tier
from harness.gate.sequential_tests import SequentialTests, Size
from harness.statistics.ordering import CompletedPrefix, rounds, seeded_order
from harness.statistics.sequential import Outcome, RateGuard, Rule
from harness.store.item_results import ItemResult, SampleResult
from harness.types import INFRASTRUCTURE_FAILURES, Status, digest


class Rates(NamedTuple):
    """How often what went wrong on one item, as shares of its samples."""

    truncation: float
    no_answer: float
    loop: float
    grader_failure: float

    @classmethod
    def of_stored(cls, item: ItemResult) -> Rates:
        """Return those of an item of the baseline."""
        counts = (item.truncated, item.no_answer, item.loops, item.failures)
        return cls(*(count / item.samples for count in counts))

    @classmethod
    def of_samples(cls, samples: Sequence[SampleResult]) -> Rates:
        """Return those of an item of the candidate."""
        every = [
            (s.truncated, s.status is Status.NO_ANSWER, s.loop, s.status in INFRASTRUCTURE_FAILURES)
            for s in samples
        ]
        return cls(*(sum(column) / len(every) for column in zip(*every, strict=True)))


@dataclass(frozen=True, slots=True)
class ReadItem:
    """One item of which both sides are known; in a round, with the samples of that round.

    Attributes:
        item_id: The item.
        baseline: The baseline's score on it, a share.
        candidate: The candidate's.
        baseline_rates: What went wrong.
        candidate_rates: What went wrong; failures of the grader count as wrong answers.
        tokens: What the candidate took.
        lower_is_better: Whether the lower score is the better one.
    """

    item_id: str
    baseline: float
    candidate: float
    baseline_rates: Rates
    candidate_rates: Rates
    tokens: int
    lower_is_better: bool = False

    @property
    def drop(self) -> float:
        """By how much the candidate is worse: the baseline's score minus its own, or reversed."""
        if self.lower_is_better:
            return self.candidate - self.baseline
        return self.baseline - self.candidate

    @property
    def least_drop(self) -> float:
        """The same if the grader's failures were right answers of the side that it favours."""
        favoured = self.baseline_rates if self.lower_is_better else self.candidate_rates
        return self.drop - favoured.grader_failure

    @property
    def greatest_drop(self) -> float:
        """The same if they were right answers of the other side."""
        other = self.candidate_rates if self.lower_is_better else self.baseline_rates
        return self.drop + other.grader_failure


@dataclass(slots=True)
class TaskEvidence:
    """One task of a gate: its order, its guards, and what has been read.

    Attributes:
        name: The task.
        order: Its items as they are read, or as they are asked for in each round.
        samples: Samples an item by the candidate; where it is read in rounds, one a round.
        baseline: The baseline's items.
        guards: By name.
        rounds: Where it is read in rounds, the baseline's items in each: of each the samples that
            have been dealt to that round.
        tier: What its test and its guards may do to the verdict.
        lower_is_better: Whether the lower score is the better one.
        read: What has been read, in that order.
        low: Lower end of the interval for the drop after each unit.
        high: Upper end.
    """

    name: str
    order: list[str]
    samples: int
    baseline: Mapping[str, ItemResult]
    guards: dict[str, RateGuard]
    rounds: Sequence[Mapping[str, ItemResult]] | None = None
    tier: Tier = Tier.REQUIRED
    lower_is_better: bool = False
    read: list[ReadItem] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _prefix: CompletedPrefix[list[ReadItem]] = field(default_factory=CompletedPrefix)
    _arrived: dict[int, dict[tuple[str, int], SampleResult]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {item: place for place, item in enumerate(self.order)}

    @property
    def size(self) -> Size:
        """How much there is to read."""
        if self.rounds is None:
            return Size(len(self.order), 1)
        return Size(len(self.rounds), len(self.order))

    @property
    def units_read(self) -> int:
        """How many units have been read."""
        return len(self.low)

    @property
    def breached(self) -> list[str]:
        """The guards that are breached."""
        return [name for name, guard in self.guards.items() if guard.breached]

    def samples_of(self, unit: int) -> list[tuple[str, int]]:
        """Return the samples that make a unit, by item and sample index."""
        if self.rounds is None:
            return [(self.order[unit], sample) for sample in range(self.samples)]
        return [(item, unit) for item in self.order]

    def unit_of(self, item: str, sample: int) -> int:
        """Return the unit that a sample belongs to."""
        return self._places[item] if self.rounds is None else sample

    @property
    def waiting(self) -> int:
        """How many units are complete that cannot be read yet."""
        return len(self._prefix.waiting)

    def unread_drops(self, *, lost: bool) -> list[list[float]]:
        """Return the drops of units that cannot be read yet, as far as they have arrived.

        Args:
            lost: With those before the last complete one, their missing samples taken for lost;
                else the complete ones alone.
        """
        waiting = self._prefix.waiting
        complete = {unit: [item.drop for item in items] for unit, items in waiting.items()}
        if not lost:
            return list(complete.values())
        end = max(waiting, default=-1) + 1
        return [complete.get(unit) or self._lost(unit) for unit in range(self.units_read, end)]

    def _lost(self, unit: int) -> list[float]:
        arrived = self._arrived.get(unit, {})
        stored = self.baseline if self.rounds is None else self.rounds[unit]
        lost = 1 if self.lower_is_better else 0
        scores: dict[str, list[float]] = {}
        for item, sample in self.samples_of(unit):
            came = arrived.get((item, sample))
            scores.setdefault(item, []).append(came.correct if came else lost)
        sign = -1 if self.lower_is_better else 1
        return [sign * (stored[item].score - sum(of) / len(of)) for item, of in scores.items()]

    def arrive(self, sample: SampleResult) -> list[list[ReadItem]]:
        """Take in one judged sample; return the units that can now be read, in their order."""
        in_rounds = self.rounds is not None
        unit = sample.sample_index if in_rounds else self._places[sample.item_id]
        arrived = self._arrived.setdefault(unit, {})
        called = sample.item_id, sample.sample_index
        if called in arrived:
            return []
        arrived[called] = sample
        wanted = self.samples_of(unit)
        if len(arrived) < len(wanted):
            return []
        if self.rounds is None:
            item = self._both_sides(self.baseline[sample.item_id], list(arrived.values()))
            return self._prefix.arrive(unit, [item])
        stored = self.rounds[unit]
        items = [self._both_sides(stored[item], [arrived[item, unit]]) for item in self.order]
        return self._prefix.arrive(unit, items)

    def by_item(self) -> list[tuple[str, float]]:
        """Return the items of which something was read, each with its mean drop."""
        drops: dict[str, list[float]] = {}
        for item in self.read:
            drops.setdefault(item.item_id, []).append(item.drop)
        return [(item, sum(of) / len(of)) for item, of in drops.items()]

    def _both_sides(self, baseline: ItemResult, samples: Sequence[SampleResult]) -> ReadItem:
        return ReadItem(
            item_id=baseline.item_id,
            baseline=baseline.score,
            candidate=sum(sample.correct for sample in samples) / len(samples),
            baseline_rates=Rates.of_stored(baseline),
            candidate_rates=Rates.of_samples(samples),
            tokens=sum(sample.completion_tokens for sample in samples),
            lower_is_better=self.lower_is_better,
        )


class GateEvidence:
    """A gate as it goes on; fed with judged samples, asked for the verdict.

    Args:
        tasks: Its tasks.
        rules: What is decided on each.
        suite: What is decided on all of them together; ``None`` for a single task.
    """

    def __init__(
        self, tasks: Sequence[TaskEvidence], rules: Mapping[str, Rule], suite: Rule | None
    ) -> None:
        self.tasks = {task.name: task for task in tasks}
        self._setting = (
            rules,
            suite,
            {task.name: task.size for task in tasks},
            {task.name: task.tier for task in tasks},
        )
        self.tests = SequentialTests(*self._setting)
        # With the grader's failures for and against the candidate, once there are any.
        self._others: list[SequentialTests] = []
        self._history: list[tuple[str, list[ReadItem]]] = []
        self._decided = False
        self._needed: tuple[int, dict[str, float]] = (-1, {})

    def arrive(self, task: str, sample: SampleResult) -> None:
        """Take in one judged sample; what comes after the verdict changes nothing any more."""
        for unit in self.tasks[task].arrive(sample):
            if self._decided:
                return
            self._read(self.tasks[task], unit)
            self._decided = self._settled()

    def _read(self, task: TaskEvidence, unit: list[ReadItem]) -> None:
        self._history.append((task.name, unit))
        self.tests.read(task.name, [item.drop for item in unit])
        if self._others:
            self._read_otherwise(task.name, unit)
        elif any(not item.least_drop == item.drop == item.greatest_drop for item in unit):
            self._others = [SequentialTests(*self._setting), SequentialTests(*self._setting)]
            for name, earlier in self._history:
                self._read_otherwise(name, earlier)
        test = self.tests.tasks[task.name]
        task.read += unit
        task.low.append(test.low)
        task.high.append(test.high)
        for name, guard in task.guards.items():
            increases = [
                getattr(item.candidate_rates, name) - getattr(item.baseline_rates, name)
                for item in unit
            ]
            guard.update_together(np.array(increases))

    def _read_otherwise(self, task: str, unit: list[ReadItem]) -> None:
        kind, harsh = self._others
        kind.read(task, [item.least_drop for item in unit])
        harsh.read(task, [item.greatest_drop for item in unit])

    @property
    def decided(self) -> bool:
        """Whether the verdict is certain: nothing that is still to come can change it."""
        return self._decided

    @property
    def outcome(self) -> Outcome:
        """The verdict so far."""
        return Outcome.FAIL if self.breached else self.tests.outcome

    @property
    def breached(self) -> dict[str, list[str]]:
        """The breached guards by task, of tasks that count."""
        return {
            name: task.breached
            for name, task in self.tasks.items()
            if task.breached and task.tier is not Tier.ADVISORY
        }

    @property
    def in_doubt(self) -> tuple[Outcome, Outcome] | None:
        """What the verdict would be with the grader's failures for and against the candidate.

        ``None`` where that makes no difference.
        """
        otherwise = [other.outcome for other in self._others]
        if self.breached or all(outcome is self.tests.outcome for outcome in otherwise):
            return None
        kind, harsh = otherwise
        return kind, harsh

    def needs(self, task: str) -> bool:
        """Say whether more of a task is to be read: it can still decide a test."""
        tests = [self.tests, *self._others]
        return not self._decided and any(one.needs(task) for one in tests)

    def unread(self) -> int:
        """Return how many items, or rounds, that could change the verdict have not been read."""
        tests = [self.tests, *self._others]
        return sum(
            task.size.units - task.units_read
            for name, task in self.tasks.items()
            if not self._decided and any(one.counts(name) for one in tests)
        )

    def least_needed(self) -> dict[str, float]:
        """Estimate by task how many units, from the first, the verdict takes at the least.

        What has arrived out of order counts as read: once by itself, and once with all that is
        missing in between taken for lost, since wrong answers run longer; the lesser is returned.
        """
        waiting = sum(task.waiting for task in self.tasks.values())
        counted = sum(task.units_read for task in self.tasks.values()) + waiting
        # It takes time in proportion to what waits, so that with much a little is awaited first.
        if counted - self._needed[0] > waiting // 32:
            tests = [self.tests, *self._others]
            needed = dict.fromkeys(self.tasks, math.inf)
            for lost in (False, True):
                more = {name: task.unread_drops(lost=lost) for name, task in self.tasks.items()}
                share = max(one.least_left(more) for one in tests)
                for name, task in self.tasks.items():
                    units = task.units_read + len(more[name]) + share * task.size.units
                    needed[name] = min(needed[name], units)
            self._needed = counted, needed
        return self._needed[1]

    def in_order(self) -> Iterator[tuple[str, str, int]]:
        """Yield (task, item, sample index) in the order in which they are to be generated."""
        for span in rounds({name: task.size.units for name, task in self.tasks.items()}):
            for name, positions in span.items():
                for unit in positions:
                    for item, sample in self.tasks[name].samples_of(unit):
                        yield name, item, sample

    def _settled(self) -> bool:
        outcome = self.outcome
        return outcome is not Outcome.UNDECIDED and self.in_doubt is None


def order_of(items: Sequence[str], seed: int, candidate: str) -> list[str]:
    """Return the order in which a candidate's items are read.

    It differs between candidates, so that no single order is lucky for all of them.
    """
    return seeded_order(items, int(digest([seed, candidate])[:16], 16))


def guards_of(tolerances: Guards, alpha: float, alpha_held: float) -> dict[str, RateGuard]:
    """Return the guards of one task, each with its share of alpha.

    Args:
        tolerances: By how many points each rate may rise.
        alpha: Greatest probability that one is called breached though it is not.
        alpha_held: Greatest probability that the upper bound of a rise is wrong.
    """
    return {
        name: RateGuard(points / 100, alpha, alpha_held)
        for name, points in asdict(tolerances).items()
    }

"""The course of one gate: what has arrived, what of it may be read, and what that says.

Evidence is read from the completed prefix of a seeded random order of the items, round by round
over the tasks. Answers that the grader's infrastructure failed on count as wrong; as soon as there
is one, the same evidence is read twice more, with such answers counted for the candidate and
against it, and a verdict holds only where all readings agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from harness.gate.config import Guards
from harness.statistics.ordering import CompletedPrefix, rounds, seeded_order
from harness.statistics.sequential import (
    Evidence,
    Outcome,
    RateGuard,
    Rule,
    SuiteEvidence,
    verdict,
)
from harness.store.outcomes import ItemOutcome, SampleOutcome
from harness.types import INFRASTRUCTURE_FAILURES, Status, digest


class Rates(NamedTuple):
    """How often what went wrong on one item, as shares of its samples."""

    truncation: float
    no_answer: float
    loop: float
    grader_failure: float

    @classmethod
    def of_stored(cls, item: ItemOutcome) -> Rates:
        """Return those of an item of the baseline."""
        counts = (item.truncated, item.no_answer, item.loops, item.failures)
        return cls(*(count / item.samples for count in counts))

    @classmethod
    def of_samples(cls, samples: Sequence[SampleOutcome]) -> Rates:
        """Return those of an item of the candidate."""
        every = [
            (s.truncated, s.status is Status.NO_ANSWER, s.loop, s.status in INFRASTRUCTURE_FAILURES)
            for s in samples
        ]
        return cls(*(sum(column) / len(every) for column in zip(*every, strict=True)))


@dataclass(frozen=True, slots=True)
class ReadItem:
    """One item of which both sides are known.

    Attributes:
        item_id: The item.
        baseline: The baseline's score on it, a share.
        candidate: The candidate's.
        baseline_rates: What went wrong.
        candidate_rates: What went wrong; failures of the grader count as wrong answers.
        tokens: What the candidate took.
    """

    item_id: str
    baseline: float
    candidate: float
    baseline_rates: Rates
    candidate_rates: Rates
    tokens: int

    @property
    def drop(self) -> float:
        """The baseline's score minus the candidate's."""
        return self.baseline - self.candidate

    @property
    def least_drop(self) -> float:
        """The same if the grader's failures were right answers of the candidate."""
        return self.drop - self.candidate_rates.grader_failure

    @property
    def greatest_drop(self) -> float:
        """The same if they were right answers of the baseline."""
        return self.drop + self.baseline_rates.grader_failure


class Reading:
    """The evidence on every task and on the suite, one way of counting the grader's failures."""

    def __init__(self, rules: Mapping[str, Rule], suite: Rule | None, sizes: Mapping[str, int]):
        self.tasks = {name: Evidence(rule) for name, rule in rules.items()}
        self.suite = SuiteEvidence(suite) if suite else None
        self._rounds = rounds(sizes) if suite else []
        self._round = 0
        self._drops: dict[str, list[float]] = {name: [] for name in rules}

    @property
    def outcome(self) -> Outcome:
        """What all tests together say."""
        tests = [*self.tasks.values(), *([self.suite] if self.suite else [])]
        return verdict(test.outcome for test in tests)

    def needs(self, task: str) -> bool:
        """Say whether more of a task can still decide anything."""
        suite_open = self.suite is not None and self.suite.outcome is Outcome.UNDECIDED
        return suite_open or self.tasks[task].outcome is Outcome.UNDECIDED

    def read(self, task: str, drop: float) -> None:
        """Take in the next item of a task."""
        self.tasks[task].update(drop)
        if self.suite is None:
            return
        self._drops[task].append(drop)
        while self._round < len(self._rounds):
            positions = self._rounds[self._round]
            if any(len(self._drops[name]) < span.stop for name, span in positions.items()):
                return
            self.suite.update_round(
                {
                    name: self._drops[name][span.start : span.stop]
                    for name, span in positions.items()
                }
            )
            self._round += 1


@dataclass(slots=True)
class TaskCourse:
    """One task of a gate: its order, its guards, and what has been read.

    Attributes:
        name: The task.
        order: Its items as they are read.
        samples: Samples an item by the candidate.
        baseline: The baseline's items.
        guards: By name.
        read: What has been read, in that order.
        low: Lower end of the interval for the drop after each item.
        high: Upper end.
    """

    name: str
    order: list[str]
    samples: int
    baseline: Mapping[str, ItemOutcome]
    guards: dict[str, RateGuard]
    read: list[ReadItem] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _prefix: CompletedPrefix[ReadItem] = field(default_factory=CompletedPrefix)
    _arrived: dict[str, dict[int, SampleOutcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {item: place for place, item in enumerate(self.order)}

    @property
    def breached(self) -> list[str]:
        """The guards that are breached."""
        return [name for name, guard in self.guards.items() if guard.breached]

    def arrive(self, sample: SampleOutcome) -> list[ReadItem]:
        """Take in one judged sample; return the items that can now be read, in their order."""
        arrived = self._arrived.setdefault(sample.item_id, {})
        if sample.sample_index in arrived:
            return []
        arrived[sample.sample_index] = sample
        if len(arrived) < self.samples:
            return []
        item = _both_sides(self.baseline[sample.item_id], list(arrived.values()))
        return self._prefix.arrive(self._places[sample.item_id], item)


class Course:
    """A gate as it goes on; fed with judged samples, asked for the verdict.

    Args:
        tasks: Its tasks.
        rules: What is decided on each.
        suite: What is decided on all of them together; ``None`` for a single task.
    """

    def __init__(
        self, tasks: Sequence[TaskCourse], rules: Mapping[str, Rule], suite: Rule | None
    ) -> None:
        self.tasks = {task.name: task for task in tasks}
        self._setting = (rules, suite, {task.name: len(task.order) for task in tasks})
        self.reading = Reading(*self._setting)
        # With the grader's failures for and against the candidate, once there are any.
        self._others: list[Reading] = []
        self._history: list[tuple[str, ReadItem]] = []
        self._decided = False

    def arrive(self, task: str, sample: SampleOutcome) -> None:
        """Take in one judged sample; what comes after the verdict changes nothing any more."""
        for item in self.tasks[task].arrive(sample):
            if self._decided:
                return
            self._read(self.tasks[task], item)
            self._decided = self._settled()

    def _read(self, task: TaskCourse, item: ReadItem) -> None:
        self._history.append((task.name, item))
        self.reading.read(task.name, item.drop)
        if self._others:
            self._read_otherwise(task.name, item)
        elif item.least_drop != item.drop or item.greatest_drop != item.drop:
            self._others = [Reading(*self._setting), Reading(*self._setting)]
            for name, earlier in self._history:
                self._read_otherwise(name, earlier)
        evidence = self.reading.tasks[task.name]
        task.read.append(item)
        task.low.append(evidence.low)
        task.high.append(evidence.high)
        for name, guard in task.guards.items():
            guard.update(getattr(item.candidate_rates, name) - getattr(item.baseline_rates, name))

    def _read_otherwise(self, task: str, item: ReadItem) -> None:
        kind, harsh = self._others
        kind.read(task, item.least_drop)
        harsh.read(task, item.greatest_drop)

    @property
    def decided(self) -> bool:
        """Whether the verdict is certain: nothing that is still to come can change it."""
        return self._decided

    @property
    def outcome(self) -> Outcome:
        """The verdict so far."""
        return Outcome.FAIL if self.breached else self.reading.outcome

    @property
    def breached(self) -> dict[str, list[str]]:
        """The breached guards by task."""
        return {name: task.breached for name, task in self.tasks.items() if task.breached}

    @property
    def in_doubt(self) -> tuple[Outcome, Outcome] | None:
        """What the verdict would be with the grader's failures for and against the candidate.

        ``None`` where that makes no difference.
        """
        otherwise = [other.outcome for other in self._others]
        if self.breached or all(outcome is self.reading.outcome for outcome in otherwise):
            return None
        kind, harsh = otherwise
        return kind, harsh

    def needs(self, task: str) -> bool:
        """Say whether more of a task can still change the verdict."""
        readings = [self.reading, *self._others]
        return not self._decided and any(reading.needs(task) for reading in readings)

    def unread(self) -> int:
        """Return how many items that could matter have not been read."""
        return sum(
            len(task.order) - len(task.read)
            for name, task in self.tasks.items()
            if self.needs(name)
        )

    def in_order(self) -> Iterator[tuple[str, str]]:
        """Yield (task, item) in the order in which they are to be generated."""
        for span in rounds({name: len(task.order) for name, task in self.tasks.items()}):
            for name, positions in span.items():
                for place in positions:
                    yield name, self.tasks[name].order[place]

    def _settled(self) -> bool:
        outcome = self.outcome
        return outcome is not Outcome.UNDECIDED and self.in_doubt is None


def order_of(items: Sequence[str], seed: int, candidate: str) -> list[str]:
    """Return the order in which a candidate's items are read.

    It differs between candidates, so that no single order is lucky for all of them.
    """
    return seeded_order(items, int(digest([seed, candidate])[:16], 16))


def guards_of(tolerances: Guards, alpha: float) -> dict[str, RateGuard]:
    """Return the guards of one task, each with its share of alpha."""
    return {name: RateGuard(points / 100, alpha) for name, points in asdict(tolerances).items()}


def _both_sides(baseline: ItemOutcome, samples: Sequence[SampleOutcome]) -> ReadItem:
    return ReadItem(
        item_id=baseline.item_id,
        baseline=baseline.score,
        candidate=sum(sample.correct for sample in samples) / len(samples),
        baseline_rates=Rates.of_stored(baseline),
        candidate_rates=Rates.of_samples(samples),
        tokens=sum(sample.completion_tokens for sample in samples),
    )

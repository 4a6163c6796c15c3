"""The report of a gate: the verdict and everything that it rests on, for people and for scripts.

Shares are in [0, 1]; a drop is the baseline's score minus the candidate's, so that an improvement
is negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.environment import libraries
from harness.gate.config import Tier
from harness.grading import GRADER_VERSION
from harness.statistics.planning import Remedy
from harness.statistics.sequential import share_of_attempt
from harness.store.rows import now
from harness.text import harness_command, percent, rough_percent, trimmed
from harness.types import THESE_ITEMS

EXIT_CODES = {"pass": 0, "fail": 1, "undecided": 3, "error": 4}


@dataclass(frozen=True, slots=True)
class GuardReport:
    """How one failure rate stands.

    Attributes:
        name: Which.
        baseline: The baseline's rate on the items read.
        candidate: The candidate's.
        tolerance: By how much it may rise.
        at_least: Lower bound of the rise.
        at_most: Upper bound of the rise.
        alpha_breached: Greatest probability that the lower bound is ever above the rise.
        alpha_held: Greatest probability that the upper bound is ever below it.
        breached: Whether "it has risen by at most the tolerance" was rejected.
        held: Whether "it has risen by more than the tolerance" was rejected.
    """

    name: str
    baseline: float
    candidate: float
    tolerance: float
    at_least: float
    at_most: float
    alpha_breached: float
    alpha_held: float
    breached: bool
    held: bool

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ")

    @property
    def rise(self) -> float:
        """By how much the rate has risen on the items read."""
        return self.candidate - self.baseline

    @property
    def state(self) -> str:
        """What has been shown, in words; that nothing is, is no sign that it is held."""
        if self.breached:
            return "breached"
        return "shown to be held" if self.held else "not shown to be breached"


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One test of the gate: a task, or the suite.

    Attributes:
        outcome: ``pass``, ``fail`` or ``undecided``.
        margin: The smallest drop that must not pass.
        alpha_fail: Greatest probability of failing an equal candidate by this test.
        alpha_pass: Greatest probability of passing one at the margin.
        drop: Mean drop over the items read.
        least: Lower end of its interval.
        most: Upper end.
        decided_at: How many items (where it is read in rounds: rounds) had been read when it was
            decided.
        read: How many items have been read.
        items: How many there are.
        tier: ``required``, ``suite`` or ``advisory``; only a required test counts for the verdict.
        lower_is_better: Whether a drop is a rise of the score.
        target: What the drop is about: ``new items``, ``these items``, or for a suite of tasks of
            both kinds ``each task's own target``.
        rounds: Where it is read in rounds, how many there are.
        rounds_read: How many of them have been read.
    """

    outcome: str
    margin: float
    alpha_fail: float
    alpha_pass: float
    drop: float
    least: float
    most: float
    decided_at: int | None
    read: int
    items: int
    tier: str
    lower_is_better: bool
    target: str
    rounds: int | None
    rounds_read: int | None

    @property
    def counts(self) -> bool:
        """Whether the test can fail the gate and hold up a pass."""
        return self.tier == Tier.REQUIRED

    @property
    def change(self) -> str:
        """What is watched for: a drop, or a rise where the lower score is the better one."""
        return "rise" if self.lower_is_better else "drop"

    @property
    def share_read(self) -> float:
        """How much has been read of all that there is."""
        if self.rounds is not None and self.rounds_read is not None:
            return self.rounds_read / self.rounds
        return self.read / self.items

    @property
    def extent(self) -> str:
        """How much has been read, in words."""
        if self.rounds is not None:
            return f"{self.rounds_read:,} of {self.rounds:,} rounds"
        return f"{self.read:,} of {self.items:,} items"

    @property
    def scope(self) -> str:
        """What the drop is about, with the number of these items."""
        return f"these {self.items} items" if self.target == THESE_ITEMS else self.target

    @property
    def about(self) -> str:
        """The same as part of a sentence."""
        return f"{'on' if self.target == THESE_ITEMS else 'over'} {self.scope}"

    @property
    def stopped(self) -> bool:
        """It ended before all was read: what was read is no random sample of it."""
        return self.share_read < 1


@dataclass(frozen=True, slots=True)
class TaskReport(RuleReport):
    """One task of the gate.

    Attributes:
        task: Its name.
        baseline_run: The stored run.
        candidate_run: The candidate's, in the same store.
        baseline_samples: Samples an item.
        candidate_samples: Samples an item.
        baseline_score: Mean over the items read.
        candidate_score: Mean over the items read.
        square: Mean squared difference of an item.
        worse: Items read on which the candidate is worse.
        better: Items on which it is better.
        most_lost: Items with the greatest drops, at most ten.
        guards: The failure rates.
        would_take: What would decide it at the power asked for, where it is undecided or the
            baseline is compared with itself; none before the first difference.
        tokens: What the candidate took for the items read.
        low: Lower end of the interval after each item.
        high: Upper end after each item.
    """

    task: str
    baseline_run: str
    candidate_run: str
    baseline_samples: int
    candidate_samples: int
    baseline_score: float
    candidate_score: float
    square: float
    worse: int
    better: int
    most_lost: list[str]
    guards: list[GuardReport]
    would_take: Remedy | None
    tokens: int
    low: list[float]
    high: list[float]

    @property
    def guards_count(self) -> bool:
        """Whether a breached guard fails the gate."""
        return self.tier != Tier.ADVISORY


@dataclass(frozen=True, slots=True)
class Budget:
    """What earlier gates and the choice of the baseline leave of alpha.

    Attributes:
        attempt: The number of this gate among those of the candidate on these tasks, from 1.
        earlier: Ids of the decisions that count as earlier attempts, the oldest first.
        best_of: Number of models that the baseline is the best of; 1 where it was not chosen so.
    """

    attempt: int = 1
    earlier: tuple[str, ...] = ()
    best_of: int = 1

    @property
    def share(self) -> float:
        """The share of alpha that this attempt may spend, for each of the two errors."""
        return share_of_attempt(self.attempt)


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One side of the gate."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TaskPower:
    """What one task may hope for before the start.

    Attributes:
        pass_if_equal: Chance of a pass, if the candidate is equal on average.
        fail_if_dropped: Chance of a fail, if it has dropped by the margin.
        counts: Whether the task's own test can fail the gate.
    """

    pass_if_equal: float
    fail_if_dropped: float
    counts: bool

    @property
    def least(self) -> float:
        """The smaller one."""
        return min(self.pass_if_equal, self.fail_if_dropped)


@dataclass(frozen=True, slots=True)
class GatePower:
    """What the whole gate may hope for before the start, simulated; guards are left out.

    Attributes:
        pass_if_equal: Chance of a pass, if the candidate is equal on average on every task.
        fail_if_dropped: Chance of a fail, if it has dropped by the margin on every task.
        tasks: Those of each task that can fail the gate, by itself.
    """

    pass_if_equal: float
    fail_if_dropped: float
    tasks: Mapping[str, TaskPower]

    def sentence(self) -> str:
        """Say so."""
        said = (
            f"Power before the start: {rough_percent(self.pass_if_equal)} that an equal "
            f"candidate passes, {rough_percent(self.fail_if_dropped)} that one fails that has "
            "dropped by the margin"
        )
        if len(self.tasks) == 1:
            return f"{said}."
        said += " on every task"
        alone = {name: task.fail_if_dropped for name, task in self.tasks.items() if task.counts}
        if not alone:  # all of them count only together
            return f"{said}."
        least = min(alone, key=alone.__getitem__)
        where = "one task alone" if len(alone) == len(self.tasks) else "one required task alone"
        return f"{said}, and at least {rough_percent(alone[least])} if on {where} ({least})."


@dataclass(frozen=True, slots=True)
class GateReport:
    """The whole gate.

    Attributes:
        id: Names it in the store.
        outcome: ``pass``, ``fail``, ``undecided``, or ``error`` where answers that the grader
            failed on could have changed it.
        blocks: Whether it holds the checkpoint back, by what the configuration says of undecided.
        reason: Why, in plain sentences.
        candidate: The candidate.
        baseline: The baseline.
        aa: The two are one model, sampled again.
        tasks: The tasks.
        suite: All of them together; none for a single task.
        budget: Which attempt this is, and of how many models the baseline is the best.
        warnings: What a reader should know.
        config: The whole configuration.
        results: The results file.
        power: Chance of the right verdict that ``would_take`` is stated for.
        chances: What was to be hoped for before the start.
        stored: Samples of the candidate that the store already held.
        tokens_spent: New tokens, with those of requests that were cut off at the end.
        tokens_aborted: These alone.
        tokens_stored: Tokens of the stored samples.
        tokens_full: What the whole evaluation takes; an estimate unless all was read.
        seconds: Wall clock.
    """

    id: str
    outcome: str
    blocks: bool
    reason: str
    candidate: ModelReport
    baseline: ModelReport
    aa: bool
    tasks: list[TaskReport]
    suite: RuleReport | None
    budget: Budget
    warnings: list[str]
    config: Mapping[str, Any]
    results: str
    power: float
    chances: GatePower
    stored: int
    tokens_spent: int
    tokens_aborted: int
    tokens_stored: int
    tokens_full: int | None
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 undecided, 4 error."""
        return EXIT_CODES[self.outcome]

    @property
    def estimated(self) -> bool:
        """Whether ``tokens_full`` is an estimate."""
        return any(task.stopped for task in self.tasks)

    @property
    def share(self) -> float | None:
        """What was spent, as a share of the whole evaluation."""
        return self.tokens_spent / self.tokens_full if self.tokens_full else None

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for a script."""
        return asdict(self) | {"exit_code": self.exit_code, "share": self.share}

    def row(self) -> dict[str, Any]:
        """Return what the store keeps."""
        whole = asdict(self)
        elsewhere = ("blocks", "candidate", "baseline", "results", "power", "chances", "stored")
        return {name: value for name, value in whole.items() if name not in elsewhere} | {
            "decided_at": now(),
            "exit_code": self.exit_code,
            "candidate": self.candidate.fingerprint,
            "baseline": self.baseline.fingerprint,
            "grader_version": GRADER_VERSION,
            "libraries": libraries(),
        }


def would_take(report: GateReport, task: TaskReport) -> str:
    """Say what would have decided a task of an undecided gate; nothing where none is."""
    undecided = report.outcome == task.outcome == "undecided"
    if not undecided or not task.counts or task.would_take is None:
        return ""
    taken = ways(task.would_take, task.candidate_samples, in_rounds=task.rounds is not None)
    chance = f"{trimmed(report.power)} %"
    return f"{task.task}: the right verdict with a chance of {chance} would take {taken}."


def ways(remedy: Remedy, samples: int, *, in_rounds: bool = False) -> str:
    """Say what would decide: so many items, or so many samples, or such a margin."""
    several = [f"about {remedy.items:,} items"]
    if in_rounds:
        several = [f"about {remedy.samples:,} rounds (samples of each item, by both models)"]
    elif remedy.samples is not None and remedy.samples > samples:
        several.append(f"{remedy.samples} samples an item")
    if remedy.margin is not None:
        several.append(f"a margin of {trimmed(remedy.margin, 1)} points")
    return ", or ".join(several)


def name_of(task: TaskReport) -> str:
    """Return a task's name, with what is watched for where that is no drop."""
    return f"{task.task} (rise)" if task.lower_is_better else task.task


def figures(test: RuleReport) -> tuple[str, ...]:
    """Return a test's drop, its interval, the margin, what it is about and how much was read."""
    numbers = (test.drop, test.least, test.most, test.margin)
    return (*map(trimmed, numbers), test.scope, test.extent)


def guard_figures(guard: GuardReport) -> tuple[str, ...]:
    """Return a guard's two rates, the rise with its interval, and the tolerance."""
    numbers = (guard.rise, guard.at_least, guard.at_most, guard.tolerance)
    return (f"{percent(guard.baseline)} %", f"{percent(guard.candidate)} %", *map(trimmed, numbers))


def outcome_of(test: RuleReport) -> str:
    """Return what a test says, with its tier where it does not count."""
    return test.outcome if test.counts else f"{test.outcome} ({not_counted(test)})"


def not_counted(test: RuleReport) -> str:
    """Say why a test does not count."""
    return "advisory" if test.tier == Tier.ADVISORY else "only with the others"


def guard_state(task: TaskReport, state: str) -> str:
    """Return how a guard stands, marked where it does not count."""
    return state if task.guards_count else f"{state} (advisory)"


def where_to_look(report: GateReport, task: TaskReport) -> str:
    """Return the command that shows what flipped; nothing where there is nothing to show.

    The runs are compared only if the gate read every item. What it read of a stopped run was chosen
    by the answers: there the interval of the report holds, and that of a comparison does not.
    """
    words = ["compare", task.baseline_run, task.candidate_run]
    if task.stopped and not task.most_lost:
        return ""
    if task.stopped:
        words = ["show", task.candidate_run, "--item", task.most_lost[0]]
    return harness_command(*words, results=report.results)

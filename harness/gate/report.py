"""What a gate leaves behind: the verdict with all that went into it, for people and for programs.

Shares are in [0, 1]; a drop is the baseline's score minus the candidate's, so that an improvement
is negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.environment import libraries
from harness.grading import GRADER_VERSION
from harness.plan import now
from harness.statistics.power import Remedy

EXIT_CODES = {"pass": 0, "fail": 1, "undecided": 3, "error": 4}


@dataclass(frozen=True, slots=True)
class GuardReport:
    """How one rate of mishaps stands.

    Attributes:
        name: Which.
        baseline: The baseline's rate on the items read.
        candidate: The candidate's.
        tolerance: By how much it may rise.
        at_least: Lower bound of the rise.
        breached: Whether "it has risen by at most the tolerance" was rejected.
    """

    name: str
    baseline: float
    candidate: float
    tolerance: float
    at_least: float
    breached: bool

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ")


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
        decided_at: How many items had been read when it was decided.
        read: How many items have been read.
        items: How many there are.
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
        guards: The rates of mishaps.
        would_take: What would decide it at the power asked for; none before the first item.
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


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One side of the gate."""

    name: str
    fingerprint: str


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
        baseline: The anchor.
        aa: The two are one model, sampled anew.
        tasks: The tasks.
        suite: All of them together; none for a single task.
        warnings: What a reader should know.
        config: The whole configuration.
        power: Chance of a decision that ``would_take`` is stated for.
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
    warnings: list[str]
    config: Mapping[str, Any]
    power: float
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
        return any(task.read < task.items for task in self.tasks)

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
        elsewhere = ("blocks", "candidate", "baseline", "power", "stored")
        return {name: value for name, value in whole.items() if name not in elsewhere} | {
            "decided_at": now(),
            "exit_code": self.exit_code,
            "candidate": self.candidate.fingerprint,
            "baseline": self.baseline.fingerprint,
            "grader_version": GRADER_VERSION,
            "libraries": libraries(),
        }


def reason_of(
    outcome: str,
    tasks: Sequence[TaskReport],
    suite: RuleReport | None,
    doubt: tuple[str, str] | None,
) -> str:
    """Say in plain sentences why a gate ended as it did."""
    tests: list[tuple[str, RuleReport]] = [(task.task, task) for task in tasks]
    tests += [("The tasks together", suite)] if suite else []
    if doubt is not None:
        kind, harsh = doubt
        return (
            "The grader's infrastructure failed on some answers, and the verdict depends on them: "
            f"{kind} if they speak for the candidate, {harsh} if they speak against it."
        )
    if outcome == "pass":
        return " ".join(f"{name}: {_interval(test)}." for name, test in tests)
    if outcome == "fail":
        said = [f"{name}: {_interval(test)}." for name, test in tests if test.outcome == "fail"]
        said += [
            f"{task.task}: {guard.title} has risen from {percent(guard.baseline)} to "
            f"{percent(guard.candidate)} of the samples, by at least {points(guard.at_least)} "
            f"points where {points(guard.tolerance)} are tolerated."
            for task in tasks
            for guard in task.guards
            if guard.breached
        ]
        return " ".join(said)
    return " ".join(
        f"{name}: {_interval(test)}." for name, test in tests if test.outcome == "undecided"
    )


def _interval(test: RuleReport) -> str:
    read = f"after {test.read} of {test.items} items"
    between = f"between {points(test.least)} and {points(test.most)} points"
    if test.outcome == "pass":
        return f"the drop is under {points(test.margin)} points ({between} {read})"
    if test.outcome == "fail":
        return f"the score has dropped ({between} {read})"
    return f"a drop {between} {read} leaves a margin of {points(test.margin)} points undecided"


def would_take(report: GateReport, task: TaskReport) -> str:
    """Say what would have decided a task of an undecided gate; nothing where none is."""
    undecided = report.outcome == task.outcome == "undecided"
    if not undecided or task.would_take is None:
        return ""
    taken = ways(task.would_take, task.candidate_samples)
    return f"{task.task}: a decision with a chance of {percent(report.power)} would take {taken}."


def ways(remedy: Remedy, samples: int) -> str:
    """Say what would decide: so many items, or so many samples, or such a margin."""
    several = [f"about {remedy.items:,} items"]
    if remedy.samples is not None and remedy.samples > samples:
        several.append(f"{remedy.samples} samples an item")
    several.append(f"a margin of {points(remedy.margin, 1)} points")
    return ", or ".join(several)


def points(share: float, digits: int = 2) -> str:
    """Return a share as points, with a true minus sign."""
    text = f"{100 * share:.{digits}f}".rstrip("0").rstrip(".")
    return ("0" if text in ("-0", "") else text).replace("-", "\N{MINUS SIGN}")


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"

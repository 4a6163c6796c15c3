"""What a decision against a stored baseline takes: items, samples and tokens, said beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.statistics import noise, power
from harness.statistics.sequential import Rule
from harness.statistics.simulation import Prospect, prospect
from harness.store.outcomes import ItemOutcome
from harness.store.queries import RunSummary

_CANDIDATE_SAMPLES = (1, 2, 4)
_BASELINE_FACTORS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided.

    Attributes:
        drop: The drop that matters, as a share; the gate's margin.
        alpha: Probability of each wrong decision.
        power: Probability of the right one.
        samples: Samples an item by the candidate; none shows several numbers.
        discordance: Share of items on which a sample of the baseline and one of an equal candidate
            disagree; none takes what the baseline's own samples tell.
    """

    drop: float
    alpha: float = 0.05
    power: float = 0.8
    samples: int | None = None
    discordance: float | None = None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            HarnessError: A value is out of range.
        """
        shares = (
            ("--drop", self.drop, 100),
            ("--alpha", self.alpha, 1),
            ("--power", self.power, 1),
        )
        for name, value, full in shares:
            if not 0 < value < 1:
                raise HarnessError(f"{name} {value * full:g} is not between 0 and {full}.")
        if self.discordance is not None and not 0 < self.discordance <= 1:
            raise HarnessError(
                "--discordance is a share of items, above 0 and at most 100 percent."
            )
        if self.samples is not None and self.samples < 1:
            raise HarnessError(f"--samples {self.samples} is not a number of samples.")


@dataclass(frozen=True, slots=True)
class Need:
    """What a decision takes with so many samples an item.

    Attributes:
        candidate_samples: Samples an item by the candidate.
        baseline_samples: Stored samples an item.
        square: Mean squared difference of an item that is to be expected, if dropped.
        fixed_items: Items that a test of a size fixed beforehand takes.
        fixed_tokens: New tokens of the candidate for it; ``None`` where nobody counted.
        gate_items: Items that let the gate decide with the power asked for, both at no drop and at
            the drop; it mostly stops before.
        gate_tokens: New tokens of the candidate for all of them.
        equal: What the gate may hope for on the baseline's items, if the candidate is equal.
        dropped: And if it has dropped by as much as matters.
    """

    candidate_samples: int
    baseline_samples: float
    square: float
    fixed_items: int
    fixed_tokens: float | None
    gate_items: int
    gate_tokens: float | None
    equal: Prospect
    dropped: Prospect


@dataclass(frozen=True, slots=True)
class Saving:
    """What more stored samples of the baseline save.

    Attributes:
        baseline_samples: Stored samples an item.
        gate_items: Items the gate then needs.
        gate_tokens: New tokens of the candidate for them, each time.
        saved: Share of these saved against the samples there are now.
        extra_tokens: New tokens of the baseline, once.
    """

    baseline_samples: float
    gate_items: int
    gate_tokens: float | None
    saved: float
    extra_tokens: float | None


@dataclass(frozen=True, slots=True)
class Needs:
    """The answer.

    Attributes:
        run: The baseline run.
        model: Its model.
        task: Its task.
        items: Its graded items.
        samples: Its samples an item.
        tokens_per_sample: Its new tokens; ``None`` where nobody counted.
        question: What was asked.
        within: The sampling variance of one sample that the answer rests on.
        basis: Where that comes from: ``measured``, ``given`` or ``worst case``.
        detectable: The smallest drop that a test of a fixed size sees on these items.
        margin: The smallest margin that the gate decides on these items.
        needs: By samples of the candidate.
        savings: By samples of the baseline; none for greedy runs.
    """

    run: str
    model: str
    task: str
    items: int
    samples: float
    tokens_per_sample: float | None
    question: Question
    within: float
    basis: str
    detectable: float
    margin: float
    needs: tuple[Need, ...]
    savings: tuple[Saving, ...]


def needed(run: RunSummary, items: Sequence[ItemOutcome], question: Question) -> Needs:
    """Say what deciding about a drop against this baseline takes.

    Args:
        run: The baseline.
        items: Its graded items.
        question: What is to be decided.

    Raises:
        HarnessError: A value is out of range, nothing is graded, or a greedy run is to be sampled
            more than once.
    """
    question.check()
    if not items:
        raise HarnessError(f"Nothing of run {run.id} is judged.", f"`harness regrade {run.id}`.")
    greedy = (run.protocol.get("sampling") or {}).get("temperature") == 0
    if greedy and (question.samples or 1) > 1:
        raise HarnessError(
            f"Run {run.id} is greedy: {question.samples} samples of an item would all be the same.",
            "Leave out --samples, or take a baseline with a temperature above 0.",
        )
    return _Reckoning(run, items, question, greedy).result()


class _Reckoning:
    def __init__(
        self, run: RunSummary, items: Sequence[ItemOutcome], question: Question, greedy: bool
    ) -> None:
        self._run = run
        self._question = question
        self._rule = Rule(question.drop, question.alpha, question.alpha)
        self._items = len(items)
        drawn = sum(item.samples for item in items)
        tokens = sum(item.completion_tokens for item in items)
        self._tokens = tokens / drawn if tokens else None
        found = noise.decompose([item.correct for item in items], [item.samples for item in items])
        self._stored = found.samples
        self._score = sum(item.score for item in items) / self._items
        self._within, self._basis = self._variance(found)
        self._greedy = greedy

    def result(self) -> Needs:
        asked = self._question
        several = (1,) if self._greedy else _CANDIDATE_SAMPLES
        samples = several if asked.samples is None else (asked.samples,)
        square = self._square(self._stored, samples[0])
        return Needs(
            run=self._run.id,
            model=self._run.model,
            task=self._run.task,
            items=self._items,
            samples=self._stored,
            tokens_per_sample=self._tokens,
            question=asked,
            within=self._within,
            basis=self._basis,
            detectable=power.detectable_drop(
                square - asked.drop**2, self._items, alpha=asked.alpha, power=asked.power
            ),
            margin=power.margin_decided(self._items, self._rule, square, power=asked.power),
            needs=tuple(self._need(count) for count in samples),
            savings=() if self._greedy else self._savings(samples[0]),
        )

    def _variance(self, found: noise.Noise) -> tuple[float, str]:
        if self._question.discordance is not None:
            # Two samples of one item disagree with twice the variance of one.
            return self._question.discordance / 2, "given"
        if found.within is not None:
            return found.within, "measured"
        return self._score * (1 - self._score), "worst case"

    def _square(self, stored: float, samples: int) -> float:
        return power.second_moment(
            self._within,
            baseline_samples=stored,
            candidate_samples=samples,
            drop=self._question.drop,
        )

    def _need(self, samples: int) -> Need:
        asked = self._question
        square = self._square(self._stored, samples)
        fixed = power.fixed_items(
            square - asked.drop**2, asked.drop, alpha=asked.alpha, power=asked.power
        )
        gate = power.items_needed(self._rule, square, power=asked.power)
        same = power.second_moment(
            self._within, baseline_samples=self._stored, candidate_samples=samples
        )
        return Need(
            candidate_samples=samples,
            baseline_samples=self._stored,
            square=square,
            fixed_items=fixed,
            fixed_tokens=self._cost(fixed * samples),
            gate_items=gate,
            gate_tokens=self._cost(gate * samples),
            equal=prospect(self._rule, drop=0.0, square=same, budget=self._items),
            dropped=prospect(self._rule, drop=asked.drop, square=square, budget=self._items),
        )

    def _savings(self, samples: int) -> tuple[Saving, ...]:
        now = 0
        found = []
        for factor in _BASELINE_FACTORS:
            square = self._square(factor * self._stored, samples)
            gate = power.items_needed(self._rule, square, power=self._question.power)
            now = now or gate
            more = (factor - 1) * self._stored * self._items
            found.append(
                Saving(
                    baseline_samples=factor * self._stored,
                    gate_items=gate,
                    gate_tokens=self._cost(gate * samples),
                    saved=1 - gate / now,
                    extra_tokens=self._cost(more),
                )
            )
        return tuple(found)

    def _cost(self, samples: float) -> float | None:
        return None if self._tokens is None else samples * self._tokens

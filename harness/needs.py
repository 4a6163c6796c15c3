"""What a decision against a stored baseline takes: items, samples and tokens, said beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.statistics import planning
from harness.statistics.sequential import Rule
from harness.statistics.simulation import Prospect
from harness.store.outcomes import ItemOutcome
from harness.store.queries import RunSummary
from harness.supposing import Earlier, suppose

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
            disagree; none takes what the stored samples tell.
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
        gate_items: Items that let the gate decide rightly with the power asked for, both at no drop
            and at the drop; it mostly stops before.
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
        basis: Where that comes from: ``measured``, ``given``, ``earlier`` or ``worst case``.
        changes: Variance of the true differences between items of an equal candidate: the share of
            items that it loses or gains outright.
        changes_basis: Where that comes from: ``earlier``, ``given``, ``supposed``, or ``noise``
            where single samples cannot tell it from the noise.
        earlier_runs: How many runs of other models ``earlier`` rests on.
        detectable: The smallest drop that a test of a fixed size sees on these items; ``None`` if
            it sees none.
        margin: The smallest margin that the gate decides on these items; ``None`` if there is none.
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
    changes: float
    changes_basis: str
    earlier_runs: int
    detectable: float | None
    margin: float | None
    needs: tuple[Need, ...]
    savings: tuple[Saving, ...]


def needed(
    run: RunSummary,
    items: Sequence[ItemOutcome],
    question: Question,
    earlier: Earlier | None = None,
) -> Needs:
    """Say what deciding about a drop against this baseline takes.

    Args:
        run: The baseline.
        items: Its graded items.
        question: What is to be decided.
        earlier: What earlier comparisons with it show, if there are any.

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
    return _Reckoning(run, items, question, greedy, earlier).result()


class _Reckoning:
    def __init__(
        self,
        run: RunSummary,
        items: Sequence[ItemOutcome],
        question: Question,
        greedy: bool,
        earlier: Earlier | None,
    ) -> None:
        self._run = run
        self._question = question
        self._rule = Rule(question.drop, question.alpha, question.alpha)
        self._items = len(items)
        drawn = sum(item.samples for item in items)
        tokens = sum(item.completion_tokens for item in items)
        self._tokens = tokens / drawn if tokens else None
        self._greedy = greedy
        several = (1,) if greedy else _CANDIDATE_SAMPLES
        self._samples = several if question.samples is None else (question.samples,)
        self._supposition = suppose(
            items, self._samples[0], earlier=earlier, discordance=question.discordance
        )
        self._supposed = self._supposition.of_items

    def result(self) -> Needs:
        asked, supposed = self._question, self._supposed
        needs = tuple(self._need(samples) for samples in self._samples)
        return Needs(
            run=self._run.id,
            model=self._run.model,
            task=self._run.task,
            items=self._items,
            samples=supposed.baseline_samples,
            tokens_per_sample=self._tokens,
            question=asked,
            within=supposed.within,
            basis=self._supposition.noise,
            changes=supposed.changes,
            changes_basis=self._supposition.changes,
            earlier_runs=self._supposition.runs,
            detectable=planning.detectable_drop(
                supposed, self._items, alpha=asked.alpha, power=asked.power
            ),
            margin=planning.margin_decided(self._items, self._rule, supposed, power=asked.power),
            needs=needs,
            savings=() if self._greedy else self._savings(needs[0].gate_items),
        )

    def _need(self, samples: int) -> Need:
        asked = self._question
        supposed = replace(self._supposed, candidate_samples=samples)
        fixed = planning.fixed_items(supposed, asked.drop, alpha=asked.alpha, power=asked.power)
        gate = planning.items_needed(self._rule, supposed, power=asked.power)
        same, dropped = (
            planning.prospect(self._rule, supposed, drop=drop, budget=self._items)
            for drop in (0.0, asked.drop)
        )
        return Need(
            candidate_samples=samples,
            baseline_samples=supposed.baseline_samples,
            square=supposed.square(asked.drop),
            fixed_items=fixed,
            fixed_tokens=self._cost(fixed * samples),
            gate_items=gate,
            gate_tokens=self._cost(gate * samples),
            equal=same,
            dropped=dropped,
        )

    def _savings(self, now: int) -> tuple[Saving, ...]:
        stored, samples = self._supposed.baseline_samples, self._supposed.candidate_samples
        square = self._supposed.square(self._question.drop)
        found = []
        for factor in _BASELINE_FACTORS:
            supposed = replace(self._supposed, baseline_samples=factor * stored)
            # What a gate needs is nearly in proportion to the mean square.
            gate = max(1, round(now * supposed.square(self._question.drop) / square))
            found.append(
                Saving(
                    baseline_samples=factor * stored,
                    gate_items=gate,
                    gate_tokens=self._cost(gate * samples),
                    saved=1 - gate / now,
                    extra_tokens=self._cost((factor - 1) * stored * self._items),
                )
            )
        return tuple(found)

    def _cost(self, samples: float) -> float | None:
        return None if self._tokens is None else samples * self._tokens

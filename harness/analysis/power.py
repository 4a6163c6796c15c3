"""Power analysis against a stored baseline: minimum detectable drop, items, samples and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.analysis.assumptions import EarlierComparisons, assume
from harness.errors import HarnessError
from harness.statistics import planning
from harness.statistics.planning import Assumptions
from harness.statistics.sequential import Rule
from harness.statistics.simulation import OperatingCharacteristic
from harness.store.item_results import ItemResult
from harness.store.queries import RunSummary

_CANDIDATE_SAMPLES = (1, 2, 4)
_BASELINE_FACTORS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Question:
    """The drop that matters and the errors allowed.

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
        """Check the ranges.

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
class SampleSize:
    """Sample size of either test with so many samples an item.

    Attributes:
        candidate_samples: Samples an item by the candidate.
        baseline_samples: Stored samples an item.
        square: Mean squared difference of an item that is to be expected, if dropped.
        fixed_items: Items that a test of a size fixed beforehand takes.
        fixed_tokens: New tokens of the candidate for it; ``None`` where nobody counted.
        gate_items: Items that let the gate decide rightly with the power asked for, both at no drop
            and at the drop; it mostly stops before.
        gate_tokens: New tokens of the candidate for all of them.
        equal: Operating characteristic of the gate on the baseline's items for an equal candidate.
        dropped: The same for one that has dropped by as much as matters.
    """

    candidate_samples: int
    baseline_samples: float
    square: float
    fixed_items: int
    fixed_tokens: float | None
    gate_items: int
    gate_tokens: float | None
    equal: OperatingCharacteristic
    dropped: OperatingCharacteristic


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
class PowerAnalysis:
    """Minimum detectable drop and sample sizes, with the assumptions they rest on.

    Attributes:
        run: The baseline run.
        model: Its model.
        task: Its task.
        items: Its graded items.
        samples: Its samples an item.
        tokens_per_sample: Its new tokens; ``None`` where nobody counted.
        question: The drop and the errors.
        within: The sampling variance of one sample that the answer rests on.
        basis: Where that comes from: ``measured``, ``given``, ``earlier`` or ``worst case``.
        changes: Variance of the true differences between items of an equal candidate: the share of
            items that it loses or gains outright.
        changes_basis: Where that comes from: ``earlier``, ``given``, ``supposed``, or ``noise``
            where single samples cannot tell it from the noise.
        earlier_runs: How many runs of other models ``earlier`` rests on.
        detectable: Minimum detectable drop of a test of a fixed size on these items; ``None`` if
            there is none.
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
    needs: tuple[SampleSize, ...]
    savings: tuple[Saving, ...]


def power_analysis(
    run: RunSummary,
    items: Sequence[ItemResult],
    question: Question,
    earlier: EarlierComparisons | None = None,
) -> PowerAnalysis:
    """Return the sample sizes that deciding about a drop against this baseline takes.

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
        raise HarnessError(f"Run {run.id} has no grades.", f"`harness regrade {run.id}`.")
    greedy = (run.protocol.get("sampling") or {}).get("temperature") == 0
    if greedy and (question.samples or 1) > 1:
        raise HarnessError(
            f"Run {run.id} is greedy: {question.samples} samples of an item would all be the same.",
            "Leave out --samples, or take a baseline with a temperature above 0.",
        )
    several = (1,) if greedy else _CANDIDATE_SAMPLES
    samples = several if question.samples is None else (question.samples,)
    sourced = assume(items, samples[0], earlier=earlier, discordance=question.discordance)
    assumed = sourced.values
    rule = Rule(question.drop, question.alpha, question.alpha)
    tokens = sum(item.completion_tokens for item in items)
    a_sample = tokens / sum(item.samples for item in items) if tokens else None
    needs = tuple(
        _sample_size(replace(assumed, candidate_samples=each), rule, question, len(items), a_sample)
        for each in samples
    )
    return PowerAnalysis(
        run=run.id,
        model=run.model,
        task=run.task,
        items=len(items),
        samples=assumed.baseline_samples,
        tokens_per_sample=a_sample,
        question=question,
        within=assumed.within,
        basis=sourced.noise,
        changes=assumed.changes,
        changes_basis=sourced.changes,
        earlier_runs=sourced.runs,
        detectable=planning.detectable_drop(
            assumed, len(items), alpha=question.alpha, power=question.power
        ),
        margin=planning.margin_decided(len(items), rule, assumed, power=question.power),
        needs=needs,
        savings=()
        if greedy
        else tuple(
            _saving(factor, assumed, needs[0].gate_items, question.drop, len(items), a_sample)
            for factor in _BASELINE_FACTORS
        ),
    )


def _sample_size(
    assumed: Assumptions, rule: Rule, question: Question, items: int, a_sample: float | None
) -> SampleSize:
    """Return what the decision takes with the candidate's samples; ``a_sample`` is in tokens."""
    samples = assumed.candidate_samples
    fixed = planning.fixed_items(assumed, question.drop, alpha=question.alpha, power=question.power)
    gate = planning.items_needed(rule, assumed, power=question.power)
    equal, dropped = (
        planning.operating_characteristic(rule, assumed, drop=drop, budget=items)
        for drop in (0.0, question.drop)
    )
    return SampleSize(
        candidate_samples=samples,
        baseline_samples=assumed.baseline_samples,
        square=assumed.square(question.drop),
        fixed_items=fixed,
        fixed_tokens=_tokens(fixed * samples, a_sample),
        gate_items=gate,
        gate_tokens=_tokens(gate * samples, a_sample),
        equal=equal,
        dropped=dropped,
    )


def _saving(
    factor: int,
    assumed: Assumptions,
    now: int,
    drop: float,
    items: int,
    a_sample: float | None,
) -> Saving:
    """Return what so many times the baseline's samples save of the ``now`` items of the gate."""
    stored = assumed.baseline_samples
    more = replace(assumed, baseline_samples=factor * stored)
    # What a gate needs is nearly in proportion to the mean square.
    gate = max(1, round(now * more.square(drop) / assumed.square(drop)))
    return Saving(
        baseline_samples=factor * stored,
        gate_items=gate,
        gate_tokens=_tokens(gate * assumed.candidate_samples, a_sample),
        saved=1 - gate / now,
        extra_tokens=_tokens((factor - 1) * stored * items, a_sample),
    )


def _tokens(samples: float, a_sample: float | None) -> float | None:
    return None if a_sample is None else samples * a_sample

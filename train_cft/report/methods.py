"""Claims about methods: differences over trainings that differ in their seed only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from harness.analysis.align import AlignedRuns
from harness.statistics import intervals
from harness.statistics.intervals import Estimate
from train_cft.report.comparisons import is_cft, scores
from train_cft.report.lineage import ReportedModel, TrainingIndex
from train_cft.report.statements import FEWEST_SEEDS, method_statement

_DIGITS = 12
# Parts of a recipe in which trainings of one method may differ: what they are called, what they
# learn (which is compared apart), their seeds, what they keep and what they run on.
_NOT_OF_THE_METHOD = frozenset({"name", "objective", "seeds", "save", "parallelism"})


@dataclass(frozen=True, slots=True)
class SeedClaim:
    """What several trainings say of a method, or that they are too few.

    Attributes:
        first: What the method is compared with: the base, or another objective.
        second: The method: an objective.
        task: The task, or the average of all.
        seeds: The training seeds.
        effect: Mean difference over them with its interval; ``None`` where they are too few.
        words: What that says.
    """

    first: str
    second: str
    task: str
    seeds: tuple[int, ...]
    effect: Estimate | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Method:
    """Trainings that differ in their seed only.

    Attributes:
        objective: What they learn.
        recipe: Everything else they have in common, base and data among it.
        by_seed: The place of one model a seed.
    """

    objective: str
    recipe: str
    base: str
    by_seed: dict[int, int] = field(default_factory=dict)


def seed_claims(
    entries: Sequence[ReportedModel], found: Sequence[AlignedRuns], known: TrainingIndex
) -> tuple[SeedClaim, ...]:
    """Say what there is to say of methods: over trainings that differ in their seed only."""
    methods: dict[tuple[str, str], _Method] = {}
    for place, entry in enumerate(entries[1:], start=1):
        if entry.training is None or entry.objective is None or entry.seed is None:
            continue
        row = known.trainings[entry.training]
        recipe = {
            part: value for part, value in row.recipe.items() if part not in _NOT_OF_THE_METHOD
        }
        common = json.dumps([row.base, row.data_sha256, recipe], sort_keys=True)
        method = methods.setdefault(
            (entry.objective, common), _Method(entry.objective, common, row.base)
        )
        method.by_seed.setdefault(entry.seed, place)
    claims = []
    for method in methods.values():
        if method.base == entries[0].fingerprint:
            places = {seed: (0, place) for seed, place in method.by_seed.items()}
            claims += _claims(entries[0].label, method.objective, places, found)
    for one, other in combinations(methods.values(), 2):
        if one.recipe != other.recipe:
            continue
        first, second = (other, one) if is_cft(one.objective) else (one, other)
        places = {
            seed: (first.by_seed[seed], place)
            for seed, place in second.by_seed.items()
            if seed in first.by_seed
        }
        claims += _claims(first.objective, second.objective, places, found)
    made = sum(claim.effect is not None for claim in claims)
    return tuple(
        replace(
            claim,
            words=method_statement(claim.first, claim.second, claim.effect, len(claim.seeds), made),
        )
        for claim in claims
    )


def _claims(
    first: str, second: str, places: Mapping[int, tuple[int, int]], found: Sequence[AlignedRuns]
) -> list[SeedClaim]:
    """Return the difference on each task, and on average, over the seeds; one claim if too few."""
    seeds = tuple(sorted(places))
    if len(seeds) < FEWEST_SEEDS:
        return [SeedClaim(first, second, "", seeds, None)]
    effects: dict[str, list[float]] = {}
    for task in found:
        effects[task.runs[0].task] = [
            _mean(scores(task, places[seed][1])) - _mean(scores(task, places[seed][0]))
            for seed in seeds
        ]
    grains = {task.runs[0].task: 1 / len(task.items[0]) for task in found}
    if len(found) > 1:
        by_seed = zip(*effects.values(), strict=True)
        average = f"average of {len(found)} tasks"
        effects[average] = [_mean(one) for one in by_seed]
        grains[average] = min(grains.values())
    return [
        SeedClaim(first, second, task, seeds, _between_seeds(values, grains[task]))
        for task, values in effects.items()
    ]


def _between_seeds(values: Sequence[float], grain: float) -> Estimate:
    """Return Student's interval of differences, reaching one item either way at least.

    Scores are counts of items. Seeds that come out equal differ by less than an item shows, not by
    nothing, and an interval of no width would call any difference certain.

    Args:
        values: One difference a seed.
        grain: What one item is of a score.
    """
    found = intervals.student(values)
    # Rounded, so that a difference of just one item does not leave 0 out by a rounding error.
    low, high = (round(found.value + reach, _DIGITS) for reach in (-grain, grain))
    return replace(found, low=min(found.low, low), high=max(found.high, high))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

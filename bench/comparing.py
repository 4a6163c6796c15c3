"""How often `harness compare` is right: intervals, p-values and minimum detectable drop.

    python -m bench.comparing [--quick] [--count N] [--held-out] [--only NAME]

Two models answer the same items: the chance of a right sample varies over the items as a Beta
distribution says, the second model's is drawn again on some of them (churn), lowered everywhere
(drop, or raised) and 0 on a few (failures). Everything goes through the production
``harness.statistics.paired.compare``. A number after ± is one Monte-Carlo standard error. With
``--held-out`` the same tables over populations, sizes and seeds that nothing was chosen by.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import norm, ttest_rel

from harness.statistics import paired
from harness.statistics.betting import Floats
from harness.statistics.paired import Comparison

THRESHOLD = 0.02
"""What "a fixed threshold" takes for worse."""


@dataclass(frozen=True, slots=True)
class Population:
    """Items and what a second model does on them.

    Attributes:
        beta: Of the chance of a right sample over the items.
        churn: Share of the items whose chance is drawn again for the second model.
        drop: How much lower its chance is on every item; below 0 higher.
        failing: Share of the items that it always fails on.
    """

    beta: tuple[float, float]
    churn: float = 0.0
    drop: float = 0.0
    failing: float = 0.0

    def chances(self, random: np.random.Generator, *shape: int) -> tuple[Floats, Floats]:
        """Return both models' chances."""
        first = random.beta(*self.beta, shape)
        after = np.where(random.random(shape) < self.churn, random.beta(*self.beta, shape), first)
        second = np.where(random.random(shape) < self.failing, 0, np.clip(after - self.drop, 0, 1))
        return first, second

    @property
    def effect(self) -> float:
        """The true difference over all items."""
        return _effect(self.beta, self.drop, self.failing)


@lru_cache
def _effect(beta: tuple[float, float], drop: float, failing: float) -> float:
    first = np.random.default_rng(0).beta(*beta, 2_000_000)
    lowered = np.clip(first - drop, 0, 1).mean() * (1 - failing)
    return float(lowered - first.mean()) if drop or failing else 0.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """Simulated comparisons of one cell, with the true differences."""

    first: Floats
    second: Floats
    samples: int
    effect: float
    on_these: Floats

    def compared(self) -> Iterator[Comparison]:
        """Return what the harness makes of each."""
        for one, other in zip(self.first, self.second, strict=True):
            yield paired.compare(one, other, samples=(self.samples, self.samples))


def draw(population: Population, items: int, samples: int, count: int, *seed: int) -> Pairs:
    """Simulate so many comparisons of one kind."""
    random = np.random.default_rng([items, samples, *seed])
    first, second = population.chances(random, count, items)
    drawn = [random.binomial(samples, chances) / samples for chances in (first, second)]
    return Pairs(drawn[0], drawn[1], samples, population.effect, (second - first).mean(axis=1))


def share(hits: Sequence[bool]) -> tuple[float, float]:
    """Return a percentage with its standard error."""
    mean = float(np.mean(hits))
    return 100 * mean, 100 * math.sqrt(max(mean * (1 - mean), 1 / len(hits)) / len(hits))


def show(percentage: tuple[float, float]) -> str:
    """Print one."""
    return f"{percentage[0]:5.1f} ± {percentage[1]:.1f}"


def coverage(
    title: str, cells: Sequence[tuple[Population, int, int]], count: int, bar: float, seed: int
) -> None:
    """Print how often the intervals hold the truth, and where least often."""
    print(f"\n{title}: {len(cells)} cells of {count:,} comparisons")
    new, these, widths = defaultdict(list), defaultdict(list), defaultdict(list)
    low = []
    for place, (population, items, samples) in enumerate(cells):
        pairs = draw(population, items, samples, count, seed, place)
        found = list(pairs.compared())
        held = [one.low <= pairs.effect <= one.high for one in found]
        key = items, samples
        new[key].append(share(held))
        widths[key].append(100 * np.mean([one.high - one.low for one in found]))
        if samples > 1:
            sampled = [one.on_these_items for one in found if one.on_these_items is not None]
            truth = pairs.on_these
            hits = [one.low <= at <= one.high for one, at in zip(sampled, truth, strict=True)]
            these[key].append(share(hits))
        if share(held)[0] < bar:
            low.append((population, items, samples))
    print("items samples  over new items, %: mean, least   on these items   width, points")
    for (items, samples), made in new.items():
        own = these.get((items, samples))
        on = "" if own is None else f"{np.mean([v for v, _ in own]):5.1f}  {show(min(own))}"
        mean = np.mean([value for value, _ in made])
        width = np.mean(widths[items, samples])
        print(f"{items:5} {samples:6}    {mean:5.1f}   {show(min(made))}     {on:20} {width:6.1f}")
    everything = [value for made in new.values() for value, _ in made]
    print(f"all: mean {np.mean(everything):.1f}, least {min(everything):.1f}")
    for population, items, samples in low:
        pairs = draw(population, items, samples, 5 * count, seed, 10_000)
        held = [one.low <= pairs.effect <= one.high for one in pairs.compared()]
        print(
            f"under {bar:g} at first, simulated again: {show(share(held))} {items} × {samples}"
            f" {population}"
        )


def verdicts(population: Population, items: int, samples: int, count: int, seed: int) -> str:
    """Return how often each way of comparing calls the second model worse."""
    pairs = draw(population, items, samples, count, seed)
    found = list(pairs.compared())
    difference = pairs.second - pairs.first
    effect = difference.mean(axis=1)
    unpaired = np.sqrt((pairs.first.var(axis=1, ddof=1) + pairs.second.var(axis=1, ddof=1)) / items)
    squares = np.maximum(1e-12, (difference**2).sum(axis=1))
    with np.errstate(all="ignore"):
        student = ttest_rel(pairs.second, pairs.first, axis=1).pvalue
    says: dict[str, Sequence[bool]] = {
        "harness, new items": [one.p <= 0.05 and one.effect < 0 for one in found],
        "on these": [
            one.on_these_items is not None and one.on_these_items.high < 0 for one in found
        ],
        "unpaired z": list(effect < -norm.ppf(0.975) * unpaired),
        "paired t": list((student <= 0.05) & (effect < 0)),
        "asymptotic McNemar": list(items * effect / np.sqrt(squares) < -norm.ppf(0.975)),
        "2 points": list(effect <= -THRESHOLD + 1e-12),
    }
    return "  ".join(f"{share(hits)[0]:{len(name)}.1f}" for name, hits in says.items())


def against_others(count: int, seed: int, betas: Sequence[tuple[float, float]]) -> None:
    """Print how often a drop is shown, beside other ways on the same simulated pairs."""
    print(f"\nB is called worse, % of {count:,}; lm-eval's is unpaired z")
    print(
        "items samples churn  drop  harness, new items  on these  unpaired z  paired t  "
        "asymptotic McNemar  2 points"
    )
    for items, samples in ((30, 32), (30, 64), (100, 8), (500, 1), (1319, 1), (1319, 4)):
        for churn, drop in itertools.product((0.0, 0.1), (0.0, 0.02, 0.05)):
            population = Population(betas[0], churn, drop)
            rates = verdicts(population, items, samples, count, seed)
            print(f"{items:5} {samples:6} {churn:7.2f} {100 * drop:5.0f}  {rates}")


def detectable(count: int, seed: int) -> None:
    """Print the drop that a comparison says 80 % would show, and how many do show it."""
    print(f"\nminimum detectable drop: mean where models are equal; shown, % of {count:,}")
    random = np.random.default_rng(seed)
    for items, flipping in ((30, 0.1), (100, 0.05), (200, 0.15), (500, 0.1), (1319, 0.2)):

        def single(drop: float, items: int = items, flipping: float = flipping) -> list[Comparison]:
            chance = [flipping / 2 + drop, flipping / 2, 1 - flipping - drop]
            flips = random.choice([-1, 0, 1], (count, items), p=[chance[0], chance[2], chance[1]])
            return [paired.compare(row < 0, row > 0) for row in flips]

        at = paired.compare(*_flips(items, round(flipping * items))).detectable
        _shown(f"{items:5} ×  1, {flipping:.0%} flip", at, single(0.0), single(at or 0.0))
    for items, samples, churn in ((30, 8, 0.0), (30, 32, 0.0), (30, 32, 0.2), (100, 8, 0.1),
                                  (500, 4, 0.0)):  # fmt: skip
        equal = Population((2, 2), churn)
        before = list(_raised(equal, items, samples, count, seed, 0.0))
        at = float(np.mean([one.detectable for one in before if one.detectable is not None]))
        after = list(_raised(equal, items, samples, count, seed, at))
        _shown(f"{items:5} × {samples:2}, churn {churn:.0%}", at, before, after)


def _flips(items: int, flips: int) -> tuple[Floats, Floats]:
    """Return scores of 0 and 1 with so many flips, half of them each way."""
    first, second = np.zeros(items), np.zeros(items)
    first[: flips // 2] = 1
    second[flips // 2 : flips] = 1
    return first, second


def _raised(
    equal: Population, items: int, samples: int, count: int, seed: int, drop: float
) -> Iterator[Comparison]:
    """Compare where the second model is lower by ``drop`` everywhere, with room to be."""
    random = np.random.default_rng([seed, items, samples])
    for first, second in zip(*equal.chances(random, count, items), strict=True):
        chances = 0.25 + 0.75 * first, np.maximum(0, 0.25 + 0.75 * second - drop)
        one, other = (random.binomial(samples, chance) / samples for chance in chances)
        yield paired.compare(one, other, samples=(samples, samples))


def _shown(
    what: str, at: float | None, before: Sequence[Comparison], after: Sequence[Comparison]
) -> None:
    printed = [one.detectable for one in before if one.detectable is not None]
    shown = share([one.p <= 0.05 and one.effect < 0 for one in after])
    true = 100 * float(np.mean([one.effect for one in after]))
    print(
        f"{what}: at the true noise {100 * (at or 0):.1f}, printed {100 * np.mean(printed):.1f} "
        f"± {100 * np.std(printed):.1f} (sd); a drop of {-true:.1f} is shown in {show(shown)}"
    )


def averages(count: int, seed: int) -> None:
    """Print how often the interval of the average over tasks holds the truth."""
    print(f"\naverage over tasks: coverage, % of {count:,}")
    for tasks in (((500, 1), (1319, 1)), ((30, 32), (30, 32)), ((30, 8), (500, 4), (1319, 1))):
        for drop, churn in ((0.0, 0.0), (0.05, 0.0), (0.02, 0.2)):
            population = Population((0.5, 0.7), churn, drop)
            made = [draw(population, *task, count, seed, n) for n, task in enumerate(tasks)]
            found = zip(*(pairs.compared() for pairs in made), strict=True)
            means = [paired.average(of_tasks) for of_tasks in found]
            held = [one.low <= population.effect <= one.high for one in means]
            print(
                f"{' + '.join(f'{n}×{k}' for n, k in tasks):24} drop {100 * drop:.0f} "
                f"churn {churn:.0%}: {show(share(held))}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 comparisons a cell")
    parser.add_argument("--count", type=int, default=1000, help="comparisons a cell")
    parser.add_argument("--held-out", action="store_true", help="populations nothing was chosen by")
    parser.add_argument("--only", help="main, failures, gain, others, see or average")
    asked = parser.parse_args()
    count, seed = 100 if asked.quick else asked.count, 2 if asked.held_out else 1
    betas = [(0.3, 0.3), (2.0, 2.0), (6.0, 0.7)]
    sizes, many, failing = [30, 100, 300, 1319], [1, 2, 8, 32, 64], [0.02, 0.03, 0.05]
    few = [30, 100]
    if asked.held_out:
        betas = [(0.5, 1.5), (1.0, 1.0), (8.0, 2.0)]
        sizes, many, failing, few = [50, 200], [1, 4, 16, 48], [0.01, 0.04, 0.08], [50, 200]

    def grid(
        samples: Sequence[int], items: Sequence[int], *more: Sequence[float]
    ) -> list[tuple[Population, int, int]]:
        kinds = itertools.product(items, samples, betas, *more)
        return [(Population(beta, *rest), n, k) for n, k, beta, *rest in kinds]

    several = [k for k in many if k > 2]
    parts = {
        "main": lambda: coverage(
            "Drops on every item", grid(many, sizes, (0.0, 0.2), (0.0, 0.02, 0.05, 0.1)),
            count, 94, seed,
        ),
        "failures": lambda: coverage(
            "A few items fail completely, the rest is equal",
            grid(several, few, (0.0,), (0.0,), failing), count, 90, seed,
        ),
        "gain": lambda: coverage(
            "A few items fail completely, all others gain 3 points",
            grid(several, few, (0.0,), (-0.03,), failing), count, 90, seed,
        ),
        "others": lambda: against_others(count, seed, betas),
        "see": lambda: detectable(count, seed),
        "average": lambda: averages(count, seed),
    }  # fmt: skip
    for name, part in parts.items():
        if asked.only in (None, name):
            part()


if __name__ == "__main__":
    main()

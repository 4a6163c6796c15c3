"""Questions about the gate that need simulations of their own; ``bench/gate.py`` prints them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.bounds import fixed_items, growth, wald_bound
from bench.items import Source, percent
from bench.simulated import read_in_order
from harness.statistics.betting import Floats
from harness.statistics.sequential import Rule
from harness.statistics.simulation import Simulated

ALPHA = 0.05
ITEMS = 1319


@dataclass(frozen=True, slots=True)
class Check:
    """A line: what was asked, in which setting, what came out."""

    question: str
    setting: str
    measured: str


def flips(
    random: np.random.Generator, drop: float, discordance: float, shape: tuple[int, int]
) -> Floats:
    """Draw differences of single samples that disagree so often."""
    at = random.random(shape, dtype=np.float32)
    return (at < (discordance + drop) / 2).astype(float) - (at >= 1 - (discordance - drop) / 2)


def all_checks(quick: bool) -> Iterator[Check]:
    yield from limit_checks(300 if quick else 2000)
    yield from baseline_checks(*((10, 40) if quick else (60, 100)))
    yield from file_checks(200 if quick else 2000)


def wrong_of(ended: Simulated, drop: float) -> Floats:
    return (ended.passed if drop else ended.failed).astype(float)


def baseline_checks(baselines: int, gates: int) -> Iterator[Check]:
    """How often a gate is wrong given one stored baseline: 5 % is the average over these."""
    rule = Rule(0.03, ALPHA, ALPHA)
    for stored in (1, 4, 8):
        source = Source((0.3, 0.3), stored=stored)
        random = np.random.default_rng(stored)
        for drop, called in ((0.0, "equal failed"), (rule.margin, "at the margin passed")):
            rates = []
            for _ in range(baselines):
                chances = source.chances(random, (ITEMS,))
                baseline = random.binomial(stored, chances) / stored
                order = random.permuted(np.tile(np.arange(ITEMS), (gates, 1)), axis=1)
                candidate = (
                    random.random((gates, ITEMS)) < source.changed(chances, drop, random)[order]
                )
                ended = read_in_order(baseline[order] - candidate, rule)
                rates.append(wrong_of(ended, drop).mean())
            mean, spread = float(np.mean(rates)), float(np.std(rates, ddof=1))
            by_chance = (mean * (1 - mean) / gates) ** 0.5
            true_spread = max(0.0, spread**2 - by_chance**2) ** 0.5
            yield Check(
                f"given one stored baseline: {called}",
                f"{source.name}, {ITEMS} items, margin 3; {baselines} baselines × {gates} gates",
                f"mean {100 * mean:.1f} ± {100 * spread / baselines**0.5:.1f} %, worst "
                f"{100 * max(rates):.0f} %, standard deviation between baselines "
                f"{100 * true_spread:.1f}",
            )


def file_checks(gates: int) -> Iterator[Check]:
    """The items of a file as the whole population, read without replacement."""
    for items, margin in ((200, 0.08), (500, 0.05), (1319, 0.03)):
        rule = Rule(margin, ALPHA, ALPHA)
        for law, churn in (((0.3, 0.3), 1.0), ((4, 0.6), 0.3), ((2, 2), 1.0)):
            source = Source(law)
            random = np.random.default_rng(items)
            chances = source.chances(random, (items,))
            moved = random.random(items) < churn
            after = chances.copy()
            after[moved] = random.permutation(chances[moved])
            rates = []
            for drop in (0.0, margin):
                candidate = after * (1 - drop / chances.mean())  # the mean is lower by just that
                order = random.permuted(np.tile(np.arange(items), (gates, 1)), axis=1)
                baseline, answers = source.scores(random, chances[order], candidate[order])
                rates.append(wrong_of(read_in_order(baseline - answers, rule), drop).mean())
            yield Check(
                "these items only, drawn without replacement: equal failed / at margin passed",
                f"{source.name}, {churn:.0%} of the items exchanged, {items} items, "
                f"margin {100 * margin:.0f}; {gates} gates",
                f"{percent(rates[0], gates)} / {percent(rates[1], gates)} %",
            )


def limit_checks(gates: int) -> Iterator[Check]:
    """What a decision takes, and how soon a bad candidate is stopped."""
    for rule, discordance in (
        (Rule(0.03, ALPHA, ALPHA), 0.2),
        (Rule(0.03, 0.8 * ALPHA, ALPHA), 0.2),  # what one task has beside its guards
        (Rule(0.03, ALPHA, ALPHA), 0.1),
        (Rule(0.025, ALPHA, ALPHA), 0.08),
    ):
        yield items_for_decision(rule, discordance, gates)
    random = np.random.default_rng(10)
    for discordance in (0.1, 0.2):
        drops = flips(random, 0.1, discordance, (gates, ITEMS))
        found = []
        for planned in (True, False):
            ended = read_in_order(drops, Rule(0.02, ALPHA, ALPHA), planned=planned)
            error = ended.items.std() / gates**0.5 / ITEMS
            found.append(
                f"{100 * ended.items.mean() / ITEMS:.1f} ± {100 * error:.1f} % of the items, "
                f"{100 * ended.failed.mean():.1f} % failed"
            )
        yield Check(
            "a drop of 10 points",
            f"{ITEMS} items, margin 2, discordance {discordance}; {gates} gates",
            f"{found[0]} (without a plan: {found[1]})",
        )


def items_for_decision(rule: Rule, discordance: float, gates: int) -> Check:
    """Find the items with which 80 % of the gates are right, equal and at the margin alike."""
    margin = rule.margin
    fixed = fixed_items(discordance, margin, alpha=min(rule.alpha_fail, rule.alpha_pass))
    most = 3 * fixed
    random = np.random.default_rng(round(1e5 * margin))
    ends = {drop: flips(random, drop, discordance, (gates, most)) for drop in (0.0, margin)}

    def right(items: int) -> tuple[float, list[float]]:
        rates, means = [], []
        for drop, drops in ends.items():
            ended = read_in_order(drops[:, :items], rule)
            rates.append(float((ended.failed if drop else ended.passed).mean()))
            means.append(float(ended.items.mean()))
        return min(rates), means

    low, high = fixed, 2 * fixed
    while high - low > 0.005 * fixed:
        middle = (low + high) // 2
        low, high = (low, middle) if right(middle)[0] >= 0.8 else (middle, high)
    slope = (right(round(1.08 * high))[0] - right(round(0.92 * high))[0]) / (0.16 * high)
    error = (0.16 / gates) ** 0.5 / max(slope, 1e-9)
    unplanned = []
    for drop, drops in ends.items():
        ended = read_in_order(drops, rule, planned=False)
        well = np.where(ended.failed if drop else ended.passed, ended.items, most + 1)
        unplanned.append(np.quantile(well, 0.8))
    values = np.array([1.0, 0.0, -1.0])
    bounds = []
    for drop, null in ((0.0, margin), (margin, 0.0)):
        p = np.array([(discordance + drop) / 2, 1 - discordance, (discordance - drop) / 2])
        alphas = (rule.alpha_fail, rule.alpha_pass) if drop else (rule.alpha_pass, rule.alpha_fail)
        bounds.append(wald_bound(growth(values, p, null), *alphas))
    means = right(high)[1]
    return Check(
        "items with which 80 % are right, equal and at the margin",
        f"margin {100 * margin:g}, discordance {discordance}, alpha {rule.alpha_fail:g} to fail "
        f"and {rule.alpha_pass:g} to pass; {gates} gates",
        f"{high} ± {error:.0f} (read {means[0]:.0f} / {means[1]:.0f} of them); without a plan "
        f"{max(unplanned):.0f}; a test of a fixed size {fixed}; Wald's bound "
        f"where none stays undecided "
        f"{bounds[0]:.0f} / {bounds[1]:.0f}",
    )

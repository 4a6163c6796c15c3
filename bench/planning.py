"""Do the planning's numbers come true? Simulated on items that it knows nothing of.

    python bench/planning.py [--quick]

Some items are drawn again for the candidate, and a drop breaks items that were always solved. The
planning is given what a results file holds: score, sampling variance, variance of true differences.
Rates are followed by their Monte-Carlo error, one standard deviation, in points.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from bench.simulated import read_in_order
from harness.statistics.betting import Floats
from harness.statistics.feasibility import fewest_items, fewest_items_of_suite
from harness.statistics.ordering import rounds, whole_weight
from harness.statistics.planning import (
    Assumptions,
    detectable_drop,
    items_needed,
    margin_decided,
    operating_characteristic,
)
from harness.statistics.sequential import (
    Evidence,
    Outcome,
    Rule,
    SuiteEvidence,
    divide_alpha,
    verdict,
)
from harness.statistics.simulation import PlannedTask, Simulated, combined, simulate_gate


@dataclass(frozen=True, slots=True)
class Items:
    """A benchmark and two models on it; ``a`` and ``b`` are those of a beta distribution."""

    a: float
    b: float
    churn: float
    stored: int
    samples: int

    @property
    def score(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def within(self) -> float:
        total = self.a + self.b
        return self.a * self.b / (total * (total + 1))

    def planned(self) -> Assumptions:
        between = self.score * (1 - self.score) - self.within
        changes = 2 * self.churn * between
        return Assumptions(self.score, self.within, changes, self.stored, self.samples)

    def drawn(self, shape: tuple[int, int], drop: float, random: np.random.Generator) -> Floats:
        """Return the differences of an item's scores by gate and item."""
        baseline = random.beta(self.a, self.b, shape)
        redrawn = random.random(shape) < self.churn
        candidate = np.where(redrawn, random.beta(self.a, self.b, shape), baseline)
        broken = random.random(shape) < drop
        before = random.binomial(self.stored, np.where(broken, 1.0, baseline))
        after = random.binomial(self.samples, np.where(broken, 0.0, candidate))
        return before / self.stored - after / self.samples

    def __str__(self) -> str:
        return f"Beta({self.a:g}, {self.b:g}), {self.churn:.0%} new, {self.stored}×{self.samples}"


KINDS = (
    Items(0.3, 0.3, 0.0, 1, 1),
    Items(0.6, 0.2, 0.1, 1, 1),
    Items(0.6, 0.2, 0.0, 4, 4),
    Items(0.6, 0.2, 0.1, 4, 4),
    Items(0.3, 0.3, 0.1, 8, 8),
    Items(2.0, 1.0, 0.1, 8, 1),
)


def gates_of(items: Items, rule: Rule, drop: float, count: int, gates: int) -> Simulated:
    random = np.random.default_rng(round(1e6 * drop) + count)
    differences = items.drawn((gates, count), drop, random)
    return read_in_order(differences, rule)


def rate(right: Sequence[bool] | NDArray[np.bool_]) -> str:
    share = float(np.mean(right))
    return f"{100 * share:.1f} ± {100 * (share * (1 - share) / len(right)) ** 0.5:.1f}"


def needed(gates: int, quick: bool) -> Table:
    table = Table(title="Gate items: asked for, and right in simulation (pass if equal, fail at)")
    for head in ("items", "margin", "α fail", "power", "gate items", "if equal", "at the margin"):
        table.add_column(head, justify="right")
    settings = [(0.05, 0.05, 0.8), (0.03, 0.013, 0.8), (0.08, 0.004, 0.95), (0.05, 0.02, 0.5)]
    for items in KINDS[3:5] if quick else KINDS:
        for margin, alpha, power in settings[:2] if quick else settings:
            rule = Rule(margin, alpha, 0.05)
            count = items_needed(rule, items.planned(), power=power)
            same = gates_of(items, rule, 0.0, count, gates).passed
            dropped = gates_of(items, rule, margin, count, gates).failed
            table.add_row(
                str(items), f"{margin:.0%}", f"{alpha:.1%}", f"{power:.0%}", f"{count:,}",
                rate(same), rate(dropped),
            )  # fmt: skip
    return table


def printed(gates: int, quick: bool) -> Table:
    """What `harness power` prints of the items there are, at 80 %."""
    table = Table(title="These items: what is detected and decided at 80 %, and how often it is")
    heads = ("items", "number", "detects", "is seen", "decides", "if equal", "at the margin")
    for head in heads:
        table.add_column(head, justify="right")
    single = Items(0.18, 0.02, 0.0, 1, 1)
    cells = [(replace(KINDS[4], samples=1), 30), (single, 30), (single, 100), (single, 1319)]
    cells += [(KINDS[3], 500), (KINDS[1], 500)]
    for items, count in cells[:3] if quick else cells:
        assumed, rule = items.planned(), Rule(0.03)
        drop, margin = detectable_drop(assumed, count), margin_decided(count, rule, assumed)
        row = [str(items), str(count), "none", "", "none", "", ""]
        if drop is not None:
            random = np.random.default_rng(1)
            seen = [sees(row, random) for row in items.drawn((gates // 2, count), drop, random)]
            row[2:4] = f"{100 * drop:.1f}", rate(seen)
        if margin is not None:
            there = replace(rule, margin=margin)
            same = gates_of(items, there, 0.0, count, gates).passed
            dropped = gates_of(items, there, margin, count, gates).failed
            row[4:] = f"{100 * margin:.1f}", rate(same), rate(dropped)
        table.add_row(*row)
    return table


def sees(differences: Floats, random: np.random.Generator) -> bool:
    """Return whether the paired sign-flip test, one-sided at 5 %, sees a drop."""
    differing = differences[differences != 0]
    if set(np.abs(differing)) <= {1.0}:
        worse = int((differing > 0).sum())
        return bool(len(differing)) and (
            binomtest(worse, len(differing), alternative="greater").pvalue <= 0.05
        )
    signs = random.choice([-1.0, 1.0], (2000, len(differing)))
    return float((signs @ differing >= differing.sum() - 1e-9).mean()) <= 0.05


def operating_characteristics(gates: int) -> Table:
    heads = ("items", "number", "margin", "said", "true", "said if none changed")
    table = Table(*heads, title="An equal candidate passes, with items that changed")
    for items, count, margin in ((KINDS[3], 1319, 0.03), (KINDS[4], 1319, 0.03)):
        rule, assumed = Rule(margin), items.planned()
        said = operating_characteristic(rule, assumed, drop=0.0, budget=count).right
        unchanged = replace(assumed, changes=0.0)
        naive = operating_characteristic(rule, unchanged, drop=0.0, budget=count).right
        true = rate(gates_of(items, rule, 0.0, count, gates).passed)
        row = (f"{margin:.0%}", f"{said:.1%}", true, f"{naive:.1%}")
        table.add_row(str(items), str(count), *row)
    return table


def whole_gates(gates: int) -> Table:
    """Several tasks and the suite, item by item with the classes that the gate itself uses."""
    table = Table(title="The whole gate: all tasks and the suite; said, and read item by item")
    for head in ("tasks", "candidate", "passes: said", "true", "fails: said", "true"):
        table.add_column(head, justify="right")
    sizes, margins = (120, 300), (0.08, 0.06)
    rules = [Rule(margin, divide_alpha(0.05, tests=3, guards=8).test, 0.05) for margin in margins]
    items = KINDS[3]
    for candidate, share in (("equal", 0.0), ("at the margin", 1.0)):
        tasks = [
            PlannedTask(rule, size, items.planned().differences(share * rule.margin))
            for rule, size in zip(rules, sizes, strict=True)
        ]
        said = combined(simulate_gate(tasks, rules[0]))
        ended = [read(items, rules, sizes, share, seed) for seed in range(gates)]
        table.add_row(
            " + ".join(map(str, sizes)), candidate,
            f"{said.passed.mean():.1%}", rate([end is Outcome.PASS for end in ended]),
            f"{said.failed.mean():.1%}", rate([end is Outcome.FAIL for end in ended]),
        )  # fmt: skip
    return table


def read(
    items: Items, rules: Sequence[Rule], sizes: Sequence[int], share: float, seed: int
) -> Outcome:
    random = np.random.default_rng(seed)
    drops = [
        items.drawn((1, size), share * rule.margin, random)[0]
        for rule, size in zip(rules, sizes, strict=True)
    ]
    tests = [Evidence(rule, size) for rule, size in zip(rules, sizes, strict=True)]
    for test, differences in zip(tests, drops, strict=True):
        for difference in differences:
            if test.update(float(difference)) is not Outcome.UNDECIDED:
                break
    divided = rounds(dict(enumerate(sizes)))
    suite = SuiteEvidence(rules[0], whole_weight(divided))
    for spans in divided:
        together = {
            str(task): list(drops[task][span.start : span.stop]) for task, span in spans.items()
        }
        if suite.update_round(together) is not Outcome.UNDECIDED:
            break
    return verdict(test.outcome for test in (*tests, suite))


def fewest() -> Table:
    table = Table(title="Fewest items that pass where no item differs")
    margins = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.10, 0.15)
    for head in ("", *(f"margin {100 * margin:g}" for margin in margins)):
        table.add_column(head, justify="right")
    table.add_row("one task", *(str(fewest_items(Rule(m, 0.036, 0.045))) for m in margins))
    sizes = {"large": 1319, "small": 1}
    suites = [str(fewest_items_of_suite(Rule(margin, 0.012, 0.045), sizes)) for margin in margins]
    table.add_row("smallest of two, suite", *suites)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cells and gates: rough")
    quick = parser.parse_args().quick
    console, began = Console(width=130), time.monotonic()
    gates = 500 if quick else 2000
    console.print(fewest(), operating_characteristics(gates), printed(gates, quick))
    console.print(whole_gates(100 if quick else 400))
    console.print(needed(gates, quick))
    console.print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

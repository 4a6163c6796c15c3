"""How often a gate on these items is right, and how many rounds it reads: simulated.

    python -m bench.rounds [--gates 4000] [--suite 100] [--json OUT.json]

Benchmarks of the size of AIME and AMC, with difficulties redrawn for each gate: Beta(.3, .3)
(most items near certain, as reasoning models leave them), Beta(2, 2) (all in between), and the
counts of 100 recorded MATH items (``bench.items``). The candidate is equal on every item; equal on
average, with the difficulties of some or all items exchanged; or at the margin, each item losing
the same part of its score, or as few items as possible losing all of theirs.

Below it: what reading the baseline's mean again in every round would do (why there are no more
rounds than stored samples), and with ``--suite`` gates on two tasks of both kinds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.items import RECORDED
from bench.simulated import many_gates, read_round, simulate_rounds
from harness.gate.config import Tier
from harness.gate.sequential_tests import SequentialTests, Size
from harness.statistics.betting import Floats
from harness.statistics.rounds import ItemEffects
from harness.statistics.sequential import Outcome, Rule

# Of alpha .05 a fifth is the guards'.
FAIL, PASS = 0.04, 0.05
# Items, rounds, the baseline's samples, margin.
SETTINGS = (
    (30, 64, 64, 0.05),
    (30, 64, 64, 0.03),
    (30, 64, 64, 0.08),
    (30, 32, 64, 0.05),
    (30, 32, 32, 0.05),
    (30, 16, 64, 0.08),
    (40, 32, 32, 0.05),
    (500, 8, 8, 0.03),
)
Random = np.random.Generator


def recorded(random: Random, shape: tuple[int, int]) -> Floats:
    weights = np.array(RECORDED, dtype=float)
    return random.choice(np.linspace(0, 1, len(RECORDED)), shape, p=weights / weights.sum())


POPULATIONS: dict[str, Callable[[Random, tuple[int, int]], Floats]] = {
    "Beta(.3, .3)": lambda random, shape: random.beta(0.3, 0.3, shape),
    "Beta(2, 2)": lambda random, shape: random.beta(2.0, 2.0, shape),
    "recorded": recorded,
}


def exchanged(share: float) -> Callable[[Floats, float], Floats]:
    """Return what gives a share of the items each other's difficulty, so that the mean stays."""

    def candidate(items: Floats, margin: float) -> Floats:
        moved = items.copy()
        count = round(share * items.shape[1])
        moved[:, :count] = np.roll(items[:, :count], 1, axis=1)
        return moved

    return candidate


def every_item_loses(items: Floats, margin: float) -> Floats:
    return items * (1 - margin / items.mean(1, keepdims=True))


def few_items_lose(items: Floats, margin: float) -> Floats:
    """The best items lose their whole score, until the mean has dropped by the margin."""
    order = np.argsort(-items, axis=1)
    best = np.take_along_axis(items, order, 1)
    lost = np.clip(margin * items.shape[1] - (best.cumsum(1) - best), 0, best)
    after = items.copy()
    np.put_along_axis(after, order, best - lost, 1)
    return after


CANDIDATES: dict[str, tuple[bool, Callable[[Floats, float], Floats]]] = {
    "equal on every item": (True, exchanged(0.0)),
    "equal, 30 % of items exchanged": (True, exchanged(0.3)),
    "equal, all items exchanged": (True, exchanged(1.0)),
    "at the margin, every item": (False, every_item_loses),
    "at the margin, few items": (False, few_items_lose),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark, margin, population and candidate; rates are shares of the simulated gates."""

    items: int
    rounds: int
    stored: int
    margin: float
    population: str
    candidate: str
    equal: bool
    gates: int
    passed: float
    failed: float
    rounds_read: float

    @property
    def wrong(self) -> float:
        """Share of wrong verdicts."""
        return self.failed if self.equal else self.passed

    def error(self, rate: float) -> float:
        """Return the Monte-Carlo standard error of a rate."""
        return math.sqrt(max(rate * (1 - rate), 1 / self.gates) / self.gates)


def cells(gates: int) -> list[Cell]:
    found = []
    for number, (items, rounds, stored, margin) in enumerate(SETTINGS):
        fewer = gates if items < 100 else gates // 4
        for population, draw in POPULATIONS.items():
            before = draw(np.random.default_rng(number), (fewer, items))
            before = before[before.mean(1) > margin]
            for name, (equal, change) in CANDIDATES.items():
                ended = simulate_rounds(
                    before, change(before, margin), Rule(margin, FAIL, PASS),
                    rounds=rounds, stored=stored, seed=number,
                )  # fmt: skip
                found.append(
                    Cell(
                        items, rounds, stored, margin, population, name, equal, len(before),
                        float(ended.passed.mean()), float(ended.failed.mean()),
                        float(ended.items.mean()),
                    )
                )  # fmt: skip
    return found


def baseline_read_again(gates: int, stored: int, rounds: int, margin: float) -> tuple[float, float]:
    """Return how often an equal candidate fails, and one at the margin passes, against a constant.

    The constant is the baseline's mean over all its samples, in every round.
    """
    random = np.random.default_rng(7)
    rule = Rule(margin, FAIL, PASS)
    before = random.beta(2.0, 2.0, (gates, 30))
    seen = random.binomial(stored, before) / stored
    wrong = []
    for after, outcome in ((before, "fail"), (every_item_loses(before, margin), "pass")):
        many, effects = many_gates(rule, gates, rounds * 30, rounds), ItemEffects((gates, 30))
        for number in range(1, rounds + 1):
            drops = seen - (random.random(before.shape) < after)
            read_round(many, effects, drops[many.running], number)
            if not len(many.running):
                break
        wrong.append(float((many.ended.failed if outcome == "fail" else many.ended.passed).mean()))
    return wrong[0], wrong[1]


def suites(gates: int) -> dict[str, float]:
    """Return how often a suite of 300 new items and 30 x 16 rounds is wrong about its own drop.

    One task drops by what the other gains: the mean does not. Or both drop by the margin.
    """
    margin, sizes = 0.08, {"new": Size(300, 1), "these": Size(16, 30)}
    rules = dict.fromkeys(sizes, Rule(margin, 1e-9, 1e-9))
    wrong = {"equal on average, failed": 0, "at the margin, passed": 0}
    tiers = dict.fromkeys(rules, Tier.REQUIRED)
    for name, drops, outcome in (
        ("equal on average, failed", (0.08, -0.08), Outcome.FAIL),
        ("at the margin, passed", (0.12, 0.04), Outcome.PASS),
    ):
        for seed in range(gates):
            random = np.random.default_rng(seed)
            # Ranges in which both candidates' chances are probabilities.
            items, these = random.uniform(0.1, 0.9, 300), random.uniform(0.1, 0.9, 30)
            reading = SequentialTests(rules, Rule(margin, FAIL, PASS), sizes, tiers)
            for span in range(16):
                for _ in range(span * 300 // 16, (span + 1) * 300 // 16):
                    p = items[random.integers(300)]
                    q = np.clip(p - drops[0], 0, 1)
                    reading.read("new", [float(random.random() < p) - float(random.random() < q)])
                before = random.random(30) < these
                after = random.random(30) < np.clip(these - drops[1], 0, 1)
                reading.read("these", (before.astype(float) - after).tolist())
            assert reading.suite is not None
            wrong[name] += reading.suite.outcome is outcome
    return {name: count / gates for name, count in wrong.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=4000)
    parser.add_argument("--suite", type=int, default=0, help="gates on two tasks of both kinds")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    began, console = time.monotonic(), Console(width=130)
    found = cells(asked.gates)
    table = Table("items", "rounds", "stored", "margin", "items' difficulty", "candidate",
                  "passed", "failed", "wrong", "rounds read")  # fmt: skip
    for cell in found:
        table.add_row(
            str(cell.items), str(cell.rounds), str(cell.stored), f"{100 * cell.margin:g}",
            cell.population, cell.candidate, f"{cell.passed:.1%}", f"{cell.failed:.1%}",
            f"{cell.wrong:.1%} ± {cell.error(cell.wrong):.1%}", f"{cell.rounds_read:.1f}",
        )  # fmt: skip
    console.print(table)
    worst = max(found, key=lambda cell: cell.wrong)
    equal = [c for c in found if c.equal and (c.items, c.rounds, c.margin) == (30, 64, 0.05)]
    least = min(equal, key=lambda cell: cell.passed)
    console.print(f"worst error: {worst.wrong:.1%} ± {worst.error(worst.wrong):.1%} (at most 5 %)")
    console.print(
        f"30 x 64, margin 5, equal: at least {least.passed:.1%} ± {least.error(least.passed):.1%} "
        f"pass (90 % wanted)"
    )
    for stored in (4, 16, 64):
        failed, passed = baseline_read_again(asked.gates // 2, stored, 64, 0.05)
        console.print(
            f"the mean of {stored} stored samples read again in each of 64 rounds: equal failed "
            f"{failed:.1%}, at the margin passed {passed:.1%}"
        )
    if asked.suite:
        for name, rate in suites(asked.suite).items():
            console.print(f"suite of both kinds, {name}: {rate:.1%} of {asked.suite}")
    console.print(f"{time.monotonic() - began:.0f} s")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(cell) for cell in found], indent=1))


if __name__ == "__main__":
    main()

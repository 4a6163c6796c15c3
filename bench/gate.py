"""How often the regression gate is right, and what it costs: simulated from real outcomes per item.

    python bench/gate.py [--quick] [--recorded math100_qwen_8samples.jsonl] [--json OUT.json]

Items are drawn from the recorded ones (how many of 8 samples were right, MATH, a Qwen2.5-Math
model; its counts are kept below, so that no file is needed), tilted towards certain or uncertain
items until two single samples disagree as often as a cell asks. A drop turns right samples of the
candidate into wrong ones. Beside the gate: the fixed-size paired test of the same errors, Wald's
bound (the sequential test that knows drop and discordance) and a fixed threshold on the same runs.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from harness.statistics.betting import Floats
from harness.statistics.power import fixed_items, growth, wald_bound
from harness.statistics.sequential import Rule
from harness.statistics.simulation import Simulated, simulate

DROPS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
MARGINS = (0.01, 0.02, 0.03, 0.05)
DISCORDANCES = (0.1, 0.2, 0.35)
ALPHA = 0.05
ITEMS = 1319  # as many as GSM8K's test
UNTRUNCATED = 1_000_000
TOKENS = 300  # a sample: the recorded texts' length at four characters a token
# Number of the 100 recorded items of which 0, 1, … 8 samples were right.
RECORDED = (4, 1, 1, 2, 3, 0, 2, 1, 86)


@dataclass(frozen=True, slots=True)
class Population:
    """Kinds of items: the chance of a right sample in each, and how many items are of it."""

    chances: Floats
    weights: Floats

    def tilted(self, discordance: float, drop: float) -> Population:
        """Return the population in which single samples of both models disagree this often."""
        low, high = -400.0, 400.0
        for _ in range(60):
            middle = (low + high) / 2
            values, p = self._tilt(middle).differences(drop, 1)
            low, high = (middle, high) if p @ values**2 < discordance else (low, middle)
        return self._tilt((low + high) / 2)

    def _tilt(self, strength: float) -> Population:
        uncertain = self.chances * (1 - self.chances)
        weights = self.weights * np.exp(strength * (uncertain - uncertain.max() * (strength > 0)))
        return Population(self.chances, weights / weights.sum())

    def candidate(self, drop: float) -> Floats:
        """Return the candidate's chance of a right sample by kind of item."""
        return self.chances * (1 - drop / float(self.weights @ self.chances))

    def differences(self, drop: float, samples: int) -> tuple[Floats, Floats]:
        """Return what baseline (so many samples) minus candidate (one) can be, and how likely."""
        right = np.arange(samples + 1)
        baseline = binom.pmf(right, samples, self.chances[:, None])
        wins = (self.weights * self.candidate(drop)) @ baseline
        losses = (self.weights * (1 - self.candidate(drop))) @ baseline
        values = np.concatenate([right / samples - 1, right / samples])
        return values, np.concatenate([wins, losses])


def population(recorded: Path | None) -> Population:
    counts = np.array(RECORDED, dtype=float)
    if recorded is not None:
        rows = [json.loads(line)["score"] for line in recorded.read_text().splitlines()]
        counts = np.bincount([sum(row) for row in rows], minlength=len(rows[0]) + 1).astype(float)
    return Population(np.linspace(0, 1, len(counts)), counts / counts.sum())


@dataclass(frozen=True, slots=True)
class Cell:
    """One drop, margin and discordance; rates are shares of the simulated gates.

    With ``items`` in the name: mean number of the candidate's samples.
    """

    drop: float
    margin: float
    discordance: float
    gates: int
    passed: float
    failed: float
    undecided: float
    items: float
    median_items: float
    failed_untruncated: float
    passed_untruncated: float
    items_untruncated: float
    fixed_items: int
    wald_items: float | None
    wald_equal_items: float | None
    items_with_8: float
    items_with_8_untruncated: float
    wrong_with_8: float | None
    threshold_fails: float


def gates_of(
    differences: tuple[Floats, Floats], rule: Rule, gates: int, seed: int
) -> tuple[Simulated, Floats]:
    """Simulate gates without a budget; return them and the mean drop on each one's whole task."""
    values, p = differences
    random = np.random.default_rng(seed)
    edges = np.cumsum(p)[:-1]

    def fresh(gates: int, steps: int) -> Floats:
        return values[np.searchsorted(edges, random.random((gates, steps)), side="right")]

    task = fresh(gates, ITEMS)

    def draw(running: NDArray[np.intp], first: int, last: int) -> Floats:
        known = task[running, first:last]
        return np.hstack([known, fresh(len(running), last - first - known.shape[1])])

    return simulate(draw, rule, gates=gates, budget=UNTRUNCATED), task.mean(1)


def cell(items: Population, drop: float, margin: float, discordance: float, gates: int) -> Cell:
    rule = Rule(margin, ALPHA, ALPHA)
    kinds = items.tilted(discordance, drop)
    single, stored = kinds.differences(drop, 1), kinds.differences(drop, 8)
    seed = round(1e7 * drop + 1e5 * margin + 1e3 * discordance)
    free, observed = gates_of(single, rule, gates, seed)
    eight, _ = gates_of(stored, rule, gates, seed + 1)
    within = free.within(ITEMS)
    # What is to be refuted: no drop for a candidate to be failed, the margin for one to be passed.
    null = margin if drop == 0 else 0.0
    wrong = free.failed if drop == 0 else free.passed
    wrong_eight = eight.failed if drop == 0 else eight.passed
    clear = drop == 0 or drop >= margin
    information = growth(*single, null)
    square = float(single[1] @ single[0] ** 2)
    return Cell(
        drop=drop,
        margin=margin,
        discordance=discordance,
        gates=gates,
        passed=float(within.passed.mean()),
        failed=float(within.failed.mean()),
        undecided=float((~within.passed & ~within.failed).mean()),
        items=float(within.items.mean()),
        median_items=float(np.median(within.items)),
        failed_untruncated=float(free.failed.mean()),
        passed_untruncated=float(free.passed.mean()),
        items_untruncated=float(free.items.mean()),
        fixed_items=fixed_items(square, max(drop, margin), alpha=ALPHA, power=1 - ALPHA),
        wald_items=wald_bound(information, ALPHA, ALPHA) if clear else None,
        wald_equal_items=wald_bound(information, ALPHA, float(wrong.mean())) if clear else None,
        items_with_8=float(eight.within(ITEMS).items.mean()),
        items_with_8_untruncated=float(eight.items.mean()),
        wrong_with_8=float(wrong_eight.mean()) if clear else None,
        threshold_fails=float((observed >= margin).mean()),
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """Gates with many samples in flight and wrong answers running longer.

    ``window`` is how far submission may run ahead of the completed prefix. ``spent`` is the share
    of the whole task's tokens when the seeded order decides, aborted ones counted, and ``waited``
    the share of the whole task's time.
    """

    drop: float
    margin: float
    in_flight: int
    window: int
    gates: int
    passed_by_arrival: float
    failed_by_arrival: float
    passed_in_order: float
    failed_in_order: float
    items_in_order: float
    spent: float
    waited: float


def arrival(
    items: Population, drop: float, margin: float, gates: int, in_flight: int, window: int
) -> Arrival:
    """Compare evidence read as it arrives with the completed prefix of the seeded order."""
    random = np.random.default_rng(11)
    kinds = items.tilted(0.2, drop)
    chosen = random.choice(len(kinds.chances), p=kinds.weights, size=(gates, ITEMS))
    right = random.random((gates, ITEMS)) < kinds.candidate(drop)[chosen]
    drops = random.binomial(8, kinds.chances[chosen]) / 8 - right
    seconds = random.lognormal(0, 0.5, (gates, ITEMS)) * np.where(right, 1.0, 2.5)
    starts = np.array([started(row, in_flight, window) for row in seconds])
    ends = starts + seconds
    as_they_come = np.take_along_axis(drops, np.argsort(ends, axis=1), axis=1)
    rule = Rule(margin, ALPHA, ALPHA)
    biased, ours = read_in_order(as_they_come, rule), read_in_order(drops, rule)
    now = np.array([row[:read].max() for row, read in zip(ends, ours.items, strict=True)])
    spent = np.clip(now[:, None] - starts, 0, seconds).sum() / seconds.sum()
    whole = [np.max(started(row, in_flight, ITEMS) + row) for row in seconds[:50]]
    return Arrival(
        drop,
        margin,
        in_flight,
        window,
        gates,
        float(biased.passed.mean()),
        float(biased.failed.mean()),
        float(ours.passed.mean()),
        float(ours.failed.mean()),
        float(ours.items.mean()),
        float(spent),
        float(now.mean() / np.mean(whole)),
    )


def read_in_order(drops: Floats, rule: Rule) -> Simulated:
    return simulate(
        lambda running, first, last: drops[running, first:last],
        rule,
        gates=len(drops),
        budget=drops.shape[1],
    )


def started(seconds: Floats, in_flight: int, window: int) -> list[float]:
    """Return when each sample starts, submitted in order, so many at once and so far ahead."""
    free = [0.0] * in_flight
    starts: list[float] = []
    complete = [0.0]  # when the prefix of each length was
    for position, duration in enumerate(seconds):
        ready = complete[max(0, position - window + 1)]
        starts.append(max(ready, heapq.heappop(free)))
        end = starts[-1] + float(duration)
        heapq.heappush(free, end)
        complete.append(max(complete[-1], end))
    return starts


@dataclass(frozen=True, slots=True)
class Target:
    """A line of the targets' table: what was asked, what came out, whether it holds."""

    what: str
    asked: str
    measured: str
    met: bool


def targets(cells: list[Cell], arrivals: list[Arrival]) -> list[Target]:
    return [*error_targets(cells), *cost_targets(cells), arrival_target(arrivals)]


def error_targets(cells: list[Cell]) -> list[Target]:
    most = max(c.gates for c in cells)
    equal = [c for c in cells if c.drop == 0 and c.gates == most]
    beyond = [c for c in cells if c.drop >= c.margin and c.gates == most]
    in_time = max([c.failed for c in equal] + [c.passed for c in beyond])
    without_end = max(
        [c.failed_untruncated for c in equal] + [c.passed_untruncated for c in beyond]
    )
    eight = max(c.wrong_with_8 for c in equal + beyond if c.wrong_with_8 is not None)
    return [
        Target(
            f"equal failed, or at the margin passed: worst of {len(equal + beyond)} cells, {most} "
            f"gates each, {ITEMS} items",
            "≤ 5 %",
            f"{in_time:.2%}",
            in_time <= ALPHA,
        ),
        Target(
            "the same without a budget (5 % is nearly used up), baseline of 1 and of 8 samples",
            "≤ 5 %, but for the simulation's own noise",
            f"{without_end:.2%} and {eight:.2%} (noise {noise(most):.2%} a cell)",
            max(without_end, eight) <= ALPHA + 3 * noise(most),
        ),
    ]


def cost_targets(cells: list[Cell]) -> list[Target]:
    sure = [c for c in cells if c.wald_items and c.wald_equal_items]
    ratios = {(c.drop, c.margin, c.discordance): c.items_untruncated / wald(c) for c in sure}
    strict = [c.items_untruncated / (c.wald_items or 1) for c in sure]
    saved = [
        1 - c.items_with_8_untruncated / c.items_untruncated
        for c in cells
        if c.discordance == 0.2 and c.drop in (0.0, c.margin)
    ]
    big = [c for c in cells if (c.drop, c.margin) == (0.10, 0.02) and c.discordance <= 0.2]
    share = max(c.median_items for c in big) / ITEMS
    worst = max(ratios, key=ratios.__getitem__)
    return [
        Target(
            "items against Wald's bound at the gate's own error rates, worst cell",
            "≤ 1.5",
            f"{ratios[worst]:.2f} (drop, margin, discordance {worst}); mean "
            f"{np.mean(list(ratios.values())):.2f}",
            max(ratios.values()) <= 1.5,
        ),
        Target(
            "the same with 5 % for both errors, worst cell",
            "≤ 1.5",
            f"{max(strict):.2f}; mean {np.mean(strict):.2f}; {sum(r > 1.5 for r in strict)} of "
            f"{len(strict)} cells over",
            max(strict) <= 1.5,
        ),
        Target(
            "an 8-sample baseline saves, discordance .2, drop 0 or at the margin",
            "≥ 30 %",
            f"{min(saved):.0%} to {max(saved):.0%}",
            min(saved) >= 0.3,
        ),
        Target(
            f"10-point drop, {ITEMS} items, margin 2, discordance ≤ .2: median read",
            "≤ 15 %",
            f"{share:.1%}",
            share <= 0.15,
        ),
    ]


def arrival_target(arrivals: list[Arrival]) -> Target:
    order = next(a for a in arrivals if a.drop == 0.10)
    return Target(
        "10-point drop, wrong answers 2.5 × longer: failed in seeded order",
        "≥ 95 %",
        f"{order.failed_in_order:.1%} (by arrival {order.failed_by_arrival:.1%}, passed "
        f"{order.passed_by_arrival:.1%})",
        order.failed_in_order >= 0.95,
    )


def noise(gates: int) -> float:
    """Standard deviation of a simulated rate of ``ALPHA``."""
    return float((ALPHA * (1 - ALPHA) / gates) ** 0.5)


def wald(cell: Cell) -> float:
    return cell.wald_equal_items or float("nan")


CELL_COLUMNS = """drop margin disc. pass fail undec. items tokens 8-stored threshold-fails
no-budget:items fixed-size Wald ratio"""
ARRIVAL_COLUMNS = """drop margin in-flight window arrival:pass fail order:pass fail items-read
tokens-spent time"""


def show(console: Console, cells: list[Cell], arrivals: list[Arrival]) -> None:
    table = Table(title=f"Gates of at most {ITEMS} items, single-sample baseline")
    for heading in CELL_COLUMNS.split():
        table.add_column(heading, justify="right")
    for c in cells:
        bound = "" if c.wald_equal_items is None else f"{c.wald_equal_items:.0f}"
        ratio = "" if c.wald_equal_items is None else f"{c.items_untruncated / wald(c):.2f}"
        table.add_row(
            f"{c.drop:.0%}", f"{c.margin:.0%}", f"{c.discordance:.2f}", f"{c.passed:.1%}",
            f"{c.failed:.1%}", f"{c.undecided:.1%}", f"{c.items:.0f}",
            f"{c.items * TOKENS / 1000:.0f}k", f"{c.items_with_8:.0f}",
            f"{c.threshold_fails:.1%}", f"{c.items_untruncated:.0f}", str(c.fixed_items),
            bound, ratio, end_section=c.drop == DROPS[-1],
        )  # fmt: skip
    console.print(table)
    table = Table(title="Wrong answers 2.5 × longer, 8-sample baseline, discordance .2")
    for heading in ARRIVAL_COLUMNS.split():
        table.add_column(heading, justify="right")
    for a in arrivals:
        table.add_row(
            f"{a.drop:.0%}", f"{a.margin:.0%}", str(a.in_flight), str(a.window),
            f"{a.passed_by_arrival:.1%}", f"{a.failed_by_arrival:.1%}",
            f"{a.passed_in_order:.1%}", f"{a.failed_in_order:.1%}", f"{a.items_in_order:.0f}",
            f"{a.spent:.0%}", f"{a.waited:.0%}",
        )  # fmt: skip
    console.print(table)
    table = Table("what", "asked", "measured", "met", title="Targets")
    for target in targets(cells, arrivals):
        table.add_row(target.what, target.asked, target.measured, "yes" if target.met else "NO")
    console.print(table)


def gates_for(drop: float, margin: float, quick: bool) -> int:
    """More where error rates are to be shown, fewer where each gate reads tens of thousands."""
    if quick:
        return 300
    return 10_000 if drop in (0.0, margin) and margin > 0.01 else 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cells and gates: rough")
    parser.add_argument("--recorded", type=Path, help="lines with `score`: judgements by sample")
    parser.add_argument("--json", type=Path, help="write every cell here")
    arguments = parser.parse_args()
    beside = Path(os.environ.get("HARNESS_DATA_DIR", ".")).parent / "recorded"
    recorded = arguments.recorded or beside / "math100_qwen_8samples.jsonl"
    console = Console(width=150)
    began = time.monotonic()
    items = population(recorded if recorded.is_file() else None)
    cells = [
        cell(items, drop, margin, discordance, gates_for(drop, margin, arguments.quick))
        for margin in (MARGINS[1::2] if arguments.quick else MARGINS)
        for discordance in (DISCORDANCES[:2] if arguments.quick else DISCORDANCES)
        for drop in DROPS
    ]
    arrivals = [
        arrival(items, drop, margin, 100 if arguments.quick else 1000, in_flight, window)
        for in_flight, window in ((256, ITEMS), (256, 256), (64, ITEMS), (64, 64), (16, 64))
        for drop, margin in ((0.0, 0.05), (0.05, 0.05), (0.10, 0.02), (0.10, 0.05))
    ]
    show(console, cells, arrivals)
    console.print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        found = {
            "cells": [asdict(c) for c in cells],
            "arrivals": [asdict(a) for a in arrivals],
            "targets": [asdict(t) for t in targets(cells, arrivals)],
        }
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""How often the regression gate is right, and what it costs: simulated on its own classes.

    python -m bench.gate [--quick] [--only cells|checks] [--json OUT.json]

Every table gives ± one standard error of the simulation. The cells cross sizes of benchmarks,
margins and kinds of items (``bench/items.py``; "4×1" is four stored samples of each item and one of
the candidate's); "equal" is a candidate whose expected score is the baseline's, "at the margin" one
whose score is lower by just that. Beside the gate, on the same runs: its bets without a plan for
the end of the benchmark, the paired test of a fixed size that looks once, and Wald's bound: the
fewest expected items of any test with the gate's own rate of wrong verdicts that never stays
undecided and knows drop and noise beforehand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from bench.bounds import growth, wald_bound
from bench.gate_checks import Check, all_checks
from bench.items import Population, Source, percent, population, standard_error
from bench.simulated import read_in_order
from harness.statistics.betting import Floats
from harness.statistics.sequential import Rule

__all__ = ["Population", "population"]

ALPHA = 0.05
ITEMS = 1319  # as many as GSM8K's test
MARGINS = {200: (0.05, 0.08), 500: (0.03, 0.05), 1319: (0.02, 0.03), 5000: (0.01, 0.02)}
SOURCES = (
    Source("recorded"),
    Source((0.3, 0.3), churn=0.1),
    Source((2, 2)),
    Source((4, 0.6), stored=4, concentrated=True),
    Source((0.3, 0.3), stored=4, asked=4, churn=0.2),
    Source((4, 0.6), stored=8, asked=4, churn=0.05, concentrated=True),
)


@dataclass(frozen=True, slots=True)
class End:
    """How gates ended whose candidate had dropped by so much; rates are shares of the gates.

    Attributes:
        right: Passed if equal, failed if at the margin.
        wrong: The other way.
        items: Mean number of items read.
        wrong_without_plan: ``wrong`` with bets that plan for no end.
        without_plan: ``right`` with bets that plan for no end.
        items_without_plan: Their mean number of items.
        fixed_size: ``right`` of the test of a fixed size, with all the items.
        fixed_size_wrong: How often that is wrong.
        bound: Wald's bound, at the gate's own rate of wrong verdicts and of ``ALPHA``.
    """

    right: float
    wrong: float
    items: float
    wrong_without_plan: float
    without_plan: float
    items_without_plan: float
    fixed_size: float
    fixed_size_wrong: float
    bound: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One size, margin and kind of items.

    Attributes:
        square: Mean squared difference of an item at no drop.
    """

    source: str
    items: int
    margin: float
    gates: int
    square: float
    equal: End
    at_margin: End


def end(drops: Floats, rule: Rule, drop: float) -> End:
    gates, items = drops.shape
    ours, unplanned = read_in_order(drops, rule), read_in_order(drops, rule, planned=False)
    mean, error = drops.mean(1), np.maximum(drops.std(1, ddof=1), 1e-9) / items**0.5
    z = float(norm.ppf(1 - ALPHA))
    failed, passed = mean > z * error, mean < rule.margin - z * error
    wrong = float((ours.passed if drop else ours.failed).mean())
    values, counts = np.unique(drops, return_counts=True)
    information = growth(values, counts / counts.sum(), 0.0 if drop else rule.margin)
    return End(
        right=float((ours.failed if drop else ours.passed).mean()),
        wrong=wrong,
        items=float(ours.items.mean()),
        wrong_without_plan=float((unplanned.passed if drop else unplanned.failed).mean()),
        without_plan=float((unplanned.failed if drop else unplanned.passed).mean()),
        items_without_plan=float(unplanned.items.mean()),
        fixed_size=float((failed if drop else passed).mean()),
        fixed_size_wrong=float((passed if drop else failed).mean()),
        bound=wald_bound(information, ALPHA, wrong),
    )


def cell(source: Source, items: int, margin: float, gates: int) -> Cell:
    random = np.random.default_rng([items, round(1e4 * margin), len(source.name)])
    rule = Rule(margin, ALPHA, ALPHA)
    ends: list[End] = []
    square = 0.0
    for drop in (0.0, margin):
        baseline, candidate = source.draw(random, (gates, items), drop)
        drops = baseline - candidate
        square = square or float((drops**2).mean())
        ends.append(end(drops, rule, drop))
    return Cell(source.name, items, margin, gates, square, *ends)


def all_cells(quick: bool) -> Iterator[Cell]:
    many = {200: 4000, 500: 3000, 1319: 2000, 5000: 500}
    for items, margins in MARGINS.items():
        for margin in margins:
            for source in SOURCES[:: 3 if quick else 1]:
                if not (quick and items > ITEMS):
                    yield cell(source, items, margin, 200 if quick else many[items])


def show_cells(console: Console, cells: list[Cell]) -> None:
    wrong = Table(title="Wrong verdicts in %: equal failed, at the margin passed")
    for heading in ("N", "margin", "items", "mean d²", "equal", "margin", "no plan", "fixed size"):
        wrong.add_column(heading, justify="left" if heading == "items" else "right")
    right = Table(title="Right verdicts in % and items read: equal / at the margin")
    for heading in ("N", "margin", "items", "right", "no plan", "fixed size", "read", "no plan",
                    "Wald's bound"):  # fmt: skip
        right.add_column(heading, justify="left" if heading == "items" else "right")
    for c in cells:
        e, m = c.equal, c.at_margin
        setting = (str(c.items), f"{c.margin:.0%}", c.source)
        last = c.source == SOURCES[-1].name
        wrong.add_row(
            *setting, f"{c.square:.3f}", percent(e.wrong, c.gates), percent(m.wrong, c.gates),
            f"{100 * e.wrong_without_plan:.1f} / {100 * m.wrong_without_plan:.1f}",
            f"{100 * e.fixed_size_wrong:.1f} / {100 * m.fixed_size_wrong:.1f}", end_section=last,
        )  # fmt: skip
        right.add_row(
            *setting, f"{100 * e.right:.0f} / {100 * m.right:.0f}",
            f"{100 * e.without_plan:.0f} / {100 * m.without_plan:.0f}",
            f"{100 * e.fixed_size:.0f} / {100 * m.fixed_size:.0f}",
            f"{e.items:.0f} / {m.items:.0f}",
            f"{e.items_without_plan:.0f} / {m.items_without_plan:.0f}",
            f"{e.bound:.0f} / {m.bound:.0f}", end_section=last,
        )  # fmt: skip
    console.print(wrong)
    console.print(right)
    least = min(c.gates for c in cells)
    console.print(f"± is one standard error; in the second table at most {50 / least**0.5:.1f}")
    for name, ends in (
        ("equal", [c.equal for c in cells]),
        ("margin", [c.at_margin for c in cells]),
    ):
        rates = [end.wrong for end in ends]
        worst = int(np.argmax(rates))
        allowed = [ALPHA + 2 * standard_error(ALPHA, c.gates) for c in cells]
        over = sum(rate > limit for rate, limit in zip(rates, allowed, strict=True))
        gained = [100 * (end.right - end.without_plan) for end in ends]
        console.print(
            f"{name}: wrong in {100 * np.mean(rates):.2f} % on average of {len(cells)} cells, at "
            f"worst {percent(rates[worst], cells[worst].gates)} %, {over} of them more than 2 "
            f"standard errors over 5 %; the plan adds {min(gained):.1f} to {max(gained):.1f} "
            f"points of right verdicts, {np.mean(gained):.1f} on average"
        )


def show_checks(console: Console, checks: list[Check]) -> None:
    table = Table("question", "setting", "measured", title="Further questions")
    for check in checks:
        table.add_row(check.question, check.setting, check.measured)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cells and gates: rough")
    parser.add_argument("--only", choices=("cells", "checks"), help="one half of it")
    parser.add_argument("--json", type=Path, help="write what was found here")
    arguments = parser.parse_args()
    console, status = Console(width=160), Console(stderr=True)
    began = time.monotonic()
    quick = arguments.quick
    found: dict[str, list[Cell] | list[Check]] = {}
    if arguments.only != "checks":
        cells = []
        for one in all_cells(quick):
            cells.append(one)
            status.print(f"{time.monotonic() - began:.0f} s: {one.items} items, {one.source}")
        show_cells(console, cells)
        found["cells"] = cells
    if arguments.only != "cells":
        checks = []
        for check in all_checks(quick):
            checks.append(check)
            status.print(f"{time.monotonic() - began:.0f} s: {check.question}: {check.measured}")
        show_checks(console, checks)
        found["checks"] = checks
    console.print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        rows = {name: [asdict(row) for row in rows] for name, rows in found.items()}
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

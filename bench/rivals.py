"""The rules that others decide by, beside the gate, on the same simulated runs.

    python -m bench.rivals [--quick] [--json OUT.json]

Each pair of runs (baseline, candidate) is judged by every rule. All but the gate generate every
item of the candidate; the gate may look after each. "False fail" is a candidate failed whose
expected score is the baseline's or better, "false pass" one passed whose score is lower by the
margin or more. ± is one standard error of the simulation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import norm, t

from bench.items import Source, percent
from bench.simulated import read_in_order
from harness.statistics.betting import Floats
from harness.statistics.sequential import Rule

ALPHA = 0.05
Verdicts = NDArray[np.int8]
"""1 is a pass, -1 a fail, 0 neither."""


def threshold(baseline: Floats, candidate: Floats, margin: float) -> Verdicts:
    """A fixed threshold: fail where the candidate's score is lower by the margin or more."""
    drop = (baseline - candidate).mean(-1)
    return np.where(drop >= margin, -1, 1).astype(np.int8)


def fixed_size(baseline: Floats, candidate: Floats, margin: float) -> Verdicts:
    """The paired test that looks once, one-sided at 5 % each way: the gate's own two questions."""
    mean, error = _mean_and_error(baseline - candidate)
    z = float(norm.ppf(1 - ALPHA))
    passed, failed = mean + z * error < margin, mean - z * error > 0
    return np.where(failed, -1, np.where(passed, 1, 0)).astype(np.int8)


def nel_gate(baseline: Floats, candidate: Floats, margin: float) -> Verdicts:
    """NeMo Evaluator's ``nel gate`` with the margin as ``max_drop``.

    A breach if the two-sided 95 % interval of the drop lies above the margin, a pass if below, else
    inconclusive: a drop has to be shown to be greater than the margin, so that one at the margin is
    inconclusive in 95 % of the runs however many items there are.
    """
    mean, error = _mean_and_error(baseline - candidate)
    reach = float(t.ppf(0.975, baseline.shape[-1] - 1)) * error
    failed, passed = mean - reach > margin, mean + reach <= margin
    return np.where(failed, -1, np.where(passed, 1, 0)).astype(np.int8)


def unpaired(baseline: Floats, candidate: Floats, margin: float) -> Verdicts:
    """lm-eval's model comparator: z from both runs' own standard errors, two-sided at 5 %.

    Fail where the candidate is significantly worse, else pass: it knows no margin.
    """
    first, second = _mean_and_error(baseline), _mean_and_error(candidate)
    z = (first[0] - second[0]) / np.sqrt(first[1] ** 2 + second[1] ** 2)
    return np.where(z > norm.ppf(0.975), -1, 1).astype(np.int8)


RULES: dict[str, Callable[[Floats, Floats, float], Verdicts]] = {
    "fixed threshold": threshold,
    "paired, fixed size": fixed_size,
    "nel gate": nel_gate,
    "lm-eval, unpaired": unpaired,
}


def _mean_and_error(x: Floats) -> tuple[Floats, Floats]:
    return x.mean(-1), np.maximum(x.std(-1, ddof=1), 1e-12) / x.shape[-1] ** 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """One rule on the runs of one cell; rates are shares of the runs."""

    rule: str
    source: str
    items: int
    margin: float
    drop: float
    runs: int
    failed: float
    passed: float
    read: float

    @property
    def undecided(self) -> float:
        return max(0.0, 1 - self.failed - self.passed)


SOURCES = (
    Source((4, 0.6)),
    Source((0.3, 0.3), churn=0.1),
    Source((4, 0.6), stored=4, asked=4, concentrated=True),
    Source((2, 2), stored=8),
)
SIZES = ((500, 0.05), (1319, 0.03), (5000, 0.02))


def lines(quick: bool) -> Iterator[Line]:
    for items, margin in SIZES[: 2 if quick else 3]:
        runs = 200 if quick else (2000 if items < 5000 else 600)
        for source in SOURCES:
            random = np.random.default_rng([items, len(source.name)])
            for drop in (-margin / 2, 0.0, margin / 2, margin, 2 * margin):
                baseline, candidate = source.draw(random, (runs, items), drop)
                setting = (source.name, items, margin, drop, runs)
                ours = read_in_order(baseline - candidate, Rule(margin, ALPHA, ALPHA))
                yield Line(
                    "harness gate", *setting, float(ours.failed.mean()),
                    float(ours.passed.mean()), float(ours.items.mean()) / items,
                )  # fmt: skip
                for name, rule in RULES.items():
                    verdicts = rule(baseline, candidate, margin)
                    yield Line(
                        name, *setting, float((verdicts < 0).mean()),
                        float((verdicts > 0).mean()), 1.0,
                    )  # fmt: skip


def show(console: Console, found: list[Line]) -> None:
    names = ["harness gate", *RULES]
    table = Table(title="Failed / passed / undecided in %; of the gate also the items read")
    for heading in ("items of both models", "N", "margin", "drop", *names):
        table.add_column(heading, justify="left" if heading.startswith("items") else "right")
    for first in range(0, len(found), len(names)):
        cells = found[first : first + len(names)]
        one = cells[0]
        said = [
            f"{100 * c.failed:.0f} / {100 * c.passed:.0f} / {100 * c.undecided:.0f}" for c in cells
        ]
        said[0] += f"  {100 * one.read:.0f} %"
        table.add_row(
            one.source, str(one.items), f"{100 * one.margin:g}", f"{100 * one.drop:g}", *said,
            end_section=one.drop == 2 * one.margin,
        )  # fmt: skip
    console.print(table)
    summary = Table(title="Over all cells, in %")
    for heading in ("rule", "false fail: worst", "mean", "false pass: worst", "mean",
                    "undecided: equal", "at margin", "items read"):  # fmt: skip
        summary.add_column(heading, justify="left" if heading == "rule" else "right")
    for name in names:
        of_it = [line for line in found if line.rule == name]
        equal = [line for line in of_it if line.drop == 0]
        good = [line for line in of_it if line.drop <= 0]
        bad = [line for line in of_it if line.drop >= line.margin]
        at_margin = [line for line in of_it if line.drop == line.margin]
        worst_fail = max(good, key=lambda line: line.failed)
        worst_pass = max(bad, key=lambda line: line.passed)
        summary.add_row(
            name,
            percent(worst_fail.failed, worst_fail.runs), _mean(line.failed for line in equal),
            percent(worst_pass.passed, worst_pass.runs), _mean(line.passed for line in at_margin),
            _mean(line.undecided for line in equal), _mean(line.undecided for line in at_margin),
            _mean(line.read for line in of_it),
        )  # fmt: skip
    console.print(summary)
    runs = min(line.runs for line in found)
    console.print(
        f"± is one standard error; in the first table at most {50 / runs**0.5:.1f}. Means of false "
        "verdicts are over the equal candidates and those just at the margin."
    )


def _mean(rates: Iterator[float]) -> str:
    return f"{100 * np.mean(list(rates)):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few runs: rough")
    parser.add_argument("--json", type=Path, help="write every line here")
    arguments = parser.parse_args()
    console = Console(width=170)
    began = time.monotonic()
    found = list(lines(arguments.quick))
    show(console, found)
    console.print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in found], indent=1), "utf-8")


if __name__ == "__main__":
    main()

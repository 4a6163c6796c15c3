"""The configurations that the documentation shows can pass, and as often as it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from harness.gate.config import Tier, margin_of, read_config
from harness.statistics.feasibility import fewest_items, least_margin
from harness.statistics.sequential import Rule, divide_alpha, share_of_attempt
from harness.statistics.simulation import (
    Differences,
    PlannedTask,
    Simulated,
    combined,
    simulate_gate,
)
from harness.types import NEW_ITEMS

ROOT = Path(__file__).parents[2]
SIZES = {"gsm8k": 1319, "math500": 500, "attack_success": 500}
SCORES = {"gsm8k": 0.75, "math500": 0.5, "attack_success": 0.1}
GUARDS = 4


def blocks() -> list[str]:
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/gate.md"))
    return [block for block in re.findall(r"```toml\n(.*?)```", text, re.S) if "tasks =" in block]


def differences(task: str, stored: int, samples: int, drop: float) -> Differences:
    """Return those of items of every difficulty, a tenth of them redrawn, by counting many."""
    random = np.random.default_rng(8)
    score, items = SCORES[task], 200_000
    easiness, other = random.beta(2 * score, 2 * (1 - score), (2, items))
    candidate = np.where(random.random(items) < 0.1, other, easiness)
    broken = random.random(items) < drop
    before = random.binomial(stored, np.where(broken, 1, easiness)) / stored
    found = before - random.binomial(samples, np.where(broken, 0, candidate)) / samples
    values, counts = np.unique(found, return_counts=True)
    return Differences(values, counts / counts.sum())


def simulated(
    block: str, path: Path, *, single: bool = False, dropped: str = ""
) -> list[Simulated]:
    """Return how the tests that count end."""
    path.write_text(block)
    config = read_config(path)
    tiers = config.tiers(list(config.tasks))
    # A task read on these items has planning and documentation of its own.
    tasks = [
        name
        for name in config.tasks
        if tiers[name] is not Tier.ADVISORY and config.of(name).target == NEW_ITEMS
    ]
    required = [tiers[name] is Tier.REQUIRED for name in tasks]
    alpha = config.alpha * share_of_attempt(1)
    share = divide_alpha(
        alpha,
        tests=sum(required) + 1,
        guards=GUARDS * len(tasks),
        guard_share=config.guard_share,
    ).test
    planned = []
    for name in tasks:
        of_task = config.of(name)
        samples = 1 if single else of_task.samples or 1
        margin = margin_of(of_task.margin, SCORES[name])
        drop = margin if name == dropped else 0.0
        rule = Rule(margin, share, alpha)
        planned.append(PlannedTask(rule, SIZES[name], differences(name, samples, samples, drop)))
    together = margin_of(
        config.suite_margin or config.defaults.margin,
        sum(SCORES[name] for name in tasks) / len(tasks),
    )
    ended = simulate_gate(planned, Rule(together, share, alpha), gates=600)
    return [test for test, counts in zip(ended, [*required, True], strict=True) if counts]


@pytest.mark.parametrize("block", blocks())
def test_an_equal_candidate_passes_the_documented_gate(block: str, tmp_path: Path) -> None:
    assert combined(simulated(block, tmp_path / "gate.toml")).passed.mean() > 0.8


def test_the_first_example_does_what_is_said_of_it(tmp_path: Path) -> None:
    block, path = blocks()[0], tmp_path / "gate.toml"
    same = combined(simulated(block, path))
    assert same.passed.mean() == pytest.approx(0.86, abs=0.05)
    lost = combined(simulated(block, path, dropped="math500"))
    assert lost.failed.mean() == pytest.approx(0.76, abs=0.05)
    single = combined(simulated(block, path, single=True))
    assert single.passed.mean() == pytest.approx(0.29, abs=0.06)


def test_the_fewest_items_are_those_of_the_documented_table() -> None:
    margins, items = re.findall(
        r"^\| (?:margin|items) \|((?: [\d.]+ \|){8})$", (ROOT / "docs/gate.md").read_text(), re.M
    )
    alpha = 0.05 * share_of_attempt(1)
    share = divide_alpha(alpha, tests=1, guards=GUARDS).test
    for margin, count in zip(margins.split(" | "), items.split(" | "), strict=True):
        rule = Rule(float(margin.strip(" |")) / 100, share, alpha)
        assert fewest_items(rule) == int(count.strip(" |"))
    assert least_margin(Rule(0.03, share, alpha), 30) == pytest.approx(0.115)

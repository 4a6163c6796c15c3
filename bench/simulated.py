"""Gates run over given differences, or over simulated rounds, as the harness runs one."""

from __future__ import annotations

import numpy as np

from harness.statistics.betting import Floats, Wealth
from harness.statistics.rounds import ItemEffects, split_samples
from harness.statistics.sequential import Rule, bets_of
from harness.statistics.simulation import ManyGates, Simulated


def read_in_order(differences: Floats, rule: Rule, *, planned: bool = True) -> Simulated:
    """Run one gate over each row of differences, each looking after every item.

    Args:
        differences: By gate and item.
        rule: What they decide.
        planned: Whether their bets plan for the last item.
    """
    gates, items = differences.shape
    many = many_gates(rule, gates, items if planned else None, items)
    for item in range(items):
        x = differences[many.running, item, None].astype(float)
        many.failing.observe(x)
        many.passing.observe(-x)
        many.look(item + 1)
        if not len(many.running):
            break
    return many.ended


def simulate_rounds(
    baseline: Floats,
    candidate: Floats,
    rule: Rule,
    *,
    rounds: int,
    stored: int | None = None,
    seed: int = 0,
) -> Simulated:
    """Run many gates over these items, with the evidence of ``sequential.Evidence``.

    Args:
        baseline: The chance of a right sample by gate and item.
        candidate: The same of the candidate.
        rule: What they decide.
        rounds: The most rounds a gate may read; its bets plan for that end.
        stored: The baseline's samples of an item; as many as rounds if left out.
        seed: Of the simulation.

    Returns:
        How each ended, ``items`` counting rounds.
    """
    random = np.random.default_rng(seed)
    gates, items = baseline.shape
    many = many_gates(rule, gates, rounds * items, rounds)
    effects = ItemEffects((gates, items))
    for number, samples in enumerate(map(len, split_samples(stored or rounds, rounds)), start=1):
        before = random.binomial(samples, baseline[many.running]) / samples
        drops = before - (random.random(before.shape) < candidate[many.running])
        read_round(many, effects, drops, number)
        if not len(many.running):
            break
    return many.ended


def read_round(many: ManyGates[Wealth], effects: ItemEffects, drops: Floats, number: int) -> None:
    """Read a round of differences of the running gates, the items' effects taken off."""
    offsets = effects.offsets()
    reach = 1 + np.abs(offsets).max(-1)
    many.failing.observe(drops - offsets, reach=reach)
    many.passing.observe(offsets - drops, reach=reach)
    effects.update(drops)
    effects.sums = effects.sums[many.look(number)]


def follow(wealth: Wealth, x: Floats) -> Floats:
    """Return the logarithm of the wealth after each of many single observations.

    Args:
        wealth: Takes them in.
        x: The observations in [-1, 1]; shape (..., steps).

    Returns:
        Against each null; shape (..., steps, nulls).
    """
    evidence = []
    for step in range(x.shape[-1]):
        wealth.observe(x[..., step, None])
        evidence.append(wealth.log_evidence())
    return np.stack(evidence, axis=-2)


def many_gates(rule: Rule, gates: int, planned: float | None, most: int) -> ManyGates[Wealth]:
    """Return gates whose bets plan for this weight, if any, and that read so much at most."""
    fail, absence = bets_of(rule, planned)
    return ManyGates(rule, Wealth(fail, [0.0], gates), Wealth(absence, [-rule.margin], gates), most)

"""The gate over these items: a round is one sample of every item, and the bets are held during it.

*What is inferred.* On *these items* drop means the mean, over the items of the benchmark and no
others, of the baseline's expected score on an item minus the candidate's; chance is only in the
sampling of both models. A candidate that gains on some of the items what it loses on others has not
dropped. Whether it would on other questions is left open, which is what makes a benchmark of 30
items decidable: every round brings fresh samples of all of them, where new items would be needed
for the other target.

*Fresh on both sides.* In round ``r`` each item's difference is the baseline's score minus that of
one new sample of the candidate. The baseline's stored samples are dealt out over the rounds, each
to one round only, so that all differences are independent and that of item ``i`` has the
expectation ``drop_i`` in every round. A baseline's mean over all its samples, used again in each
round, would have another expectation, off by its own noise, and no number of rounds could correct
that; so there are at most as many rounds as the baseline has samples.

*Why it is fair.* With bet ``b`` and null ``m`` held during the round the wealth is multiplied by
``prod(1 + b (x_i - m))``, and the expectation of that is the product of the single ones, at most
``(1 + b (drop - m))^n``, since a geometric mean is at most the arithmetic one. That is at most 1
where the mean drop is at most ``m``, whatever the single ones are.

*Usual drops.* Items on which the models differ for good make the squared differences large and the
bets small, though they say nothing new from round to round. What an item usually lost in earlier
rounds, taken off as ``x_i = d_i - c_i``, leaves the mean alone if the ``c_i`` add up to 0, and the
argument above holds unchanged, because the ``c_i`` are known before the round.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.statistics.betting import Floats, Wealth
from harness.statistics.sequential import Evidence, Outcome, Rule, bets_of
from harness.statistics.simulation import Simulated

#: The farthest a difference can lie from 0 when its usual drop has been taken off.
FARTHEST = 2.0

# Rounds after which half of what an item has lost is taken for usual. Sampling noise alone then
# makes the squared differences at most a twenty-fourth larger.
_HALF = 6.0


class UsualDrops:
    """What each item has lost beyond the others in the rounds so far.

    With a single item, or none read, there is nothing usual.

    Args:
        items: Items in a round.
        gates: How many independent gates to follow; none for a single one.
    """

    def __init__(self, items: int, gates: int | None = None) -> None:
        self._sums: Floats = np.zeros((items,) if gates is None else (gates, items))
        self._rounds = 0

    def next(self) -> Floats:
        """Return what is to be taken off the next round's differences; each within [-1, 1]."""
        usual = self._sums / (self._rounds + _HALF)
        beyond = usual - usual.mean(-1, keepdims=True)
        within: Floats = beyond / np.maximum(1.0, np.abs(beyond).max(-1, keepdims=True))
        return within

    def take_in(self, drops: Floats) -> None:
        """Take in a round, after it has been read."""
        self._sums += drops
        self._rounds += 1

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget all gates but the chosen ones; shape (gates,)."""
        self._sums = self._sums[chosen]


def dealt(stored: int, rounds: int) -> list[range]:
    """Deal a baseline's stored samples of an item out over the rounds, as evenly as it goes.

    Args:
        stored: How many there are.
        rounds: How many rounds there are to be.

    Returns:
        For each round the indices of its samples, no index in two rounds.

    Raises:
        ValueError: There are fewer samples than rounds.
    """
    if not 1 <= rounds <= stored:
        raise ValueError("every round needs a sample of its own")
    return [range(first, stored, rounds) for first in range(rounds)]


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
    fail, absence = bets_of(rule, rounds * items)
    failing, passing = Wealth(fail, [0.0], gates), Wealth(absence, [-rule.margin], gates)
    usual = UsualDrops(items, gates)
    running = np.arange(gates)
    failed, passed = np.zeros(gates, dtype=bool), np.zeros(gates, dtype=bool)
    read = np.full(gates, rounds)
    for number, samples in enumerate(map(len, dealt(stored or rounds, rounds)), start=1):
        before = random.binomial(samples, baseline[running]) / samples
        drops = before - (random.random(before.shape) < candidate[running])
        taken_off = usual.next()
        reach = 1 + np.abs(taken_off).max(-1)
        failing.observe(drops - taken_off, reach=reach)
        passing.observe(taken_off - drops, reach=reach)
        usual.take_in(drops)
        fails = failing.log_evidence()[..., 0] >= -math.log(rule.alpha_fail)
        passes = passing.log_evidence()[..., 0] >= -math.log(rule.alpha_pass)
        over = fails | passes
        if not over.any():
            continue
        failed[running[over]] = fails[over]
        passed[running[over]] = ~fails[over]
        read[running[over]] = number
        running = running[~over]
        for account in (failing, passing, usual):
            account.keep(~over)
        if not len(running):
            break
    return Simulated(failed, passed, read)


def fewest_rounds(rule: Rule, items: int, rounds: int) -> int | None:
    """Return the fewest rounds after which a candidate can pass: where nothing ever differs.

    Args:
        rule: What is decided.
        items: Items in a round.
        rounds: The most rounds there can be, for which the bets plan.

    Returns:
        That number, or nothing where not even all of them do.
    """
    evidence = Evidence(rule, rounds * items)
    for number in range(1, rounds + 1):
        if evidence.update_together(np.zeros(items)) is Outcome.PASS:
            return number
    return None

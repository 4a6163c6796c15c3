"""The gate over these items: a round is one sample of every item, and the bets are held during it.

*What is inferred.* On *these items* drop means the mean, over the items of the benchmark and no
others, of the baseline's expected score on an item minus the candidate's; chance is only in the
sampling of both models. A candidate that gains on some of the items what it loses on others has not
dropped. Whether it would on other questions is left open, which is what makes a benchmark of 30
items decidable: every round brings fresh samples of all of them, where new items would be needed
for the other target.

*Fresh on both sides.* In round ``r`` each item's difference is the baseline's score minus that of
one new sample of the candidate. The baseline's stored samples are split over the rounds, each in
one round only, so that all differences are independent and that of item ``i`` has the
expectation ``drop_i`` in every round. A baseline's mean over all its samples, used again in each
round, would have another expectation, off by its own noise, and no number of rounds could correct
that; so there are at most as many rounds as the baseline has samples.

*Why it is fair.* With bet ``b`` and null ``m`` held during the round the wealth is multiplied by
``prod(1 + b (x_i - m))``, and the expectation of that is the product of the single ones, at most
``(1 + b (drop - m))^n``, since a geometric mean is at most the arithmetic one. That is at most 1
where the mean drop is at most ``m``, whatever the single ones are.

*Item effects.* Items on which the models differ for good make the squared differences large and the
bets small, though they say nothing new from round to round. What an item lost on average in earlier
rounds is therefore taken off, ``x_i = d_i - c_i`` (a predictable control variate). That leaves the
mean alone if the ``c_i`` add up to 0, and the argument above holds unchanged, because the ``c_i``
are known before the round.
"""

from __future__ import annotations

import numpy as np

from harness.statistics.betting import Floats

#: The farthest a difference can lie from 0 when its item's effect has been taken off.
MAX_DIFFERENCE = 2.0

# Shrinkage towards 0: after this many rounds half of an item's mean loss is taken off. Sampling
# noise alone then makes the squared differences at most a twenty-fourth larger.
_SHRINKAGE = 6.0


class ItemEffects:
    """Running estimate of what each item loses beyond the others: a predictable control variate.

    With a single item, or before the first round, all effects are 0.

    Args:
        shape: Items in a round; with leading axes for independent gates.

    Attributes:
        sums: What each item has lost in all rounds so far.
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        self.sums: Floats = np.zeros(shape)
        self._rounds = 0

    def offsets(self) -> Floats:
        """Return what is taken off the next round's differences; each within [-1, 1], of sum 0."""
        mean = self.sums / (self._rounds + _SHRINKAGE)
        beyond = mean - mean.mean(-1, keepdims=True)
        within: Floats = beyond / np.maximum(1.0, np.abs(beyond).max(-1, keepdims=True))
        return within

    def update(self, drops: Floats) -> None:
        """Take in a round, after it has been read."""
        self.sums += drops
        self._rounds += 1


def split_samples(stored: int, rounds: int) -> list[range]:
    """Split a baseline's stored samples of an item over the rounds, as evenly as it goes.

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

"""Evidence about a mean that may be looked at as often as one likes: betting against a null.

A gambler starts with one coin and stakes a share ``bet`` of the wealth on each observation ``x`` in
[-1, 1] being above ``null``: the wealth is multiplied by ``1 + bet * (x - null)``. If the mean is
at most ``null``, no strategy that looks only at the past makes money on average, and by Ville's
inequality the wealth *ever* reaches ``1 / alpha`` with probability at most ``alpha``. The nulls not
yet rejected that way are a confidence sequence (Waudby-Smith & Ramdas 2023, "Estimating means of
bounded random variables by betting", arXiv 2010.09686, sections 4 and 5; mixtures of bets: Robbins
1970).

The bets are a small mixture. Each is the best one if the mean were ``null + excess``, namely
``excess / E[x^2]`` (for flips in {-1, 0, 1} exactly, else to second order), with the second moment
estimated from the past alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A bet of 1 could lose everything on one observation, and no later one could bring it back.
_LARGEST_BET = 0.98
# What is taken as the second moment before anything is seen, and the number of observations that
# this is worth. High, so that the first bets are careful.
_PRIOR_SQUARE = 0.25
_PRIOR_COUNT = 10.0


@dataclass(frozen=True, slots=True)
class Bets:
    """A mixture of bets: how far above the null the mean may be, and the wealth put on each.

    Attributes:
        excesses: Distances above the null, positive, in units of the observations.
        shares: The share of the first coin given to each, adding up to 1.
    """

    excesses: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def for_drop(cls, margin: float) -> Self:
        """Return the bets for showing a drop of the margin or more.

        From the margin up to 15 points (or twice the margin), since one does not know how bad a bad
        candidate is, and a little on a wreck. The shares were tuned on margins, drops and
        discordances other than those of ``bench/gate.py``.
        """
        excesses = np.geomspace(margin, max(0.15, 2 * margin), 4)
        return cls((*excesses.tolist(), 1.0), (0.28, 0.15, 0.15, 0.37, 0.05))

    @classmethod
    def for_absence(cls, margin: float) -> Self:
        """Return the bets for showing that a drop is under the margin.

        Most is put on no drop at all, the rest on an improvement by once and three times the
        margin.
        """
        return cls((margin, 2 * margin, 4 * margin), (0.70, 0.20, 0.10))


class Wealth:
    """The wealth of such a gambler against each of several nulls, for one gate or many at once.

    Attributes:
        log: Logarithm of the wealth by gate (leading axes, if any), null and bet.
    """

    def __init__(self, bets: Bets, nulls: Sequence[float] | Floats, gates: int | None = None):
        """Start with one coin against each null.

        Args:
            bets: The mixture.
            nulls: Means to be rejected, each in (-1, 1); shape (G,).
            gates: How many independent gates to follow; none for a single one.
        """
        self._nulls = np.asarray(nulls, dtype=float)[:, None]
        self._excesses = np.asarray(bets.excesses)
        # No bet may lose more than there is, also at x = -1.
        self._ceiling = np.minimum(_LARGEST_BET, _LARGEST_BET / (1 + self._nulls))
        lead = () if gates is None else (gates,)
        self.log: Floats = np.zeros((*lead, len(self._nulls), len(self._excesses)))
        self.log += np.log(bets.shares)
        self._squares = np.full(lead, _PRIOR_SQUARE * _PRIOR_COUNT)
        self._count = np.full(lead, _PRIOR_COUNT)

    def observe(self, x: Floats, weights: Floats | None = None) -> None:
        """Take in one round of independent observations; the bet is held during the round.

        Against "the weighted mean of the expectations is at most ``null``" the product over the
        round is fair: the geometric mean of the factors' expectations is at most their arithmetic
        one, which is at most 1.

        Args:
            x: The observations in [-1, 1]; shape (..., n) with the gates' leading axes.
            weights: One for each, in (0, 1], known before the round; shape (n,). Ones if left out.
        """
        scale = np.ones(x.shape[-1]) if weights is None else weights
        bet = self._bet(self._squares, self._count)
        for i in range(x.shape[-1]):
            self.log += np.log1p(scale[i] * bet * (x[..., i, None, None] - self._nulls))
        self._squares = self._squares + ((scale * x) ** 2).sum(-1)
        self._count = self._count + scale.sum()

    def follow(self, x: Floats) -> Floats:
        """Take in many rounds of one observation each; return the evidence after every one.

        Args:
            x: The observations in [-1, 1]; shape (..., steps).

        Returns:
            Logarithm of the whole wealth against each null; shape (..., steps, G).
        """
        seen = np.cumsum(x**2, axis=-1)
        count = self._count[..., None] + np.arange(x.shape[-1])
        bet = self._bet(self._squares[..., None] + seen - x**2, count)
        steps = np.log1p(bet * (x[..., None, None] - self._nulls))
        course = self.log[..., None, :, :] + np.cumsum(steps, axis=-3)
        self.log = course[..., -1, :, :]
        self._squares = self._squares + seen[..., -1]
        self._count = self._count + x.shape[-1]
        return _log_sum(course)

    def log_evidence(self) -> Floats:
        """Return the logarithm of the whole wealth against each null; shape (..., G)."""
        return _log_sum(self.log)

    def _bet(self, squares: Floats, count: Floats) -> Floats:
        best = self._excesses / (squares / count)[..., None, None]
        bet: Floats = np.minimum(best, self._ceiling)
        return bet

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget all gates but the chosen ones; shape (gates,)."""
        self.log = self.log[chosen]
        self._squares = self._squares[chosen]
        self._count = self._count[chosen]


def _log_sum(log: Floats) -> Floats:
    most = log.max(-1)
    total: Floats = most + np.log(np.exp(log - most[..., None]).sum(-1))
    return total

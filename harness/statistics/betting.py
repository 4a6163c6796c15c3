"""Anytime-valid evidence about a mean: betting e-values and their wealth process.

A gambler starts with one coin and stakes a share ``bet`` of the wealth on each observation ``x`` in
[-1, 1] being above ``null``: the wealth is multiplied by ``1 + bet * (x - null)``. If the mean is
at most ``null``, no strategy that looks only at the past makes money on average, and by Ville's
inequality the wealth *ever* reaches ``1 / alpha`` with probability at most ``alpha``. The nulls not
yet rejected that way are a confidence sequence (Waudby-Smith & Ramdas 2023, "Estimating means of
bounded random variables by betting", arXiv 2010.09686, sections 4 and 5; mixtures of bets: Robbins
1970).

The bets are a small mixture. Some are the best ones if the mean were ``null + excess``, namely
``excess / E[x^2]`` (for flips in {-1, 0, 1} exactly, else to second order), with the second moment
estimated from the past alone; they suit any end. Where the weight of all observations is fixed
before the start, others plan for it. Such an account aims at ``1 / alpha``. If its wealth is ``w``
and observations of weight ``r`` are left, it bets as the replicating portfolio of a claim that pays
``1 / alpha`` if a fair Brownian motion of the same variance reaches, by then, the level which it
reaches with probability ``alpha w``: the test of O'Brien and Fleming (1979) as a strategy (Koning &
van Meer 2025, arXiv 2501.03982, on anytime-valid versions of fixed tests). A strategy that looks
only at the past keeps the guarantee whether or not the observations are near normal, and also if
more or fewer come than planned; the approximation costs only power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

# A bet of 1 could lose everything on one observation, and no later one could bring it back.
_LARGEST_BET = 0.98
# What is taken as the second moment before anything is seen, and the number of observations that
# this is worth. High, so that the first bets are careful.
_PRIOR_SQUARE = 0.25
_PRIOR_COUNT = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """An end that is known before the start, and what is to be shown until then.

    Attributes:
        budget: Weight of all the observations that there can be; for a single task their number.
        margin: How far above the null the mean may well be; it gives the second horizon, the
            weight that a test of a fixed size would take.
        alpha: The probability of a false rejection, so that wealth of ``1 / alpha`` is aimed at.
    """

    budget: float
    margin: float
    alpha: float

    def enough(self, square: Floats) -> Floats:
        """Return the weight that a test of a fixed size takes, at most the budget."""
        distance = (_Z_POWER - ndtri(self.alpha)) / self.margin
        return np.minimum(self.budget, distance**2 * square)


# Shares of the open-ended bets, of the account that plans for the whole budget, and of the one that
# plans for the observations that a test of a fixed size would take at a power of 90 %, if these are
# fewer. Two fifths more on the whole budget would save 1 % more items where 80 % of the gates are
# decided at all, and cost 13 % more where the budget is thrice what is needed.
_OPEN_ENDED, _WHOLE, _ENOUGH = 0.3, 0.4, 0.3
_Z_POWER = float(ndtri(0.9))


@dataclass(frozen=True, slots=True)
class Bets:
    """A mixture of bets.

    Attributes:
        excesses: Of the open-ended bets: how far above the null the mean may be, positive, in units
            of the observations.
        shares: The share of the first coin given to each account, adding up to 1: the open-ended
            bets, then with a plan the two that follow it.
        plan: The end that is known, if one is.
    """

    excesses: tuple[float, ...]
    shares: tuple[float, ...]
    plan: Plan | None = None

    @classmethod
    def for_drop(cls, margin: float, plan: Plan | None = None) -> Self:
        """Return the bets for showing a drop of the margin or more.

        From the margin up to 15 points (or twice the margin), since one does not know how bad a bad
        candidate is, and a little on a wreck. The shares were tuned by simulation.
        """
        excesses = np.geomspace(margin, max(0.15, 2 * margin), 4)
        return cls((*excesses.tolist(), 1.0), (0.28, 0.15, 0.15, 0.37, 0.05))._following(plan)

    @classmethod
    def for_absence(cls, margin: float, plan: Plan | None = None) -> Self:
        """Return the bets for showing that a drop is under the margin.

        Most is put on no drop at all, the rest on an improvement by once and three times the
        margin.
        """
        return cls((margin, 2 * margin, 4 * margin), (0.70, 0.20, 0.10))._following(plan)

    def _following(self, plan: Plan | None) -> Self:
        if plan is None:
            return self
        shares = (*(_OPEN_ENDED * share for share in self.shares), _WHOLE, _ENOUGH)
        return replace(self, shares=shares, plan=plan)


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
        self._plan = bets.plan
        lead = () if gates is None else (gates,)
        self.log: Floats = np.zeros((*lead, len(self._nulls), len(bets.shares)))
        self._stakes = np.log(bets.shares)
        self.log += self._stakes
        self._squares = np.full(lead, _PRIOR_SQUARE * _PRIOR_COUNT)
        self._count = np.full(lead, _PRIOR_COUNT)

    def observe(
        self, x: Floats, weights: Floats | None = None, reach: float | Floats = 1.0
    ) -> None:
        """Take in one round of independent observations; the bet is held during the round.

        Against "the weighted mean of the expectations is at most ``null``" the product over the
        round is fair: the geometric mean of the factors' expectations is at most their arithmetic
        one, which is at most 1.

        Args:
            x: The observations; shape (..., n) with the gates' leading axes.
            weights: One for each, in (0, 1], known before the round; shape (n,). Ones if left out.
            reach: The observations are in [-reach, reach]; at least 1, known before the round, one
                for all gates or one for each.
        """
        scale = np.ones(x.shape[-1]) if weights is None else weights
        bet = self._bet(np.asarray(reach))
        for i in range(x.shape[-1]):
            self.log += np.log1p(scale[i] * bet * (x[..., i, None, None] - self._nulls))
        self._squares = self._squares + ((scale * x) ** 2).sum(-1)
        self._count = self._count + scale.sum()

    def log_evidence(self) -> Floats:
        """Return the logarithm of the whole wealth against each null; shape (..., G)."""
        return _log_sum(self.log)

    def log_evidence_after(self, null: int, x: Floats, weights: Floats) -> float:
        """Return the evidence of a single gate against one null if one more round held ``x``.

        The bets are those that would follow it, which flatters the evidence, and their ceiling that
        of observations in [-1, 1]: to plan with, not to decide.
        """
        after = copy(self)
        after._squares = self._squares + ((weights * x) ** 2).sum()
        after._count = self._count + weights.sum()
        gains = weights[:, None] * after._bet(np.ones(()))[null] * (x[:, None] - self._nulls[null])
        return float(_log_sum(self.log[null] + np.log1p(np.maximum(gains, -0.99)).sum(0)))

    def _bet(self, reach: Floats) -> Floats:
        square = (self._squares / self._count)[..., None, None]
        bet = self._excesses / square
        if self._plan is not None:
            bet = np.broadcast_to(bet, (*self.log.shape[:-1], len(self._excesses)))
            bet = np.concatenate([bet, self._planned(square[..., 0], self._plan)], axis=-1)
        # No bet may lose more than there is, also on the least observation.
        ceiling = np.minimum(_LARGEST_BET, _LARGEST_BET / (reach[..., None, None] + self._nulls))
        limited: Floats = np.minimum(bet, ceiling)
        return limited

    def _planned(self, square: Floats, plan: Plan) -> Floats:
        """Return the bets of the two accounts that follow the plan; shape (..., G, 2)."""
        horizons = np.stack([np.full_like(square, plan.budget), plan.enough(square)], axis=-1)
        left = np.maximum(1.0, horizons - (self._count - _PRIOR_COUNT)[..., None, None])
        wealth = self.log[..., -2:] - self._stakes[-2:]
        chance = np.clip(plan.alpha * np.exp(np.minimum(wealth, 700.0)), 1e-300, 1.0)
        distance = -ndtri(chance / 2)
        density = np.exp(-(distance**2) / 2) / math.sqrt(2 * math.pi)
        bet: Floats = 2 * density / (chance * np.sqrt(square[..., None] * left))
        return bet

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget all gates but the chosen ones; shape (gates,)."""
        self.log = self.log[chosen]
        self._squares = self._squares[chosen]
        self._count = self._count[chosen]

    def drop_nulls(self, count: int) -> None:
        """Stop following the first so many nulls."""
        self._nulls = self._nulls[count:]
        self.log = self.log[..., count:, :]


def _log_sum(log: Floats) -> Floats:
    # By account first: numpy is slow at reducing a short last axis, and this is most of its work.
    accounts = log.reshape(-1, log.shape[-1]).T.copy()
    most = accounts.max(0)
    total: Floats = most + np.log(np.exp(accounts - most).sum(0))
    return total.reshape(log.shape[:-1])

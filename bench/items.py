"""Items, and both models' samples of them: what the simulations of this folder are made of.

Two kinds of sources. :class:`Population` is the recorded one, tilted until single samples disagree
as often as asked. :class:`Source` draws each item's chance of a right sample from a law, gives a
share of the items another chance for the candidate (churn: as after training, some items are
gained and as many lost), and takes the drop from all items or from a few that fail completely.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from harness.statistics.betting import Floats

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
class Source:
    """Where items come from, and how the candidate differs on them.

    Attributes:
        law: Of an item's chance of a right sample: ``recorded``, or the two parameters of a beta
            distribution.
        stored: The baseline's samples of each item.
        asked: The candidate's.
        churn: Share of the items whose chance is drawn again for the candidate.
        concentrated: A drop makes as few items as possible fail completely; else it takes the same
            share of each item's chance.
    """

    law: str | tuple[float, float]
    stored: int = 1
    asked: int = 1
    churn: float = 0.0
    concentrated: bool = False

    @property
    def name(self) -> str:
        law = self.law if isinstance(self.law, str) else "Beta({:g}, {:g})".format(*self.law)
        churn = f", churn {self.churn:.0%}" if self.churn else ""
        return f"{law}, {self.stored}×{self.asked}{churn}{', few items' * self.concentrated}"

    @property
    def mean(self) -> float:
        """The baseline's expected score."""
        if isinstance(self.law, str):
            return float(np.dot(RECORDED, np.linspace(0, 1, len(RECORDED))) / sum(RECORDED))
        first, second = self.law
        return first / (first + second)

    def chances(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw the baseline's chance of a right sample on each item."""
        if isinstance(self.law, str):
            weights = np.array(RECORDED) / sum(RECORDED)
            return np.linspace(0, 1, len(RECORDED))[random.choice(len(weights), shape, p=weights)]
        return random.beta(*self.law, shape)

    def changed(self, chances: Floats, drop: float, random: np.random.Generator) -> Floats:
        """Return the candidate's chances: lower by the drop on average, or higher if negative."""
        again = random.random(chances.shape) < self.churn
        after = np.where(again, self.chances(random, chances.shape), chances)
        if drop < 0:
            return after - drop / (1 - self.mean) * (1 - after)
        share = drop / self.mean
        if self.concentrated:
            return np.where(random.random(chances.shape) < share, 0.0, after)
        return after * (1 - share)

    def draw(
        self, random: np.random.Generator, shape: tuple[int, ...], drop: float
    ) -> tuple[Floats, Floats]:
        """Draw both models' scores on items that are drawn, too."""
        chances = self.chances(random, shape)
        return self.scores(random, chances, self.changed(chances, drop, random))

    def scores(
        self, random: np.random.Generator, baseline: Floats, candidate: Floats
    ) -> tuple[Floats, Floats]:
        """Draw both models' scores on given items."""
        return (
            random.binomial(self.stored, baseline) / self.stored,
            random.binomial(self.asked, candidate) / self.asked,
        )


def standard_error(rate: float | NDArray[np.float64], runs: int) -> float:
    """Standard deviation of a simulated rate, not taken as less than that of one in so many."""
    shown = np.clip(rate, 1 / runs, 1 - 1 / runs)
    return float(np.sqrt(shown * (1 - shown) / runs).max())


def percent(rate: float, runs: int) -> str:
    """Write a simulated rate in percent, with the standard error."""
    return f"{100 * rate:.1f} ± {100 * standard_error(rate, runs):.1f}"

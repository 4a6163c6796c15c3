"""Variance components of a score: between items, and within items (sampling)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Noise:
    """The variance of one item's score in its two parts, in squared shares.

    Attributes:
        items: Number of items.
        samples: Samples an item (harmonic mean, where they differ).
        between: Variance of the items' expected scores; at least 0.
        within: Mean variance of one sample around its item's expected score; none where every item
            has one sample, since the two cannot then be separated.
    """

    items: int
    samples: float
    between: float | None
    within: float | None

    @property
    def sampling_share(self) -> float | None:
        """Share of the score's variance that comes from sampling, at the samples there are."""
        if self.within is None or self.between is None:
            return None
        total = self.between + self.within / self.samples
        return self.within / self.samples / total if total else 0.0


def decompose(correct: ArrayLike, samples: ArrayLike) -> Noise:
    """Split the noise of a run into between-item and within-item variance.

    One-way analysis of variance with a binary outcome: ``k/(k-1) p(1-p)`` of an item with ``k``
    samples is an unbiased estimate of its sampling variance, and what the item means vary beyond it
    is between items (Miller 2024, arXiv 2411.00640, section 3).

    Args:
        correct: Number of right samples by item.
        samples: Number of samples by item; items with one do not tell about ``within``.

    Raises:
        ValueError: There are no items, or an item has no samples.
    """
    right, count = np.asarray(correct, dtype=float), np.asarray(samples, dtype=float)
    if not len(right) or (count < 1).any():
        raise ValueError("every item needs a sample")
    share = right / count
    harmonic = float(1 / np.mean(1 / count))
    several = count > 1
    if not several.any():
        return Noise(len(share), 1.0, None, None)
    within = float(np.mean((share * (1 - share) * count)[several] / (count[several] - 1)))
    total = float(share.var(ddof=1)) if len(share) > 1 else 0.0
    return Noise(len(share), harmonic, max(0.0, total - within / harmonic), within)

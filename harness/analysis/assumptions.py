"""Assumptions of a power analysis: sampling noise, and how much items differ between models.

Two models that are equal on average are not equal on every item. How much their items differ is
estimated from earlier comparisons in the results file, where there are any.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

import numpy as np

from harness.statistics.noise import decompose
from harness.statistics.planning import Assumptions
from harness.store import Store, queries
from harness.store.item_results import ItemResult, item_results
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE

# The variance of fewer shared items is too uncertain.
_FEWEST_ITEMS = 30
_MOST_RUNS = 8
# The share of the items whose difficulty changes, where there is no earlier comparison.
_ASSUMED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class EarlierComparisons:
    """How much the items changed between a baseline and other models of its results file.

    Attributes:
        runs: How many runs it was compared with.
        discordance: The share of items on which single samples of two such models disagree, but for
            what their scores differ by; median over the runs.
        changes: Variance of the true differences between items, the noise of sampling taken off;
            median over the runs, none where they have single samples, whose noise is not known.
    """

    runs: int
    discordance: float
    changes: float | None


def earlier_comparisons(
    store: Store,
    run: RunSummary,
    items: Collection[ItemResult],
    *,
    profile: str = DEFAULT_PROFILE,
) -> EarlierComparisons | None:
    """Compare a baseline with complete runs of other models that were asked the same.

    Models with as many parameters go before others, being mostly checkpoints of one model; of those
    the newest.

    Args:
        store: The results file.
        run: The baseline.
        items: Its graded items.
        profile: Whose grades count.

    Returns:
        What they show, or ``None`` if there is no such run.
    """
    runs = queries.runs(store, profile=profile)
    # The baseline may have been regraded since it was found.
    run = next((one for one in runs if one.id == run.id), run)
    others = [
        other
        for other in runs
        if other.protocol == run.protocol
        and other.data_sha256 == run.data_sha256
        and other.fingerprint != run.fingerprint
        and other.complete
        and other.grader_versions == run.grader_versions
    ]
    others.sort(key=lambda other: other.parameters != run.parameters)
    own = {(item.item_id, item.gold_id): item for item in items}
    found = []
    for other in others[:_MOST_RUNS]:
        theirs = item_results(store, other.id, profile=profile).values()
        pairs = [
            (own[key], item) for item in theirs if (key := (item.item_id, item.gold_id)) in own
        ]
        if len(pairs) >= _FEWEST_ITEMS:
            found.append(_discordance_and_changes(pairs))
    if not found:
        return None
    known = [changes for _, changes in found if changes is not None]
    return EarlierComparisons(
        runs=len(found),
        discordance=max(0.0, median(discordance for discordance, _ in found)),
        changes=max(0.0, median(known)) if known else None,
    )


def _discordance_and_changes(
    pairs: Collection[tuple[ItemResult, ItemResult]],
) -> tuple[float, float | None]:
    varies = float(np.var([first.score - second.score for first, second in pairs], ddof=1))
    discordance, noise, known = varies, 0.0, True
    for side in zip(*pairs, strict=True):
        found = decompose([item.correct for item in side], [item.samples for item in side])
        within = found.within or 0.0
        discordance += within * (1 - 1 / found.samples)
        noise += within / found.samples
        known = known and found.within is not None
    return discordance, varies - noise if known else None


@dataclass(frozen=True, slots=True)
class SourcedAssumptions:
    """Assumptions about a comparison, and where they come from.

    Attributes:
        values: The assumptions; ``candidate_samples`` is to be replaced as needed.
        noise: Where the noise of sampling comes from: ``measured``, ``given``, ``earlier`` (for
            single samples the whole disagreement of earlier comparisons) or ``worst case``.
        changes: Where the items that change come from: ``given``, ``earlier``, ``supposed`` or
            ``noise`` (single samples: changes cannot be separated from the noise).
        runs: How many earlier runs they rest on; 0 for none.
    """

    values: Assumptions
    noise: str
    changes: str
    runs: int


def assume(
    items: Collection[ItemResult],
    samples: int,
    *,
    earlier: EarlierComparisons | None = None,
    discordance: float | None = None,
    most: float = 1.0,
) -> SourcedAssumptions:
    """Return the assumptions about a candidate that has not been measured.

    Args:
        items: The baseline's graded items.
        samples: Samples an item by the candidate.
        earlier: What earlier comparisons show.
        discordance: Share of items on which single samples of the two disagree, if known.
        most: The greatest discordance that is assumed where nothing is known.
    """
    found = decompose([item.correct for item in items], [item.samples for item in items])
    # Half an item for either side: a run without a mistake is not taken to be infallible.
    score = (sum(item.score for item in items) + 0.5) / (len(items) + 1)
    room = score * (1 - score)

    def assumptions(within: float, changes: float, noise: str, source: str) -> SourcedAssumptions:
        assumed = Assumptions(score, within, changes, found.samples, samples)
        runs = earlier.runs if earlier and "earlier" in (noise, source) else 0
        return SourcedAssumptions(assumed, noise, source, runs)

    if found.within is None:
        if discordance is not None:
            return assumptions(discordance / 2, 0.0, "given", "noise")
        if earlier is not None:
            return assumptions(earlier.discordance / 2, 0.0, "earlier", "noise")
        return assumptions(min(room, most / 2), 0.0, "worst case", "noise")
    within = min(found.within, room)
    if discordance is not None:
        within = min(within, discordance / 2)
        return assumptions(within, discordance - 2 * within, "measured", "given")
    if earlier is not None:
        changes = earlier.changes
        if changes is None:
            changes = max(0.0, earlier.discordance - 2 * within)
        return assumptions(within, changes, "measured", "earlier")
    return assumptions(within, 2 * _ASSUMED_SHARE * (room - within), "measured", "supposed")

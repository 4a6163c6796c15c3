"""What is supposed of a candidate before it is measured: noise of sampling, items that change.

Two models that are equal on average are not equal on every item. How much the items change is taken
from earlier comparisons in the results file, where there are any.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

import numpy as np

from harness.statistics.noise import decompose
from harness.statistics.planning import Supposed
from harness.store import Store, queries
from harness.store.outcomes import ItemOutcome, item_outcomes
from harness.store.queries import RunSummary
from harness.types import DEFAULT_PROFILE

# Fewer shared items tell little of a variance.
_FEWEST_ITEMS = 30
_MOST_RUNS = 8
# The share of the items whose difficulty is drawn anew, where no comparison tells.
_SUPPOSED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Earlier:
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
    items: Collection[ItemOutcome],
    *,
    profile: str = DEFAULT_PROFILE,
) -> Earlier | None:
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
    # The baseline may have been judged again since it was found.
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
        theirs = item_outcomes(store, other.id, profile=profile).values()
        pairs = [
            (own[key], item) for item in theirs if (key := (item.item_id, item.gold_id)) in own
        ]
        if len(pairs) >= _FEWEST_ITEMS:
            found.append(_differing(pairs))
    if not found:
        return None
    known = [changes for _, changes in found if changes is not None]
    return Earlier(
        runs=len(found),
        discordance=max(0.0, median(discordance for discordance, _ in found)),
        changes=max(0.0, median(known)) if known else None,
    )


def _differing(pairs: Collection[tuple[ItemOutcome, ItemOutcome]]) -> tuple[float, float | None]:
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
class Supposition:
    """What is supposed of a comparison, and why.

    Attributes:
        of_items: What the planning takes; ``candidate_samples`` is to be replaced as needed.
        noise: Where the noise of sampling comes from: ``measured``, ``given``, ``earlier`` (for
            single samples the whole disagreement of earlier comparisons) or ``worst case``.
        changes: Where the items that change come from: ``given``, ``earlier``, ``supposed`` or
            ``noise`` (single samples: what changes cannot be told from the noise).
        runs: How many earlier runs tell; 0 where none does.
    """

    of_items: Supposed
    noise: str
    changes: str
    runs: int


def suppose(
    items: Collection[ItemOutcome],
    samples: int,
    *,
    earlier: Earlier | None = None,
    discordance: float | None = None,
    most: float = 1.0,
) -> Supposition:
    """Say what is supposed of a candidate.

    Args:
        items: The baseline's graded items.
        samples: Samples an item by the candidate.
        earlier: What earlier comparisons show.
        discordance: Share of items on which single samples of the two disagree, if known.
        most: The greatest discordance that is supposed where nothing is known.
    """
    found = decompose([item.correct for item in items], [item.samples for item in items])
    # Half an item for either side: a run without a mistake is not taken to be infallible.
    score = (sum(item.score for item in items) + 0.5) / (len(items) + 1)
    room = score * (1 - score)

    def supposition(within: float, changes: float, noise: str, source: str) -> Supposition:
        supposed = Supposed(score, within, changes, found.samples, samples)
        runs = earlier.runs if earlier and "earlier" in (noise, source) else 0
        return Supposition(supposed, noise, source, runs)

    if found.within is None:
        if discordance is not None:
            return supposition(discordance / 2, 0.0, "given", "noise")
        if earlier is not None:
            return supposition(earlier.discordance / 2, 0.0, "earlier", "noise")
        return supposition(min(room, most / 2), 0.0, "worst case", "noise")
    within = min(found.within, room)
    if discordance is not None:
        within = min(within, discordance / 2)
        return supposition(within, discordance - 2 * within, "measured", "given")
    if earlier is not None:
        changes = earlier.changes
        if changes is None:
            changes = max(0.0, earlier.discordance - 2 * within)
        return supposition(within, changes, "measured", "earlier")
    return supposition(within, 2 * _SUPPOSED_SHARE * (room - within), "measured", "supposed")

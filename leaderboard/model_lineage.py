"""Which model was made from which, and what each step gained; no drawing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics import paired
from harness.statistics.intervals import Estimate
from harness.store.queries import RunSummary
from leaderboard.ranking import Row, Scores, value_of

_BEFORE = {"base": 0, "instruct": 1, "sft": 1, "cft": 2, "rl": 2}


@dataclass(frozen=True, slots=True)
class Step:
    """A model of a family tree.

    Attributes:
        row: The model.
        depth: Steps from the root; 0 for the root itself.
        gain: Its score less its parent's, as a share; ``None`` for a root, and where one of the
            two is of another protocol: that would be a gain of the protocol as much.
        interval: The gain's 95 % interval over the same items; published numbers have none.
    """

    row: Row
    depth: int
    gain: float | None = None
    interval: tuple[float, float] | None = None


def family_trees(
    rows: Sequence[Row], tasks: Sequence[str], by: str, scores: Scores
) -> list[list[Step]]:
    """Return the trees of two models or more among these rows, the largest first.

    Checkpoints trained here hang on the model they started from. Of published models only the
    family is known: all others hang on its base.

    Args:
        rows: Rows with a value of ``by``.
        tasks: What ``by`` is made of.
        by: A task; the average if empty.
        scores: Gives the scores by item of runs.
    """
    shown = [row for row in rows if value_of(row, by) is not None]
    own = {row.fingerprint: row for row in shown if row.fingerprint and not row.differs}
    bases = {row.family: row for row in shown if row.family and row.method == "base"}
    children: dict[int, list[Row]] = defaultdict(list)
    roots = []
    for row in shown:
        parent = own.get(row.parent_fingerprint) if row.fingerprint else bases.get(row.family)
        if parent is None or parent is row:
            roots.append(row)
        else:
            children[id(parent)].append(row)
    trees = []
    for root in roots:
        if id(root) in children:
            steps = [Step(root, 0)]
            _descend(steps, root, children, tasks, by, scores)
            trees.append(steps)
    return sorted(trees, key=lambda tree: (tree[0].row.kind != "measured", -len(tree)))


def _descend(
    steps: list[Step],
    parent: Row,
    children: dict[int, list[Row]],
    tasks: Sequence[str],
    by: str,
    scores: Scores,
) -> None:
    depth = steps[-1].depth + 1
    ordered = sorted(
        children[id(parent)], key=lambda row: (_BEFORE.get(row.method, 1), value_of(row, by))
    )
    for row in ordered:
        steps.append(_step(parent, row, depth, tasks, by, scores))
        if id(row) in children:
            _descend(steps, row, children, tasks, by, scores)


def _step(parent: Row, row: Row, depth: int, tasks: Sequence[str], by: str, scores: Scores) -> Step:
    if any(one.cells[task].differs for one in (parent, row) for task in tasks):
        return Step(row, depth)
    found = _paired(parent, row, tasks, scores)
    if found is not None:
        return Step(row, depth, found.value, (found.low, found.high))
    return Step(row, depth, (value_of(row, by) or 0.0) - (value_of(parent, by) or 0.0))


def _paired(parent: Row, row: Row, tasks: Sequence[str], scores: Scores) -> Estimate | None:
    """Return the mean paired gain over tasks, if all of them were measured on the same items."""
    gains = []
    for task in tasks:
        runs: list[RunSummary] = [
            cell.run
            for cell in (parent.cells[task], row.cells[task])
            if cell.run is not None and not cell.differs
        ]
        if len(runs) < 2 or runs[0].item_set != runs[1].item_set:
            return None
        by_item = scores(runs)
        gains.append(paired.compare(*(by_item[run.id] for run in runs)))
    return paired.average(gains) if gains else None

"""A run's score under another reducer than the mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.statistics import intervals, reducers
from harness.statistics.intervals import Estimate
from harness.store import Store, samples
from harness.store.samples import Sample
from harness.types import AnswerType
from harness.voting import answer_classes

_AT_K = re.compile(r"(pass|all|maj)@([1-9]\d*)")

Reduce = Callable[[Sequence[Sample]], float]


def score_run(store: Store, run_id: str, reducer: str, profile: str) -> Estimate:
    """Score a run: reduce each item's samples to one number, and average over items.

    Args:
        store: The results file.
        run_id: The run.
        reducer: ``mean``, ``pass@K``, ``all@K`` or ``maj@K``.
        profile: Whose grades to take.

    Raises:
        HarnessError: The reducer is unknown, an item has fewer samples than it takes, or this
            profile has not judged the run.
    """
    judged = [
        sample
        for sample in samples.of_run(store, run_id, profile=profile)
        if sample.correct is not None
    ]
    if not judged:
        raise HarnessError(
            f"{profile} has judged nothing of run {run_id}.",
            f"Run `harness regrade {run_id} --profile {profile}` first.",
        )
    items = [list(group) for _, group in groupby(judged, key=lambda sample: sample.item_id)]
    with GraderPool() as pool:
        reduce = _reducer(reducer, min(map(len, items)), pool)
        values = [reduce(group) for group in items]
    if all(value in (0.0, 1.0) for value in values):
        return intervals.wilson(round(sum(values)), len(values))
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return intervals.clustered(mean, variance, len(values))


def _reducer(name: str, fewest: int, pool: GraderPool) -> Reduce:
    if name == "mean":
        return lambda group: reducers.mean([bool(sample.correct) for sample in group])
    match = _AT_K.fullmatch(name)
    if match is None:
        raise HarnessError(f"There is no reducer {name!r}.", "Known: mean, pass@K, all@K, maj@K.")
    k = int(match[2])
    if k > fewest:
        raise HarnessError(
            f"{name} needs {k} samples of each item; this run has {fewest}.",
            f"Evaluate with --n {k} first: only the missing samples are generated.",
        )
    if match[1] == "pass":
        return lambda group: reducers.pass_at([bool(sample.correct) for sample in group], k)
    if match[1] == "all":
        return lambda group: reducers.all_of([bool(sample.correct) for sample in group], k)

    def vote(group: Sequence[Sample]) -> float:
        first = group[:k]
        classes = answer_classes(first, AnswerType(first[0].answer_type), pool)
        return reducers.majority([bool(sample.correct) for sample in first], classes, k)

    return vote

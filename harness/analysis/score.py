"""The score of a run by a reducer: mean, pass@k, all@k or maj@k."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from harness.analysis.answer_classes import answer_classes, check_answers
from harness.analysis.completeness import regrade_command
from harness.errors import HarnessError
from harness.grading import GRADER_VERSION, GraderPool
from harness.statistics import intervals, reducers
from harness.statistics.intervals import Estimate
from harness.store import Store, queries, samples
from harness.store.samples import Sample
from harness.types import SOURCE_PROFILE

_AT_K = re.compile(r"(pass|all|maj)@([1-9]\d*)")


def score_run(store: Store, run_id: str, reducer: str, profile: str) -> Estimate:
    """Score a run: reduce each item's samples to one number, and average over items.

    Args:
        store: The results file.
        run_id: The run.
        reducer: ``mean``, ``pass@K``, ``all@K`` or ``maj@K``.
        profile: Whose grades to take.

    Raises:
        HarnessError: The reducer is unknown, an item has fewer samples than it takes, this profile
            has not judged the run, or votes cannot be counted: answers are not stored, or were
            judged by another version of the grader than the one that would compare them.
    """
    judged = [
        sample
        for sample in samples.of_run(store, run_id, profile=profile)
        if sample.correct is not None
    ]
    if not judged:
        raise HarnessError(
            f"{profile} has judged nothing of run {run_id}.",
            f"Run `{regrade_command(store, run_id, profile)}` first.",
        )
    items = [list(group) for _, group in groupby(judged, key=lambda sample: sample.item_id)]
    values = _reduce_items(reducer, items, lambda: _answer_pool(store, run_id, profile))
    if all(value in (0.0, 1.0) for value in values):
        return intervals.wilson(round(sum(values)), len(values))
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return intervals.clustered(mean, variance, len(values))


def _reduce_items(
    name: str, items: Sequence[Sequence[Sample]], answer_pool: Callable[[], GraderPool]
) -> list[float]:
    """Return one number for each item's samples."""
    if name == "mean":
        return [reducers.mean([bool(sample.correct) for sample in group]) for group in items]
    match = _AT_K.fullmatch(name)
    if match is None:
        raise HarnessError(f"There is no reducer {name!r}.", "Known: mean, pass@K, all@K, maj@K.")
    k, fewest = int(match[2]), min(map(len, items))
    if k > fewest:
        raise HarnessError(
            f"{name} needs {k} samples of each item; this run has {fewest}.",
            f"Evaluate with --n {k} first: only the missing samples are generated.",
        )
    correct = [[bool(sample.correct) for sample in group] for group in items]
    if match[1] == "pass":
        return [reducers.pass_at(group, k) for group in correct]
    if match[1] == "all":
        return [reducers.all_of(group, k) for group in correct]
    voting = [group[:k] for group in items]
    check_answers([sample for group in voting for sample in group], name)
    with answer_pool() as pool:
        classes = [answer_classes(group, pool) for group in voting]
    return [
        reducers.majority(right[:k], same, k) for right, same in zip(correct, classes, strict=True)
    ]


def _answer_pool(store: Store, run_id: str, profile: str) -> GraderPool:
    """Return a pool that compares answers by the rules that judged them."""
    if profile == SOURCE_PROFILE:  # its rules are not known
        return GraderPool()
    (versions,) = queries.grader_versions(store, [run_id], profile).values()
    if versions != (GRADER_VERSION,):
        raise HarnessError(
            f"Run {run_id} was judged by version {' and '.join(versions)} of the grader, and its "
            f"answers would be compared by version {GRADER_VERSION}.",
            f"Run `{regrade_command(store, run_id, profile)}` first.",
        )
    return GraderPool(profile=profile)

"""Rounds of a gate on these items: the baseline's samples of each, and what they can decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import HarnessError
from harness.grading import GRADER_VERSION
from harness.statistics.feasibility import fewest_rounds
from harness.statistics.noise import decompose
from harness.statistics.planning import Assumptions, Remedy, power_remedy
from harness.statistics.rounds import split_samples
from harness.statistics.sequential import Rule
from harness.store import Store
from harness.store.item_results import ItemResult, SampleResult, sample_results
from harness.text import trimmed
from harness.types import INFRASTRUCTURE_FAILURES, Status

# What could pass, where the margin asked for cannot: margins in steps of half a point, and rounds
# up to so many answers.
_STEP, _WIDEST = 0.005, 0.5
_MOST_ANSWERS = 100_000


def deal_out(
    store: Store, run_id: str, items: Mapping[str, ItemResult], rounds: int
) -> list[dict[str, ItemResult]]:
    """Return what each round reads of the baseline: its samples, each dealt to one round.

    Args:
        store: The results file.
        run_id: The baseline's run.
        items: Its items that the candidate is asked, judged by the present grader.
        rounds: How many rounds there are.

    Raises:
        HarnessError: An item has fewer samples than there are rounds.
    """
    samples: dict[str, list[SampleResult]] = defaultdict(list)
    for sample in sample_results(store, [run_id], GRADER_VERSION):
        samples[sample.item_id].append(sample)
    of_rounds: list[dict[str, ItemResult]] = [{} for _ in range(rounds)]
    for name, whole in items.items():
        stored = sorted(samples[name], key=lambda sample: sample.sample_index)
        if len(stored) < rounds:
            raise HarnessError(
                f"The baseline run {run_id} has {len(stored)} judged samples of item {name}, and "
                f"{rounds} rounds need one each.",
                f"Ask for samples = {len(stored)} at most, or complete the baseline.",
            )
        for of_round, places in zip(of_rounds, split_samples(len(stored), rounds), strict=True):
            of_round[name] = _outcome(whole, [stored[place] for place in places])
    return of_rounds


def _outcome(whole: ItemResult, samples: Sequence[SampleResult]) -> ItemResult:
    """Return what an item came to over some of its samples."""
    return ItemResult(
        item_id=whole.item_id,
        gold_id=whole.gold_id,
        subject=whole.subject,
        level=whole.level,
        samples=len(samples),
        correct=sum(sample.correct for sample in samples),
        truncated=sum(sample.truncated for sample in samples),
        no_answer=sum(sample.status is Status.NO_ANSWER for sample in samples),
        loops=sum(sample.loop for sample in samples),
        failures=sum(sample.status in INFRASTRUCTURE_FAILURES for sample in samples),
        completion_tokens=sum(sample.completion_tokens for sample in samples),
    )


def refuse_too_few_rounds(task: str, rule: Rule, items: int, rounds: int) -> None:
    """Refuse a margin that a candidate which never differs cannot pass.

    Raises:
        HarnessError: There are too few rounds for this margin.
    """
    if fewest_rounds(rule, items, rounds) is not None:
        return
    there_are = rounds
    needed = None
    while needed is None and there_are * items < _MOST_ANSWERS:
        there_are *= 2
        needed = fewest_rounds(rule, items, there_are)
    margins = np.arange(rule.margin + _STEP, _WIDEST, _STEP)
    wide = (Rule(float(margin), rule.alpha_fail, rule.alpha_pass) for margin in margins)
    enough = next((of for of in wide if fewest_rounds(of, items, rounds)), None)
    ways_out = [f"a margin of {trimmed(enough.margin, 1)} points"] if enough else []
    if needed is not None:
        ways_out.insert(0, f"about {needed} rounds (samples of each item, by both models)")
    raise HarnessError(
        f"On these {items} items of {task} a candidate without any difference cannot pass a margin "
        f"of {trimmed(rule.margin)} points within {rounds} rounds.",
        f"It takes {', or '.join(ways_out) or 'more items'}.",
    )


def rounds_it_would_take(
    rule: Rule, items: int, rounds: int, supposed: Assumptions, power: float
) -> Remedy:
    """Return how many rounds, or which margin, would decide with this chance.

    Args:
        rule: What is decided.
        items: Items in a round.
        rounds: How many rounds there are.
        supposed: What an item is supposed to show in a round, its usual drop taken off.
        power: The chance.

    Returns:
        A remedy whose ``samples`` is the number of rounds.
    """
    whole = power_remedy(rule, supposed, items=items * rounds, resample=False, power=power)
    return Remedy(items, -(-whole.items // items), whole.margin)


def supposed_in_rounds(baseline: Sequence[ItemResult], rounds: int) -> Assumptions:
    """Return what an item of a candidate that is equal on all of them shows in a round.

    Args:
        baseline: The baseline's items.
        rounds: How many rounds its samples are dealt to.
    """
    stored = min(item.samples for item in baseline)
    found = decompose([item.correct for item in baseline], [item.samples for item in baseline])
    score = sum(item.score for item in baseline) / len(baseline)
    within = found.within if found.within is not None else score * (1 - score)
    return Assumptions(score, within, 0.0, baseline_samples=stored / rounds, candidate_samples=1)

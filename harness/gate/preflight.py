"""Preflight: the power of a gate by simulation, and whether a pass is possible at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.analysis.assumptions import SourcedAssumptions, assume, earlier_comparisons
from harness.errors import HarnessError
from harness.gate.budget import Rules
from harness.gate.config import Tier
from harness.gate.plan import Pair
from harness.gate.report import (
    Budget,
    GatePower,
    TaskPower,
    ways,
)
from harness.gate.rounds import refuse_too_few_rounds, rounds_it_would_take, supposed_in_rounds
from harness.statistics.feasibility import (
    can_pass,
    fewest_items,
    fewest_items_of_suite,
    least_margin,
    suite_can_pass,
)
from harness.statistics.planning import power_remedy
from harness.statistics.sequential import Rule
from harness.statistics.simulation import PlannedTask, combined, simulate_gate
from harness.store import Store
from harness.text import percent, rough_percent, trimmed

# The share of items on which two models disagree that is supposed where nothing stored can tell:
# common between checkpoints of one model.
_SUPPOSED_DISCORDANCE = 0.2
# The share of a task's items that may be items of another task of the suite too: at 1 % the error
# grows by less than a tenth of a point.
_SHARED = 0.01
# What a simulated chance may lie under the one asked for without a word.
_UNSURE = 0.02


@dataclass(frozen=True, slots=True)
class Preflight:
    """The power analysis of a gate that has not started.

    Attributes:
        supposed: By task, what is supposed of its items.
        chances: Those of the whole gate.
        remarks: Where the items can hardly decide the margin, and what would.
    """

    supposed: Mapping[str, SourcedAssumptions]
    chances: GatePower
    remarks: list[str]


def preflight(store: Store, pairs: Sequence[Pair], rules: Rules, power: float) -> Preflight:
    """Estimate a gate's power by simulation, from what the store tells of its items.

    Args:
        store: The results file, whose earlier comparisons tell how much items change.
        pairs: Its tasks.
        rules: What is decided.
        power: The chance of a right verdict that is asked for.
    """
    supposed = {pair.name: _supposition(store, pair) for pair in pairs}
    equal, dropped = (
        simulate_gate(
            [_planned(pair, rules, supposed[pair.name], share) for pair in pairs], rules.suite
        )
        for share in (0, 1)
    )
    required = [rules.tiers[pair.name] is Tier.REQUIRED for pair in pairs]
    tasks = {
        pair.name: TaskPower(float(same.passed.mean()), float(worse.failed.mean()), counts)
        for pair, counts, same, worse in zip(pairs, required, equal, dropped, strict=False)
    }
    counted = [*required, True] if rules.suite else required
    whole_equal, whole_dropped = (
        combined([test for test, counts in zip(tests, counted, strict=True) if counts])
        for tests in (equal, dropped)
    )
    chances = GatePower(
        pass_if_equal=float(whole_equal.passed.mean()),
        fail_if_dropped=float(whole_dropped.failed.mean()),
        tasks=tasks,
    )
    remarks = [
        _remark(pair, rules.tasks[pair.name], supposed[pair.name], tasks[pair.name].least, power)
        for pair in pairs
        if tasks[pair.name].counts and tasks[pair.name].least < power - _UNSURE
    ]
    least = min(chances.pass_if_equal, chances.fail_if_dropped)
    if not remarks and rules.suite and not any(required) and least < power - _UNSURE:
        remarks = [
            f"The tasks together decide a margin of {trimmed(rules.suite.margin)} points with a "
            f"chance of {percent(least)} % only: more samples of each item by both models, more "
            "items or a greater suite_margin would help."
        ]
    elif not remarks and chances.pass_if_equal < power - _UNSURE:
        remarks = [
            "Each task decides its margin, but a candidate that is equal on all of them passes the "
            f"whole gate with a chance of {rough_percent(chances.pass_if_equal)} only."
        ]
    return Preflight(supposed, chances, remarks)


def check_passable(pairs: Sequence[Pair], rules: Rules, budget: Budget) -> None:
    """Refuse a gate that cannot pass: not even if no item showed any difference.

    Args:
        pairs: Its tasks.
        rules: What is decided.
        budget: Which attempt it is: a later one has less of alpha.

    Raises:
        HarnessError: It could not; so many items could.
    """
    try:
        _check_passable(pairs, rules)
    except HarnessError as error:
        if budget.attempt == 1:
            raise
        share = f"attempt {budget.attempt}, which has {100 * budget.share:.2g} % of alpha"
        raise HarnessError(f"In {share}: {error.message}", error.remedy) from error


def _check_passable(pairs: Sequence[Pair], rules: Rules) -> None:
    for pair in pairs:
        if rules.tiers[pair.name] is not Tier.REQUIRED:
            continue
        rule, items = rules.tasks[pair.name], len(pair.baseline_items)
        if pair.rounds is not None:
            refuse_too_few_rounds(pair.name, rule, items, len(pair.rounds))
        elif not can_pass(rule, items):
            raise HarnessError(
                f"{pair.name}: {items} items cannot pass a margin of {trimmed(rule.margin)} "
                "points, not even if the candidate differed on none of them.",
                f"Take at least {fewest_items(rule):,} items, or a margin of "
                f"{trimmed(least_margin(rule, items), 1)} points or more"
                + (
                    '; or ask about these items, with several samples of each: target = "these '
                    'items".'
                    if pair.baseline_run.samples > 1
                    else "."
                ),
            )
    together = [pair for pair in pairs if rules.tiers[pair.name] is not Tier.ADVISORY]
    sizes = {pair.name: _extent(pair)[0] for pair in together}
    widths = {pair.name: _extent(pair)[1] for pair in together}
    if rules.suite is None or suite_can_pass(rules.suite, sizes, widths):
        return
    smallest = min(sizes, key=sizes.__getitem__)
    units = "items" if widths[smallest] == 1 else "rounds"
    raise HarnessError(
        f"The tasks together cannot pass a margin of {trimmed(rules.suite.margin)} points with the "
        f"{sizes[smallest]} {units} of {smallest}, not even if the candidate differed on none.",
        f"Give each task at least {fewest_items_of_suite(rules.suite, sizes, widths):,} items (or "
        "rounds), or a greater suite_margin.",
    )


def refuse_shared_items(pairs: Sequence[Pair], rules: Rules) -> None:
    """Refuse a suite of tasks that share items, since its evidence takes them to be independent.

    Raises:
        HarnessError: Two tasks that count in the suite share more than a few items.
    """
    if rules.suite is None:
        return
    questions = {
        pair.name: {item.question for item in pair.plan.items}
        for pair in pairs
        if rules.tiers[pair.name] is not Tier.ADVISORY
    }
    for one, other in combinations(questions, 2):
        shared = len(questions[one] & questions[other])
        fewest = min(one, other, key=lambda name: len(questions[name]))
        if shared > _SHARED * len(questions[fewest]):
            raise HarnessError(
                f"{shared} items of {one} are items of {other} too, and what happens on them would "
                "count twice in the mean over the tasks, whose verdict would err more often than "
                "alpha allows.",
                f'Give {fewest} tier = "advisory", or gate on one of the two.',
            )


def _extent(pair: Pair) -> tuple[int, int]:
    """Return how many units there are to read, and the differences in each."""
    if pair.rounds is None:
        return len(pair.baseline_items), 1
    return len(pair.rounds), len(pair.baseline_items)


def _planned(
    pair: Pair, rules: Rules, supposition: SourcedAssumptions, share: float
) -> PlannedTask:
    """Return a task whose drop is this share of its margin."""
    units, width = _extent(pair)
    rule = rules.tasks[pair.name]
    return PlannedTask(
        rule,
        units,
        supposition.values.differences(share * rule.margin),
        width=width,
        in_suite=rules.tiers[pair.name] is not Tier.ADVISORY,
    )


def _remark(
    pair: Pair, rule: Rule, supposition: SourcedAssumptions, chance: float, power: float
) -> str:
    items, samples = len(pair.baseline_items), pair.plan.run.samples
    supposed = supposition.values
    extent = f"{items} items"
    if pair.rounds is not None:
        extent = f"{len(pair.rounds)} rounds on these {items} items"
        remedy = rounds_it_would_take(rule, items, len(pair.rounds), supposed, power)
    else:
        resample = supposition.noise == "measured"
        remedy = power_remedy(rule, supposed, items=items, resample=resample, power=power)
    basis = ""
    if supposition.noise == "worst case":
        disagree = f"{percent(supposed.square())} %"
        basis = f", assuming that the two disagree on {disagree} of the items"
    return (
        f"{pair.name}: {extent} may be too few for a margin of {trimmed(rule.margin)} points "
        f"(right verdict in {rough_percent(chance)} of such gates{basis}); {trimmed(power)} % "
        f"would take {ways(remedy, samples, in_rounds=pair.rounds is not None)}. A much larger "
        "drop or gain is still found."
    )


def _supposition(store: Store, pair: Pair) -> SourcedAssumptions:
    items = list(pair.baseline_items.values())
    if pair.rounds is not None:
        return SourcedAssumptions(
            supposed_in_rounds(items, len(pair.rounds)), "measured", "given", 0
        )
    return assume(
        items,
        pair.plan.run.samples,
        earlier=earlier_comparisons(store, pair.baseline_run, items),
        most=_SUPPOSED_DISCORDANCE,
    )

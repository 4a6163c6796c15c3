"""What the command line prints about comparisons and about what they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.display import percent_interval, print_table
from harness.display_incomplete import (
    incomplete_row,
    print_incomplete_standings,
    print_incomplete_task,
    print_why,
)
from harness.terminal import clean

if TYPE_CHECKING:
    from harness.comparability import Comparability
    from harness.compare import Compared, Ranked, Side, TaskComparison, TaskStandings
    from harness.flips import Flip
    from harness.needs import Needs
    from harness.selection import LeftOut
    from harness.statistics.noise import Noise
    from harness.statistics.paired import Comparison
    from harness.statistics.simulation import Prospect
    from harness.store.outcomes import ItemOutcome

_METHODS = {"mcnemar": "McNemar's exact test", "sign-flip": "exact sign-flip test"}
_CONVINCING = 0.05
_SMALLEST_P = 0.0001


def print_compared(names: Sequence[str], compared: Compared, by: str | None) -> None:
    """Print how two names compare: one task in full, several as a table."""
    if len(compared.tasks) == 1:
        _print_task(compared.tasks[0], compared.profile, by)
    else:
        _print_tasks(names, compared)
        if by is not None:
            for task in compared.tasks:
                _print_groups(task, by)
    _print_left_out(compared.left_out)


def print_ranked(compared: Ranked) -> None:
    """Print how several models rank."""
    for task in compared.tasks:
        _print_standings(task, compared.profile)
    if compared.averages:
        _say(f"average of {len(compared.tasks)} tasks")
        rows = [
            (name, percent_interval(average))
            for name, average in sorted(compared.averages.items(), key=lambda row: -row[1].value)
        ]
        print_table(("named", " score [95 %, all at once]"), rows)
    _print_left_out(compared.left_out)


def print_needs(found: Needs) -> None:
    """Print what a decision takes."""
    asked = found.question
    tokens = "nobody counted its tokens"
    if found.tokens_per_sample is not None:
        tokens = f"{found.tokens_per_sample:,.0f} tokens a sample"
    _say(
        f"baseline {found.run}  {found.model} on {found.task}: {found.items} items × "
        f"{found.samples:g} samples, {tokens}"
    )
    _say(
        f"to decide about a drop of {100 * asked.drop:g} points, each error {asked.alpha:.1%}, "
        f"power {asked.power:.0%}"
    )
    _print_suppositions(found)
    detects = _drop_or_none(found.detectable, "a drop")
    decides = _drop_or_none(found.margin, "a margin")
    _say(
        f"with {found.items} items and {_samples(found.needs[0].candidate_samples)} of each: "
        f"a test of a fixed size detects {detects}, the gate decides {decides}\n"
    )
    _print_what_is_needed(found)
    if found.savings:
        _print_savings(found)


def _print_suppositions(found: Needs) -> None:
    earlier = f"median of {found.earlier_runs} earlier comparisons in this file"
    if found.earlier_runs == 1:
        earlier = "the one earlier comparison in this file"
    noise = {
        "measured": "measured on its own samples",
        "given": "as given",
        "earlier": earlier,
        "worst case": "the worst case: a run with one sample of an item cannot tell; "
        "--discordance takes a better guess",
    }[found.basis]
    who = "two samples of one item" if found.basis == "measured" else "baseline and candidate"
    _say(f"{who} disagree in {2 * found.within:.1%} of cases ({noise})")
    if found.changes_basis == "noise":
        return
    changes = {
        "given": "--discordance, less the noise",
        "earlier": earlier,
        "supposed": "supposed, as if one item in ten were as hard as another: no run of another "
        "model under this protocol is in the file; --discordance takes a better guess",
    }[found.changes_basis]
    _say(
        "equal means equal on average: items lost or gained outright between models, "
        f"{found.changes:.1%} ({changes})"
    )


def _drop_or_none(drop: float | None, what: str) -> str:
    return f"no {what.partition(' ')[2]}" if drop is None else f"{what} of {100 * drop:.1f} points"


def _samples(count: int) -> str:
    return "one sample" if count == 1 else f"{count} samples"


def _print_what_is_needed(found: Needs) -> None:
    head = (" samples", " fixed-size items", " tokens", " gate items", " tokens")
    rows = [
        (
            f"{need.candidate_samples}",
            f"{need.fixed_items:,}",
            _count(need.fixed_tokens),
            f"{need.gate_items:,}",
            _count(need.gate_tokens),
            _prospect(need.equal, "pass"),
            _prospect(need.dropped, "fail"),
        )
        for need in found.needs
    ]
    print_table((*head, " if equal", " if dropped"), rows)
    enough = [need for need in found.needs if need.gate_items <= found.items]
    if enough:
        fewest = enough[0].candidate_samples
        _say(f"{found.items} items are enough for the gate with {fewest} samples of each\n")
    else:
        most = found.needs[-1].candidate_samples
        _say(f"{found.items} items are too few for the gate with up to {most} samples of each\n")


def _print_savings(found: Needs) -> None:
    _say(
        "what more stored samples of the baseline save, with "
        f"{_samples(found.needs[0].candidate_samples)} of each item by the candidate"
    )
    rows = [
        (
            f"{saving.baseline_samples:g}",
            f"{saving.gate_items:,}",
            _count(saving.gate_tokens),
            f"{saving.saved:.0%}",
            _count(saving.extra_tokens),
        )
        for saving in found.savings
    ]
    head = (" samples", " gate items", " tokens", " saved", " baseline's tokens, once")
    print_table(head, rows)


def _print_task(task: TaskComparison, profile: str, by: str | None) -> None:
    _say(f"{task.task}: {task.items} shared items, judged by {profile}\n")
    _print_differences(task.differences)
    _print_regraded(task.regraded)
    if not task.complete:
        print_incomplete_task(task)
        if by is not None:
            _print_groups(task, by)
        _print_flips(task.flips)
        return
    rows = [_side_row(name, side) for name, side in (("A", task.first), ("B", task.second))]
    head = ("", "model", " score", " 95 % interval", " samples", " tokens/sample")
    print_table((*head, " tokens/item", "run"), rows)
    paired = task.paired
    same = task.items - paired.better - paired.worse
    these = paired.on_these_items
    _say(
        f"B − A       {_effect(paired)} points{' over new items' if these else ''}, "
        f"p {_p(paired.p)} ({_METHODS[paired.method]}): {_verdict(paired, paired.p)}"
    )
    if these is not None:
        _say(
            f"            {_points(paired.effect)} [{_points(these.low)}, {_points(these.high)}] "
            f"points on these items, p {_p(these.p)} (noise of sampling alone): "
            f"{_verdict(paired, these.p)}"
        )
    _say(f"flips       {paired.worse} items worse, {paired.better} better, {same} as before")
    _say(f"could see   {_could_see(paired)}")
    for name, side in (("A", task.first), ("B", task.second)):
        if side.noise.within is not None:
            _say(f"noise of {name}  {_noise(side.noise)}")
    _say("")
    rates = [
        (
            name.replace("_", " "),
            f"{rate.first:.1%}",
            f"{rate.second:.1%}",
            _effect(rate.paired),
            _p(rate.paired.p),
        )
        for name, rate in task.rates.items()
    ]
    print_table(("share of samples", " A", " B", " B − A, points", " p"), rates)
    if by is not None:
        _print_groups(task, by)
    _print_flips(task.flips)


def _print_tasks(names: Sequence[str], compared: Compared) -> None:
    first, second = names
    _say(f"A = {first}, B = {second}, judged by {compared.profile}\n")
    rows = [
        (
            task.task,
            f"{task.items}",
            percent_interval(task.first.score),
            percent_interval(task.second.score),
            _effect(task.paired),
            _p(task.p_adjusted),
            f"{task.paired.worse}/{task.paired.better}",
            _detectable(task.paired),
            _verdict(task.paired, task.p_adjusted),
        )
        if task.complete
        else incomplete_row(task)
        for task in compared.tasks
    ]
    if compared.average is not None:
        average = compared.average
        effect = average.effect
        rows.append(
            (
                "average",
                f"{effect.items}",
                percent_interval(average.first),
                percent_interval(average.second),
                f"{_points(effect.value)} [{_points(effect.low)}, {_points(effect.high)}]",
                *("",) * 4,
            )
        )
    head = ("task", " items", " A", " B", " B − A, points", " p (Holm)", " worse/better")
    print_table((*head, " could see", "verdict"), rows)
    for task in compared.tasks:
        print_why(task.task, (task.first, task.second))
        _print_differences(task.differences, f"{task.task}: ")
        _print_regraded(task.regraded)
    _say("which items differ:")
    for task in compared.tasks:
        option = "" if task.complete else "--allow-incomplete "
        _say(f"  harness compare {option}{task.first.run} {task.second.run}   ({task.task})")


def _print_standings(task: TaskStandings, profile: str) -> None:
    _say(f"{task.task}: {task.items} items shared by all, judged by {profile}\n")
    for run, found in task.differences.items():
        _print_differences(found, f"{run}: ")
    _print_regraded(task.regraded)
    if not task.complete:
        print_incomplete_standings(task)
        return
    count = len(task.placed)
    rows = [
        (
            _ranks(place.standing.best_rank, place.standing.worst_rank, count),
            place.side.model,
            percent_interval(place.standing.score),
            _count(place.side.tokens_per_sample),
            place.side.run,
        )
        for place in task.placed
    ]
    print_table(("rank", "model", " score [95 %, all at once]", " tokens/sample", "run"), rows)


def _print_differences(found: Comparability, before: str = "") -> None:
    for what, listed in (
        ("NOT ONE PROTOCOL", found.refused),
        ("the models'", found.shown),
        ("warning", found.warned),
    ):
        if listed:
            _say(f"{before}{what}: {'; '.join(map(str, listed))}")


def _print_regraded(regraded: Mapping[str, int]) -> None:
    for run, count in regraded.items():
        _say(f"run {run}: {count} generations were judged again by the present grader")


def _print_groups(task: TaskComparison, by: str) -> None:
    if not task.complete:
        _say(f"{task.task} by {by}: not broken down, a run is incomplete")
        return
    groups = task.groups.get(by, ())
    if not groups:
        _say(f"{task.task}: all items are of one {by}")
        return
    _say(f"{task.task} by {by}; p after Holm over the {len(groups)} groups")
    rows = [
        (
            group.name or "–",
            f"{group.paired.items}",
            f"{100 * group.first:.1f}",
            f"{100 * group.second:.1f}",
            _effect(group.paired),
            _p(group.p_adjusted),
            f"{group.paired.worse}/{group.paired.better}",
            _verdict(group.paired, group.p_adjusted),
        )
        for group in groups
    ]
    head = (by, " items", " A", " B", " B − A, points", " p (Holm)", " worse/better")
    print_table((*head, "verdict"), rows)


def _print_flips(flips: Sequence[Flip]) -> None:
    if flips:
        _say("the most telling flips, A → B; each line shows both")
    for flip in flips:
        first, second = flip.show
        _say(f"  {_outcome(flip.first)} → {_outcome(flip.second)}   {first} && {second}")


def _print_left_out(left_out: Sequence[LeftOut]) -> None:
    for task in left_out:
        _say(f"{task.task} is left out: {task.reason}")


def _side_row(name: str, side: Side) -> tuple[str, ...]:
    return (
        name,
        side.model,
        f"{100 * side.score.value:.1f}",
        f"{100 * side.score.low:.1f} – {100 * side.score.high:.1f}",
        f"{side.samples:,}",
        _count(side.tokens_per_sample),
        _count(side.tokens_per_item),
        side.run,
    )


def _verdict(paired: Comparison, p: float) -> str:
    if p > _CONVINCING or paired.effect == 0:
        return "no difference is shown"
    return "B is better" if paired.effect > 0 else "B is worse"


def _noise(noise: Noise) -> str:
    share = noise.sampling_share or 0.0
    return f"{1 - share:.0%} of its variance between items, {share:.0%} from sampling"


def _outcome(item: ItemOutcome) -> str:
    if item.samples > 1:
        return f"{item.correct} of {item.samples}"
    if item.truncated and not item.correct:
        return "cut off"
    return "right" if item.correct else "wrong"


def _ranks(best: int, worst: int, count: int) -> str:
    if best == worst:
        return _ordinal(best)
    return f"{_ordinal(best)}–{_ordinal(worst)}" if (best, worst) != (1, count) else "any"


def _ordinal(rank: int) -> str:
    if rank % 100 in (11, 12, 13):
        return f"{rank}th"
    return f"{rank}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(rank % 10, 'th') }"


def _effect(paired: Comparison) -> str:
    return paired.printed(_points)


def _could_see(paired: Comparison) -> str:
    if paired.detectable is None:
        return "no drop could have been shown with these few items"
    return f"a drop of {_detectable(paired)} points, in 80 % of such comparisons"


def _detectable(paired: Comparison) -> str:
    return "none" if paired.detectable is None else f"{100 * paired.detectable:.1f}"


def _points(share: float) -> str:
    # Adding 0 takes the sign off a zero.
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def _p(value: float) -> str:
    return f"< {_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.4f}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _prospect(prospect: Prospect, right: str) -> str:
    return f"{prospect.right:.0%} {right}, {prospect.items:,.0f} items"


def _say(text: str) -> None:
    print(clean(text))

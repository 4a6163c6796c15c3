"""Tables of the commands ``compare`` and ``power``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.render import print_table
from harness.cli.render_incomplete import (
    incomplete_row,
    print_incomplete_reason,
    print_incomplete_standings,
    print_incomplete_task,
)
from harness.text import (
    clean,
    counted,
    drop_size,
    harness_command,
    interval,
    p_is,
    p_value,
    percent,
    percent_interval,
    points_interval,
    rank_range,
    rough_percent,
    trimmed,
    whole,
)
from harness.types import DEFAULT_PROFILE

if TYPE_CHECKING:
    from harness.analysis.compare import Compared, Ranked, RunScore, TaskComparison, TaskStandings
    from harness.analysis.flips import Flip
    from harness.analysis.power import PowerAnalysis
    from harness.analysis.protocol import Comparability
    from harness.analysis.select import LeftOut
    from harness.statistics.noise import Noise
    from harness.statistics.paired import Comparison
    from harness.statistics.simulation import OperatingCharacteristic
    from harness.store.item_results import ItemResult

_METHODS = {"mcnemar": "McNemar's exact test", "sign-flip": "exact sign-flip test"}
_CONVINCING = 0.05


def print_compared(names: Sequence[str], compared: Compared, by: str | None, results: Path) -> None:
    """Print the comparison of two names: one task in full, several as a table."""
    if len(compared.tasks) == 1:
        _print_task(compared.tasks[0], compared.profile, by)
    else:
        _print_tasks(names, compared, results)
        if by is not None:
            for task in compared.tasks:
                _print_groups(task, by)
    _print_left_out(compared.left_out)


def print_ranked(compared: Ranked) -> None:
    """Print the ranking of several models."""
    for task in compared.tasks:
        _print_standings(task, compared.profile)
    if compared.averages:
        _say(f"average of {len(compared.tasks)} tasks")
        rows = [
            (name, percent_interval(average))
            for name, average in sorted(compared.averages.items(), key=lambda row: -row[1].value)
        ]
        print_table(("model", " score [95 %, simultaneous]"), rows)
    _print_left_out(compared.left_out)


def print_power(found: PowerAnalysis) -> None:
    """Print a power analysis."""
    asked = found.question
    tokens = "tokens not counted"
    if found.tokens_per_sample is not None:
        tokens = f"{whole(found.tokens_per_sample)} tokens per sample"
    _say(
        f"baseline {found.run}  {found.model} on {found.task}: {found.items} items × "
        f"{found.samples:g} samples, {tokens}"
    )
    _say(
        f"drop to decide about: {trimmed(asked.drop)} points; each error "
        f"{trimmed(asked.alpha)} %, power {trimmed(asked.power)} %"
    )
    _print_assumptions(found)
    _say(
        f"with {found.items} items and {counted(found.needs[0].candidate_samples, 'sample')} of "
        f"each: minimum detectable drop of a fixed-size test {_points_or_none(found.detectable)}, "
        f"smallest margin that the gate decides {_points_or_none(found.margin)}\n"
    )
    _print_sample_sizes(found)
    if found.savings:
        _print_savings(found)


def _print_assumptions(found: PowerAnalysis) -> None:
    earlier = f"median of {found.earlier_runs} earlier comparisons in this file"
    if found.earlier_runs == 1:
        earlier = "the one earlier comparison in this file"
    noise = {
        "measured": "measured on its own samples",
        "given": "as given",
        "earlier": earlier,
        "worst case": "the worst case: unknown with one sample of an item; "
        "--discordance takes a better estimate",
    }[found.basis]
    who = "two samples of one item" if found.basis == "measured" else "baseline and candidate"
    _say(f"{who} disagree in {percent(2 * found.within)} % of cases ({noise})")
    if found.changes_basis == "noise":
        return
    changes = {
        "given": "--discordance, less the noise",
        "earlier": earlier,
        "supposed": "assumed: one item in ten as hard as another item, since no run of another "
        "model under this protocol is in the file; --discordance takes a better estimate",
    }[found.changes_basis]
    _say(
        "an equal candidate is equal on average: items lost or gained outright "
        f"{percent(found.changes)} % ({changes})"
    )


def _points_or_none(size: float | None) -> str:
    return "none" if size is None else f"{drop_size(size)} points"


def _print_sample_sizes(found: PowerAnalysis) -> None:
    head = (" samples", " fixed-size items", " tokens", " gate items", " tokens")
    rows = [
        (
            f"{need.candidate_samples}",
            f"{need.fixed_items:,}",
            whole(need.fixed_tokens),
            f"{need.gate_items:,}",
            whole(need.gate_tokens),
            _characteristic(need.equal, "pass"),
            _characteristic(need.dropped, "fail"),
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


def _print_savings(found: PowerAnalysis) -> None:
    _say(
        "savings by more stored samples of the baseline, with "
        f"{counted(found.needs[0].candidate_samples, 'sample')} of each item by the candidate"
    )
    rows = [
        (
            f"{saving.baseline_samples:g}",
            f"{saving.gate_items:,}",
            whole(saving.gate_tokens),
            f"{trimmed(saving.saved, 0)} %",
            whole(saving.extra_tokens),
        )
        for saving in found.savings
    ]
    head = (" samples", " gate items", " tokens", " saved", " baseline's tokens, once")
    print_table(head, rows)


def _print_task(task: TaskComparison, profile: str, by: str | None) -> None:
    _say(f"{task.task}: {task.items} shared items, graded by {profile}\n")
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
        f"{p_is(paired.p)} ({_METHODS[paired.method]}): {_verdict(paired, paired.p)}"
    )
    if these is not None:
        _say(
            f"            {points_interval(paired.effect, these.low, these.high)} "
            f"points on these items, {p_is(these.p)} (noise of sampling alone): "
            f"{_verdict(paired, these.p)}"
        )
    _say(f"flips       {paired.worse} items worse, {paired.better} better, {same} as before")
    _say(f"minimum detectable drop (80 % power): {_minimum_detectable(paired)}")
    for name, side in (("A", task.first), ("B", task.second)):
        if side.noise.within is not None:
            _say(f"noise of {name}  {_noise(side.noise)}")
    _say("")
    rates = [
        (
            name.replace("_", " "),
            percent(rate.first),
            percent(rate.second),
            _effect(rate.paired),
            p_value(rate.paired.p),
        )
        for name, rate in task.rates.items()
    ]
    print_table(("% of samples", " A", " B", " B − A, points", " p"), rates)
    if by is not None:
        _print_groups(task, by)
    _print_flips(task.flips)


def _print_tasks(names: Sequence[str], compared: Compared, results: Path) -> None:
    first, second = names
    _say(f"A = {first}, B = {second}, graded by {compared.profile}\n")
    rows = [
        (
            task.task,
            f"{task.items}",
            percent_interval(task.first.score),
            percent_interval(task.second.score),
            _effect(task.paired),
            p_value(task.p_adjusted),
            f"{task.paired.worse}/{task.paired.better}",
            drop_size(task.paired.detectable),
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
                points_interval(effect.value, effect.low, effect.high),
                *("",) * 4,
            )
        )
    head = ("task", " items", " A", " B", " B − A, points", " p (Holm)", " worse/better")
    print_table((*head, " min. detectable drop", "verdict"), rows)
    for task in compared.tasks:
        print_incomplete_reason(task.task, (task.first, task.second))
        _print_differences(task.differences, f"{task.task}: ")
        _print_regraded(task.regraded)
    _say("which items differ:")
    for task in compared.tasks:
        words = ["compare", task.first.run, task.second.run]
        words += [] if task.complete else ["--allow-incomplete"]
        words += [] if compared.profile == DEFAULT_PROFILE else ["--profile", compared.profile]
        _say(f"  {harness_command(*words, results=results)}   ({task.task})")


def _print_standings(task: TaskStandings, profile: str) -> None:
    _say(f"{task.task}: {task.items} items shared by all, graded by {profile}\n")
    for run, found in task.differences.items():
        _print_differences(found, f"{run}: ")
    _print_regraded(task.regraded)
    if not task.complete:
        print_incomplete_standings(task)
        return
    rows = [
        (
            rank_range(place.standing.best_rank, place.standing.worst_rank),
            place.side.model,
            percent_interval(place.standing.score),
            whole(place.side.tokens_per_sample),
            place.side.run,
        )
        for place in task.placed
    ]
    print_table(("rank", "model", " score [95 %, simultaneous]", " tokens/sample", "run"), rows)


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
        _say(f"run {run}: {count} generations were graded again by the present grader")


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
            percent(group.first),
            percent(group.second),
            _effect(group.paired),
            p_value(group.p_adjusted),
            f"{group.paired.worse}/{group.paired.better}",
            _verdict(group.paired, group.p_adjusted),
        )
        for group in groups
    ]
    head = (by, " items", " A", " B", " B − A, points", " p (Holm)", " worse/better")
    print_table((*head, "verdict"), rows)


def _print_flips(flips: Sequence[Flip]) -> None:
    if flips:
        _say("largest flips, A → B; each line shows both")
    for flip in flips:
        first, second = flip.show
        _say(f"  {_outcome(flip.first)} → {_outcome(flip.second)}   {first} && {second}")


def _print_left_out(left_out: Sequence[LeftOut]) -> None:
    for task in left_out:
        _say(f"{task.task} is left out: {task.reason}")


def _side_row(name: str, side: RunScore) -> tuple[str, ...]:
    return (
        name,
        side.model,
        percent(side.score.value),
        interval(side.score.low, side.score.high),
        f"{side.samples:,}",
        whole(side.tokens_per_sample),
        whole(side.tokens_per_item),
        side.run,
    )


def _verdict(paired: Comparison, p: float) -> str:
    if p > _CONVINCING or paired.effect == 0:
        return "no difference is shown"
    return "B is better" if paired.effect > 0 else "B is worse"


def _noise(noise: Noise) -> str:
    share = noise.sampling_share or 0.0
    between, sampling = (f"{trimmed(part, 0)} %" for part in (1 - share, share))
    return f"{between} of its variance between items, {sampling} from sampling"


def _outcome(item: ItemResult) -> str:
    if item.samples > 1:
        return f"{item.correct} of {item.samples}"
    if item.truncated and not item.correct:
        return "cut off"
    return "right" if item.correct else "wrong"


def _effect(paired: Comparison) -> str:
    return points_interval(paired.effect, paired.low, paired.high)


def _minimum_detectable(paired: Comparison) -> str:
    if paired.detectable is None:
        return "none, too few items to show any drop"
    return f"{drop_size(paired.detectable)} points"


def _characteristic(found: OperatingCharacteristic, right: str) -> str:
    return f"{rough_percent(found.right)} {right}, {whole(found.items)} items"


def _say(text: str) -> None:
    print(clean(text))

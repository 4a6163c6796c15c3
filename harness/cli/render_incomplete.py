"""What the command line prints of comparisons with incomplete runs: numbers, no conclusions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from harness.analysis.compare import Compared, Ranked, RunScore, TaskComparison, TaskStandings
from harness.analysis.completeness import WHY
from harness.cli.render import print_table
from harness.text import clean, percent, points

MARK = "INCOMPLETE"
# The only fields of a comparison and of an estimate that JSON keeps.
_FACTS = {"effect": {"items", "effect", "better", "worse"}, "value": {"items", "value"}}
_CONCLUSIONS = ("p_adjusted", "best_rank", "worst_rank", "noise")


def compared_json(compared: Compared | Ranked) -> dict[str, Any]:
    """Return a comparison for a script; where a run is incomplete, conclusions are ``None``."""
    fields = asdict(compared)
    complete = [task.complete for task in compared.tasks]
    for task, is_complete in zip(fields["tasks"], complete, strict=True):
        task["complete"] = is_complete
        if not is_complete:
            _remove_conclusions(task)
    return fields


def print_incomplete_task(task: TaskComparison) -> None:
    """Print two runs side by side on the items they share."""
    for name, side in (("A", task.first), ("B", task.second)):
        print_incomplete_reason(name, [side])
    rows = [
        (
            name,
            side.model,
            percent(side.score.value),
            "–" if side.complete else MARK,
            f"{side.samples:,}",
            side.run,
        )
        for name, side in (("A", task.first), ("B", task.second))
    ]
    print_table(("", "model", " score", " 95 % interval", " samples", "run"), rows)
    paired = task.paired
    same = task.items - paired.better - paired.worse
    print(f"B − A       {points(paired.effect)} points, {MARK}: neither interval, p nor verdict")
    print(f"flips       {paired.worse} items worse, {paired.better} better, {same} as before\n")


def print_incomplete_standings(task: TaskStandings) -> None:
    """Print several runs on the items they share, without ranks, in the order of their names."""
    for place in task.placed:
        print_incomplete_reason(place.side.run, [place.side])
    rows = [
        (
            "–",
            place.side.model,
            percent(place.side.score.value),
            "" if place.side.complete else MARK,
            place.side.run,
        )
        for place in sorted(task.placed, key=lambda place: (place.side.model, place.side.run))
    ]
    print_table(("rank", "model", " score", "", "run"), rows)


def incomplete_row(task: TaskComparison) -> tuple[str, ...]:
    """Return the row of a task among several: like those of complete ones, but for conclusions."""
    paired = task.paired
    return (
        task.task,
        f"{task.items}",
        *(
            percent(side.score.value) + ("" if side.complete else f" {MARK}")
            for side in (task.first, task.second)
        ),
        points(paired.effect),
        "–",
        f"{paired.worse}/{paired.better}",
        "–",
    )


def print_incomplete_reason(name: str, sides: Iterable[RunScore]) -> None:
    """Print of each incomplete run that it is one."""
    for side in sides:
        if not side.complete:
            by = f" (stopped by gate {side.stopped_by})" if side.stopped_by else ""
            print(clean(f"{MARK}: {name}{by}; {WHY}, so nothing follows from these numbers"))


def _remove_conclusions(fields: object) -> None:
    for part in _parts(fields):
        _remove_conclusions(part)
    if isinstance(fields, dict):
        kept = next((facts for name, facts in _FACTS.items() if name in fields), fields.keys())
        fields |= dict.fromkeys((fields.keys() - kept) | (fields.keys() & set(_CONCLUSIONS)))


def _parts(fields: object) -> Iterator[object]:
    if isinstance(fields, dict):
        yield from fields.values()
    elif isinstance(fields, list | tuple):
        yield from fields

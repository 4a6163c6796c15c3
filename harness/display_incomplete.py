"""What the command line prints of comparisons with incomplete runs: numbers, no conclusions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from harness.compare import Compared, Ranked, Side, TaskComparison, TaskStandings
from harness.completeness import WHY
from harness.display import print_table
from harness.terminal import clean

MARK = "INCOMPLETE"
# Of a comparison and of an estimate nothing else is said in JSON, whatever they hold.
_FACTS = {"effect": {"items", "effect", "better", "worse"}, "value": {"items", "value"}}
_CONCLUSIONS = ("p_adjusted", "best_rank", "worst_rank", "noise")


def compared_json(compared: Compared | Ranked) -> dict[str, Any]:
    """Return a comparison for a script; where a run is incomplete, conclusions are ``None``."""
    told = asdict(compared)
    complete = [task.complete for task in compared.tasks]
    for task, is_complete in zip(told["tasks"], complete, strict=True):
        task["complete"] = is_complete
        if not is_complete:
            _take_away_conclusions(task)
    return told


def print_incomplete_task(task: TaskComparison) -> None:
    """Print two runs side by side on the items they share."""
    for name, side in (("A", task.first), ("B", task.second)):
        print_why(name, [side])
    rows = [
        (
            name,
            side.model,
            f"{100 * side.score.value:.1f}",
            "–" if side.complete else MARK,
            f"{side.samples:,}",
            side.run,
        )
        for name, side in (("A", task.first), ("B", task.second))
    ]
    print_table(("", "model", " score", " 95 % interval", " samples", "run"), rows)
    paired = task.paired
    same = task.items - paired.better - paired.worse
    print(f"B − A       {effect(task)} points, {MARK}: neither interval, p nor verdict")
    print(f"flips       {paired.worse} items worse, {paired.better} better, {same} as before\n")


def print_incomplete_standings(task: TaskStandings) -> None:
    """Print several runs on the items they share, without ranks, in the order of their names."""
    for place in task.placed:
        print_why(place.side.run, [place.side])
    rows = [
        (
            "–",
            place.side.model,
            f"{100 * place.side.score.value:.1f}",
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
            f"{100 * side.score.value:.1f}" + ("" if side.complete else f" {MARK}")
            for side in (task.first, task.second)
        ),
        effect(task),
        "–",
        f"{paired.worse}/{paired.better}",
        "–",
    )


def effect(task: TaskComparison) -> str:
    """Return the difference in points."""
    # Adding 0 takes the sign off a zero.
    return f"{round(100 * task.paired.effect, 1) + 0.0:+.1f}"


def print_why(name: str, sides: Iterable[Side]) -> None:
    """Print of each incomplete run that it is one."""
    for side in sides:
        if not side.complete:
            by = f" (stopped by gate {side.stopped_by})" if side.stopped_by else ""
            print(clean(f"{MARK}: {name}{by}; {WHY}, so nothing follows from these numbers"))


def _take_away_conclusions(told: object) -> None:
    for part in _parts(told):
        _take_away_conclusions(part)
    if isinstance(told, dict):
        kept = next((facts for name, facts in _FACTS.items() if name in told), told.keys())
        told |= dict.fromkeys((told.keys() - kept) | (told.keys() & set(_CONCLUSIONS)))


def _parts(told: object) -> Iterator[object]:
    if isinstance(told, dict):
        yield from told.values()
    elif isinstance(told, list | tuple):
        yield from told

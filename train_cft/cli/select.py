"""``train-cft select``: which checkpoint of a training to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    RESULTS,
    AddressOption,
    BackendOption,
    EngineArgOption,
    JsonOption,
    ReplicasOption,
    ResultsOption,
    TasksDirOption,
    TensorParallelOption,
    engine_args,
    given,
)
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.statistics.intervals import Estimate
    from train_cft.report.select import Point, Selection, SelectionRequest

_WIDTH = 32


def select(
    training: Annotated[
        Path, typer.Option("--training", help="The folder that `train-cft train` left.")
    ],
    task: Annotated[str, typer.Option("--task", help="What to choose on.")] = "math500_select",
    rule: Annotated[
        str,
        typer.Option(
            help="best, or earliest: the first that is not shown to be worse than the best."
        ),
    ] = "earliest",
    limit: Annotated[
        int | None,
        typer.Option(help="Number of items: a fixed pseudo-random subset (hash of the ids)."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Samples per item; the task's own if not given.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 is greedy; the task's own if not given.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Budget of new tokens; the task's own if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Base seed of all sampling.")] = 0,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    backend: BackendOption = "vllm",
    engine_arg: EngineArgOption = None,
    tensor_parallel: TensorParallelOption = None,
    address: AddressOption = None,
    replicas: ReplicasOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate all checkpoints of a training in one sweep, and choose one by a stated rule."""
    from harness.backends.base import EngineOptions
    from harness.errors import nearest
    from harness.run.plan import Settings
    from train_cft.report.select import Rule, SelectionRequest

    if rule not in list(Rule):
        raise HarnessError(f"--rule {rule!r} is not known. {nearest(rule, Rule)}")
    request = SelectionRequest(
        training=training,
        task=task,
        results=results,
        rule=Rule(rule),
        settings=Settings(
            limit=limit, samples=n, temperature=temperature, max_tokens=max_tokens, seed=seed
        ),
        engine=EngineOptions(
            backend,
            engine_args(engine_arg),
            given(tensor_parallel=tensor_parallel, address=address, replicas=replicas),
        ),
        tasks_dir=tasks_dir,
    )
    _run(request, as_json=as_json)


def _run(request: SelectionRequest, *, as_json: bool) -> None:
    from harness.cli.progress import EvaluationProgress
    from harness.cli.signals import stoppable
    from train_cft.report.select import select as choose

    with (
        EvaluationProgress() as progress,
        stoppable(lambda: f"Stopped. {progress.kept} finished generations are kept."),
    ):
        selection = choose(request, progress)
    if as_json:
        print(json.dumps(selection.as_dict(), indent=2))
    else:
        _print(selection)


def _print(selection: Selection) -> None:
    from harness.cli import render
    from harness.text import clean
    from train_cft.report.select import CHOSEN
    from train_cft.report.statements import verdict

    listed = [*([selection.base] if selection.base else []), *selection.points]
    low = min(point.score.low for point in listed)
    high = max(point.score.high for point in listed)
    items = selection.chosen.score.items
    training = selection.training
    print(clean(f"{training.name} ({training.objective}) on {selection.task}: {items} items\n"))
    head = (" step", " score [95 %]", f"{100 * low:.0f} to {100 * high:.0f} %")
    rows = [_row(point, selection, low, high) for point in listed]
    render.print_table((*head, " to the best, points", " p (Holm)", "run", ""), rows)
    print(f"chosen: step {selection.chosen.step}, {_reason(selection)}")
    against = selection.against_base
    if against is not None:
        print(verdict("the base", f"step {selection.chosen.step}", against, against.p, 1))
    print(
        "It was chosen on these items, so its score on them is too good: report on others with "
        "`train-cft report`."
    )
    for warning in selection.warnings:
        print(clean(f"warning: {warning}"))
    print(clean(f"{selection.path}  (written to {training.out / CHOSEN})"))


def _row(point: Point, selection: Selection, low: float, high: float) -> tuple[str, ...]:
    from harness.text import p_value, percent_interval
    from train_cft.report.statements import effect

    marks = []
    if point is selection.base:
        marks.append("base")
    if point.step == selection.best.step and point is not selection.base:
        marks.append("best")
    if point.step == selection.chosen.step and point is not selection.base:
        marks.append("chosen")
    compared, p = point.against_best, point.p_adjusted
    return (
        f"{point.step}",
        percent_interval(point.score),
        _bar(point.score, low, high),
        effect(compared) if compared is not None else "",
        p_value(p) if p is not None else "",
        point.run,
        ", ".join(marks),
    )


def _reason(selection: Selection) -> str:
    from train_cft.report.statements import detectable, power_statement

    if selection.chosen.step == selection.best.step:
        earlier = selection.rule == "earliest" and selection.chosen is not selection.points[0]
        shown = ", and every earlier one is shown to be worse" if earlier else ""
        return f"it has the highest score{shown}"
    compared = selection.chosen.against_best
    assert compared is not None, "every other one is compared with the best"
    drop = detectable(compared, len(selection.points) - 1)
    return (
        f"the earliest that is not shown to be worse than the best (step {selection.best.step}); "
        f"{power_statement(drop)}"
    )


def _bar(score: Estimate, low: float, high: float) -> str:
    """Draw an interval with its score between two ends."""

    def place(share: float) -> int:
        return round((share - low) / (high - low) * (_WIDTH - 1)) if high > low else 0

    cells = [" "] * _WIDTH
    cells[place(score.low) : place(score.high) + 1] = "─" * (
        place(score.high) - place(score.low) + 1
    )
    cells[place(score.value)] = "●"
    return "".join(cells)

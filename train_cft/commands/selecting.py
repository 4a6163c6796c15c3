"""``train-cft select``: which checkpoint of a training to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import (
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
    from train_cft.selecting import Point, Selected, Selecting

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
        typer.Option(help="So many items of the task, always the same: drawn by their ids."),
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
    from harness.errors import nearest
    from harness.plan import Settings
    from train_cft.selecting import Rule, Selecting

    if rule not in list(Rule):
        raise HarnessError(f"--rule {rule!r} is not known. {nearest(rule, Rule)}")
    selecting = Selecting(
        training=training,
        task=task,
        results=results,
        rule=Rule(rule),
        settings=Settings(
            limit=limit, samples=n, temperature=temperature, max_tokens=max_tokens, seed=seed
        ),
        backend=backend,
        engine_args=engine_args(engine_arg),
        backend_options=given(tensor_parallel=tensor_parallel, address=address, replicas=replicas),
        tasks_dir=tasks_dir,
    )
    _carry_out(selecting, as_json=as_json)


def _carry_out(selecting: Selecting, *, as_json: bool) -> None:
    from harness.commands.stopping import stoppable
    from harness.progress import EvaluationProgress
    from train_cft.selecting import select as choose

    with (
        EvaluationProgress() as progress,
        stoppable(lambda: f"Stopped. {progress.kept} finished generations are kept."),
    ):
        selected = choose(selecting, progress)
    if as_json:
        print(json.dumps(selected.as_dict(), indent=2))
    else:
        _print(selected)


def _print(selected: Selected) -> None:
    from harness import display
    from harness.terminal import clean
    from train_cft.selecting import CHOSEN
    from train_cft.wording import verdict

    listed = [*([selected.base] if selected.base else []), *selected.points]
    low = min(point.score.low for point in listed)
    high = max(point.score.high for point in listed)
    items = selected.chosen.score.items
    training = selected.training
    print(clean(f"{training.name} ({training.objective}) on {selected.task}: {items} items\n"))
    head = (" step", " score [95 %]", f"{100 * low:.0f} to {100 * high:.0f} %")
    rows = [_row(point, selected, low, high) for point in listed]
    display.print_table((*head, " to the best, points", " p (Holm)", "run", ""), rows)
    print(f"chosen: step {selected.chosen.step}, {_reason(selected)}")
    against = selected.against_base
    if against is not None:
        print(verdict("the base", f"step {selected.chosen.step}", against, against.p, 1))
    print(
        "It was chosen on these items, so its score on them is too good: report on others with "
        "`train-cft report`."
    )
    for warning in selected.warnings:
        print(clean(f"warning: {warning}"))
    print(clean(f"{selected.path}  (written to {training.out / CHOSEN})"))


def _row(point: Point, selected: Selected, low: float, high: float) -> tuple[str, ...]:
    from harness import display
    from train_cft.wording import effect, p_value

    marks = []
    if point is selected.base:
        marks.append("base")
    if point.step == selected.best.step and point is not selected.base:
        marks.append("best")
    if point.step == selected.chosen.step and point is not selected.base:
        marks.append("chosen")
    compared, p = point.against_best, point.p_adjusted
    return (
        f"{point.step}",
        display.percent_interval(point.score),
        _bar(point.score, low, high),
        effect(compared) if compared is not None else "",
        p_value(p) if p is not None else "",
        point.run,
        ", ".join(marks),
    )


def _reason(selected: Selected) -> str:
    from train_cft.wording import could_see, detectable

    if selected.chosen.step == selected.best.step:
        earlier = selected.rule == "earliest" and selected.chosen is not selected.points[0]
        shown = ", and every earlier one is shown to be worse" if earlier else ""
        return f"it has the highest score{shown}"
    compared = selected.chosen.against_best
    assert compared is not None, "every other one is held against the best"
    drop = detectable(compared, len(selected.points) - 1)
    return (
        f"the earliest that is not shown to be worse than the best (step {selected.best.step}); "
        f"{could_see(drop)}"
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

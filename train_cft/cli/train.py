"""``train-cft train``: from critique data to checkpoints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import RESULTS, JsonOption, ResultsOption, key_value
from harness.errors import HarnessError

if TYPE_CHECKING:
    from train_cft.train.run import Job, Report


def train(
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="smollm2-cpu, paper-7b, paper-32b, lora-7b, or a TOML file."),
    ],
    data: Annotated[Path, typer.Option("--data", help="A folder of train-cft build.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for checkpoints.")],
    objective: Annotated[
        str | None,
        typer.Option(
            help="cft, sft, sft-verified, sft-reference, or a mixture as "
            "cft=0.5,sft-verified=0.5; else the recipe's."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The model to start from; else the recipe's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the order and of new weights.")
    ] = None,
    on_long: Annotated[
        str | None,
        typer.Option(help="Samples beyond length.max_tokens: drop, truncate or fail."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="One for each device; else the recipe's.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="key=value of the recipe, as optimiser.learning_rate=1e-5; may be given several "
            "times.",
        ),
    ] = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Train a model on critique data, or go on with a training that was interrupted."""
    from train_cft.train import launch
    from train_cft.train.objectives import read_objective
    from train_cft.train.recipe import read_recipe

    changes = dict(key_value(text, "--set") for text in change or [])
    if objective is not None:
        changes["objective.mix"] = read_objective(objective)
    if seed is not None:
        changes |= {"seeds.data": seed, "seeds.weights": seed}
    given = {"model.base": base, "length.on_long": on_long, "parallelism.processes": processes}
    changes |= {key: value for key, value in given.items() if value is not None}
    launch.refuse_launcher_overrides()
    if launch.is_launched():
        changes["parallelism.processes"] = launch.world_size()
    read = read_recipe(recipe, changes)
    read.accumulation_steps()
    launch.refuse_missing_devices(read.parallelism)
    if read.parallelism.processes > 1 and not launch.is_launched():
        code = launch.run(sys.argv[1:], read.parallelism.processes)
        if code:
            sys.exit(code if code > 0 else 1)
        return
    from train_cft.train.run import Job

    _run(Job(read, data, out, results), as_json=as_json)


def _run(job: Job, *, as_json: bool) -> None:
    from train_cft.train import launch
    from train_cft.train.progress import TrainingProgress
    from train_cft.train.run import run_training

    first = launch.is_first()
    with TrainingProgress(silent=not first) as progress:
        try:
            report = run_training(job, progress)
        except HarnessError as error:
            if first:
                raise
            print(f"process {launch.rank()}: {error.message}", file=sys.stderr)
            sys.exit(error.exit_code)
    if not first:
        return
    if as_json:
        print(json.dumps(report.as_dict() | {"out": str(job.out)}, indent=2))
    else:
        _print(job, report)


def _print(job: Job, report: Report) -> None:
    from harness.cli.render import print_table
    from harness.text import duration

    rows: list[tuple[Any, ...]] = [
        ("training", report.id),
        ("samples", f"{report.samples:,}"),
        *((f"  left out, {name}", f"{number:,}") for name, number in report.left_out.items()),
        ("  too long, left out", f"{report.dropped:,}"),
        ("  too long, cut", f"{report.truncated:,}"),
        ("tokens", f"{report.tokens:,}"),
        ("steps", f"{report.steps:,}"),
    ]
    if report.loss is not None and report.seconds is not None:
        rows.append(("last loss", f"{report.loss:.4f}"))
        rows.append(("time", duration(report.seconds)))
        rows.append(("tokens/s", f"{report.tokens / report.seconds:,.0f}"))
    rows.append(("checkpoints", f"{len(report.checkpoints):,}"))
    print_table(("", " "), rows)
    print(f"harness eval --model '{job.out}/checkpoints/step-*' --tasks … measures them")

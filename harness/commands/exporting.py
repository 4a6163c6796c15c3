"""Taking results out of the results file."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    RESULTS,
    JsonOption,
    ProfileOption,
    ResultsOption,
    TasksDirOption,
    known_profile,
    recovered,
)
from harness.types import DEFAULT_PROFILE


class Form(StrEnum):
    """What results can be written as."""

    PARQUET = "parquet"
    CSV = "csv"
    HTML = "html"
    MODEL_CARD = "model-card"


def export(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="parquet or csv: one row a sample; html: a report; model-card: its metadata.",
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs or models; all if none is named."),
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only runs on this task.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only runs of this model.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Write samples as a table, a report for the browser, or metadata for a model card.

    Questions and generations of restricted benchmarks (GPQA) are left out of all of them.
    """
    from harness.display import tell_of_incomplete
    from harness.export import choose, model_card, report, table, written_whole
    from harness.registry import TaskRegistry

    known_profile(profile)
    packed = table.compression(out, form.value)
    store = recovered(results)
    runs = choose(store, names or [], task or [], model or [], profile)
    rows: int | None = None
    with written_whole(out, force=force) as unfinished:
        if form in (Form.PARQUET, Form.CSV):
            rows = table.write(store, runs, unfinished, form.value, profile, packed)
        elif form is Form.HTML:
            unfinished.write_text(report.render(store, runs, profile), encoding="utf-8")
        else:
            text = model_card.render(runs, profile, TaskRegistry(tasks_dir))
            unfinished.write_text(text, encoding="utf-8")
    if as_json:
        told = {"file": str(out), "format": form.value, "runs": [run.id for run in runs]}
        told["incomplete"] = [run.id for run in runs if not run.complete]
        print(json.dumps(told | ({} if rows is None else {"rows": rows}), indent=2))
    else:
        counted = f"{len(runs)} runs" + ("" if rows is None else f", {rows:,} samples")
        hidden = sum(run.restricted for run in runs)
        kept = f"; the texts of {hidden} restricted runs are left out" if hidden else ""
        print(f"{out}: {counted}{kept}")
        tell_of_incomplete(runs)

"""The ``export`` command: samples as a table, an HTML report, a model card."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import (
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
    out: Annotated[Path, typer.Option(help="File to write.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="parquet or csv: one row per sample; html: a report; model-card: Markdown.",
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs or models; all if none is named."),
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only runs on this task.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only runs of this model.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Export samples as Parquet or CSV, an HTML report, or a model card.

    Questions and generations of restricted benchmarks (GPQA) are never exported.
    """
    from harness.cli.render import print_incomplete_note
    from harness.interop.export import model_card, report, table
    from harness.interop.export.select_runs import atomic_write, select_runs
    from harness.registry import TaskRegistry

    known_profile(profile)
    packed = table.compression(out, form.value)
    store = recovered(results)
    runs = select_runs(store, names or [], task or [], model or [], profile)
    rows: int | None = None
    with atomic_write(out, force=force) as unfinished:
        if form in (Form.PARQUET, Form.CSV):
            rows = table.write(store, runs, unfinished, form.value, profile, packed)
        elif form is Form.HTML:
            unfinished.write_text(report.render(store, runs, profile), encoding="utf-8")
        else:
            text = model_card.render(runs, profile, TaskRegistry(tasks_dir), store.path)
            unfinished.write_text(text, encoding="utf-8")
    if as_json:
        fields = {"file": str(out), "format": form.value, "runs": [run.id for run in runs]}
        fields["incomplete"] = [run.id for run in runs if not run.complete]
        print(json.dumps(fields | ({} if rows is None else {"rows": rows}), indent=2))
    else:
        counted = f"{len(runs)} runs" + ("" if rows is None else f", {rows:,} samples")
        hidden = sum(run.restricted for run in runs)
        kept = f"; the texts of {hidden} restricted runs are left out" if hidden else ""
        print(f"{out}: {counted}{kept}")
        print_incomplete_note(runs, results)

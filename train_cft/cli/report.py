"""``train-cft report``: base, SFT and CFT side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import (
    RESULTS,
    JsonOption,
    ProfileOption,
    ResultsOption,
    SuiteOption,
    TasksDirOption,
    TasksOption,
    known_profile,
    listed,
    recovered,
)
from harness.cli.signals import stoppable
from harness.errors import HarnessError, nearest
from harness.types import DEFAULT_PROFILE


def report(
    base: Annotated[
        str,
        typer.Option(
            help="What the others are compared with: a run, a model, or the folder of a training, "
            "which stands for its chosen checkpoint."
        ),
    ],
    models: Annotated[
        list[str],
        typer.Option(
            help="A run, a model, or the folder of a training, which stands for its chosen "
            "checkpoint; several by commas or by giving it several times."
        ),
    ],
    tasks: TasksOption = "",
    suite: SuiteOption = None,
    published: Annotated[
        bool, typer.Option("--published", help="Add the paper's published scores.")
    ] = False,
    exempt: Annotated[
        list[Path] | None,
        typer.Option(
            help="build.json of the data that a model was trained on, where its training is not "
            "known or the training's folder is gone; may be given several times."
        ),
    ] = None,
    keep_selection: Annotated[
        bool,
        typer.Option(
            "--keep-selection", help="Keep the items by which a checkpoint was chosen, and say so."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown to this file.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Where to draw it: one .html file that needs no network.")
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Compare stored runs of a base and of what was trained from it, item by item.

    Items that one of them was trained on or chosen by are left out for all, and counted.
    """
    from harness.cli.progress import Counting
    from harness.registry import suites
    from train_cft.report import report as reporting
    from train_cft.report.plot import check_plot, write_plot
    from train_cft.report.render import markdown, print_report

    known_profile(profile)
    if plot is not None:
        check_plot(plot)
    wanted = listed(tasks)
    if suite is not None:
        known = suites()
        if suite not in known:
            raise HarnessError(f"There is no suite {suite!r}. {nearest(suite, known)}")
        wanted += known[suite]
    request = reporting.ReportRequest(
        base=base,
        models=[name for text in models for name in listed(text)],
        tasks=tuple(dict.fromkeys(wanted)),
        exempt_files=exempt or (),
        keep_selection=keep_selection,
        published=published,
        profile=profile,
        tasks_dir=tasks_dir,
    )
    with (
        Counting("grading") as counting,
        stoppable(lambda: "Stopped. What was judged is kept."),
    ):
        found = reporting.report(request, recovered(results), counting.on_grade)
    if out is not None:
        _write(out, markdown(found))
    if plot is not None:
        write_plot(found, plot)
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    print_report(found)
    for file in (out, plot):
        if file is not None:
            print(f"written: {file}")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{file} cannot be written: {error.strerror or error}.") from error

"""The commands ``compare`` and ``power``."""

from __future__ import annotations

import json
from typing import Annotated, Any

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
from harness.cli.signals import stoppable
from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE

_JUDGED = "Stopped. What was judged is kept."


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C ...]", help="Runs (an id or its beginning) or models; two or more."
        ),
    ],
    tasks: Annotated[
        str, typer.Option("--tasks", help="Only these tasks of the models, separated by commas.")
    ] = "",
    by: Annotated[
        str | None, typer.Option(help="Break the comparison down by subject or level.")
    ] = None,
    allow_different: Annotated[
        bool,
        typer.Option("--allow-different", help="Compare runs under different protocols too."),
    ] = False,
    allow_incomplete: Annotated[
        bool,
        typer.Option(
            "--allow-incomplete",
            help="Show incomplete runs side by side too, without interval, p, verdict or rank.",
        ),
    ] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Compare runs or models item by item; three or more are ranked.

    Differences are the second less the first. Runs judged by different versions of the grader are
    judged again first. Runs that are not complete are refused.
    """
    from harness import api
    from harness.analysis import compare as comparing
    from harness.cli import render_compare
    from harness.cli.progress import Counting
    from harness.cli.render_incomplete import compared_json

    known_profile(profile)
    if by is not None and by not in comparing.BREAK_DOWNS:
        raise HarnessError(f"--by {by} is neither subject nor level.")
    if by is not None and len(names) > 2:
        raise HarnessError("--by breaks down a comparison of two.", "Leave it out, or name two.")
    only = [name.strip() for name in tasks.split(",") if name.strip()]
    options: dict[str, Any] = {
        "results": api.Results(recovered(results).path),
        "tasks": only,
        "profile": profile,
        "allow_different": allow_different,
        "allow_incomplete": allow_incomplete,
        "tasks_dir": tasks_dir,
    }
    compared: comparing.Compared | comparing.Ranked
    with Counting("grading") as counting, stoppable(lambda: _JUDGED):
        if len(names) == 2:
            compared = api.compare(*names, **options, on_grade=counting.on_grade)
        else:
            compared = api.rank(names, **options, on_grade=counting.on_grade)
    if as_json:
        print(json.dumps({"names": names} | compared_json(compared), indent=2))
    elif isinstance(compared, comparing.Compared):
        render_compare.print_compared(names, compared, by, results)
    else:
        render_compare.print_ranked(compared)


def power(
    baseline: Annotated[
        str, typer.Option(help="A run (an id or its beginning), or a model with one run.")
    ],
    drop: Annotated[float, typer.Option(help="The drop that matters, in points.")],
    alpha: Annotated[float, typer.Option(help="Probability of each wrong decision.")] = 0.05,
    wanted: Annotated[
        float, typer.Option("--power", help="Probability of the right decision.")
    ] = 0.8,
    samples: Annotated[
        int | None, typer.Option(help="Samples an item by the candidate; several are shown if not.")
    ] = None,
    discordance: Annotated[
        float | None,
        typer.Option(
            help="Percent of items on which single samples of two equal models disagree; estimated "
            "from the stored runs if not given."
        ),
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Power analysis: minimum detectable drop, and the items, samples and tokens for a drop."""
    from dataclasses import asdict

    from harness.analysis.assumptions import earlier_comparisons
    from harness.analysis.completeness import check_complete
    from harness.analysis.power import Question, power_analysis
    from harness.analysis.select import resolve_run
    from harness.cli import render_compare
    from harness.store.item_results import item_results

    known_profile(profile)
    share = None if discordance is None else discordance / 100
    question = Question(drop / 100, alpha, wanted, samples, share)
    store = recovered(results)
    run = resolve_run(store, baseline, profile)
    items = list(item_results(store, run.id, profile=profile).values())
    if items:
        check_complete(store, [run], profile=profile)
    earlier = None
    if discordance is None:
        earlier = earlier_comparisons(store, run, items, profile=profile)
    found = power_analysis(run, items, question, earlier)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        render_compare.print_power(found)

"""Judging answers: of a file, of a stored run again, of another harness."""

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
    TasksDirOption,
    known_profile,
    recovered,
)
from harness.cli.signals import stoppable
from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE

_EVERY_RUN = "all"
_NO_INTERVAL = {"low": None, "high": None}


def grade_file(
    file: Annotated[Path, typer.Argument(help="JSON lines with id, gold and pred.")],
    profile: ProfileOption = DEFAULT_PROFILE,
    out: Annotated[
        Path | None, typer.Option(help="Write one verdict per line to this file.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: one per core.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Grade a file of answers; report agreement with its labels where it has some."""
    from dataclasses import asdict

    from harness.cli import render
    from harness.grading import profiles
    from harness.interop import grade_file as grading

    profiles.get(profile)
    with stoppable(lambda: "Stopped. No verdicts were written."):
        pairs = grading.read_pairs(file)
        verdicts, seconds = grading.judge_pairs(pairs, profile=profile, workers=workers)
    if out is not None:
        grading.write_verdicts(out, pairs, verdicts)
    summary = grading.report(pairs, verdicts, seconds)
    if as_json:
        print(json.dumps(asdict(summary), indent=2))
    else:
        render.print_report(summary)


def regrade(
    run: Annotated[
        str, typer.Argument(help="A run's id, or the beginning of it; `all` for every run.")
    ],
    profile: ProfileOption = DEFAULT_PROFILE,
    list_changes: Annotated[
        bool, typer.Option("--list", help="List the samples whose grade changed.")
    ] = False,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Grade stored generations again; earlier grades are kept, and changes are reported."""
    from harness.cli import render
    from harness.cli.progress import Counting
    from harness.grading import profiles
    from harness.registry import TaskRegistry
    from harness.run.regrade import regrade_run
    from harness.store import queries

    profiles.get(profile)
    store = recovered(results)
    every = run == _EVERY_RUN
    found = queries.runs(store) if every else [queries.find_run(store, run)]
    registry = TaskRegistry(tasks_dir)
    done, left = [], []
    kept = "Stopped. What was judged is kept."
    with Counting("grading") as counting, stoppable(lambda: kept):
        for one in found:
            try:
                done.append(regrade_run(store, one, profile, counting.on_grade, registry))
            except HarnessError as error:
                if not every:
                    raise
                left.append((one.id, str(error)))
    summaries = queries.runs(store, [one.run_id for one in done], profile=profile)
    restricted = {one.id for one in found if one.restricted}
    if as_json:
        shown = [render.regraded_json(one, hidden=one.run_id in restricted) for one in done]
        after = {summary.id: render.run_json(summary) for summary in summaries}
        listed = [one | {"run": after[one["run_id"]]} for one in shown]
        fields = {"runs": listed, "left_out": dict(left)} if every else listed[0]
        print(json.dumps(fields, indent=2))
    else:
        for again in done:
            render.print_regraded(
                again, profile, list_changes=list_changes, hidden=again.run_id in restricted
            )
        for run_id, why in left:
            render.print_note(f"{run_id}: {why}")
        render.print_runs(summaries, results)


def score(
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.")],
    reducer: Annotated[
        str,
        typer.Option(help="How an item's samples are aggregated: mean, pass@K, all@K or maj@K."),
    ] = "mean",
    profile: ProfileOption = DEFAULT_PROFILE,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Score a run by a reducer over the samples of each item."""
    from dataclasses import asdict

    from harness.analysis.completeness import completion_hint
    from harness.analysis.score import score_run
    from harness.cli import render
    from harness.store import queries

    known_profile(profile)
    store = recovered(results)
    run_id = queries.find_run(store, run).id
    with stoppable(lambda: "Stopped. Nothing was changed."):
        estimate = score_run(store, run_id, reducer, profile)
    (summary,) = queries.runs(store, [run_id], profile=profile)
    if as_json:
        fields = asdict(estimate) if summary.complete else asdict(estimate) | _NO_INTERVAL
        state = {"complete": summary.complete, "stopped_by": summary.stopped_by}
        print(json.dumps({"run": run_id, "reducer": reducer} | fields | state, indent=2))
    else:
        remedy = "" if summary.complete else completion_hint(store, summary, profile=profile)
        render.print_score(summary, reducer, estimate, remedy, results)


def import_file(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="evalscope, inspect, jsonl, lighteval, lm-eval, opencompass, qwen_math or "
            "theoremqa.",
        ),
    ],
    path: Annotated[Path, typer.Argument(help="The file, or a log's folder.")],
    model: Annotated[
        str | None, typer.Option(help="Name of the model; default: the name in the log.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Task that the responses answer; default: the name in the log."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Import only this task of a folder, by its name in the log.")
    ] = None,
    match: Annotated[
        bool | None,
        typer.Option(
            "--match/--no-match",
            help="Take items and reference answers from our task, matched by question or id. "
            "Default: logs are matched where the task is ours, JSONL is not.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            "--filter",
            help="Metric of the log whose grades to keep; default: its first.",
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Fields of a jsonl file as ours=theirs, separated by commas; a.b is b in a.",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Import even if less than half of the responses match items."
        ),
    ] = False,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Import responses of another harness as runs and grade them; its own grades are kept."""
    from dataclasses import asdict

    from harness.cli import render
    from harness.cli.progress import Counting
    from harness.interop import import_run
    from harness.interop.formats import load_importer
    from harness.registry import TaskRegistry
    from harness.store import Store, queries

    read = load_importer(form, mapping or [])
    with Counting(f"reading {path.name}"):
        logs = read(path, metric, only)
        import_run.check_one_task(logs, task)
        registry = TaskRegistry(tasks_dir)
        plans = [import_run.plan(form, log, model, task, match, registry) for log in logs]
        found = [
            import_run.find_items(log.samples, ours, origin.task, partial=partial)
            for (origin, ours), log in zip(plans, logs, strict=True)
        ]
    store = Store(results)
    shown = []
    kept = "Stopped. What was taken in is kept."
    for (origin, ours), log, matched in zip(plans, logs, found, strict=True):
        with Counting("grading", len(matched.kept)) as counting, stoppable(lambda: kept):
            done = import_run.import_samples(store, matched, origin, ours, counting.on_grade)
        notes = (*log.notes, *done.notes)
        unmatched = [] if ours is not None and ours.restricted else matched.unmatched
        (summary,) = queries.runs(store, [done.run_id])
        agreed = import_run.agreement(store, done.run_id)
        if as_json:
            shown.append(
                {
                    "run": render.run_json(summary),
                    "matched": ours is not None,
                    "responses": done.samples,
                    "left_out": matched.left_out,
                    "unmatched": list(unmatched),
                    "unmatched_count": len(matched.unmatched),
                    "agreement": asdict(agreed) | {"share": agreed.share},
                    "notes": list(notes),
                }
            )
        else:
            render.print_runs([summary], results)
            render.print_matched(matched, unmatched, ours is not None)
            render.print_import(done.run_id, agreed, notes, results)
    if as_json:
        print(json.dumps(shown[0] if len(shown) == 1 else shown, indent=2))

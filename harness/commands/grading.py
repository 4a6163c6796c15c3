"""Judging answers: of a file, of a stored run again, of another harness."""

from __future__ import annotations

import json
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
from harness.commands.stopping import stoppable
from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE

_EVERY_RUN = "all"
_NO_INTERVAL = {"low": None, "high": None}


def grade_file(
    file: Annotated[Path, typer.Argument(help="JSON lines with id, gold and pred.")],
    profile: ProfileOption = DEFAULT_PROFILE,
    out: Annotated[Path | None, typer.Option(help="Where to write one verdict a line.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes; one a core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a file of answers, and compare with its labels where it has some."""
    from dataclasses import asdict

    from harness import display
    from harness import grade_file as grading
    from harness.grading import profiles

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
        display.print_report(summary)


def regrade(
    run: Annotated[
        str, typer.Argument(help="A run's id, or the beginning of it; `all` for every run.")
    ],
    profile: ProfileOption = DEFAULT_PROFILE,
    list_changes: Annotated[
        bool, typer.Option("--list", help="List the samples whose verdict changed.")
    ] = False,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Judge stored generations again, beside the grades they have, and say what that changed."""
    from harness import display
    from harness.grading import profiles
    from harness.progress import Counting
    from harness.registry import TaskRegistry
    from harness.regrading import regrade_run
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
                done.append(regrade_run(store, one, profile, counting.told, registry))
            except HarnessError as error:
                if not every:
                    raise
                left.append((one.id, str(error)))
    summaries = queries.runs(store, [one.run_id for one in done], profile=profile)
    restricted = {one.id for one in found if one.restricted}
    if as_json:
        shown = [display.regraded_json(one, hidden=one.run_id in restricted) for one in done]
        after = {summary.id: display.run_json(summary) for summary in summaries}
        listed = [one | {"run": after[one["run_id"]]} for one in shown]
        told = {"runs": listed, "left_out": dict(left)} if every else listed[0]
        print(json.dumps(told, indent=2))
    else:
        for again in done:
            display.print_regraded(
                again, profile, list_changes=list_changes, hidden=again.run_id in restricted
            )
        for run_id, why in left:
            display.print_note(f"{run_id}: {why}")
        display.print_runs(summaries)


def score(
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.")],
    reducer: Annotated[
        str, typer.Option(help="What becomes of an item's samples: mean, pass@K, all@K or maj@K.")
    ] = "mean",
    profile: ProfileOption = DEFAULT_PROFILE,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Score a run by a reducer over the samples of each item."""
    from dataclasses import asdict

    from harness import display
    from harness.completeness import to_complete
    from harness.scoring import score_run
    from harness.store import queries

    known_profile(profile)
    store = recovered(results)
    run_id = queries.find_run(store, run).id
    with stoppable(lambda: "Stopped. Nothing was changed."):
        estimate = score_run(store, run_id, reducer, profile)
    (summary,) = queries.runs(store, [run_id], profile=profile)
    if as_json:
        told = asdict(estimate) if summary.complete else asdict(estimate) | _NO_INTERVAL
        state = {"complete": summary.complete, "stopped_by": summary.stopped_by}
        print(json.dumps({"run": run_id, "reducer": reducer} | told | state, indent=2))
    else:
        remedy = "" if summary.complete else to_complete(store, summary, profile=profile)
        display.print_score(summary, reducer, estimate, remedy)


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
        str | None, typer.Option(help="What to call the model; else the log's own name for it.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="The task that the responses answer; else the log's own name for it."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Of a folder, only what the log calls so.")
    ] = None,
    match: Annotated[
        bool | None,
        typer.Option(
            "--match/--no-match",
            help="Take items and golds from our task, by question or id. Logs are matched where "
            "the task is ours, JSONL only when asked.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "--filter", help="Whose judgement of the log to keep; else its first."
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="ours=theirs, for the format jsonl; several parted by commas, a.b for b in a.",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Import also where less than half answers our items."),
    ] = False,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Take in responses generated elsewhere as runs, and judge them beside their own grades."""
    from dataclasses import asdict

    from harness import display, importing
    from harness.progress import Counting
    from harness.registry import TaskRegistry, load_importer
    from harness.store import Store, queries

    read = load_importer(form, mapping or [])
    with Counting(f"reading {path.name}"):
        logs = read(path, metric, only)
        importing.check_one_task(logs, task)
        registry = TaskRegistry(tasks_dir)
        plans = [importing.plan(form, log, model, task, match, registry) for log in logs]
        found = [
            importing.find_items(log.samples, ours, origin.task, partial=partial)
            for (origin, ours), log in zip(plans, logs, strict=True)
        ]
    store = Store(results)
    shown = []
    kept = "Stopped. What was taken in is kept."
    for (origin, ours), log, matched in zip(plans, logs, found, strict=True):
        with Counting("grading", len(matched.kept)) as counting, stoppable(lambda: kept):
            done = importing.import_samples(store, matched, origin, ours, counting.told)
        notes = (*log.notes, *done.notes)
        unmatched = [] if ours is not None and ours.restricted else matched.unmatched
        (summary,) = queries.runs(store, [done.run_id])
        agreed = importing.agreement(store, done.run_id)
        if as_json:
            shown.append(
                {
                    "run": display.run_json(summary),
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
            display.print_runs([summary])
            display.print_matched(matched, unmatched, ours is not None)
            display.print_import(done.run_id, agreed, notes)
    if as_json:
        print(json.dumps(shown[0] if len(shown) == 1 else shown, indent=2))

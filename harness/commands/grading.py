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
from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE


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
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.")],
    profile: ProfileOption = DEFAULT_PROFILE,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Judge a run's stored generations again, beside the grades they have."""
    from harness import display
    from harness.grading import profiles
    from harness.judging import regrade as carry_out
    from harness.registry import TaskRegistry
    from harness.store import queries

    profiles.get(profile)
    store = recovered(results)
    run_id = queries.find_run(store, run).id
    with display.Counting("grading") as counting:
        judged = carry_out(store, run_id, profile, counting.told, TaskRegistry(tasks_dir))
    (summary,) = queries.runs(store, [run_id], profile=profile)
    if as_json:
        print(json.dumps({"judged": judged, "run": display.run_json(summary)}, indent=2))
    else:
        print(f"{judged} generations judged by {profile}")
        display.print_runs([summary])


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
    from harness.scoring import score_run
    from harness.store import queries

    known_profile(profile)
    store = recovered(results)
    run_id = queries.find_run(store, run).id
    estimate = score_run(store, run_id, reducer, profile)
    if as_json:
        print(json.dumps({"run": run_id, "reducer": reducer} | asdict(estimate), indent=2))
    else:
        print(f"{run_id}  {reducer}  {display.percent_interval(estimate)}  n {estimate.items}")


def import_file(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="jsonl, qwen_math or theoremqa.")],
    path: Annotated[Path, typer.Argument(help="The file.")],
    model: Annotated[str, typer.Option(help="What to call the model.")],
    task: Annotated[str, typer.Option(help="The task that the responses answer.")],
    match: Annotated[
        bool, typer.Option("--match", help="Take items and golds from our task, by question.")
    ] = False,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="ours=theirs, for the format jsonl.")
    ] = None,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Take in responses generated elsewhere as a run, and judge them."""
    import hashlib

    from harness import display, importers, importing
    from harness.registry import TaskRegistry, load_importer
    from harness.store import Store, queries

    samples = importers.read_file(path, load_importer(form, mapping or []))
    origin = importing.Origin(form, hashlib.sha256(path.read_bytes()).hexdigest(), model, task)
    registry = TaskRegistry(tasks_dir)
    known = {entry.name for entry in registry.entries()}
    ours = registry.load(task) if match or task in known else None
    if ours is not None and ours.restricted and not match:
        raise HarnessError(
            f"{task} asks that its text is kept to itself, so the file's own copy is not stored.",
            "Add --match to take items and golds from our task.",
        )
    store = Store(results)
    with display.Counting("grading") as counting:
        done = importing.import_samples(
            store, samples, origin, ours if match else None, counting.told
        )
    unmatched = [] if ours is not None and ours.restricted else done.unmatched
    (summary,) = queries.runs(store, [done.run_id])
    if as_json:
        shown = {"run": display.run_json(summary), "unmatched": unmatched}
        print(json.dumps(shown, indent=2))
    else:
        display.print_runs([summary])
        display.print_unmatched(unmatched, len(done.unmatched))

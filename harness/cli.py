"""The command line: parse, call, print."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE

if TYPE_CHECKING:
    from harness.pipeline import Evaluation

app = typer.Typer(
    name="harness",
    help="Evaluate a checkpoint, and learn whether the number may be believed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="HARNESS_RESULTS", help="The results file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
TasksDirOption = Annotated[
    Path | None,
    typer.Option("--tasks-dir", envvar="HARNESS_TASKS_DIR", help="A folder of your own tasks."),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="Name of a grading profile.")]
RESULTS = Path("results.duckdb")


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and the engine's own messages.")
    ] = False,
) -> None:
    if debug:
        os.environ["HARNESS_DEBUG"] = "1"
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    else:
        # Read once, when torch is loaded, which rendering prompts may already do.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


@app.command("eval")
def evaluate(
    model: Annotated[
        str, typer.Option("--model", help="A built-in name, a checkpoint folder or a hub id.")
    ],
    tasks: Annotated[str, typer.Option("--tasks", help="Tasks, separated by commas.")] = "",
    suite: Annotated[str | None, typer.Option(help="A named list of tasks.")] = None,
    tasks_dir: TasksDirOption = None,
    limit: Annotated[int | None, typer.Option(help="Only the first items of each task.")] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Samples per item; the task's own if not given.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 is greedy; the task's own if not given.")
    ] = None,
    top_p: Annotated[float, typer.Option(help="Nucleus mass.")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Budget of new tokens; the task's own if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Base seed of all sampling.")] = 0,
    replicate: Annotated[
        int, typer.Option(help="Another number asks for fresh samples of the same model.")
    ] = 0,
    results: ResultsOption = RESULTS,
    backend: Annotated[str, typer.Option(help="What generates.")] = "vllm",
    engine_arg: Annotated[
        list[str] | None, typer.Option(help="key=value, passed through to the engine.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub model.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the checkpoint's own Python.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a model: generate, grade while generating, store, and print the scores."""
    from harness.pipeline import Evaluation
    from harness.plan import Settings
    from harness.registry import TaskRegistry

    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if not names and suite is None:
        raise HarnessError(
            "Nothing to evaluate on.", "Give --tasks or --suite; see `harness tasks`."
        )
    evaluation = Evaluation(
        model=model,
        tasks=TaskRegistry(tasks_dir).load_all(names, suite),
        results=results,
        settings=Settings(limit, n, temperature, top_p, max_tokens, seed, replicate),
        revision=revision,
        backend=backend,
        engine_args=dict(_engine_arg(text) for text in engine_arg or []),
        trust_remote_code=trust_remote_code,
    )
    _evaluate(evaluation, as_json=as_json)


def _evaluate(evaluation: Evaluation, *, as_json: bool) -> None:
    from harness import display
    from harness.pipeline import evaluate as carry_out
    from harness.store import Store, queries

    with display.EvaluationProgress() as progress:
        try:
            outcome = carry_out(evaluation, progress)
        except KeyboardInterrupt:
            raise HarnessError(
                f"Stopped. {progress.kept} finished generations are kept.",
                "Run the same command again to go on.",
            ) from None
    store = Store(evaluation.results)
    summaries = queries.runs(store, outcome.run_ids)
    summaries.sort(key=lambda summary: outcome.run_ids.index(summary.id))
    if as_json:
        print(json.dumps(display.outcome_json(outcome, summaries), indent=2))
    else:
        display.print_outcome(outcome, summaries, evaluation.results)


tasks_app = typer.Typer(help="List the tasks and suites, or check the tasks' gold answers.")
app.add_typer(tasks_app, name="tasks", invoke_without_command=True)


@tasks_app.callback(invoke_without_command=True)
def list_tasks(
    context: typer.Context, tasks_dir: TasksDirOption = None, as_json: JsonOption = False
) -> None:
    """List the tasks and suites, or check the tasks' gold answers."""
    if context.invoked_subcommand is not None:
        return
    from harness import display, registry

    entries, suites = registry.TaskRegistry(tasks_dir).entries(), registry.suites()
    if as_json:
        listed = [{"name": entry.name, "summary": entry.summary} for entry in entries]
        print(json.dumps({"tasks": listed, "suites": suites}, indent=2))
        return
    display.print_table(("task", "what"), [(entry.name, entry.summary) for entry in entries])
    display.print_table(
        ("suite", "tasks"), [(name, ", ".join(tasks)) for name, tasks in suites.items()]
    )


@tasks_app.command("check")
def check_tasks(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks; all if none is named.")] = None,
    tasks_dir: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every gold answer parses, equals itself, and differs from its neighbour's."""
    from dataclasses import asdict

    from harness import display
    from harness.check import check_task
    from harness.grading import GraderPool
    from harness.registry import TaskRegistry

    registry = TaskRegistry(tasks_dir)
    chosen = names or [entry.name for entry in registry.entries() if not entry.is_family]
    found, missing = [], []
    with GraderPool() as pool:
        for name in chosen:
            try:
                found.append(check_task(registry.load(name), pool))
            except HarnessError as error:
                if names:
                    raise
                missing.append((name, error.message))
    if as_json:
        print(json.dumps([asdict(findings) for findings in found], indent=2))
    else:
        display.print_checks(found, missing)
    if not all(findings.sound for findings in found):
        raise typer.Exit(1)


@app.command("grade")
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


@app.command("regrade")
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
    store = _recovered(results)
    run_id = queries.find_run(store, run).id
    with display.Counting("grading") as counting:
        judged = carry_out(store, run_id, profile, counting.told, TaskRegistry(tasks_dir))
    (summary,) = queries.runs(store, [run_id], profile=profile)
    if as_json:
        print(json.dumps({"judged": judged, "run": display.run_json(summary)}, indent=2))
    else:
        print(f"{judged} generations judged by {profile}")
        display.print_runs([summary])


@app.command("score")
def score(
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.")],
    reducer: Annotated[
        str, typer.Option(help="What becomes of an item's samples: mean, pass@K or maj@K.")
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

    _known_profile(profile)
    store = _recovered(results)
    run_id = queries.find_run(store, run).id
    estimate = score_run(store, run_id, reducer, profile)
    if as_json:
        print(json.dumps({"run": run_id, "reducer": reducer} | asdict(estimate), indent=2))
    else:
        print(f"{run_id}  {reducer}  {display.percent_interval(estimate)}  n {estimate.items}")


@app.command("import")
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


@app.command("models")
def list_models(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """List the built-in models and those the results file knows."""
    from harness import display
    from harness.models import BUILTIN_MODELS
    from harness.store import Store, queries

    rows = [(name, "built in", about, "") for name, about in BUILTIN_MODELS.items()]
    if results.exists():
        rows += queries.models(Store(results))
    if as_json:
        names = ("name", "source", "about", "fingerprint")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
    else:
        shown = [(name, source, about, finger[:12]) for name, source, about, finger in rows]
        display.print_table(("model", "source", "what", "fingerprint"), shown)


@app.command("runs")
def list_runs(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """List the runs in the results file with their scores."""
    from harness import display
    from harness.store import queries

    summaries = queries.runs(_recovered(results))
    if as_json:
        print(json.dumps([display.run_json(summary) for summary in summaries], indent=2))
    else:
        display.print_runs(summaries)


@app.command("show")
def show(
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.")],
    wrong: Annotated[bool, typer.Option("--wrong", help="Only what was not right.")] = False,
    disagree: Annotated[
        str | None, typer.Option(help="Two profiles: only what they judge differently.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many samples.")] = 10,
    profile: ProfileOption = DEFAULT_PROFILE,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Show a run's samples: question, thought, answer, what was extracted, gold and grade."""
    from harness import display
    from harness.store import queries

    _known_profile(profile)
    store = _recovered(results)
    summary = queries.find_run(store, run)
    if disagree is None:
        samples = queries.samples(store, summary.id, only_wrong=wrong, limit=limit, profile=profile)
    else:
        first, comma, second = (part.strip() for part in disagree.partition(","))
        if not comma or not second:
            raise HarnessError("--disagree takes two profiles, as in strict,cft-paper.")
        samples = queries.disagreements(store, summary.id, first, second, limit=limit)
    if as_json:
        print(json.dumps(display.samples_json(summary, samples), indent=2))
    else:
        display.print_samples(summary, samples)


@app.command("doctor")
def doctor(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """Say what is installed and reachable, and what to run to mend what is missing."""
    from harness import display
    from harness.doctor import examine

    findings = examine(results)
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        display.print_findings(findings)
    if any(finding.level == "broken" for finding in findings):
        raise typer.Exit(1)


@app.command("leaderboard")
def leaderboard(
    results: ResultsOption = RESULTS,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it.")] = True,
) -> None:
    """Open the leaderboard in the browser; it listens on this machine only."""
    from importlib.util import find_spec

    spec = find_spec("leaderboard")
    if find_spec("streamlit") is None or spec is None or not spec.submodule_search_locations:
        raise HarnessError(
            "The leaderboard needs the package `streamlit`.",
            "pip install 'cft-harness[leaderboard]'.",
        )
    app_file = Path(next(iter(spec.submodule_search_locations))) / "app.py"
    arguments = [sys.executable, "-m", "streamlit", "run", str(app_file)]
    arguments += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    arguments += ["--server.headless", "false" if open_browser else "true"]
    arguments += ["--browser.gatherUsageStats", "false"]
    os.environ["HARNESS_RESULTS"] = str(results)
    os.execv(sys.executable, arguments)


def main() -> None:
    """Run the command line; print an error as one sentence and its remedy."""
    try:
        app()
    except HarnessError as error:
        _fail(error, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - a bug, and told without a page of traceback
        found = f"{type(error).__name__}: {error}"
        _fail(error, f"This should not have happened ({found}). --debug shows where.", 1)


def _fail(error: Exception, sentence: str, code: int) -> None:
    from harness.terminal import clean

    if os.environ.get("HARNESS_DEBUG"):
        raise error
    print(f"error: {clean(sentence)}", file=sys.stderr)
    sys.exit(code)


def _known_profile(name: str) -> None:
    from harness.grading import profiles
    from harness.importing import SOURCE_PROFILE

    if name != SOURCE_PROFILE:
        profiles.get(name)


def _recovered(results: Path) -> Any:
    """Open the results file, first taking in what a crashed run left in its journal."""
    from harness.errors import StoreLocked
    from harness.store import Store, recover

    store = Store(results)
    with contextlib.suppress(StoreLocked):  # reading may still go through, and says so if not
        recover(store, wait_seconds=1.0)
    return store


def _engine_arg(text: str) -> tuple[str, Any]:
    """Read one ``key=value``; the value is JSON where it can be, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise HarnessError(f"--engine-arg {text!r} is not key=value.")
    try:
        return name.strip().replace("-", "_"), json.loads(value)
    except ValueError:
        return name.strip().replace("-", "_"), value


if __name__ == "__main__":
    main()

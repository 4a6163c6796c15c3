"""``train-cft build``: critique data from questions and responses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import RESULTS, JsonOption, ResultsOption, TasksDirOption, key_value
from harness.errors import HarnessError

if TYPE_CHECKING:
    from train_cft.build.pipeline import Build, Report
    from train_cft.critic.critique_check import OnConflict
    from train_cft.critic.teacher import Teacher

_SOURCES = "What is criticised"
_CRITIC = "Who criticises"
_TEACHER = "A teacher, for critiques or solutions"
_CHOICE = "What is taken"
_OWN = "source"
_NO_MODEL = (_OWN, "reference")


def build_data(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="webinstruct-cft-4k, -50k or -600k, or a JSON, JSONL or Parquet file; may be "
            "given several times.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    from_run: Annotated[
        list[str] | None,
        typer.Option(
            "--from-run",
            help="A run of the results file: its generations are the noisy responses.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Commit of webinstruct-cft on the hub.", rich_help_panel=_SOURCES),
    ] = None,
    critic: Annotated[
        str,
        typer.Option(
            help="source (the data's own critiques), reference (no model), openai, vllm or ray.",
            rich_help_panel=_CRITIC,
        ),
    ] = _OWN,
    on_conflict: Annotated[
        str,
        typer.Option(
            help="Critiques that our grader contradicts: drop, flag or retry.",
            rich_help_panel=_CRITIC,
        ),
    ] = "drop",
    retries: Annotated[
        int, typer.Option(help="How often to ask again.", rich_help_panel=_CRITIC)
    ] = 2,
    solutions: Annotated[
        str,
        typer.Option(
            help="Reference solutions: source (the data's own), or openai, vllm or ray: where a "
            "question has none a teacher is asked, and kept where our grader finds it right.",
            rich_help_panel=_CRITIC,
        ),
    ] = _OWN,
    teacher: Annotated[
        str | None, typer.Option(help="The model that is asked.", rich_help_panel=_TEACHER)
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="The paper's.", rich_help_panel=_TEACHER)
    ] = 0.3,
    top_p: Annotated[float, typer.Option(help="The paper's.", rich_help_panel=_TEACHER)] = 0.95,
    max_tokens: Annotated[
        int, typer.Option(help="Of a critique or solution; the paper's.", rich_help_panel=_TEACHER)
    ] = 3200,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="The server's address; the key comes from OPENAI_API_KEY.",
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    max_concurrency: Annotated[
        int | None,
        typer.Option(help="Maximum number of concurrent requests.", rich_help_panel=_TEACHER),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(help="USD per million tokens as IN,OUT.", rich_help_panel=_TEACHER),
    ] = None,
    engine_arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value, passed through to the engine.", rich_help_panel=_TEACHER),
    ] = None,
    right_share: Annotated[
        float | None,
        typer.Option(
            help="Share of right responses; as they come if not given.", rich_help_panel=_CHOICE
        ),
    ] = None,
    per_question: Annotated[
        int | None, typer.Option(help="Most responses a question.", rich_help_panel=_CHOICE)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most examples in all.", rich_help_panel=_CHOICE)
    ] = None,
    keep_truncated: Annotated[
        bool,
        typer.Option(
            "--keep-truncated",
            help="Take responses that ran out of budget too.",
            rich_help_panel=_CHOICE,
        ),
    ] = False,
    keep_loops: Annotated[
        bool,
        typer.Option(
            "--keep-loops", help="Take responses that repeat themselves.", rich_help_panel=_CHOICE
        ),
    ] = False,
    near_duplicates: Annotated[
        float,
        typer.Option(
            help="Overlap from which on two examples are the same.", rich_help_panel=_CHOICE
        ),
    ] = 0.8,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="One more task to decontaminate against, as fresh:chain_sum@7.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="The base model, to count its tokens; else words.")
    ] = None,
    audit: Annotated[
        int,
        typer.Option(min=0, help="Critiques without a conflict that are queued for human review."),
    ] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of every choice, and of the teacher.")] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over an earlier build in --out.")
    ] = False,
    tasks_dir: TasksDirOption = None,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Build critique data: collect responses, criticise them, check, clean, write."""
    from train_cft.build.pipeline import Build

    named = {"base_url": base_url, "max_concurrency": max_concurrency, "price": price}
    sampling = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    asked = _teacher(critic, solutions, teacher, results, named, engine_arg or [], sampling, seed)
    build = Build(
        out=out,
        results=results,
        data=data or [],
        runs=from_run or [],
        critic=critic,
        teacher=None if critic in _NO_MODEL else asked,
        solver=None if solutions == _OWN else asked,
        on_conflict=_on_conflict(on_conflict),
        retries=retries,
        right_share=right_share,
        per_question=per_question,
        limit=limit,
        keep_truncated=keep_truncated,
        keep_loops=keep_loops,
        near_duplicates=near_duplicates,
        against=against or [],
        tokenizer=tokenizer,
        audit=audit,
        seed=seed,
        revision=revision,
        tasks_dir=tasks_dir,
        replace=replace,
    )
    _run(build, as_json=as_json)


def _teacher(
    critic: str,
    solutions: str,
    model: str | None,
    results: Path,
    named: dict[str, Any],
    engine_args: list[str],
    sampling: dict[str, Any],
    seed: int,
) -> Teacher | None:
    from harness.backends.base import EngineOptions
    from harness.errors import nearest
    from harness.registry import backend_entries
    from harness.run.plan import Settings
    from train_cft.critic.teacher import Teacher

    backends = [entry.name for entry in backend_entries()]
    if critic not in (known := [*_NO_MODEL, *backends]):
        raise HarnessError(f"There is no critic {critic!r}. {nearest(critic, known)}")
    if solutions not in (known := [_OWN, *backends]):
        raise HarnessError(f"--solutions {solutions!r} is not known. {nearest(solutions, known)}")
    asking = {
        f"--{option} {name}": name
        for option, name in (("critic", critic), ("solutions", solutions))
        if name in backends
    }
    given = {name: value for name, value in named.items() if value is not None}
    if not asking:
        if model is not None or given:
            raise HarnessError(
                f"--critic {critic} asks no model, and neither does --solutions {solutions}.",
                "Give --critic openai or vllm for a teacher, or --solutions openai or vllm.",
            )
        return None
    if len(set(asking.values())) > 1:
        raise HarnessError(
            f"{' and '.join(asking)} are two teachers, and a build has one.",
            "Give both the same name.",
        )
    if model is None:
        raise HarnessError(
            f"No model is named for {' and '.join(asking)}.", "Name it with --teacher MODEL."
        )
    settings = Settings(seed=seed, **sampling)
    settings.check()
    (backend,) = set(asking.values())
    args = dict(key_value(text, "--engine-arg") for text in engine_args)
    return Teacher(model, settings, results, EngineOptions(backend, args, given))


def _on_conflict(name: str) -> OnConflict:
    from harness.errors import nearest
    from train_cft.critic.critique_check import OnConflict

    if name not in list(OnConflict):
        raise HarnessError(f"--on-conflict {name!r} is not known. {nearest(name, OnConflict)}")
    return OnConflict(name)


def _run(build: Build, *, as_json: bool) -> None:
    from harness.cli.progress import EvaluationProgress
    from harness.cli.signals import stoppable
    from train_cft.build.pipeline import run_build

    kept = "Stopped; nothing was written, and what a teacher wrote so far is kept."
    with EvaluationProgress() as progress, stoppable(lambda: kept):
        report = run_build(build, progress)
    if as_json:
        print(json.dumps(report.as_dict() | {"out": str(build.out)}, indent=2))
    else:
        _print(build, report)


def _print(build: Build, report: Report) -> None:
    from harness.cli import render
    from harness.text import percent_interval

    facts = report.as_dict()
    rows = [("examples", f"{facts['examples']:,}")]
    rows += [(f"  {kind} responses", f"{facts[kind]:,}") for kind in ("right", "wrong")]
    for one in report.loaded:
        rows += [(f"left out of {one.name}: {name}", f"{n:,}") for name, n in one.left_out.items()]
    rows += [(f"left out: {name}", f"{n:,}") for name, n in sorted(report.left_out.items())]
    for name, removed in facts["contaminated"].items():
        rows.append((f"  repeats {name}", f"{removed['exact'] + removed['stretch']:,}"))
    if report.checked.error is not None:
        rows.append(("critic's error", percent_interval(report.checked.error)))
    if solutions := facts["solutions"]["asked"]:
        rows.append(("solutions asked of the teacher", f"{solutions:,}"))
        found = facts["solutions"]["found"].items()
        rows += [(f"  {finding}", f"{number:,}") for finding, number in found]
    rows.append(("for review", f"{report.queued:,}"))
    render.print_table(("", " "), rows)
    if unchecked := facts["not_checked"]:
        print(f"not decontaminated against (could not be loaded): {', '.join(unchecked)}")
    print(f"{build.out}  sha256 {report.data_sha256[:12]}…  (details in data_card.md)")

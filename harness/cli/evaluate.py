"""Evaluating models."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.backends.base import EngineOptions
from harness.cli.options import (
    RESULTS,
    JsonOption,
    ResultsOption,
    RevisionOption,
    SuiteOption,
    TasksDirOption,
    TasksOption,
    key_value,
    with_engine_options,
)
from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE


@with_engine_options
def evaluate(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="A built-in name, a checkpoint folder, a glob pattern of folders or a hub id; "
            "repeatable.",
        ),
    ],
    tasks: TasksOption = "",
    suite: SuiteOption = None,
    tasks_dir: TasksDirOption = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="Number of items per task: a fixed pseudo-random subset (hash of the ids)."
        ),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Samples per item; by default the task's own number.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Sampling temperature, 0 for greedy; by default the task's own."),
    ] = None,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling (top-p).")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Maximum number of new tokens; by default the task's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Base seed for sampling.")] = 0,
    replicate: Annotated[
        int, typer.Option(help="Replicate number: another one draws new samples of the same model.")
    ] = 0,
    system: Annotated[
        str | None, typer.Option(help="System prompt, instead of the task's own.")
    ] = None,
    thinking: Annotated[
        bool | None,
        typer.Option(
            "--thinking/--no-thinking", help="Turn thinking on or off in the chat template."
        ),
    ] = None,
    thinking_budget: Annotated[
        int | None, typer.Option(help="Maximum number of thinking tokens, enforced by the engine.")
    ] = None,
    template_arg: Annotated[
        list[str] | None, typer.Option(help="key=value, a chat template variable; repeatable.")
    ] = None,
    stop_loops: Annotated[
        bool, typer.Option("--stop-loops", help="Stop a generation that repeats itself.")
    ] = False,
    results: ResultsOption = RESULTS,
    revision: RevisionOption = None,
    *,
    engine: EngineOptions,
    as_json: JsonOption = False,
) -> None:
    """Evaluate models: generate, grade while generating, store, and print the scores."""
    from harness import api
    from harness.cli import render
    from harness.cli.progress import EvaluationProgress
    from harness.cli.signals import stoppable
    from harness.store import Store, item_results

    with (
        EvaluationProgress() as progress,
        stoppable(lambda: f"Stopped. {progress.kept} finished generations are kept."),
    ):
        evaluated = api.evaluate(
            model,
            tasks,
            suite=suite,
            tasks_dir=tasks_dir,
            results=results,
            limit=limit,
            n=n,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            replicate=replicate,
            system=system,
            thinking=thinking,
            thinking_budget=thinking_budget,
            template_args=dict(key_value(text, "--template-arg") for text in template_arg or []),
            stop_loops=stop_loops,
            revision=revision,
            engine=engine,
            callbacks=progress,
        )
    outcome, summaries = evaluated.outcome, evaluated.runs()
    assert outcome is not None, "an evaluation has one"
    if as_json:
        print(json.dumps(render.outcome_json(outcome, summaries), indent=2))
    else:
        unparsed = item_results.unparsed(Store(results), outcome.run_ids, DEFAULT_PROFILE)
        render.print_evaluation(outcome, summaries, results, unparsed)
    if failed := outcome.failed:
        listed = " ".join(f"{one.model}: {one.error}" for one in failed)
        several = len(failed) + len(outcome.sessions)
        raise HarnessError(f"{len(failed)} of {several} models could not be evaluated. {listed}")

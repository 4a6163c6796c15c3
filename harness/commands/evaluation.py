"""Evaluating models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import (
    RESULTS,
    AddressOption,
    BackendOption,
    BaseUrlOption,
    ConcurrencyOption,
    EngineArgOption,
    JsonOption,
    PriceOption,
    ReplicasOption,
    ResultsOption,
    RevisionOption,
    SuiteOption,
    TasksDirOption,
    TasksOption,
    TensorParallelOption,
    TimeoutOption,
    TrustOption,
    engine_args,
    given,
    key_value,
    listed,
)
from harness.errors import HarnessError
from harness.types import DEFAULT_PROFILE

if TYPE_CHECKING:
    from harness.pipeline import Evaluation


def evaluate(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="A built-in name, a checkpoint folder, a pattern of folders or a hub id; may be "
            "given several times.",
        ),
    ],
    tasks: TasksOption = "",
    suite: SuiteOption = None,
    tasks_dir: TasksDirOption = None,
    limit: Annotated[
        int | None,
        typer.Option(help="So many items of each task, always the same: drawn by their ids."),
    ] = None,
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
    system: Annotated[
        str | None, typer.Option(help="A system prompt, in place of the task's own.")
    ] = None,
    thinking: Annotated[
        bool | None,
        typer.Option("--thinking/--no-thinking", help="Set the template's switch for thinking."),
    ] = None,
    thinking_budget: Annotated[
        int | None, typer.Option(help="Tokens after which the engine ends a thought.")
    ] = None,
    template_arg: Annotated[
        list[str] | None, typer.Option(help="key=value, a variable of the chat template.")
    ] = None,
    stop_loops: Annotated[
        bool, typer.Option("--stop-loops", help="End a generation that repeats itself.")
    ] = False,
    results: ResultsOption = RESULTS,
    backend: BackendOption = "vllm",
    engine_arg: EngineArgOption = None,
    tensor_parallel: TensorParallelOption = None,
    revision: RevisionOption = None,
    trust_remote_code: TrustOption = False,
    base_url: BaseUrlOption = None,
    max_concurrency: ConcurrencyOption = None,
    timeout: TimeoutOption = None,
    price: PriceOption = None,
    address: AddressOption = None,
    replicas: ReplicasOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate models: generate, grade while generating, store, and print the scores."""
    from harness.pipeline import Evaluation
    from harness.plan import Settings
    from harness.registry import TaskRegistry
    from harness.types import Chat

    names = listed(tasks)
    if not names and suite is None:
        raise HarnessError(
            "Nothing to evaluate on.", "Give --tasks or --suite; see `harness tasks`."
        )
    template_args = dict(key_value(text, "--template-arg") for text in template_arg or [])
    evaluation = Evaluation(
        models=model,
        tasks=TaskRegistry(tasks_dir).load_all(names, suite),
        results=results,
        settings=Settings(
            limit=limit,
            samples=n,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            replicate=replicate,
            system=system,
            chat=Chat(thinking, template_args),
            thinking_budget=thinking_budget,
            stop_loops=stop_loops,
        ),
        revision=revision,
        backend=backend,
        engine_args=engine_args(engine_arg),
        backend_options=given(
            tensor_parallel=tensor_parallel,
            base_url=base_url,
            max_concurrency=max_concurrency,
            timeout=timeout,
            price=price,
            address=address,
            replicas=replicas,
        ),
        trust_remote_code=trust_remote_code,
    )
    _carry_out(evaluation, as_json=as_json)


def _carry_out(evaluation: Evaluation, *, as_json: bool) -> None:
    from harness import display
    from harness.commands.stopping import stoppable
    from harness.pipeline import evaluate as carry_out
    from harness.progress import EvaluationProgress
    from harness.store import Store, outcomes, queries

    with (
        EvaluationProgress() as progress,
        stoppable(lambda: f"Stopped. {progress.kept} finished generations are kept."),
    ):
        outcome = carry_out(evaluation, progress)
    store = Store(evaluation.results)
    summaries = queries.runs(store, outcome.run_ids)
    summaries.sort(key=lambda summary: outcome.run_ids.index(summary.id))
    if as_json:
        print(json.dumps(display.outcome_json(outcome, summaries), indent=2))
    else:
        unparsed = outcomes.unparsed(store, outcome.run_ids, DEFAULT_PROFILE)
        display.print_outcome(outcome, summaries, evaluation.results, unparsed)
    if failed := outcome.failed:
        listed = " ".join(f"{one.model}: {one.error}" for one in failed)
        several = len(failed) + len(outcome.phases)
        raise HarnessError(f"{len(failed)} of {several} models could not be evaluated. {listed}")

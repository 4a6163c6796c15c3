"""The baseline of a gate: stored runs, one a task, named by whoever set the gate up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from harness.analysis.protocol import protocol_differences
from harness.analysis.select import NameNotFound, ResolvedName, resolve_names
from harness.errors import HarnessError
from harness.gate.config import GateConfig, TaskConfig
from harness.registry import TaskRegistry
from harness.run.command import CommandOptions, eval_command, model_argument, named_in
from harness.run.plan import Settings, protocol_of, with_stored_items
from harness.store import Store, queries
from harness.store.queries import RunSummary
from harness.task import Task
from harness.text import harness_command
from harness.types import DEFAULT_PROFILE, NEW_ITEMS, THESE_ITEMS, Chat, Protocol

BEST = "best"

# What a baseline to be read in rounds is advised to have.
_ROUNDS_TO_STORE, _TEMPERATURE_TO_STORE = 64, 0.6


@dataclass(frozen=True, slots=True)
class Baseline:
    """The stored run that a candidate is measured against on one task.

    Attributes:
        task: The task.
        run: The baseline's run.
        config: What the gate's configuration says of the task.
        settings: How the candidate is to be asked: as the baseline was.
    """

    task: Task
    run: RunSummary
    config: TaskConfig
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Named:
    """What one ``--baseline`` stands for."""

    name: str
    found: ResolvedName

    @property
    def runs(self) -> list[RunSummary]:
        return self.found.runs

    @property
    def is_model(self) -> bool:
        return self.found.is_model

    @property
    def fingerprint(self) -> str:
        return self.runs[0].fingerprint


def find_baselines(
    store: Store,
    baselines: Sequence[str],
    config: GateConfig,
    names: Sequence[str],
    suite: str | None,
    registry: TaskRegistry,
    options: CommandOptions,
) -> list[Baseline]:
    """Find the baseline's run on each task of a gate.

    Args:
        store: The results file.
        baselines: Runs or models as the user named them, or ``best``.
        config: The gate's configuration.
        names: The tasks; with no suite either, those of the runs.
        suite: A named list of tasks.
        registry: Where the tasks are.
        options: What the gate generates with, for the commands that a refusal names.

    Raises:
        HarnessError: A baseline is unknown, is missing or incomplete on a task, was measured under
            another protocol, or was chosen by the very items it would be the measure of.
    """
    tasks = registry.load_all(list(names), suite)
    named = [_named(store, name, tasks, options) for name in baselines if name != BEST]
    tasks = tasks or registry.load_all(_tasks_of(named), None)
    _refuse_strays(named, tasks)
    # Loaded once, for the protocols, the commands and the plans that follow.
    tasks = [replace(task, load=partial(iter, task.items())) for task in tasks]
    if BEST in baselines:
        named.append(_best(store, config, tasks, registry))
    found = [_baseline(store, task, named, config, options) for task in tasks]
    models = {baseline.run.fingerprint: baseline.run.model for baseline in found}
    if len(models) > 1:
        raise HarnessError(
            f"The baseline's runs are of {len(models)} models ({', '.join(models.values())}).",
            "Name runs of one model: a gate has one baseline.",
        )
    return found


def _eval_command(
    store: Store, run: RunSummary, task: Task, settings: Settings, options: CommandOptions
) -> str:
    """Return the command that evaluates a run's model as it was, under these settings."""
    model = model_argument(store, run.fingerprint)
    _, source = named_in(store, run.fingerprint)
    return eval_command(store, model, task, settings, options.of(run, source))


def _named(store: Store, name: str, tasks: Sequence[Task], options: CommandOptions) -> _Named:
    try:
        (found,) = resolve_names(store, [name], DEFAULT_PROFILE)
    except NameNotFound as error:
        on = ",".join(task.name for task in tasks) or "TASKS"
        words = ["harness", "eval", "--model", name, "--tasks", on, *options.words()]
        command = shlex.join([*words, "--results", str(store.path)])
        raise HarnessError(
            f"There is no run and no model {name!r} in {store.path.name}.",
            f"`{harness_command('runs', results=store.path)}` lists them; if it is a model, "
            f"`{command}` makes the baseline.",
        ) from error
    return _Named(name, found)


def _tasks_of(named: Sequence[_Named]) -> list[str]:
    """Return the tasks of the runs that serve as baselines: all of a model's, if that is one."""
    tasks = [of.runs[0].task for of in named if not of.is_model]
    measured = sorted({run.task for of in named if of.is_model for run in of.runs})
    if not tasks and len(measured) == 1:
        return measured
    if not tasks:
        has = f": {named[0].name} has runs on {', '.join(measured)}" if measured else ""
        raise HarnessError(
            f"No task is named to gate on{has}.",
            "Give --tasks or --suite, or name them in gate.toml.",
        )
    return tasks


def _refuse_strays(named: Sequence[_Named], tasks: Sequence[Task]) -> None:
    known = {task.name for task in tasks}
    seen: dict[str, str] = {}
    for of in named:
        if of.is_model:
            continue
        task = of.runs[0].task
        if task not in known:
            raise HarnessError(
                f"The baseline {of.name} is a run of {task}, which is no task of this gate.",
                f"Add {task} to the tasks, or leave that run out.",
            )
        if task in seen:
            raise HarnessError(
                f"The baselines {seen[task]} and {of.name} are both runs of {task}.",
                "Name one run a task.",
            )
        seen[task] = of.name


def _baseline(
    store: Store, task: Task, named: Sequence[_Named], config: GateConfig, options: CommandOptions
) -> Baseline:
    own = config.of(task.name)
    task_protocol = protocol_of(task, task.items(), Settings(samples=1, system=config.system))

    def as_asked(like: RunSummary) -> Baseline:
        settings = _settings(task, own, config, like)
        asked = replace(settings, item_ids=queries.item_ids(store, like.id))
        return Baseline(task, like, own, asked)

    def protocol(like: RunSummary | None) -> dict[str, Any]:
        # Several samples of a greedy run are refused once it is known to be the baseline.
        settings = replace(_settings(task, own, config, like), samples=1)
        return asdict(replace(task_protocol, sampling=settings.resolve(task)[1]))

    for of in named:
        if not of.is_model and of.runs[0].task == task.name:
            return _checked(store, as_asked(of.runs[0]), task_protocol, options)
    runs = [run for of in named if of.is_model for run in of.runs if run.task == task.name]
    if not runs:
        settings = _settings(task, own, config, None)
        command = _eval_command(store, named[0].runs[0], task, settings, options)
        raise HarnessError(
            f"The baseline {named[0].name} has no run on {task.name} in {store.path.name}.",
            f"`{command}` makes one.",
        )
    tasks_own = protocol(None)
    usual = [run for run in runs if not protocol_differences(run.protocol, tasks_own)]
    asked = {run.id: protocol_differences(run.protocol, protocol(run)) for run in usual or runs}
    fitting = [run for run in usual or runs if not asked[run.id] and _thinks_as(run, config)]
    if not fitting:
        closest = min(usual or runs, key=lambda run: len(asked[run.id]))
        _refuse_protocol(store, as_asked(closest), protocol(closest), options)
    # The oldest of several equal ones, so that the baseline stays when another is made.
    run = min(fitting, key=lambda r: (not r.complete, -r.samples, -r.items, r.created_at))
    _refuse_choice(named[0].name, run, fitting)
    return _checked(store, as_asked(run), task_protocol, options)


def _settings(task: Task, own: TaskConfig, config: GateConfig, like: RunSummary | None) -> Settings:
    """Return how the candidate is asked: what the configuration says, else as the baseline was."""
    stored: Mapping[str, Any] = (like.protocol.get("sampling") or {}) if like else {}

    def chosen(name: str, value: Any, default: Any = None) -> Any:
        return stored.get(name, default) if value is None else value

    temperature = chosen("temperature", own.temperature)
    greedy = (task.temperature if temperature is None else temperature) == 0
    thinking = config.thinking
    template_args: Mapping[str, Any] = {}
    if like is not None:
        chat = like.made_with.chat
        thinking = chat.get("thinking") if thinking is None else thinking
        template_args = chat.get("template_args") or {}
    samples = own.samples or (1 if greedy else None)
    if own.samples is None and own.target == THESE_ITEMS and not greedy:
        samples = like.samples if like is not None else _ROUNDS_TO_STORE
    return Settings(
        limit=own.limit,
        samples=samples,
        temperature=temperature,
        top_p=chosen("top_p", config.top_p, 1.0),
        max_tokens=chosen("max_tokens", own.max_tokens),
        seed=config.seed,
        system=config.system,
        chat=Chat(thinking, template_args),
        thinking_budget=chosen("thinking_budget", config.thinking_budget),
        stop_loops=chosen("stop_loops", config.stop_loops, False),
    )


def _thinks_as(run: RunSummary, config: GateConfig) -> bool:
    return config.thinking is None or run.made_with.chat.get("thinking") == config.thinking


def _refuse_choice(model: str, run: RunSummary, fitting: Sequence[RunSummary]) -> None:
    """Refuse to choose between runs of several protocols, none of which is the task's own."""
    for other in fitting:
        if differences := protocol_differences(run.protocol, other.protocol):
            raise HarnessError(
                f"{model} has runs on {run.task} under several protocols: {run.id} and {other.id} "
                f"differ in {'; '.join(map(str, differences))}.",
                "Name a run as the --baseline, or say in gate.toml how to ask.",
            )


def _checked(
    store: Store, baseline: Baseline, task_protocol: Protocol, options: CommandOptions
) -> Baseline:
    """Refuse a run that cannot serve as a baseline."""
    run, task = baseline.run, baseline.task
    if baseline.config.target == THESE_ITEMS:
        _refuse_few_samples(store, baseline, options)
    protocol = asdict(replace(task_protocol, sampling=baseline.settings.resolve(task)[1]))
    if protocol_differences(run.protocol, protocol):
        _refuse_protocol(store, baseline, protocol, options)
    if not run.complete:
        settings = replace(
            baseline.settings,
            samples=run.samples,
            limit=None,
            seed=run.seed,
            replicate=run.replicate,
        )
        command = _eval_command(store, run, task, settings, options)
        asks = with_stored_items(store, task, replace(settings, item_ids=None, limit=run.items))
        chosen = frozenset(item.id for item in asks.select(task.items()))
        raise HarnessError(
            f"The baseline run {run.id} on {task.name} is not complete: "
            f"{run.requests - run.graded} of {run.requests} samples are missing.",
            f"`{command}` goes on with it."
            if chosen == settings.item_ids
            else f"No --limit stands for its items: name another baseline; `{command}` makes one.",
        )
    return baseline


def _refuse_few_samples(store: Store, baseline: Baseline, options: CommandOptions) -> None:
    """Refuse a baseline that cannot bring fresh samples of its items to every round."""
    run, task, asked = baseline.run, baseline.task, baseline.settings
    wanted = asked.samples or 0
    sampled = (run.protocol.get("sampling") or {}).get("temperature") != 0
    if sampled and run.samples > 1 and wanted <= run.samples:
        return
    settings = replace(
        asked,
        samples=max(wanted, _ROUNDS_TO_STORE),
        temperature=asked.temperature or task.temperature or _TEMPERATURE_TO_STORE,
    )
    command = _eval_command(store, run, task, settings, options)
    if sampled and run.samples > 1:
        raise HarnessError(
            f"{wanted} rounds on {task.name} need as many samples of each item by the baseline, "
            f"and run {run.id} has {run.samples}: none can serve in two rounds.",
            f"Ask for samples = {run.samples} at most, or make a new baseline: `{command}`.",
        )
    kind = "one sample of each item" if sampled else "greedy answers, which never differ"
    raise HarnessError(
        f'{task.name} cannot be gated with target = "{THESE_ITEMS}": the baseline run {run.id} '
        f"has {kind}, and every round takes fresh samples.",
        f"`{command}` makes a baseline that can; or take out the target, for a drop over "
        f"{NEW_ITEMS}.",
    )


def _refuse_protocol(
    store: Store, baseline: Baseline, protocol: Mapping[str, Any], options: CommandOptions
) -> None:
    differences = protocol_differences(baseline.run.protocol, protocol)
    named = "; ".join(map(str, differences)) or "what its template was asked for (thinking)"
    command = _eval_command(store, baseline.run, baseline.task, baseline.settings, options)
    raise HarnessError(
        f"The baseline run {baseline.run.id} on {baseline.task.name} was not measured under the "
        f"gate's protocol: {named} (baseline against gate).",
        f"Make gate.toml ask as the baseline was asked, or make a new baseline: `{command}`.",
    )


def _best(
    store: Store, config: GateConfig, tasks: Sequence[Task], registry: TaskRegistry
) -> _Named:
    """Return the runs of the model that is best on other items than the gate's."""
    if not config.chosen_on:
        raise HarnessError(
            "The best of several models on the items it is then the measure of owes part of its "
            "score to luck (the winner's curse), and would fail checkpoints that are as good.",
            "Name a run or a model as the baseline, or say in gate.toml on which other tasks the "
            'best is chosen: chosen_on = ["…"].',
        )
    chosen_on = registry.load_all(config.chosen_on, None)
    asked = {item.question for task in tasks for item in task.items()}
    every_run = queries.runs(store)
    totals: dict[str, list[float]] = {}
    for task in chosen_on:
        items = task.items()
        if shared := sum(item.question in asked for item in items):
            raise HarnessError(
                f"{shared} items of {task.name} are items of this gate: a best model chosen on "
                "them owes part of its score there to luck (the winner's curse).",
                "Choose on tasks that share no item with it, or name a run or a model.",
            )
        protocol = asdict(protocol_of(task, items, Settings()))
        of_task = {
            run.fingerprint: run.score.value
            for run in every_run
            if run.task == task.name
            and run.complete
            and run.score
            and not protocol_differences(run.protocol, protocol)
        }
        for fingerprint, score in of_task.items():
            totals.setdefault(fingerprint, []).append(score)
    whole = {model: sum(of) for model, of in totals.items() if len(of) == len(chosen_on)}
    if not whole:
        raise HarnessError(
            f"No model has complete runs on {', '.join(config.chosen_on)} in {store.path.name}.",
            "Evaluate them there with the tasks' own settings, or name a run or a model.",
        )
    best = max(whole, key=lambda model: whole[model])
    runs = [run for run in every_run if run.fingerprint == best]
    return _Named(runs[0].model, ResolvedName(runs, is_model=True))

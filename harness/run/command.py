"""Write the `harness eval` command that makes a gate's baseline, or resumes a stored run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.backends.base import EngineOptions
from harness.environment import has_bfloat16_units
from harness.errors import HarnessError
from harness.run.plan import Settings
from harness.store import Store, queries
from harness.store.queries import RunSummary
from harness.task import Task
from harness.types import Chat, Sampling, is_credential, without_credentials


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """The options of a command line that say what generates and where the tasks are.

    Attributes:
        engine: Which engine generates, and its options.
        tasks_dir: A folder of the user's own tasks.
    """

    engine: EngineOptions = EngineOptions()
    tasks_dir: Path | None = None

    def of(self, run: RunSummary, source: str) -> CommandOptions:
        """Return what made a run; where that is not stored, as it is here.

        Args:
            run: The run.
            source: Of its model, as the store has it.
        """
        backend = run.engine.partition(" ")[0]
        args = dict(run.made_with.output_args)
        if args.get("dtype") == "auto" and has_bfloat16_units():
            del args["dtype"]  # what this machine chooses by itself
        options: dict[str, Any] = {}
        if source.startswith("server:"):
            options["base_url"] = source.removeprefix("server:").partition(" ")[0]
        elif self.engine.backend == "ray":
            # A cluster's runs are those of its engines.
            backend, options = "ray", dict(self.engine.backend_options)
        engine = EngineOptions(backend, args, options, self.engine.trust_remote_code)
        return CommandOptions(engine, self.tasks_dir)

    def words(self) -> list[str]:
        """Return the options of a command line."""
        engine = self.engine
        words = [] if engine.backend == "vllm" else ["--backend", engine.backend]
        for name in ("base_url", "address"):
            if name in engine.backend_options:
                words += [f"--{name.replace('_', '-')}", str(engine.backend_options[name])]
        for name, value in without_credentials(engine.engine_args).items():
            shown = f"YOUR_{name.upper()}" if is_credential(name) else value
            words += ["--engine-arg", _pair(name, shown)]
        words += ["--trust-remote-code"] if engine.trust_remote_code else []
        words += ["--tasks-dir", str(self.tasks_dir)] if self.tasks_dir else []
        return words


def eval_command(
    store: Store,
    model: tuple[str, str | None],
    task: Task,
    settings: Settings,
    options: CommandOptions,
) -> str:
    """Return the command that evaluates under these settings, quoted for a shell.

    Args:
        store: The results file.
        model: As the command line names it, and its revision.
        task: The task.
        settings: How to sample.
        options: What generates, and where the tasks are.
    """
    samples, sampling = settings.resolve(task)
    items = task.items()
    # None of the items of a run on other data.
    asked = len(settings.select(items)) or len(items)
    limit = None if asked == len(items) else asked
    return _command(
        store, model, task.name, samples, sampling, replace(settings, limit=limit), options
    )


def resume_command(store: Store, run: RunSummary, tasks_dir: Path | None = None) -> str:
    """Return the command that resumes a stored run, quoted for a shell.

    It lacks the system prompt, of which only a hash is stored.

    Args:
        store: The results file.
        run: The run.
        tasks_dir: A folder of the user's own tasks.

    Raises:
        HarnessError: The run was imported, so that there is nothing to ask.
    """
    model = model_argument(store, run.fingerprint)
    stored = run.protocol.get("sampling") or {}
    names = Sampling.__dataclass_fields__.keys() & stored.keys()
    sampling = Sampling(**{name: stored[name] for name in names})
    chat = run.made_with.chat
    settings = Settings(
        limit=run.items,
        seed=run.seed,
        replicate=run.replicate,
        chat=Chat(chat.get("thinking"), chat.get("template_args") or {}),
    )
    _, source = named_in(store, run.fingerprint)
    options = CommandOptions(tasks_dir=tasks_dir).of(run, source)
    return _command(store, model, run.task, run.samples, sampling, settings, options)


def _command(
    store: Store,
    model: tuple[str, str | None],
    task: str,
    samples: int,
    sampling: Sampling,
    settings: Settings,
    options: CommandOptions,
) -> str:
    name, revision = model
    words = ["harness", "eval", "--model", name, "--tasks", task]
    words += ["--revision", revision] if revision else []
    words += [*options.words(), "--results", str(store.path)]
    words += ["--max-tokens", str(sampling.max_tokens)]
    words += ["--temperature", _number(sampling.temperature), "--n", str(samples)]
    chosen: list[tuple[str, object, object]] = [
        ("--top-p", _number(sampling.top_p), "1"),
        ("--thinking-budget", sampling.thinking_budget, None),
        ("--limit", settings.limit, None),
        ("--system", settings.system, None),
        ("--seed", settings.seed, 0),
        ("--replicate", settings.replicate, 0),
    ]
    for option, value, default in chosen:
        words += [] if value == default else [option, str(value)]
    words += ["--stop-loops"] if sampling.stop_loops else []
    chat = settings.chat
    if chat.thinking is not None:
        words += ["--thinking" if chat.thinking else "--no-thinking"]
    for variable, value in chat.template_args.items():
        words += ["--template-arg", _pair(variable, value)]
    return shlex.join(words)


def model_argument(store: Store, fingerprint: str) -> tuple[str, str | None]:
    """Return how a stored model is named on the command line, and its revision.

    Raises:
        HarnessError: It was imported, so that there is nothing to ask.
    """
    name, source = named_in(store, fingerprint)
    kind, _, rest = source.partition(":")
    if kind == "builtin":
        return rest, None
    if kind == "hub":
        hub_id, _, commit = rest.rpartition("@")
        return hub_id, commit
    if kind == "imported":
        raise HarnessError(
            f"The responses of {name} were imported: there is no model to ask again.",
            "Evaluate it here, or name another baseline.",
        )
    return (name if kind == "server" else source), None


def named_in(store: Store, fingerprint: str) -> tuple[str, str]:
    """Return a stored model's name and source."""
    found = {row[3]: (row[0], row[1]) for row in queries.models(store)}
    return found[fingerprint]


def _pair(name: str, value: object) -> str:
    """Write ``key=value`` so that the command line reads this very value."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return f"{name}={value}"
    return f"{name}={json.dumps(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)

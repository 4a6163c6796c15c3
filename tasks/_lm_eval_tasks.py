# mypy: disable-error-code="import-untyped,import-not-found"
"""Makes our tasks of lm-eval's: what can be asked, its documents, prompts and sampling."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, nearest
from harness.task import Task, json_lines
from harness.types import AnswerType, Item, Message
from tasks._lm_eval_config import (
    accepting_antlr,
    configuration,
    group_names,
    outline,
    quiet,
    task_files,
)

DATA_VARIABLE = "HARNESS_LM_EVAL_DATA"
#: Metrics that say right or wrong.
_BINARY = ("exact_match", "acc", "em", "prompt_level_strict_acc", "math_verify")
#: Filters that need all samples of an item at once.
_OVER_SAMPLES = frozenset({"majority_vote", "take_first_k"})
_EVALUATORS = frozenset(
    {"eval", "exec", "parse_expr", "sympify", "system", "Popen", "check_output"}
)
_TOKEN_KEYS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
# lm-eval's own defaults.
_MAX_TOKENS = 256
_DOCUMENT_SEED = 0
_FEW_SHOT_SEED = 1234


def make_task(argument: str) -> Task:
    """Make the task of ``name`` or ``name/filter``, without loading its data.

    Raises:
        HarnessError: There is no such task or filter, or it cannot be asked here.
    """
    name, _, wanted = argument.partition("/")
    _check_name(name)
    raw = outline(name)
    _check_kind(name, raw)
    config = configuration(name)
    asked = _Asked(name, _filter(name, raw, wanted), _metric(name, raw))
    with quiet():
        from lm_eval.config.task import TaskConfig

        full = TaskConfig(**config)
    sampling: dict[str, Any] = full.generation_kwargs
    until = sampling["until"]
    temperature = float(sampling.get("temperature") or 0)
    if sampling.get("do_sample") is False:
        temperature = 0.0
    budgets = [int(sampling[key]) for key in _TOKEN_KEYS if sampling.get(key) is not None]
    documents = _Documents(asked)
    own_version = (full.metadata or {}).get("version", 0)
    return Task(
        f"lm_eval:{argument}",
        f"{version('lm_eval')}/{own_version}",
        documents.items,
        documents.prompt,
        max_tokens=budgets[0] if budgets else _MAX_TOKENS,
        samples=full.repeats if temperature > 0 else 1,
        temperature=temperature,
        stop=tuple(text for text in ([until] if isinstance(until, str) else until) if text),
        restricted="gpqa" in str(full.dataset_path).lower(),
        requires=("lm_eval", "lm-eval"),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What judges: one task's filter and metric."""

    task: str
    filter: str
    metric: str


@dataclass
class _Documents:
    """A task's documents as items, and their prompts; loaded when first needed."""

    asked: _Asked
    _prompts: dict[str, list[Message]] = field(default_factory=dict)

    def items(self) -> Iterator[Item]:
        yield from self._loaded

    def prompt(self, item: Item) -> Sequence[Message]:
        if not self._prompts:
            _ = self._loaded
        return self._prompts[item.id]

    @cached_property
    def _loaded(self) -> list[Item]:
        made: list[Item] = []
        with contextlib.ExitStack() as stack:
            for context in (quiet, accepting_antlr, _seeded, _fresh_documents, _compiled_once):
                stack.enter_context(context())
            task = _load(self.asked.task)
            task.set_fewshot_seed(_FEW_SHOT_SEED)
            for number, document in enumerate(task.task_docs):
                item = self._item(task, number, document)
                self._prompts[item.id] = _messages(task, document)
                made.append(item)
        return made

    def _item(self, task: Any, number: int, document: dict[str, Any]) -> Item:
        judged_by = {
            "task": self.asked.task,
            "filter": self.asked.filter,
            "metric": self.asked.metric,
            "targets": task.multiple_target,
            "document": document,
        }
        try:
            reference = json.dumps(judged_by, ensure_ascii=False, sort_keys=True)
        except TypeError as error:
            raise HarnessError(
                f"The documents of lm_eval:{self.asked.task} hold more than text and numbers."
            ) from error
        target = task.doc_to_target(document)
        if task.config.doc_to_choice is not None and isinstance(target, int):
            target = task.doc_to_choice(document)[target]
        return Item(
            id=f"{number:05d}",
            question=str(task.doc_to_text(document)),
            gold=target if isinstance(target, str) else json.dumps(target, ensure_ascii=False),
            answer_type=AnswerType.TEXT,
            scorer="tasks._lm_eval_scorer:score",
            reference=reference,
        )


def _messages(task: Any, document: dict[str, Any]) -> list[Message]:
    """Return what lm-eval hands to a chat template for this document."""
    text = task.fewshot_context(
        document,
        num_fewshot=task.config.num_fewshot or 0,
        apply_chat_template=True,
        chat_template=lambda messages, add_generation_prompt: json.dumps(messages),
    )
    messages: list[Message] = json.loads(text)
    return messages


# --- what can be asked ----------------------------------------------------------------------------


def _check_name(name: str) -> None:
    if name in task_files():
        return
    if name in group_names():
        members = [task for task in task_files() if task.startswith(f"{name}_")]
        raise HarnessError(
            f"{name} is a group of lm-eval tasks.",
            f"Name one of its tasks. {nearest(members[0] if members else name, task_files())}",
        )
    raise HarnessError(f"lm-eval has no task {name!r}. {nearest(name, task_files())}")


def _check_kind(name: str, raw: dict[str, Any]) -> None:
    """Refuse what another kind of harness is needed for.

    Raises:
        HarnessError: It is such a task.
    """
    sampling = raw.get("generation_kwargs") or {}
    refusals = {
        "is a Python class of lm-eval's, not a configuration": "class" in raw,
        "is scored by log-likelihoods, not by what the model writes": raw.get(
            "output_type", "generate_until"
        )
        != "generate_until",
        "runs code that the model wrote": bool(raw.get("unsafe_code")),
        "needs pictures or sound": bool(raw.get("doc_to_image") or raw.get("doc_to_audio")),
        "begins the model's answer for it, which chat messages cannot": bool(raw.get("gen_prefix")),
        "needs prompts of a package of its own": bool(raw.get("use_prompt")),
    }
    for reason, holds in refusals.items():
        if holds:
            raise HarnessError(f"lm_eval:{name} cannot be asked here: it {reason}.")
    if sampling.get("do_sample") and float(sampling.get("top_p") or 1) < 1:
        raise HarnessError(
            f"lm_eval:{name} cannot be asked here: it samples with top_p {sampling['top_p']}, "
            "which is no part of a task here."
        )
    for file in _scoring_files(raw):
        found = _evaluators(file)
        if found:
            raise HarnessError(
                f"lm_eval:{name} cannot be asked here: its scoring code ({file.name}) uses "
                f"{found[0]}(), and nothing that a model wrote is evaluated."
            )


def _scoring_files(raw: dict[str, Any]) -> list[Path]:
    """List the files of the functions that see a response, and what those import beside them."""
    functions = [raw.get("process_results")]
    functions += [metric.get("metric") for metric in raw.get("metric_list") or []]
    functions += [
        step.get(key)
        for chosen in raw.get("filter_list") or []
        for step in chosen["filter"]
        for key in ("function", "filter_fn")
    ]
    named = [function for function in functions if isinstance(function, str) and "/" in function]
    modules = [function.rpartition(".")[0] for function in named]
    waiting = [Path(f"{module}.py") for module in modules]
    # Some are written as lm_eval.tasks.name.utils.function, seen from the YAML file's folder.
    waiting += [
        _root(Path(module)) / f"{Path(module).name.replace('.', '/')}.py" for module in modules
    ]
    files: list[Path] = []
    while waiting:
        file = waiting.pop()
        if file.is_file() and file not in files:
            files.append(file)
            waiting += _imported_files(file)
    return files


def _imported_files(file: Path) -> Iterator[Path]:
    """List the modules beside a task's that its code imports."""
    root = _root(file)
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            relative = f"{name.replace('.', '/')}.py"
            yield root / relative if name.startswith("lm_eval.tasks.") else file.parent / relative


def _root(file: Path) -> Path:
    """Return the folder that the package lm_eval is in."""
    return next((folder.parent for folder in file.parents if folder.name == "lm_eval"), file.parent)


def _evaluators(file: Path) -> list[str]:
    calls = [
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(_parsed(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    ]
    return [name for name in calls if name in _EVALUATORS]


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _filter(name: str, raw: dict[str, Any], wanted: str) -> str:
    chains = {chain["name"]: chain["filter"] for chain in raw.get("filter_list") or []}
    chains = chains or {"none": []}
    if wanted and wanted not in chains:
        raise HarnessError(f"lm_eval:{name} has no filter {wanted!r}. {nearest(wanted, chains)}")
    chosen = wanted or next(iter(chains))
    if any(step["function"] in _OVER_SAMPLES for step in chains[chosen]):
        raise HarnessError(
            f"The filter {chosen} of lm_eval:{name} judges several samples as one answer.",
            "Choose another filter, or see maj@k of the plain run.",
        )
    return chosen


def _metric(name: str, raw: dict[str, Any]) -> str:
    metrics = [m.get("metric") for m in raw.get("metric_list") or [{"metric": "exact_match"}]]
    for metric in metrics:
        if metric in _BINARY:
            return str(metric)
    named = ", ".join(str(metric).rpartition(".")[2] for metric in metrics[:5])
    raise HarnessError(
        f"lm_eval:{name} cannot be asked here: it is scored by {named}, which does not say right "
        "or wrong."
    )


# --- its data -------------------------------------------------------------------------------------


def _load(name: str) -> Any:
    """Load a task with its data."""
    from lm_eval.api.task import ConfigurableTask

    replacement = _replacement(name)
    config = configuration(name)

    class WithDocuments(ConfigurableTask):  # type: ignore[misc]
        def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
            if replacement is not None:
                self.dataset = replacement(self.config)
            else:
                super().download(dataset_kwargs, **kwargs)

    if config.get("process_docs"):
        config["process_docs"] = _once(config["process_docs"])
    try:
        return WithDocuments(config=config)
    except HarnessError:
        raise
    except KeyError as error:
        raise HarnessError(
            f"The data of lm_eval:{name} has no {error}.", f"Add it in {DATA_VARIABLE}."
        ) from None
    except Exception as error:  # noqa: BLE001 - transports and templates raise what they like
        # "from None": the cause could carry a document of a restricted benchmark.
        raise HarnessError(
            f"The data of lm_eval:{name} ({config.get('dataset_path')}) cannot be loaded "
            f"({type(error).__name__}).",
            f"Check the network, or name local files in {DATA_VARIABLE} (see tasks/lm_eval.py).",
        ) from None


def _replacement(name: str) -> Callable[[Any], Any] | None:
    """Return what reads a task's local files, if ``HARNESS_LM_EVAL_DATA`` names any."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    try:
        entry = json.loads(Path(named).read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError) as error:
        raise HarnessError(f"{DATA_VARIABLE}={named} cannot be read: {error}.") from error
    if entry is None:
        return None

    def read(config: Any) -> Any:
        import datasets

        columns = entry.get("columns", {})
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_list(
                    [
                        {columns.get(key, key): value for key, value in row.items()}
                        for row in _rows(Path(named).parent / file, config)
                    ]
                )
                for split, file in entry["files"].items()
            }
        )

    return read


def _rows(path: Path, config: Any) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HarnessError(
            f"{DATA_VARIABLE} names {path}, which cannot be read: {error.strerror}."
        ) from error
    if path.suffix == ".zip":
        from tasks._gpqa import unzip

        return unzip(str(config.dataset_name).removeprefix("gpqa_"), content)
    return json_lines(content)


def _once(process: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Process a split once, however often lm-eval asks for it: some shuffle differently each time.

    lm-eval itself is saved from that by the cache of the package ``datasets``.
    """
    done: dict[int, tuple[Any, Any]] = {}

    def processed(split: Any) -> Any:
        if id(split) not in done:
            done[id(split)] = split, process(split)
        return done[id(split)][1]

    return processed


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Seed as lm-eval does before it makes its documents."""
    before = random.getstate()
    random.seed(_DOCUMENT_SEED)
    try:
        yield
    finally:
        random.setstate(before)


@contextlib.contextmanager
def _fresh_documents() -> Iterator[None]:
    """Process documents again: a cached copy holds the shuffle of whoever made it first."""
    import datasets

    were_cached = datasets.is_caching_enabled()
    bars = datasets.are_progress_bars_disabled()
    datasets.disable_caching()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if were_cached:
            datasets.enable_caching()
        if not bars:
            datasets.enable_progress_bars()


@contextlib.contextmanager
def _compiled_once() -> Iterator[None]:
    """Keep compiled templates: lm-eval compiles each one again for each document and example."""
    from lm_eval.utils import env

    env.from_string = cache(env.from_string)
    try:
        yield
    finally:
        del env.from_string

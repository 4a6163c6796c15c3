"""Outputs of lm-eval's ``--log_samples``: a ``samples_*.jsonl``, or a folder with several.

A line is one document under one filter: ``doc_id``, ``doc`` (the data set's row), ``target``,
``arguments`` (prompt and generation settings), ``resps`` (for each request its repeats),
``filtered_resps``, ``filter``, ``metrics`` (names) and each metric's value. A file beside it of the
same date holds the model, the task's configuration and versions: ``results_<date>.json``, or
``x_<date>.json`` where ``--output_path`` was ``x.json``. Written by lm-eval 0.4.9 to 0.4.13.

Before 0.4.4 a line names neither metrics nor filter: what it has besides the fields above are its
metrics, and the second line of a document is of the filter that is called ``filter-2`` here. Up to
0.4.2 a file is one array, ``arguments`` are lists, and the file is called ``<model>_<task>.jsonl``
beside ``results.json``.

Several filters give several lines a document; they hold one and the same response, which is taken
once, with the judgement of one filter: the first in the file, or the one that ``--metric`` names
(``exact_match``, ``flexible-extract``, or both as ``exact_match,flexible-extract``). A document's
judgement is of its first repeat only where the filter says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.interop.imported import (
    ImportedRun,
    ImportedSample,
    called,
    grade_notes,
    hash_of_prompts,
    logged_sampling,
    model_name,
    right_or_wrong,
)
from harness.interop.untrusted import Row, companion, file_sha256, files_in, json_rows, mapping

_NAME = re.compile(
    r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.jsonl?"
)
_QUESTION_KEYS = ("question", "problem", "query", "input", "prompt", "text")
_LEVEL_KEYS = ("level", "difficulty")
_SUBJECT_KEYS = ("subject", "type", "category", "High-level domain")
_BUDGETS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
# What of a task's configuration decides how a document becomes a prompt.
_PROMPT_KEYS = (
    "doc_to_text", "description", "system_instruction", "fewshot_config", "fewshot_delimiter",
    "fewshot_split", "gen_prefix", "num_fewshot", "target_delimiter",
)  # fmt: skip
# Fields of a row other than its metrics, which old rows do not list.
_NO_METRICS = frozenset(
    {
        "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
        "doc_hash", "prompt_hash", "target_hash",
    }
)  # fmt: skip


def read_log(path: Path, metric: str | None, only: str | None) -> list[ImportedRun]:
    """Read one file of samples, or those of a folder.

    Args:
        path: The file, or the folder that lm-eval's ``--output_path`` named.
        metric: A metric, a filter, or ``metric,filter``.
        only: Only the samples of this task.

    Raises:
        HarnessError: Nothing is there, or it is not what lm-eval writes.
    """
    if not path.is_dir():
        return [_read_file(path, metric)]
    files = files_in(path, "samples_*.jsonl", "samples_*.json")
    if not files:
        raise HarnessError(f"{path} holds no samples_*.jsonl.", "Run lm-eval with --log_samples.")
    return [_read_file(file, metric) for file in called(only, files, lambda file: _task(file, {}))]


def _task(path: Path, results: Mapping[str, Any]) -> str:
    """Return the task that a file is of; empty where neither its name nor its results say it."""
    if name := _NAME.fullmatch(path.name):
        return name["task"]
    if path.stem.startswith("samples_"):
        return path.stem.removeprefix("samples_")
    tasks = sorted(map(str, mapping(results.get("results"))), key=len, reverse=True)
    return next((task for task in tasks if path.stem.endswith(f"_{task}")), "")


def _read_file(path: Path, metric: str | None) -> ImportedRun:
    results = _results(path)
    task = _task(path, results)
    config = mapping(mapping(results.get("configs")).get(task))
    chosen, choice = _Choice(metric), ""
    by_document: dict[str, list[ImportedSample]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    judged: set[str] = set()
    arguments: Mapping[str, Any] = {}
    for number, row in json_rows(path):
        try:
            document = str(row["doc_id"])
            if document not in by_document:
                by_document[document] = list(_samples(row))
                arguments = arguments or _generation_arguments(row)
            by_filter = str(row.get("filter", "none"))
            seen[document, by_filter] += 1
            if seen[document, by_filter] > 1:
                by_filter = f"filter-{seen[document, by_filter]}"
            found = chosen.judgement(row, by_filter, config, len(by_document[document]))
            if found and document not in judged:
                judged.add(document)
                choice = choice or found[0]
                by_document[document] = [
                    _judged(sample, verdict, row)
                    for sample, verdict in zip(by_document[document], found[1], strict=True)
                ]
        except KeyError as error:
            raise HarnessError(
                f"Line {number} of {path} has no {error}, which lm-eval writes.",
                "Name the file samples_<task>_<date>.jsonl that --log_samples made.",
            ) from error
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise HarnessError(
                f"Line {number} of {path} is not what lm-eval writes: {error}.",
                "Choose another FORMAT.",
            ) from error
    if not by_document:
        raise HarnessError(f"{path} has no rows.", "Name a file that --log_samples made.")
    if metric is not None and not choice:
        raise HarnessError(
            f"Nothing in {path.name} was judged by {metric!r}.",
            f"It has {', '.join(sorted(chosen.seen)) or 'no judgements'}.",
        )
    samples = [sample for document in by_document.values() for sample in document]
    version = results.get("lm_eval_version")
    return ImportedRun(
        samples=samples,
        sha256=file_sha256(path),
        task=task,
        model=model_name(_model(results)),
        made_by=f"lm-eval {version}" if version else "lm-eval",
        sampling=_sampling(arguments),
        prompts_sha256=hash_of_prompts(
            {key: config.get(key) for key in _PROMPT_KEYS},
            results.get("system_instruction"),
            results.get("fewshot_as_multiturn"),
            bool(results.get("chat_template")),
        )
        if config
        else None,
        metric=choice,
        facts={"task_version": _version(mapping(results.get("versions")).get(task))},
        notes=(*grade_notes(samples, choice), *chosen.others(choice)),
    )


class _Choice:
    """Finds the judgement that is kept: of the metric and filter asked for, else of the first."""

    def __init__(self, asked: str | None) -> None:
        self._asked = asked
        self._filter: str | None = None
        self._metric: str | None = None
        self.seen: set[str] = set()

    def others(self, choice: str) -> tuple[str, ...]:
        """Say what else judged, and how to keep that instead."""
        others = sorted(self.seen - {choice})
        if not choice or not others:
            return ()
        return (
            f"The source's judgement is {choice}; the log also has {', '.join(others)}: "
            f"--metric {others[0]} keeps that one.",
        )

    def judgement(
        self, row: Row, by_filter: str, config: Mapping[str, Any], repeats: int
    ) -> tuple[str, list[bool | None]] | None:
        """Return the name of what judged, and its verdict on each repeat of this row."""
        for metric in row.get("metrics") or [name for name in row if name not in _NO_METRICS]:
            name = f"{metric},{by_filter}"
            self.seen.add(name)
            verdicts = _verdicts(row.get(metric), repeats, _keeps_first(config, by_filter))
            if self._asked is not None:
                if self._asked in (name, metric, by_filter) and self._same(metric, by_filter):
                    return name, verdicts
            elif any(verdict is not None for verdict in verdicts) and self._same(metric, by_filter):
                return name, verdicts
        return None

    def _same(self, metric: str, by_filter: str) -> bool:
        if self._metric is None:
            self._metric, self._filter = metric, by_filter
        return (metric, by_filter) == (self._metric, self._filter)


def _verdicts(value: object, repeats: int, of_first: bool) -> list[bool | None]:
    """Return a metric's value for each repeat of a document."""
    if isinstance(value, list) and len(value) == repeats:
        return [right_or_wrong(each) for each in value]
    whole = right_or_wrong(value) if repeats == 1 or of_first else None
    return [whole, *[None] * (repeats - 1)]


def _keeps_first(config: Mapping[str, Any], by_filter: str) -> bool:
    """Say whether a filter ends by taking the first repeat; lm-eval's default one does."""
    filters = config.get("filter_list")
    if not isinstance(filters, list):
        return bool(config) and by_filter == "none"
    for each in filters:
        if isinstance(each, dict) and each.get("name") == by_filter:
            steps = [mapping(step).get("function") for step in each.get("filter", [])]
            return "take_first" in steps and "majority_vote" not in steps
    return False


def _samples(row: Row) -> Iterator[ImportedSample]:
    document = row["doc"]
    (repeats,) = row["resps"] if len(row["resps"]) == 1 else (None,)
    if not isinstance(repeats, list) or not all(isinstance(text, str) for text in repeats):
        raise ValueError("it holds log-likelihoods, not texts that a model wrote")
    fields = document if isinstance(document, dict) else {"text": str(document)}
    for index, text in enumerate(repeats):
        yield ImportedSample(
            item_id=str(row["doc_id"]),
            question=_first(fields, _QUESTION_KEYS),
            gold=str(row["target"]),
            response=text,
            sample_index=index,
            subject=_first(fields, _SUBJECT_KEYS),
            level=_first(fields, _LEVEL_KEYS).removeprefix("Level "),
            prompt=_prompt(row),
        )


def _judged(sample: ImportedSample, verdict: bool | None, row: Row) -> ImportedSample:
    filtered = row.get("filtered_resps") or [""]
    extracted = filtered[0] if isinstance(filtered[0], str) and sample.sample_index == 0 else ""
    return replace(sample, correct=verdict, extracted=extracted)


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the first of these fields that holds something, whatever its case."""
    folded = {str(name).casefold(): value for name, value in fields.items()}
    values = (folded.get(name.casefold()) for name in names)
    return next((str(value) for value in values if isinstance(value, str | int) and value), "")


def _asked(row: Row) -> tuple[object, object]:
    """Return the prompt and the settings of a row's first request."""
    arguments = row.get("arguments")
    if isinstance(arguments, list):
        first = arguments[0] if arguments else None
        found = first if isinstance(first, list) else []
        return (found[0] if found else ""), (found[1] if len(found) > 1 else None)
    first = mapping(mapping(arguments).get("gen_args_0"))
    return first.get("arg_0", ""), first.get("arg_1")


def _prompt(row: Row) -> str:
    text, _ = _asked(row)
    return text if isinstance(text, str) else json.dumps(text)


def _generation_arguments(row: Row) -> Mapping[str, Any]:
    return mapping(_asked(row)[1])


def _sampling(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    if not arguments:
        return None
    temperature = arguments.get("temperature")
    if temperature is None and arguments.get("do_sample") is False:
        temperature = 0.0
    stop = arguments.get("until")
    return logged_sampling(
        temperature=temperature,
        top_p=arguments.get("top_p"),
        max_tokens=next((arguments[name] for name in _BUDGETS if name in arguments), None),
        stop=[stop] if isinstance(stop, str) else stop,
    )


def _results(path: Path) -> Mapping[str, Any]:
    """Read the results next to the samples; without it, less is known."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        return companion(path.with_name("results.json"))
    if found := companion(path.with_name(f"results_{name['date']}.json")):
        return found
    others = [
        other
        for other in path.parent.glob(f"*_{name['date']}.json")
        if not other.name.startswith("samples_")
    ]
    return companion(others[0]) if len(others) == 1 else {}


def _model(results: Mapping[str, Any]) -> str:
    """Return the model's name; older results have it only among the model's arguments."""
    if name := results.get("model_name"):
        return str(name)
    arguments = mapping(results.get("config")).get("model_args")
    if isinstance(arguments, str):
        arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
    found = mapping(arguments)
    return str(found.get("pretrained") or found.get("model") or "")


def _version(value: object) -> str | None:
    """Return a task's version; ``Yaml`` stands for tasks that have none."""
    return None if value in (None, "", "Yaml") else str(value)

"""Metadata for a model card on the Hugging Face hub: ``model-index`` with every score.

Scores are in percent, each with its interval, the number of items and the protocol, which set it
apart from another harness's score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.interop.export.protocol import in_words, kind, truncation
from harness.registry import TaskRegistry
from harness.store.queries import RunSummary
from harness.text import clean, harness_command, interval, percent

# What renderers make links and mentions of even where it is escaped: they search what is left.
_LINKED = re.compile(r"[:@]|www\.", re.IGNORECASE)
_CODE = str.maketrans({"`": "'", "|": "¦"})


def render(runs: Sequence[RunSummary], profile: str, registry: TaskRegistry, results: Path) -> str:
    """Return a model card of one model's runs: metadata in JSON, which is YAML, and a table.

    Readers of the metadata take every value for the benchmark's score, so that those of incomplete
    runs stand in the table only, marked and without an interval.

    Args:
        runs: All of one model; those without a grade are left out.
        profile: Whose grades the scores are of.
        registry: Where tasks name their data set.
        results: The results file, for the command that a refusal names.

    Raises:
        HarnessError: They are of several models, or none has a score.
    """
    scored = [run for run in runs if run.score is not None]
    begun = [run for run in runs if run.so_far is not None]
    names = dict.fromkeys(run.model for run in (*scored, *begun))
    if len({run.fingerprint for run in (*scored, *begun)}) > 1:
        listed = ", ".join(map(clean, names))
        raise HarnessError(
            f"A model card is of one model, and these runs are of {listed}.",
            "Choose one with --model.",
        )
    if not scored:
        raise HarnessError(
            "None of these runs has a score: none is complete.",
            f"`{harness_command('score', runs[0].id, results=results)}` says how one is completed.",
        )
    (name,) = names
    metadata = {
        "model-index": [
            {"name": name, "results": [_result(run, profile, registry) for run in scored]}
        ]
    }
    # JSON is YAML, and the only kind of it that every parser reads alike.
    front = json.dumps(_cleaned(metadata), ensure_ascii=False, indent=2)
    lines = ["---", front, "---", "", "## Evaluation", ""]
    lines += [
        "| benchmark | score, % | 95 % interval | items | protocol |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(run) for run in (*scored, *begun)]
    return "\n".join(lines) + "\n"


def _result(run: RunSummary, profile: str, registry: TaskRegistry) -> dict[str, Any]:
    assert run.score is not None, "runs without a score were left out"
    cut_off = truncation(run)
    metric = {
        "type": "accuracy",
        "name": f"accuracy, percent ({kind(run)}, graded by {profile})",
        "value": round(100 * run.score.value, 2),
        "args": {
            "interval_95_low": round(100 * run.score.low, 2),
            "interval_95_high": round(100 * run.score.high, 2),
            "items": run.score.items,
            "samples_per_item": run.samples,
            "complete": True,
            "truncated_percent": None if cut_off is None else round(100 * cut_off, 2),
            "protocol": in_words(run),
            "protocol_sha256": run.protocol_sha256,
            "run": run.id,
        },
    }
    return {
        "task": {"type": "text-generation", "name": "Reasoning"},
        "dataset": _dataset(run, registry),
        "metrics": [metric],
    }


def _dataset(run: RunSummary, registry: TaskRegistry) -> dict[str, Any]:
    """Name the data set as the hub does, where the task is ours and says."""
    # Results on the same data set, split and revision are taken for one: the run tells them apart.
    found: dict[str, Any] = {"type": run.task, "name": run.task, "args": {"run": run.id}}
    try:
        source = registry.load(run.task).source
    except HarnessError:
        return found
    if source is not None and source.hub_id:
        found["type"] = source.hub_id
        named = {"config": source.hub_config, "split": source.hub_split}
        named |= {"revision": source.hub_revision or ""}
        found |= {name: value for name, value in named.items() if value}
    return found


def _row(run: RunSummary) -> str:
    if run.score is not None:
        score = run.score
        shown = percent(score.value), interval(score.low, score.high)
        items = f"{score.items}"
    else:
        assert run.so_far is not None, "runs without a grade were left out"
        shown = percent(run.so_far.value), "incomplete, not comparable"
        items = f"{run.so_far.items} of {run.items}"
    cells = (run.task, *shown, items, in_words(run))
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Make a text safe inside a Markdown table: much of it is somebody else's."""
    plain = clean(text).replace("\n", " ")
    if _LINKED.search(plain):
        return f"`{plain.translate(_CODE)}`"
    return "".join(f"\\{mark}" if mark in "\\`*_[]|<>!~#&" else mark for mark in plain)


def _cleaned(value: object) -> object:
    """Return nested values without control characters: much of their text is somebody else's."""
    if isinstance(value, dict):
        return {name: _cleaned(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    return clean(value) if isinstance(value, str) else value

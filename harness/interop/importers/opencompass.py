"""Predictions of OpenCompass: a ``predictions/<model>/<data set>.json``, or a folder with several.

A file is one object with an entry a question, by its number: ``origin_prompt`` (text, or messages
with ``role`` and ``prompt``), ``prediction`` (a text, or a list of samples) and ``gold``. The
judgements stand elsewhere, in ``results/``, so none come with it. A data set whose gold is no
answer (subjective ones have the capability there) has to be matched to a task.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.interop.imported import ImportedRun, ImportedSample, called, model_name
from harness.interop.untrusted import file_sha256, files_in, json_file

_ENTRY = ("origin_prompt", "prediction")


def read_log(path: Path, metric: str | None, only: str | None) -> list[ImportedRun]:
    """Read one file of predictions, or those of a folder.

    Args:
        path: The file, or a folder that holds ``predictions/MODEL/*.json`` at any depth.
        metric: Must be ``None``: predictions carry no judgement.
        only: Only the file of this data set.

    Raises:
        HarnessError: Nothing is there, or it is not what OpenCompass writes.
    """
    if metric is not None:
        raise HarnessError("OpenCompass predictions carry no judgement.", "Leave out --metric.")
    if not path.is_dir():
        return [_read_file(path)]
    found = files_in(path, "predictions/*/*.json")
    if not found:
        raise HarnessError(
            f"{path} holds no predictions/MODEL/*.json.",
            "Name the folder of one evaluation, or a file.",
        )
    return [_read_file(file) for file in called(only, found, lambda file: file.stem)]


def _read_file(path: Path) -> ImportedRun:
    entries = json_file(path)
    if not isinstance(entries, dict) or not entries:
        raise _not_ours(path, "it is no object with an entry a question")
    samples: list[ImportedSample] = []
    for number, (name, entry) in enumerate(entries.items()):
        if not isinstance(entry, dict) or any(key not in entry for key in _ENTRY):
            raise _not_ours(path, f"entry {number + 1} has no {' or no '.join(_ENTRY)}")
        samples += _samples(str(name), entry)
    named = path.parent.parent.name == "predictions"
    return ImportedRun(
        samples=samples,
        sha256=file_sha256(path),
        task=path.stem if named else "",
        model=model_name(path.parent.name) if named else "",
        made_by="opencompass",
    )


def _samples(name: str, entry: dict[str, Any]) -> Iterator[ImportedSample]:
    said = entry["prediction"]
    prompt = _prompt(entry["origin_prompt"])
    for index, text in enumerate(said if isinstance(said, list) else [said]):
        yield ImportedSample(
            item_id=name,
            question=prompt,
            gold=_gold(entry.get("gold")),
            response=str(text),
            sample_index=index,
            prompt=prompt,
        )


def _prompt(origin: object) -> str:
    """Return the prompt, of a conversation its last turn of the user."""
    if isinstance(origin, str):
        return origin
    turns = [turn for turn in origin if isinstance(turn, dict)] if isinstance(origin, list) else []
    asked = [str(turn.get("prompt", "")) for turn in turns if turn.get("role") == "HUMAN"]
    return asked[-1] if asked else ""


def _gold(gold: object) -> str:
    """Return a gold that is an answer; of several right ones the first."""
    first = gold[0] if isinstance(gold, list) and gold else gold
    return str(first) if isinstance(first, str | int | float) else ""


def _not_ours(path: Path, why: str) -> HarnessError:
    return HarnessError(
        f"{path} is not what OpenCompass writes as predictions: {why}.", "Choose another FORMAT."
    )

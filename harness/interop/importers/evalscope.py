"""Predictions and reviews of EvalScope: a ``*.jsonl`` of either, or the folder of an evaluation.

EvalScope writes ``predictions/<model>/<data set>_<subset>.jsonl`` (what the model wrote, with
tokens and stop reason) and ``reviews/`` with the same names (gold and judgement). The two are read
together by ``index`` where both are there; predictions alone have no gold, so their items must be
ours.

Before 1.0 a line is an OpenAI completion: ``choices`` with ``message``, ``finish_reason`` and, in a
review, ``review`` (``gold``, ``pred``, ``result``), beside ``raw_input``, ``usage`` and ``model``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.interop.imported import (
    ImportedRun,
    ImportedSample,
    called,
    grade_notes,
    model_name,
    right_or_wrong,
)
from harness.interop.untrusted import (
    Row,
    as_count,
    as_seconds,
    file_sha256,
    files_in,
    json_rows,
    mapping,
)

_REVIEWS, _PREDICTIONS = "reviews", "predictions"
# The name of a data set's only subset says nothing.
_PLAIN_SUBSETS = ("_main", "_default")
_FINISH = {"max_tokens": "length", "model_length": "length"}


def read_log(path: Path, metric: str | None, only: str | None) -> list[ImportedRun]:
    """Read one file, or those of a folder: its reviews, and predictions without one.

    Args:
        path: The file, or the folder of an evaluation.
        metric: Name of the score to keep; the first if not given.
        only: Only the file of this data set.

    Raises:
        HarnessError: Nothing is there, or it is not what EvalScope writes.
    """
    if not path.is_dir():
        return [_read_file(path, metric)]
    found = files_in(path, f"{_REVIEWS}/*/*.jsonl")
    found += [
        file
        for file in files_in(path, f"{_PREDICTIONS}/*/*.jsonl")
        if _counterpart(file) not in found
    ]
    if not found:
        raise HarnessError(
            f"{path} holds neither reviews/MODEL/*.jsonl nor predictions/MODEL/*.jsonl.",
            "Name the folder of one evaluation, or a file.",
        )
    return [_read_file(file, metric) for file in called(only, found, _task)]


def _read_file(path: Path, metric: str | None) -> ImportedRun:
    other = _counterpart(path)
    rows = dict(enumerate(row for _, row in json_rows(path)))
    others = {} if other is None else {_index(row): row for _, row in json_rows(other)}
    samples: list[ImportedSample] = []
    model, chosen = "", metric
    seen: set[str] = set()
    come: Counter[str] = Counter()
    for number, row in rows.items():
        try:
            if "choices" in row:
                model = model or str(row.get("model") or "")
                samples += _completion(row, number)
                continue
            # A review repeats what the model wrote, a prediction has what that took.
            merged = {**others.get(_index(row), {}), **row}
            model = model or str(merged.get("model") or "")
            scores = _scores(merged)
            seen |= set(scores)
            chosen = chosen or next(iter(scores), None)
            sample = _sample(merged, number, scores.get(chosen or ""))
            samples.append(replace(sample, sample_index=come[sample.item_id]))
            come[sample.item_id] += 1
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise HarnessError(
                f"Line {number + 1} of {path} is not what EvalScope writes: "
                f"{type(error).__name__}: {error}.",
                "Name a file of predictions/ or reviews/, or choose another FORMAT.",
            ) from error
    if not samples:
        raise HarnessError(f"{path} has no rows.", "Name a file of predictions/ or reviews/.")
    if metric is not None and metric not in seen:
        raise HarnessError(
            f"Nothing in {path.name} was judged by {metric!r}.",
            f"Its scores: {', '.join(sorted(seen)) or 'none with a name'}.",
        )
    return ImportedRun(
        samples=samples,
        sha256=file_sha256(path),
        task=_task(path),
        model=model_name(model or _model_folder(path)),
        made_by="evalscope",
        metric=chosen or "",
        notes=grade_notes(samples, chosen or ""),
    )


def _counterpart(path: Path) -> Path | None:
    """Return the predictions of a review, or the review of predictions, where there is one."""
    kinds = {_REVIEWS: _PREDICTIONS, _PREDICTIONS: _REVIEWS}
    kind = path.parent.parent
    if kind.name not in kinds:
        return None
    other = kind.with_name(kinds[kind.name]) / path.parent.name / path.name
    return other if other.is_file() and not other.is_symlink() else None


def _model_folder(path: Path) -> str:
    return path.parent.name if path.parent.parent.name in (_REVIEWS, _PREDICTIONS) else ""


def _task(path: Path) -> str:
    name = path.stem
    for subset in _PLAIN_SUBSETS:
        name = name.removesuffix(subset)
    return name


def _index(row: Row) -> int | None:
    return as_count(row.get("index"))


def _scores(row: Row) -> Mapping[str, Any]:
    return mapping(mapping(mapping(row.get("sample_score")).get("score")).get("value"))


def _sample(row: Row, number: int, score: object) -> ImportedSample:
    judged = mapping(mapping(row.get("sample_score")).get("score"))
    output = mapping(row.get("model_output"))
    choices = output.get("choices") or [{}]
    messages = row.get("messages") or []
    said = mapping(choices[0].get("message")) or next(
        each for each in reversed(messages) if each.get("role") == "assistant"
    )
    thought, answer = _content(said.get("content"))
    asked = [_content(each.get("content"))[1] for each in messages if each.get("role") == "user"]
    usage = mapping(output.get("usage"))
    # Repeats of a question are of one group.
    places = (mapping(row.get("sample_score")).get("group_id"), row.get("index"), number)
    return ImportedSample(
        item_id=str(next(place for place in places if place is not None)),
        question=asked[-1] if asked else "",
        gold=str(row.get("target", "")),
        response=answer,
        correct=right_or_wrong(score),
        prompt=asked[-1] if asked else "",
        thought=thought or None,
        extracted=str(judged.get("extracted_prediction") or ""),
        finish_reason=_finish(choices[0].get("stop_reason")),
        prompt_tokens=as_count(usage.get("input_tokens")),
        completion_tokens=as_count(usage.get("output_tokens")),
        thought_tokens=as_count(usage.get("reasoning_tokens")),
        seconds=as_seconds(output.get("time")),
    )


def _completion(row: Row, number: int) -> Iterator[ImportedSample]:
    """Make a sample of each choice of an old line."""
    asked = mapping(row.get("raw_input"))
    usage = mapping(row.get("usage"))
    prompts = mapping(row.get("origin_prompt")).get("data") or [""]
    alone = len(row["choices"]) == 1
    for index, choice in enumerate(row["choices"]):
        review = mapping(choice.get("review"))
        yield ImportedSample(
            item_id=str(row.get("index", number)),
            question=str(asked.get("question") or asked.get("problem") or ""),
            gold=str(review.get("gold") or asked.get("answer") or ""),
            response=str(choice["message"].get("content") or ""),
            sample_index=index,
            correct=right_or_wrong(review.get("result")),
            prompt=str(prompts[0]),
            extracted=str(review.get("pred") or ""),
            finish_reason=_finish(choice.get("finish_reason")),
            prompt_tokens=as_count(usage.get("prompt_tokens")),
            completion_tokens=as_count(usage.get("completion_tokens")) if alone else None,
        )


def _content(content: object) -> tuple[str, str]:
    """Return thought and answer of a message: plain text, or a list of typed parts."""
    if isinstance(content, str):
        return "", content
    parts = [mapping(part) for part in content] if isinstance(content, list) else []
    thoughts = [str(part.get("reasoning") or "") for part in parts]
    answers = [str(part.get("text") or "") for part in parts]
    return "\n".join(filter(None, thoughts)), "\n".join(filter(None, answers))


def _finish(reason: object) -> str:
    return _FINISH.get(str(reason), str(reason or "unknown"))

"""Bringing in what was generated elsewhere. A format is one file here that defines ``read``.

``read(row)`` makes samples of one row of a JSONL file; everything else is the same for all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.types import AnswerType, Tolerance

Row = dict[str, Any]
Reader = Callable[[Row, int], Iterator["ImportedSample"]]


@dataclass(frozen=True, slots=True)
class ImportedSample:
    """One response of somebody else's run.

    Attributes:
        item_id: Unique among the file's items.
        question: As the file has it; what items are matched by.
        gold: The file's own reference answer.
        response: The model's text, thought included.
        sample_index: 0-based among the samples of one item.
        answer_type: How the file says answers are to be compared.
        tolerance: For numbers, as the file's benchmark states it.
        correct: The judgement the file carries, if any.
        subject: Topic, where the file has one.
        level: Difficulty, where the file has one.
    """

    item_id: str
    question: str
    gold: str
    response: str
    sample_index: int = 0
    answer_type: AnswerType = AnswerType.AUTO
    tolerance: Tolerance | None = None
    correct: bool | None = None
    subject: str = ""
    level: str = ""


def read_file(path: Path, reader: Reader) -> list[ImportedSample]:
    """Read a JSONL file into samples.

    Raises:
        HarnessError: The file cannot be read, or a line is not what the format says.
    """
    samples: list[ImportedSample] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    samples += _read_line(path, line, number, reader)
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"{path} cannot be read: {error}.") from error
    if not samples:
        raise HarnessError(f"{path} has no rows.")
    return samples


def _read_line(path: Path, line: str, number: int, reader: Reader) -> list[ImportedSample]:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("not an object")
        return list(reader(row, number - 1))
    except KeyError as error:
        raise HarnessError(
            f"Line {number} of {path} has no column {error}.",
            "Choose another --format, or name the columns with --map.",
        ) from error
    except (ValueError, TypeError, IndexError) as error:
        raise HarnessError(
            f"Line {number} of {path} is not what the format says: {error}.",
            "Choose another --format.",
        ) from error


def column_reader(columns: Mapping[str, str]) -> Reader:
    """Return a reader of plain rows.

    Args:
        columns: Our names to the file's: ``question``, ``gold``, ``response``, and optionally
            ``id``, ``sample_index``, ``answer_type``, ``correct``, ``subject``, ``level``. A
            response may be a list of samples, ``correct`` then too.
    """

    def read(row: Row, number: int) -> Iterator[ImportedSample]:
        found = {ours: row[theirs] for ours, theirs in columns.items()}
        responses = found["response"]
        listed = responses if isinstance(responses, list) else [responses]
        verdicts = found.get("correct")
        verdicts = verdicts if isinstance(verdicts, list) else [verdicts] * len(listed)
        for index, (response, correct) in enumerate(zip(listed, verdicts, strict=True)):
            yield ImportedSample(
                item_id=str(found.get("id", number)),
                question=str(found.get("question", "")),
                gold=str(found["gold"]),
                response=str(response),
                sample_index=int(found.get("sample_index", index)),
                answer_type=AnswerType(found.get("answer_type") or AnswerType.AUTO),
                correct=None if correct is None else bool(correct),
                subject=str(found.get("subject", "")),
                level=str(found.get("level", "")),
            )

    return read

"""Read JSON lines as a log: the format ``jsonl`` with its named columns, and formats of one row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.interop.imported import ImportedRun, ImportedSample
from harness.interop.untrusted import Row, as_sample_index, boolean, file_sha256, json_rows
from harness.types import AnswerType, digest

Reader = Callable[[Row, int], Iterator[ImportedSample]]
LogReader = Callable[[Path, str | None, str | None], list[ImportedRun]]

#: What ``--map`` can name, and which of them a row must have.
COLUMNS = (
    "id", "question", "gold", "response", "sample_index", "answer_type", "correct", "subject",
    "level",
)  # fmt: skip
_REQUIRED = ("gold", "response")
_OPTIONAL = ("id", "question")


def rows_as_log(reader: Reader, judged_by: str = "") -> LogReader:
    """Return a reader of whole JSONL files out of one of their rows.

    Args:
        reader: Of one row, made for one file.
        judged_by: The column that holds the judgements, where a user named it.
    """

    def read_log(path: Path, metric: str | None, only: str | None) -> list[ImportedRun]:
        if metric is not None or only is not None:
            raise HarnessError(
                "This format has one benchmark a file and one judgement a response.",
                "Leave out --metric and --only.",
            )
        samples = read_file(path, reader)
        return [ImportedRun(samples, file_sha256(path), metric=judged_by)]

    return read_log


def read_file(path: Path, reader: Reader) -> list[ImportedSample]:
    """Read a JSONL file into samples.

    Raises:
        HarnessError: The file cannot be read, or a line is not what the format says.
    """
    samples: list[ImportedSample] = []
    for number, row in json_rows(path):
        try:
            samples += reader(row, number - 1)
        except KeyError as error:
            raise HarnessError(
                f"Line {number} of {path} has no column {error}.",
                f"Its columns: {', '.join(map(str, list(row)[:20])) or 'none'}. Choose another "
                "FORMAT, or name columns with the format jsonl and --map ours=theirs.",
            ) from error
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise HarnessError(
                f"Line {number} of {path} is not what the format says: {error}.",
                "Mend that line, or choose another FORMAT.",
            ) from error
    if not samples:
        raise HarnessError(f"{path} has no rows.", "Name the file that holds the responses.")
    return samples


def columns_of(mapping: Sequence[str]) -> dict[str, str]:
    """Return our names of columns to a file's, of ``ours=theirs``, several parted by commas.

    Raises:
        HarnessError: It is not that, or ours is a name that we do not have.
    """
    columns: dict[str, str] = {}
    for text in mapping:
        # A comma parts two pairs only before a name of ours: a column's own name may hold one.
        for pair in re.split(rf",\s*(?=(?:{'|'.join(COLUMNS)})=)", text):
            ours, equals, theirs = pair.partition("=")
            if not equals or not theirs:
                raise HarnessError(
                    f"--map {pair!r} is not ours=theirs.",
                    "For instance --map response=output --map gold=answer.",
                )
            if ours not in COLUMNS:
                raise HarnessError(
                    f"--map {pair!r} names no column of ours: {ours!r}.",
                    f"Ours are {', '.join(COLUMNS)}; theirs stands after the =.",
                )
            columns[ours] = theirs
    return columns


def column_reader(columns: Mapping[str, str]) -> Reader:
    """Return a reader of one file of plain rows.

    The samples of one id are numbered as they come, unless a column says which is which. Without
    an id, rows of the same question and gold are one item's; without a question as well, each row
    is an item, named by its number from 0.

    Args:
        columns: Our names to the file's (see :data:`COLUMNS`), ``a.b`` for ``b`` within ``a``;
            what is not named is taken from the column of our own name. ``gold`` and ``response``
            must be there. A response may be a list of samples, ``correct`` then too.
    """
    come: Counter[str] = Counter()
    wanted = {name: name for name in _REQUIRED} | dict(columns)

    def read(row: Row, number: int) -> Iterator[ImportedSample]:
        found = {name: row[name] for name in _OPTIONAL if name in row}
        found |= {ours: _cell(row, theirs) for ours, theirs in wanted.items()}
        responses = found["response"]
        listed = responses if isinstance(responses, list) else [responses]
        verdicts = found.get("correct")
        verdicts = verdicts if isinstance(verdicts, list) else [verdicts] * len(listed)
        question, gold = _text(found.get("question")), _text(found["gold"])
        item_id = _text(found.get("id"))
        if not item_id:
            item_id = digest([question, gold])[:12] if question else str(number)
        for response, correct in zip(listed, verdicts, strict=True):
            index = as_sample_index(found.get("sample_index"), come[item_id])
            come[item_id] += 1
            yield ImportedSample(
                item_id=item_id,
                question=question,
                gold=gold,
                response=_text(response),
                sample_index=index,
                answer_type=AnswerType(found.get("answer_type") or AnswerType.AUTO),
                correct=boolean(correct),
                subject=_text(found.get("subject")),
                level=_text(found.get("level")),
            )

    return read


def _cell(row: Row, column: str) -> Any:
    """Return a column's value; ``a.b`` is ``b`` within ``a`` where no column is called so."""
    if column in row or "." not in column:
        return row[column]
    outer, _, inner = column.partition(".")
    within = row.get(outer)
    if not isinstance(within, dict):
        raise KeyError(column)
    return _cell(within, inner)


def _text(value: object) -> str:
    return "" if value is None else str(value)

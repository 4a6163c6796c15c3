"""Load noisy responses from files or from the paper's data set on the hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, nearest
from harness.task import Source
from harness.types import AnswerType
from train_cft.data.dataset_folder import sha256_of
from train_cft.data.examples import Example, split_input

Row = Mapping[str, Any]

HUB_ID = "TIGER-Lab/WebInstruct-CFT"
# What --data calls each part of it: its configuration on the hub.
WEBINSTRUCT = {
    "webinstruct-cft-4k": "WebInstruct-CFT-4K",
    "webinstruct-cft-50k": "WebInstruct-CFT-50K",
    "webinstruct-cft-600k": "WebInstruct-CFT-600K",
}
SUFFIXES = (".json", ".jsonl", ".parquet")
# What the critiques of a source's own are by, as far as the data card knows.
OWN_CRITIC = "source"

_ALPACA = ("instruction", "input", "output")
_PLAIN = ("question", "response")


@dataclass(frozen=True, slots=True)
class Loaded:
    """One source's examples.

    Attributes:
        name: What the data card calls it.
        identity: What pins it: a file's hash, a commit, a run.
        rows: How many rows it has.
        examples: What they became.
        left_out: How many were left out, by reason.
        note: What a reader of the card should know of it.
    """

    name: str
    identity: str
    rows: int
    examples: list[Example]
    left_out: Mapping[str, int]
    note: str = ""


def load(name: str, *, revision: str | None, needs_critique: bool) -> Loaded:
    """Read the source that ``--data`` names.

    Args:
        name: A file, or a part of the paper's data set.
        revision: Commit of the data set on the hub.
        needs_critique: No critic is asked to write any.

    Raises:
        HarnessError: There is no such source, or a row is not what it should be.
    """
    if name.lower() in WEBINSTRUCT:
        return _from_hub(name.lower(), revision, needs_critique)
    path = Path(name).expanduser()
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        known = f"{', '.join(WEBINSTRUCT)}, or a file of {', '.join(SUFFIXES)}"
        raise HarnessError(
            f"--data {name} is neither a data set that is known nor a file that is there.",
            f"{nearest(name, WEBINSTRUCT)} Give {known}.",
        )
    rows = list(_file_rows(path))
    examples = [
        _example(row, number, path.name, needs_critique) for number, row in enumerate(rows, start=1)
    ]
    if not examples:
        raise HarnessError(f"{path} has no rows.", "Name a file with at least one.")
    return Loaded(path.name, f"sha256 {sha256_of(path)}", len(rows), examples, {})


def _from_hub(name: str, revision: str | None, needs_critique: bool) -> Loaded:
    file = name.replace("-", "_") + ".jsonl"
    local = Source(
        file=file,
        file_sha256=None,
        hub_id=HUB_ID,
        hub_config=WEBINSTRUCT[name],
        hub_split="train",
        hub_revision=revision,
        licence="Apache-2.0",
    )
    digest = hashlib.sha256()
    examples = []
    for number, row in enumerate(local.rows(), start=1):
        text = json.dumps([row.get(column) for column in _ALPACA], ensure_ascii=False)
        digest.update(text.encode("utf-8", "surrogatepass"))
        examples.append(_example(row, number, name, needs_critique))
    identity = f"{HUB_ID} {WEBINSTRUCT[name]}, rows' sha256 {digest.hexdigest()}"
    pinned = (
        f"commit {revision}"
        if revision
        else "no commit was given; the hash of its rows identifies it"
    )
    return Loaded(name, identity, len(examples), examples, {}, f"Apache-2.0; {pinned}")


def _file_rows(path: Path) -> Iterator[Row]:
    try:
        if path.suffix.lower() == ".parquet":
            yield from _parquet_rows(path)
            return
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"{path} cannot be read: {error}.", "Save it again as UTF-8.") from error
    if path.suffix.lower() == ".json" and content.lstrip().startswith("["):
        try:
            listed = json.loads(content)
        except ValueError as error:
            raise HarnessError(f"{path} is no JSON: {error}.", "Save it again.") from error
        for number, row in enumerate(listed, start=1):
            yield _object(row, f"Row {number} of {path.name}")
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            where = f"Line {number} of {path.name}"
            try:
                yield _object(json.loads(line), where)
            except ValueError as error:
                raise HarnessError(f"{where} is no JSON: {error}.", "Correct that line.") from error


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise HarnessError(
            f"{path} is no Parquet file: {str(error).splitlines()[0]}.", "Save it again."
        ) from error


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise HarnessError(f"{where} is no JSON object.", "Each row is an object with columns.")
    return row


def _example(row: Row, number: int, source: str, needs_critique: bool) -> Example:
    """Make an example of one row.

    Raises:
        HarnessError: A column is missing, empty or of another type; row and column are named.
    """
    where = f"Row {number} of {source}"
    if all(column in row for column in _ALPACA):
        return _alpaca(row, where, source)
    for column in _PLAIN:
        if column not in row:
            raise HarnessError(
                f"{where} has no column {column!r}.",
                f"Give {', '.join(_ALPACA)}, or {', '.join(_PLAIN)}, critique and, if you have "
                "them, gold and solution.",
            )
    critique = _text(row, "critique", where, optional=not needs_critique)
    answer_type = _text(row, "answer_type", where, optional=True) or AnswerType.AUTO
    if answer_type not in list(AnswerType):
        raise HarnessError(
            f"{where} has {answer_type!r} in the column 'answer_type'.",
            nearest(answer_type, AnswerType),
        )
    return Example(
        question=_text(row, "question", where),
        response=_text(row, "response", where),
        source=source,
        critique=critique,
        critic=OWN_CRITIC if critique else "",
        gold=_gold(row, where),
        answer_type=AnswerType(answer_type),
        solution=_text(row, "solution", where, optional=True),
    )


def _alpaca(row: Row, where: str, source: str) -> Example:
    parts = split_input(_text(row, "input", where))
    if parts is None or not all(part.strip() for part in parts):
        raise HarnessError(
            f"{where} has no question and solution in the column 'input'.",
            "It reads 'Question:', the question, an empty line, 'Solution:', the solution.",
        )
    return Example(
        *parts,
        source=source,
        critique=_text(row, "output", where),
        critic=OWN_CRITIC,
        instruction=_text(row, "instruction", where),
    )


def _text(row: Row, column: str, where: str, *, optional: bool = False) -> str:
    value = row.get(column)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        kind = "nothing" if value is None else type(value).__name__
        raise HarnessError(
            f"{where} has {kind} in the column {column!r}, not text.",
            "Correct or remove that row.",
        )
    if not value.strip() and not optional:
        raise HarnessError(f"{where} is empty in the column {column!r}.", "Correct or remove it.")
    # A lone surrogate, which JSON can hold and no file can, becomes a question mark.
    return value.encode("utf-8", "replace").decode("utf-8")


def _gold(row: Row, where: str) -> str:
    value = row.get("gold")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _text(row, "gold", where, optional=True)

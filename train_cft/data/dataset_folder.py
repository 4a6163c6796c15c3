"""The dataset folder of a build: written atomically, the same bytes for the same data."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from train_cft.data.examples import Example

if TYPE_CHECKING:
    import pyarrow

TRAIN = "train"
MESSAGES = "messages"
EXAMPLES = "examples"
SUMS = "SHA256SUMS"
FACTS = "build.json"


def refuse_existing(folder: Path, *, replace: bool) -> None:
    """Refuse to write over what is there.

    Raises:
        HarnessError: Something is there and may not be replaced, or is no build of ours.
    """
    if not folder.exists():
        return
    ours = (folder / SUMS).is_file() and (folder / f"{TRAIN}.jsonl").is_file()
    if not ours:
        raise HarnessError(
            f"{folder} exists and is not a folder that `train-cft build` made.",
            "Name another one with --out.",
        )
    if not replace:
        raise HarnessError(f"{folder} exists.", "Add --replace, or name another with --out.")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write into that takes its name when all is written, or goes away.

    Raises:
        HarnessError: It cannot be written, for instance because the disk is full.
    """
    scratch: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        yield scratch
        for file in scratch.iterdir():
            _sync(file)
        scratch.chmod(0o755)
        _swap_in(scratch, folder)
    except OSError as error:
        raise HarnessError(
            f"{folder} cannot be written: {error.strerror or error}.",
            "Free some space or name another folder with --out; what was there before is whole.",
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _swap_in(scratch: Path, folder: Path) -> None:
    if not folder.exists():
        scratch.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    folder.rename(old)
    try:
        scratch.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_data(folder: Path, examples: Sequence[Example]) -> None:
    """Write the examples: as the paper has them, as messages, and with all that is known."""
    import pyarrow

    text = pyarrow.string()
    alpaca = pyarrow.schema([(name, text) for name in ("instruction", "input", "output")])
    message = pyarrow.list_(pyarrow.struct([("role", text), ("content", text)]))
    turns = pyarrow.schema([("prompt", message), ("completion", message)])
    _write(folder / TRAIN, [_alpaca(example) for example in examples], alpaca)
    _write(folder / MESSAGES, [_messages(example) for example in examples], turns)
    known = [
        *((name, text) for name in _TEXTS),
        ("right", pyarrow.bool_()),
        ("flagged", pyarrow.bool_()),
    ]
    _write_parquet(
        folder / f"{EXAMPLES}.parquet",
        [_known(example) for example in examples],
        pyarrow.schema(known),
    )


def sha256_of(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def data_sha256(examples: Iterable[Example]) -> str:
    """Hash all that can be trained on by any objective, in order."""
    found = hashlib.sha256()
    for one in examples:
        fields = (one.instruction, one.question, one.response, one.critique, one.solution)
        found.update(json.dumps([*fields, one.right]).encode())
    return found.hexdigest()


def write_sums(folder: Path) -> None:
    """Write the hash of every file, as ``sha256sum -c`` reads them."""
    lines = [f"{sha256_of(file)}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


_TEXTS = (
    "id",
    "instruction",
    "question",
    "response",
    "critique",
    "critic",
    "extracted",
    "gold",
    "solution",
    "solution_by",
    "source",
    "task",
    "item_id",
    "run_id",
)


def _alpaca(example: Example) -> dict[str, Any]:
    return {
        "instruction": example.instruction,
        "input": example.input,
        "output": example.critique,
    }


def _messages(example: Example) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": example.prompt}],
        "completion": [{"role": "assistant", "content": example.critique}],
    }


def _known(example: Example) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(example, name) for name in _TEXTS}
    return row | {"right": example.right, "flagged": example.flagged}


def _write(stem: Path, rows: Sequence[dict[str, Any]], schema: pyarrow.Schema) -> None:
    with stem.with_suffix(".jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    _write_parquet(stem.with_suffix(".parquet"), rows, schema)


def _write_parquet(file: Path, rows: Sequence[dict[str, Any]], schema: pyarrow.Schema) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), file, compression="zstd")

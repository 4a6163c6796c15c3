"""Training objectives: which examples become which prompt and completion.

All objectives read the same examples, so that models trained on them can be compared.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, nearest
from harness.types import Message
from train_cft.data.dataset_folder import EXAMPLES, FACTS, SUMS, sha256_of
from train_cft.data.examples import INSTRUCTION, Example
from train_cft.train.manifest import read_json


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt and the completion to learn.

    Attributes:
        prompt: The user's turn.
        completion: The model's turn, which alone carries loss.
        objective: What made it.
        row: Of the data, counted from 1.
    """

    prompt: str
    completion: str
    objective: str
    row: int

    @property
    def messages(self) -> tuple[Message, Message]:
        """Both turns."""
        return (
            {"role": "user", "content": self.prompt},
            {"role": "assistant", "content": self.completion},
        )


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What `train-cft build` left, read back.

    Attributes:
        rows: The examples, by their row from 1 on.
        sha256: The build's hash of its data.
        exempt: Benchmark items in the data, by task.
    """

    rows: Sequence[tuple[int, Example]]
    sha256: str
    exempt: Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Samples:
    """What there is to learn, and what was left out.

    Attributes:
        samples: In the order of the data.
        left_out: How many were left out, by reason.
    """

    samples: list[Sample] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Objective:
    prompt: Callable[[Example], str]
    completion: Callable[[Example], str]
    wanted: Callable[[Example], bool]
    otherwise: str


def _any(_: Example) -> bool:
    return True


def _question(example: Example) -> str:
    return example.question


OBJECTIVES: dict[str, _Objective] = {
    "cft": _Objective(
        lambda one: one.prompt,
        lambda one: one.critique,
        lambda one: bool(one.critique),
        "no critique",
    ),
    "sft": _Objective(_question, lambda one: one.response, _any, ""),
    "sft-verified": _Objective(
        _question,
        lambda one: one.response,
        lambda one: one.right is True,
        "not known to be right",
    ),
    "sft-reference": _Objective(
        _question,
        lambda one: one.solution,
        lambda one: bool(one.solution),
        "no reference solution",
    ),
}


def check_mix(mix: Mapping[str, float], where: str) -> dict[str, float]:
    """Return the shares of a mixture, which add up to one.

    Raises:
        HarnessError: An objective is not known, or the shares do not add up.
    """
    for name in mix:
        if name not in OBJECTIVES:
            raise HarnessError(
                f"{where} has no objective {name!r}. {nearest(name, OBJECTIVES)}",
                "docs/train_cft.md says what each one learns.",
            )
    shares = {name: float(share) for name, share in sorted(mix.items())}
    if not shares or min(shares.values()) <= 0 or not math.isclose(sum(shares.values()), 1.0):
        raise HarnessError(
            f"{where}: the shares of a mixture are above 0 and add up to 1.",
            'For instance mix = { cft = 0.5, "sft-verified" = 0.5 }.',
        )
    return shares


def read_objective(text: str) -> dict[str, float]:
    """Read an objective or a mixture as the command line has it: ``cft=0.5,sft-verified=0.5``.

    Raises:
        HarnessError: It is neither.
    """
    if "=" not in text:
        return check_mix({text: 1.0}, "--objective")
    shares: dict[str, float] = {}
    for entry in text.split(","):
        name, _, share = entry.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError as error:
            raise HarnessError(
                f"--objective {text!r} is neither an objective nor a mixture of shares.",
                "For instance --objective cft=0.5,sft-verified=0.5.",
            ) from error
    return check_mix(shares, "--objective")


_REQUIRED = ("question", "response", "critique")
_OPTIONAL = ("solution", "instruction")


def read_data(folder: Path) -> TrainingData:
    """Read a folder of `train-cft build`.

    Raises:
        HarnessError: It is none, its files are not those of the build, or a row lacks something.
    """
    file = folder / f"{EXAMPLES}.parquet"
    if not file.is_file() or not (folder / FACTS).is_file():
        raise HarnessError(
            f"{folder} is not a folder of `train-cft build`: it lacks {file.name} or {FACTS}.",
            "Build one: train-cft build --data FILE --out FOLDER.",
        )
    _refuse_changed(folder, file)
    facts = read_json(folder / FACTS)
    rows = [
        (number, _example(row, number, file)) for number, row in enumerate(_rows(file), start=1)
    ]
    if not rows:
        raise HarnessError(f"{file} holds no rows.", "Build it again.")
    return TrainingData(rows, str(facts.get("data_sha256", "")), facts.get("exempt") or {})


def _refuse_changed(folder: Path, file: Path) -> None:
    sums = folder / SUMS
    listed = sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else []
    hashes = {name: value for value, _, name in (line.partition("  ") for line in listed)}
    if file.name in hashes and hashes[file.name] != sha256_of(file):
        raise HarnessError(
            f"{file} is not the file that the build wrote: its hash is not the one in {SUMS}.",
            "Build the data again, so that its card and hash are those of what is trained on.",
        )


def _rows(file: Path) -> list[dict[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise HarnessError(f"{file} cannot be read: {error}.", "Build the data again.") from error
    missing = [name for name in _REQUIRED if name not in table.column_names]
    if missing:
        raise HarnessError(f"{file} has no column {missing[0]!r}.", "Build the data again.")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _example(row: Mapping[str, Any], number: int, file: Path) -> Example:
    for name in (*_REQUIRED, *_OPTIONAL):
        value = row.get(name, "")
        if not isinstance(value, str):
            _refuse(file, number, name, f"is {type(value).__name__}, not text")
        if name in ("question", "response") and not value.strip():
            _refuse(file, number, name, "is empty")
    right = row.get("right")
    if right is not None and not isinstance(right, bool):
        _refuse(file, number, "right", f"is {right!r}, not true, false or null")
    return Example(
        question=row["question"],
        response=row["response"],
        source="",
        critique=row["critique"],
        instruction=row.get("instruction") or INSTRUCTION,
        solution=row.get("solution", ""),
        right=right,
    )


def _refuse(file: Path, number: int, column: str, what: str) -> None:
    raise HarnessError(
        f"{file}, row {number}: column {column!r} {what}.", "Correct the source and build again."
    )


def collect(
    data: TrainingData, mix: Mapping[str, float], *, seed: int, limit: int | None = None
) -> Samples:
    """Make samples of the examples.

    A mixture takes as many samples of each objective as its share allows, in an order that follows
    from the seed: all in all not more than there are examples.

    Raises:
        HarnessError: An objective finds nothing to learn from.
    """
    collected = Samples()
    by_objective = {name: _of_one(name, data, collected.left_out) for name in mix}
    for name, samples in by_objective.items():
        if not samples:
            raise HarnessError(
                f"No example can be used for {name}: {OBJECTIVES[name].otherwise}.",
                "Choose another objective, or build data that has what it needs.",
            )
    if len(mix) > 1:
        total = min(
            len(data.rows), *(int(len(by_objective[name]) / share) for name, share in mix.items())
        )
        for name, share in mix.items():
            wanted, samples = max(1, round(total * share)), by_objective[name]
            if wanted < len(samples):
                collected.left_out[f"{name}: beyond its share"] += len(samples) - wanted
                by_objective[name] = _drawn(samples, wanted, seed)
    collected.samples = [one for samples in by_objective.values() for one in samples]
    if limit is not None and limit < len(collected.samples):
        collected.left_out["beyond data.limit"] += len(collected.samples) - limit
        collected.samples = _drawn(collected.samples, limit, seed)
    return collected


def _drawn(samples: Sequence[Sample], number: int, seed: int) -> list[Sample]:
    def place(sample: Sample) -> bytes:
        text = f"{seed}\0{sample.objective}\0{sample.prompt}\0{sample.completion}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    chosen = sorted(samples, key=place)[:number]
    return sorted(chosen, key=lambda one: (one.objective, one.row))


def _of_one(name: str, data: TrainingData, left_out: Counter[str]) -> list[Sample]:
    objective = OBJECTIVES[name]
    # Several responses to one question share its reference solution: it is used once.
    found: dict[tuple[str, str], Sample] = {}
    for number, example in data.rows:
        if not objective.wanted(example):
            left_out[f"{name}: {objective.otherwise}"] += 1
            continue
        key = (objective.prompt(example), objective.completion(example))
        if key in found:
            left_out[f"{name}: the same prompt and completion"] += 1
        else:
            found[key] = Sample(*key, objective=name, row=number)
    return list(found.values())

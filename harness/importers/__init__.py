"""Bringing in what was generated elsewhere. A format is one file here.

It defines ``read(row, number)``, which makes samples of one row of a JSONL file, or
``read_log(path, metric, only)``, which makes runs of a whole file or folder: of those that the
source calls ``only``, with its judgements by ``metric``. Everything else is the same for all. A
file that was logged elsewhere is a stranger's: it is read as data, with limits, and nothing in it
is evaluated or taken for a path.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import HarnessError, nearest
from harness.types import AnswerType, Tolerance, digest

Row = dict[str, Any]
Reader = Callable[[Row, int], Iterator["ImportedSample"]]
LogReader = Callable[[Path, str | None, str | None], list["ImportedRun"]]

_CHUNK = 1 << 20
_LETTER = re.compile(r"\(?([A-Z])\)?\.?")


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
        prompt: What the model was sent, where the file has it beside the question or in its
            place; items are matched by the question within it.
        thought: The thought, where the file has it apart from the response.
        extracted: What the source took for the answer, where it says so.
        finish_reason: In our words (``stop``, ``length`` …), ``unknown`` where the file has none.
        prompt_tokens: As the source counts them.
        completion_tokens: As the source counts them, thought included.
        thought_tokens: As the source counts them.
        seconds: How long the response took.
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
    prompt: str = ""
    thought: str | None = None
    extracted: str = ""
    finish_reason: str = "unknown"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    thought_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """One model's responses to one benchmark, as somebody else logged them.

    Attributes:
        samples: All of them.
        sha256: Hash of the file they are in.
        task: What the source calls the benchmark; empty where it does not say.
        model: What the source calls the model; empty where it does not say.
        made_by: The program and its version; empty where unknown.
        sampling: As in :class:`harness.types.Sampling`, ``None`` for each part that the log does
            not tell; ``None`` where it tells nothing.
        prompts_sha256: Hash of all that the log says of how items became prompts.
        metric: What judged, by the source's name for it; empty where it has one judgement only.
        told: Further facts of the protocol worth keeping, by name.
        notes: What the user should know, one sentence each.
    """

    samples: list[ImportedSample]
    sha256: str
    task: str = ""
    model: str = ""
    made_by: str = ""
    sampling: Mapping[str, Any] | None = None
    prompts_sha256: str | None = None
    metric: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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


def check_apart(samples: Iterable[ImportedSample]) -> None:
    """Refuse samples that the store could not tell apart, or would judge by another's gold.

    Raises:
        HarnessError: Two of them have one id and sample index, or one id stands for two questions.
    """
    asked: dict[str, tuple[str, str]] = {}
    seen: set[tuple[str, int]] = set()
    for sample in samples:
        item, place = sample.item_id, (sample.item_id, sample.sample_index)
        if asked.setdefault(item, (sample.question, sample.gold)) != (sample.question, sample.gold):
            raise HarnessError(
                f"The id {item!r} stands for two questions, or for one with two golds.",
                "Name a column that tells them apart (JSON lines: --map id=COLUMN), or import the "
                "file in parts.",
            )
        if place in seen:
            raise HarnessError(
                f"Two responses both are sample {sample.sample_index} of the id {item!r}.",
                "Name a column that tells them apart (JSON lines: --map sample_index=COLUMN, or "
                "--map id=COLUMN), or import the file in parts.",
            )
        seen.add(place)


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
    """Return a reader of one file of plain rows.

    The samples of one id are numbered as they come, unless a column says which is which.

    Args:
        columns: Our names to the file's: ``question``, ``gold``, ``response``, and optionally
            ``id``, ``sample_index``, ``answer_type``, ``correct``, ``subject``, ``level``. A
            response may be a list of samples, ``correct`` then too.
    """
    come: Counter[str] = Counter()

    def read(row: Row, number: int) -> Iterator[ImportedSample]:
        found = {ours: row[theirs] for ours, theirs in columns.items()}
        responses = found["response"]
        listed = responses if isinstance(responses, list) else [responses]
        verdicts = found.get("correct")
        verdicts = verdicts if isinstance(verdicts, list) else [verdicts] * len(listed)
        item_id = str(found.get("id", number))
        for response, correct in zip(listed, verdicts, strict=True):
            index = int(found.get("sample_index", come[item_id]))
            come[item_id] += 1
            yield ImportedSample(
                item_id=item_id,
                question=str(found.get("question", "")),
                gold=str(found["gold"]),
                response=str(response),
                sample_index=index,
                answer_type=AnswerType(found.get("answer_type") or AnswerType.AUTO),
                correct=None if correct is None else bool(correct),
                subject=str(found.get("subject", "")),
                level=str(found.get("level", "")),
            )

    return read


def file_sha256(path: Path) -> str:
    """Hash a file piece by piece.

    Raises:
        HarnessError: It cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                found.update(piece)
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error}.") from error
    return found.hexdigest()


def right_or_wrong(value: object) -> bool | None:
    """Read a metric's value for one response; ``None`` where it is neither right nor wrong."""
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    return None


def sampling_told(
    *,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return what a log tells of its sampling; what it does not tell stays ``None``."""
    return {
        "temperature": None if temperature is None else float(temperature),
        "top_p": None if top_p is None else float(top_p),
        "max_tokens": None if max_tokens is None else int(max_tokens),
        "stop": None if stop is None else [str(text) for text in stop],
    }


def hash_of_prompts(*parts: object) -> str:
    """Hash what is known of how items became prompts."""
    return digest(["told by a log", *parts])


def nothing_called(only: str, names: Iterable[str]) -> HarnessError:
    """Say that a folder holds nothing of a name, and what it holds."""
    return HarnessError(f"There is nothing called {only!r} here. {nearest(only, names)}")


def model_name(name: str) -> str:
    """Return what to call a model that a log names: of a local folder its last part."""
    return PurePosixPath(name).name if name.startswith(("/", "./", "../", "~")) else name


def letter(text: str) -> str:
    """Return the option letter that a gold consists of, ``""`` where it is something else."""
    found = _LETTER.fullmatch(text.strip())
    return found[1] if found else ""


def grade_notes(samples: Sequence[ImportedSample], metric: str) -> tuple[str, ...]:
    """Say where the source's judgements are missing, if they are."""
    without = sum(sample.correct is None for sample in samples)
    if not without:
        return ()
    of = f"{without} of {len(samples)} responses"
    return (f"{of} come without a judgement that is right or wrong by {metric or 'the source'}.",)

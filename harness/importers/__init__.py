"""Bringing in what was generated elsewhere. A format is one file here.

It defines ``read(row, number)``, which makes samples of one row of a JSONL file, or
``read_log(path, metric, only)``, which makes runs of a whole file or folder: of those that the
source calls ``only``, with its judgements by ``metric``. Everything else is the same for all. A
file that was logged elsewhere is a stranger's: it is read as data, with limits, and nothing in it
is evaluated or taken for a path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import HarnessError, nearest
from harness.reading import (
    Row,
    as_count,
    as_number,
    as_sample_index,
    boolean,
    file_sha256,
    json_rows,
)
from harness.types import AnswerType, Tolerance, digest

Reader = Callable[[Row, int], Iterator["ImportedSample"]]
LogReader = Callable[[Path, str | None, str | None], list["ImportedRun"]]

_LETTER = re.compile(r"\(?([A-Z])\)?\.?")
# A solution of GSM8K: its answer stands after the last mark, calculations stand between << and >>.
_ANSWER_MARK = "####"
_CALCULATION = re.compile(r"<<[^<>]*>>")
# Or on a last line of its own, as OpenAI's model solutions have it.
_ANSWER_LINE = re.compile(r"(?:(?:A|Answer)\s*:|The answer is\s*:?)\s*(\S.*)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_LONGEST_GOLD = 200

#: What ``--map`` can name, and which of them a row must have.
COLUMNS = (
    "id", "question", "gold", "response", "sample_index", "answer_type", "correct", "subject",
    "level",
)  # fmt: skip
_REQUIRED = ("gold", "response")
_OPTIONAL = ("id", "question")


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


def short_gold(gold: str) -> str:
    """Return the answer of a gold that is a whole solution as GSM8K has them.

    What stands after the last ``####``, or on a last line ``A: …``, is the answer, without
    thousands separators; marks of calculations (``<<9*2=18>>``) are taken out. Any other gold is
    returned as it is.
    """
    text = _CALCULATION.sub("", gold)
    if _ANSWER_MARK in text:
        answer = text.rpartition(_ANSWER_MARK)[2].strip()
        if answer and "\n" not in answer:
            return _THOUSANDS.sub("", answer)
    *before, last = text.strip().split("\n")
    if before and (found := _ANSWER_LINE.fullmatch(last.strip())):
        return _THOUSANDS.sub("", found[1])
    return gold


def right_or_wrong(value: object) -> bool | None:
    """Read a metric's value for one response; ``None`` where it is neither right nor wrong."""
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    return None


def sampling_told(
    *,
    temperature: object = None,
    top_p: object = None,
    max_tokens: object = None,
    stop: object = None,
) -> dict[str, Any]:
    """Return what a log tells of its sampling; what it does not tell, or cannot be, is ``None``."""
    return {
        "temperature": as_number(temperature),
        "top_p": as_number(top_p),
        "max_tokens": as_count(max_tokens),
        "stop": [str(text) for text in stop] if isinstance(stop, list | tuple) else None,
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


def file_notes(samples: Sequence[ImportedSample], *, own_golds: bool) -> tuple[str, ...]:
    """Say what of a file's responses and golds explains a low score.

    Args:
        samples: All of the file's.
        own_golds: They are judged by the file's own golds.
    """
    notes = []
    empty = sum(
        not (sample.response.strip() or (sample.thought or "").strip()) for sample in samples
    )
    if empty:
        notes.append(f"{empty} of {len(samples)} responses are empty.")
    golds = {sample.item_id: short_gold(sample.gold).strip() for sample in samples}
    long = sum(len(gold) > _LONGEST_GOLD or "\n" in gold for gold in golds.values())
    if own_golds and long:
        notes.append(
            f"{long} of {len(golds)} golds are long or have several lines: where they are whole "
            "solutions, no answer equals them."
        )
    without = sum(not gold for gold in golds.values())
    if own_golds and without:
        notes.append(f"{without} of {len(golds)} questions have no gold: no answer is right there.")
    return tuple(notes)

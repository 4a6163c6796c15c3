"""Responses generated elsewhere: what an importer returns, and what importers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

from harness.errors import HarnessError, nearest
from harness.interop.untrusted import as_count, as_number
from harness.types import AnswerType, Tolerance, digest

_T = TypeVar("_T")

_LETTER = re.compile(r"\(?([A-Z])\)?\.?")
# A solution of GSM8K: its answer stands after the last mark, calculations stand between << and >>.
_ANSWER_MARK = "####"
_CALCULATION = re.compile(r"<<[^<>]*>>")
# Or on a last line of its own, as OpenAI's model solutions have it.
_ANSWER_LINE = re.compile(r"(?:(?:A|Answer)\s*:|The answer is\s*:?)\s*(\S.*)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_LONGEST_GOLD = 200


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
        prompt: What the model was sent, where the file has it in addition to the question or in
            its place; items are matched by the question within it.
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
        facts: Further facts of the protocol worth keeping, by name.
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
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
                f"The id {item!r} stands for two questions, or for one with two reference answers.",
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


def logged_sampling(
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
    return digest(["told by a log", *parts])  # codespell:ignore told


def called(only: str | None, found: Iterable[_T], name_of: Callable[[_T], str]) -> list[_T]:
    """Return those of a folder's logs that have a name, all of them if it is ``None``.

    Raises:
        HarnessError: None has it.
    """
    if only is None:
        return list(found)
    by_name = [(name_of(one), one) for one in found]
    chosen = [one for name, one in by_name if name == only]
    if not chosen:
        names = [name for name, _ in by_name]
        raise HarnessError(f"There is nothing called {only!r} here. {nearest(only, names)}")
    return chosen


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


def file_notes(samples: Sequence[ImportedSample], *, own_references: bool) -> tuple[str, ...]:
    """Say what of a file's responses and reference answers explains a low score.

    Args:
        samples: All of the file's.
        own_references: They are judged by the file's own reference answers.
    """
    notes = []
    empty = sum(
        not (sample.response.strip() or (sample.thought or "").strip()) for sample in samples
    )
    if empty:
        notes.append(f"{empty} of {len(samples)} responses are empty.")
    references = {sample.item_id: short_gold(sample.gold).strip() for sample in samples}
    long = sum(len(gold) > _LONGEST_GOLD or "\n" in gold for gold in references.values())
    if own_references and long:
        notes.append(
            f"{long} of {len(references)} reference answers are long or have several lines: where "
            "they are whole solutions, no answer equals them."
        )
    without = sum(not gold for gold in references.values())
    if own_references and without:
        notes.append(
            f"{without} of {len(references)} questions have no gold: no answer is right there."
        )
    return tuple(notes)

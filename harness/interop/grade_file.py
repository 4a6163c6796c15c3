"""Grade a file of answers without a model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.interop.imported import short_gold
from harness.interop.untrusted import Row, boolean, json_rows
from harness.run.restricted import is_restricted
from harness.types import AnswerType, Verdict

_SHAPE = 'Each line is {"id", "gold", "pred", "pred_is_full_response"} as JSON.'


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of the file: what is to be judged, and the label if somebody gave one.

    Of a line that quotes a restricted benchmark (``restricted``) only the number is reported.
    """

    id: str
    gold: str
    answer: str
    is_full_response: bool
    answer_type: AnswerType
    label: bool | None
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a file.

    Attributes:
        pairs: Number of lines.
        correct: Share judged right.
        labelled: Number of lines with a label.
        accuracy: Share of them where label and judgement agree; ``None`` without labels.
        false_positives: Ids judged right against their label.
        false_negatives: Ids judged wrong against their label.
        statuses: How many lines had each status.
        pairs_per_second: Over the whole file, all workers.
        latency: CPU seconds of one pair: ``p50``, ``p99`` and ``max``.
    """

    pairs: int
    correct: float
    labelled: int
    accuracy: float | None
    false_positives: list[str]
    false_negatives: list[str]
    statuses: dict[str, int]
    pairs_per_second: float
    latency: dict[str, float]


def read_pairs(path: Path) -> list[Pair]:
    """Read lines of ``{"id", "gold", "pred", "pred_is_full_response", …}``.

    Raises:
        HarnessError: The file cannot be read, or a line lacks ``gold`` or ``pred``.
    """
    pairs = [_pair(path, number, row) for number, row in json_rows(path)]
    if not pairs:
        raise HarnessError(f"{path} has no lines to judge.", _SHAPE)
    return pairs


def _pair(path: Path, number: int, row: Row) -> Pair:
    # Not in the response itself, which is given back only as far as it is the answer.
    texts = (value for name, value in row.items() if name != "pred" and isinstance(value, str))
    restricted = is_restricted(texts)
    try:
        return Pair(
            id=str(number if restricted else row.get("id", number)),
            gold=short_gold(str(row["gold"])),
            answer=str(row["pred"]),
            is_full_response=boolean(row.get("pred_is_full_response")) or False,
            answer_type=AnswerType(row.get("answer_type") or AnswerType.AUTO),
            label=boolean(row.get("label")),
            restricted=restricted,
        )
    except (ValueError, KeyError) as error:
        raise HarnessError(
            f"Line {number} of {path} cannot be judged: {_why(error)}.", _SHAPE
        ) from error


def _why(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def judge_pairs(
    pairs: Iterable[Pair], *, profile: str, workers: int | None = None
) -> tuple[list[Verdict], float]:
    """Judge pairs in the killable pool.

    Returns:
        A verdict for each pair, in order, and the wall clock in seconds from first to last.
    """
    with GraderPool(profile=profile, workers=workers) as pool:
        began = perf_counter()
        futures: list[Future[Verdict]] = [
            pool.submit(
                gold=pair.gold,
                response=pair.answer,
                truncated=False,
                answer_type=pair.answer_type,
                is_answer=not pair.is_full_response,
            )
            for pair in pairs
        ]
        verdicts = [future.result() for future in futures]
        return verdicts, perf_counter() - began


def report(pairs: list[Pair], verdicts: list[Verdict], seconds: float) -> Report:
    """Sum up a judged file."""
    both = list(zip(pairs, verdicts, strict=True))
    labelled = [(pair, verdict) for pair, verdict in both if pair.label is not None]
    agree = sum(pair.label == verdict.correct for pair, verdict in labelled)
    times = sorted(verdict.seconds for verdict in verdicts)
    return Report(
        pairs=len(pairs),
        correct=sum(verdict.correct for verdict in verdicts) / len(verdicts),
        labelled=len(labelled),
        accuracy=agree / len(labelled) if labelled else None,
        false_positives=[p.id for p, v in labelled if v.correct and not p.label],
        false_negatives=[p.id for p, v in labelled if p.label and not v.correct],
        statuses=dict(Counter(str(verdict.status) for verdict in verdicts)),
        pairs_per_second=len(pairs) / seconds,
        latency={
            "p50": times[len(times) // 2],
            "p99": times[min(len(times) - 1, int(0.99 * len(times)))],
            "max": times[-1],
        },
    )


def _kept_back(pair: Pair, verdict: Verdict) -> bool:
    return pair.restricted or is_restricted([verdict.extracted])


def write_verdicts(path: Path, pairs: list[Pair], verdicts: list[Verdict]) -> None:
    """Write one line a pair, in the file's order.

    Raises:
        HarnessError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            for pair, verdict in zip(pairs, verdicts, strict=True):
                row: dict[str, Any] = {
                    "id": pair.id,
                    "correct": verdict.correct,
                    "status": verdict.status,
                    "method": verdict.method,
                    "extracted": "" if _kept_back(pair, verdict) else verdict.extracted,
                    "seconds": verdict.seconds,
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error.strerror}.") from error

"""Scores that others published, with an assumed interval and reasons to doubt them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.statistics.intervals import Estimate, wilson
from harness.store.store import PUBLISHED, Store
from harness.text import percent

# Items of each benchmark, on which an interval of a published score is reckoned: nobody prints it.
ITEMS = {
    "math": 5000, "math500": 500, "gsm8k": 1319, "minerva_math": 272, "olympiadbench": 675,
    "aime24": 30, "aime25": 30, "amc23": 40, "gpqa_diamond": 198, "gpqa_main": 448,
    "theoremqa": 800, "mmlu_pro": 12032,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A number somebody else printed, as a share in [0, 1].

    ``doubt`` is why it is likely wrong, where there is reason to think so; ``others`` are numbers
    printed for the same model and task elsewhere, which were not picked.
    """

    model: str
    parameters_b: float | None
    method: str
    task: str
    score: float
    metric: str
    source: str
    note: str | None
    family: str = ""
    doubt: str = ""
    others: tuple[PublishedScore, ...] = ()


def scores(store: Store) -> list[PublishedScore]:
    """Return the published score of each model and task that was picked for showing."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT canonical, model, params_b, method, task,"
            " CASE unit WHEN 'percent' THEN score / 100 ELSE score END, metric, source, note,"
            " model_family,"
            " CASE WHEN contains(canonical_reason, 'doubtful') THEN canonical_reason ELSE '' END"
            " FROM published_score WHERE task IS NOT NULL AND unit <> 'points'"
        ).fetchall()
    return _picked(rows)


def shipped() -> list[PublishedScore]:
    """Return the same of this version of the harness, where there is no results file."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = [
            (
                row["canonical"] == "true",
                row["model"],
                float(row["params_b"]) if row["params_b"] else None,
                row["method"],
                row["task"],
                float(row["score"]) / (100 if row["unit"] == "percent" else 1),
                row["metric"],
                row["source"],
                row["note"] or None,
                row["model_family"],
                row["canonical_reason"] if "doubtful" in row["canonical_reason"] else "",
            )
            for row in csv.DictReader(file)
            if row["task"] and row["unit"] != "points"
        ]
    return _picked(rows)


def _picked(rows: Iterable[Sequence[Any]]) -> list[PublishedScore]:
    rows = list(rows)
    others: dict[tuple[str, str], list[PublishedScore]] = {}
    for canonical, *fields in rows:
        if not canonical:
            other = PublishedScore(*fields)
            others.setdefault((other.model, other.task), []).append(other)
    picked = [PublishedScore(*fields) for canonical, *fields in rows if canonical]
    return [
        replace(score, others=tuple(others.get((score.model, score.task), ()))) for score in picked
    ]


def assumed(score: PublishedScore) -> Estimate | None:
    """Return a score with the interval of one answer an item; ``None`` where items are unknown."""
    items = ITEMS.get(score.task)
    if not items:
        return None
    return replace(wilson(min(items, round(score.score * items)), items), value=score.score)


def doubts(score: PublishedScore) -> str:
    """Say why a number, or another one printed for the same, is likely wrong; mostly nothing."""
    found = [score.doubt] if score.doubt else []
    found += [
        f"{other.source} prints {percent(other.score)}, which is not shown; {other.doubt}"
        for other in score.others
        if other.doubt
    ]
    return "; ".join(found)

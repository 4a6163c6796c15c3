"""Measured and published models of one task in one order; no drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from harness.statistics.intervals import Estimate
from harness.store.queries import PublishedScore, RunSummary
from leaderboard.text import percent

BASELINES = frozenset(
    {"Llama-3.1-70B-Instruct", "Qwen2.5-72B-Instruct", "Qwen2.5-Math-72B-Instruct"}
)
METHODS = {"base": "base", "sft": "SFT", "cft": "CFT", "rl": "RL", "instruct": "instruct"}

_USUAL_METRICS = frozenset({"accuracy %", "accuracy % (greedy pass@1)"})

Setting = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One model in the ranking of a task; scores are shares in [0, 1].

    Attributes:
        rank: 1-based among all models of the task, shared by equal scores as printed.
        model: Its name.
        kind: Measured here, or published by somebody else.
        score: Share of right answers.
        interval: The 95 % interval of a measured score; a published one has none of ours.
        items: How many items a measured score rests on.
        samples: Samples per item of a measured score.
        truncated: Share of samples that ran out of budget.
        method: One of :data:`METHODS`, or empty where it is not recorded.
        parameters_b: Parameters in billions.
        date: When it was measured.
        origin: The engine of a measured score, the source of a published one.
        note: What else has to be known about it.
        differs: What of its protocol is not as in the other measured rows, by name.
        run_id: The run of a measured score.
    """

    rank: int
    model: str
    kind: Literal["measured", "published"]
    score: float
    interval: tuple[float, float] | None = None
    items: int | None = None
    samples: int = 1
    truncated: float | None = None
    method: str = ""
    parameters_b: float | None = None
    date: datetime | None = None
    origin: str = ""
    note: str = ""
    differs: str = ""
    run_id: str = ""

    @property
    def group(self) -> Literal["measured", "cft", "baseline", "other"]:
        """What the row is coloured by."""
        if self.kind == "measured":
            return "measured"
        if self.method == "cft":
            return "cft"
        return "baseline" if self.model in BASELINES else "other"


def tasks(runs: Iterable[RunSummary], published: Iterable[PublishedScore]) -> list[str]:
    """Return the tasks there is something to show of, most measured runs first."""
    measured = Counter(run.task for run in runs if run.complete)
    started = Counter(run.task for run in runs)
    printed = Counter(score.task for score in published)
    return sorted(
        started.keys() | printed.keys(),
        key=lambda task: (-measured[task], -started[task], -printed[task], task),
    )


def ranked(task: str, runs: Sequence[RunSummary], published: Iterable[PublishedScore]) -> list[Row]:
    """Return the models of a task, the best first.

    Of several complete runs of one model under one protocol the newest counts; other replicates,
    seeds and engines do not make another row.
    """
    newest: dict[tuple[str, Setting], tuple[RunSummary, Estimate]] = {}
    for run in sorted(runs, key=lambda run: run.created_at):
        if run.task == task and run.complete and run.score is not None:
            newest[run.fingerprint, setting(run)] = (run, run.score)
    usual = _usual([(own, run) for (_, own), (run, _) in newest.items()])
    rows = [_measured(run, score, own, usual) for (_, own), (run, score) in newest.items()]
    rows += [_published(score) for score in published if score.task == task]
    rows.sort(key=lambda row: (-row.score, row.kind, row.model, row.differs))
    return [replace(row, rank=_rank(rows, row)) for row in rows]


def unfinished(task: str, runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Return the runs of a task that are still going on or were left, the newest first."""
    return [run for run in runs if run.task == task and not run.complete]


def filtered(rows: Iterable[Row], methods: Sequence[str]) -> list[Row]:
    """Keep the published rows of these methods, all if there are none, and every measured row.

    The store does not know how a measured model was trained, so that no method can rule it out.
    """
    return [row for row in rows if not methods or row.kind == "measured" or row.method in methods]


def highlights(rows: Iterable[Row]) -> list[Row]:
    """Keep what the story is about: measured models, CFT models and the three baselines."""
    return [row for row in rows if row.group != "other"]


def setting(run: RunSummary) -> Setting:
    """Return what has to be equal before two runs of a task may be compared, by name.

    The protocol does not hold the number of samples, nor how many of the task's items were asked.
    """
    protocol: Mapping[str, Any] = run.protocol
    sampling: Mapping[str, Any] = protocol.get("sampling", {})
    named = [
        ("temperature", sampling.get("temperature")),
        ("top_p", sampling.get("top_p")),
        ("max_tokens", sampling.get("max_tokens")),
        ("stop", ", ".join(map(repr, sampling.get("stop", ()))) or "none"),
        ("samples", run.samples),
        ("items", run.items),
        ("task version", protocol.get("task_version")),
        ("data", str(protocol.get("data_sha256", ""))[:8]),
        ("prompt", str(protocol.get("messages_sha256", ""))[:8]),
    ]
    # Last, so that a difference nothing above names still keeps two rows apart.
    named.append(("protocol", run.protocol_sha256[:8]))
    return tuple((name, str(value)) for name, value in named)


def _usual(measured: Sequence[tuple[Setting, RunSummary]]) -> Setting:
    """Return the setting the others are compared with: on most items, most frequent, newest."""
    counts = Counter(own for own, _ in measured)
    best = max(
        measured,
        key=lambda one: (one[1].items, counts[one[0]], one[1].created_at),
        default=((), None),
    )
    return best[0]


def _differences(one: Setting, other: Setting) -> list[tuple[str, str, str]]:
    pairs = [
        (name, mine, theirs)
        for (name, mine), (_, theirs) in zip(one, other, strict=True)
        if mine != theirs
    ]
    # The hash differs whenever anything does: worth naming only where nothing else is.
    return [pair for pair in pairs if pair[0] != "protocol"] or pairs


def _measured(run: RunSummary, score: Estimate, own: Setting, usual: Setting) -> Row:
    note = ""
    if run.bounds is not None and run.bounds[0] != run.bounds[1]:
        low, high = (percent(bound) for bound in run.bounds)
        note = f"the grader failed on some answers: the score lies between {low} and {high}"
    return Row(
        rank=0,
        model=run.model,
        kind="measured",
        score=score.value,
        interval=(score.low, score.high),
        items=run.items,
        samples=run.samples,
        truncated=run.truncated,
        parameters_b=run.parameters / 1e9 if run.parameters else None,
        date=run.created_at,
        origin=f"{run.engine}, {run.device}",
        note=note,
        differs=", ".join(
            f"{name} {mine} instead of {theirs}" for name, mine, theirs in _differences(own, usual)
        ),
        run_id=run.id,
    )


def _published(score: PublishedScore) -> Row:
    return Row(
        rank=0,
        model=score.model,
        kind="published",
        score=score.score,
        method=score.method,
        parameters_b=score.parameters_b,
        origin=score.source,
        note="; ".join(part for part in (_unusual(score.metric), score.note) if part),
    )


def _unusual(metric: str) -> str:
    """Return a metric where it is not simply the share of right greedy answers."""
    return "" if metric in _USUAL_METRICS else metric


def _rank(rows: Sequence[Row], row: Row) -> int:
    """Return how many rows print a higher score, plus one."""
    return 1 + sum(round(other.score, 3) > round(row.score, 3) for other in rows)

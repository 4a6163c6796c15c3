"""Measured and published models on one or several benchmarks, one row a model; no drawing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from harness.analysis.protocol import differences
from harness.statistics import intervals
from harness.statistics.betting import Floats
from harness.statistics.intervals import Estimate
from harness.statistics.ranking import Standing
from harness.store.published import PublishedScore, assumed, doubts
from harness.store.queries import RunSummary
from harness.store.training import Lineage
from harness.text import percent

BASELINES = frozenset(
    {"Llama-3.1-70B-Instruct", "Qwen2.5-72B-Instruct", "Qwen2.5-Math-72B-Instruct"}
)
METHODS = {"base": "base", "sft": "SFT", "cft": "CFT", "rl": "RL", "instruct": "instruct"}
# Smallest and largest number of parameters, in billions.
SIZES = {
    "under 1B": (0.0, 1.0),
    "1–4B": (1.0, 4.0),
    "4–10B": (4.0, 10.0),
    "10–40B": (10.0, 40.0),
    "over 40B": (40.0, float("inf")),
}

_USUAL_METRICS = frozenset({"accuracy %", "accuracy % (greedy pass@1)"})
# What has to be equal before two runs of a task may stand in one column, as far as it is hashed.
Setting = tuple[str, str, int, int, tuple[str, ...]]
Scores = Callable[[Sequence[RunSummary]], dict[str, Floats]]
# Ranks models by their runs: one list of runs a task, all in the models' order.
Standings = Callable[[Sequence[Sequence[RunSummary]]], Sequence[Standing]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one benchmark; scores are shares in [0, 1].

    Attributes:
        score: With its 95 % interval; a published one's is reckoned as if it were k of n items.
        kind: Measured here, or published by somebody else.
        run: The run of a measured score.
        source: Who published it.
        note: What else has to be known about it.
        doubt: Why a published number, or another one for the same, is likely wrong.
        differs: What of its protocol is not as usual on this benchmark, by name.
    """

    score: Estimate | None
    value: float
    kind: Literal["measured", "published"]
    run: RunSummary | None = None
    source: str = ""
    note: str = ""
    doubt: str = ""
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One model.

    Attributes:
        model: Its name.
        kind: Measured here, or published by somebody else.
        cells: By task.
        fingerprint: Of a measured model.
        method: One of :data:`METHODS`, or empty where it is not known.
        parent: What it was made from, where that is recorded.
        parent_fingerprint: Of that.
        family: What a published model and its relatives are counted under.
        parameters_b: Parameters in billions.
        date: When its newest score was measured.
        tokens: New tokens of its measured scores.
        seconds: Wall clock that they took to generate, as their share of their sessions' tokens.
        average: Over the benchmarks that every row shown has.
        ranks: Best and worst rank among the measured rows shown.
        place: 1-based by score, shared by equal scores as printed.
    """

    model: str
    kind: Literal["measured", "published"]
    cells: Mapping[str, Cell]
    fingerprint: str = ""
    method: str = ""
    parent: str = ""
    parent_fingerprint: str = ""
    family: str = ""
    parameters_b: float | None = None
    date: datetime | None = None
    tokens: int | None = None
    seconds: float | None = None
    average: Estimate | None = None
    ranks: tuple[int, int] | None = None
    place: int | None = None

    @property
    def shown_kind(self) -> Literal["measured", "imported", "published"]:
        """Measured here, judged here from responses generated elsewhere, or only printed."""
        runs = [cell.run for cell in self.cells.values() if cell.run is not None]
        if self.kind == "measured" and runs and all(map(is_imported, runs)):
            return "imported"
        return self.kind

    @property
    def group(self) -> Literal["measured", "imported", "cft", "baseline", "other"]:
        """What the row is coloured by."""
        shown = self.shown_kind
        if shown != "published":
            return shown
        if self.method == "cft":
            return "cft"
        return "baseline" if self.model in BASELINES else "other"

    @property
    def differs(self) -> bool:
        """Some score of it is of another protocol."""
        return any(cell.differs for cell in self.cells.values())


@dataclass(frozen=True, slots=True)
class Filters:
    """What the rows are narrowed to; what is empty narrows nothing."""

    kinds: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    complete: bool = False


def tasks(
    runs: Iterable[RunSummary], published: Iterable[PublishedScore], chosen_on: Collection[str]
) -> list[str]:
    """Return the tasks there is something to show of, most measured runs first.

    Args:
        runs: All runs.
        published: What others printed.
        chosen_on: Tasks that checkpoints were chosen on: they say less, and come last.
    """
    measured = Counter(run.task for run in runs if run.complete)
    started = Counter(run.task for run in runs)
    printed = Counter(score.task for score in published)
    return sorted(
        started.keys() | printed.keys(),
        key=lambda task: (task in chosen_on, -measured[task], -started[task], -printed[task], task),
    )


def first_choice(suites: Mapping[str, Sequence[str]], runs: Iterable[RunSummary]) -> str:
    """Return the suite that most measured models have all of, or nothing if none has."""
    has: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        if run.complete:
            has[run.fingerprint].add(run.task)
    counts = {
        name: sum(found.issuperset(suite) for found in has.values())
        for name, suite in suites.items()
        if len(suite) > 1
    }
    best = max(counts, key=lambda name: (counts[name], len(suites[name])), default="")
    return best if best and counts[best] else ""


def usual_runs(chosen: Sequence[str], runs: Iterable[RunSummary]) -> dict[str, RunSummary]:
    """Return, by task, the newest run under the protocol that most measured models share."""
    models: dict[tuple[str, Setting], set[str]] = defaultdict(set)
    newest: dict[tuple[str, Setting], RunSummary] = {}
    for run in sorted(runs, key=lambda run: run.created_at):
        if run.task in chosen and run.complete:
            models[run.task, _setting(run)].add(run.fingerprint)
            newest[run.task, _setting(run)] = run
    usual: dict[str, RunSummary] = {}
    for (task, own), run in newest.items():
        held = usual.get(task)
        order = (len(models[task, own]), run.items, run.created_at)
        if held is None or order > (
            len(models[task, _setting(held)]), held.items, held.created_at
        ):  # fmt: skip
            usual[task] = run
    return usual


def board(
    chosen: Sequence[str],
    runs: Iterable[RunSummary],
    published: Iterable[PublishedScore],
    lineages: Mapping[str, Lineage],
    *,
    every_protocol: bool = False,
) -> list[Row]:
    """Return one row a model that has a score on one of these tasks, in no order.

    Of several complete runs of one model under one protocol the newest counts; other replicates,
    seeds and engines do not make another row. Runs under another protocol than the usual one are
    left out, or, if asked for, marked, in rows of their own where they must.
    """
    runs, published = list(runs), list(published)
    usual = usual_runs(chosen, runs)
    marks: dict[tuple[str, Setting, str], str] = {}
    cells: dict[str, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    seen: set[tuple[str, str, str]] = set()
    for run in sorted(runs, key=lambda run: run.created_at, reverse=True):
        if run.task not in usual or not run.complete or run.score is None:
            continue
        key = (run.task, _setting(run), repr(run.made_with.output_args))
        if key not in marks:
            marks[key] = _differs(usual[run.task], run)
        mark = marks[key]
        if (mark and not every_protocol) or (run.fingerprint, run.task, mark) in seen:
            continue
        seen.add((run.fingerprint, run.task, mark))
        cell = Cell(
            run.score, run.score.value, "measured", run, note=_bounds(run), differs=mark
        )  # fmt: skip
        found = cells[run.fingerprint][run.task]
        found.insert(0 if not mark else len(found), cell)
    known = {score.model: score for score in published}
    rows = [
        _measured(by_task, place, known, lineages)
        for by_task in cells.values()
        for place in range(max(map(len, by_task.values())))
    ]
    printed: dict[str, dict[str, PublishedScore]] = defaultdict(dict)
    for score in published:
        if score.task in chosen:
            printed[score.model][score.task] = score
    return rows + [_published(model, scores) for model, scores in printed.items()]


def filtered(rows: Iterable[Row], chosen: Sequence[str], filters: Filters) -> list[Row]:
    """Keep the rows that pass.

    How a measured model was made is not always known: no method rules it out then. Published rows
    have no date of their own, and pass any.
    """
    return [row for row in rows if _passes(row, chosen, filters)]


def common_tasks(rows: Sequence[Row], chosen: Sequence[str]) -> list[str]:
    """Return the tasks that every row has."""
    return [task for task in chosen if rows and all(task in row.cells for row in rows)]


def ordered(rows: Sequence[Row], common: Sequence[str], by: str, standings: Standings) -> list[Row]:
    """Return the rows with averages, ranks and places, the best first.

    Args:
        rows: Rows to be shown.
        common: What the average is over; there is one only over two tasks or more.
        by: The task to order by; the average if empty.
        standings: Ranks models by paired tests of their runs.
    """
    if len(common) > 1:
        rows = [replace(row, average=_average(row, common)) for row in rows]
    ranks = _ranks(rows, [by] if by else common, standings)
    values = [value_of(row, by) for row in rows]
    descending = sorted(-round(value, 3) for value in values if value is not None)
    placed = [
        replace(
            row,
            ranks=ranks.get(number),
            place=None if value is None else 1 + bisect_left(descending, -round(value, 3)),
        )
        for number, (row, value) in enumerate(zip(rows, values, strict=True))
    ]
    return sorted(
        placed,
        key=lambda row: (
            row.place is None, row.place or 0, -(value_of(row, by) or 0), -len(row.cells),
            row.kind, row.model,
        ),
    )  # fmt: skip


def value_of(row: Row, by: str) -> float | None:
    """Return what a row is ordered by."""
    if by:
        return row.cells[by].value if by in row.cells else None
    return row.average.value if row.average else None


def estimate_of(row: Row, by: str) -> Estimate | None:
    """Return the same with its interval, where it has one."""
    if by:
        return row.cells[by].score if by in row.cells else None
    return row.average


def highlights(rows: Iterable[Row]) -> list[Row]:
    """Keep what the story is about: measured models, CFT models and the three baselines."""
    return [row for row in rows if row.group != "other"]


def unfinished(
    chosen: Sequence[str], runs: Iterable[RunSummary], decided: Mapping[str, datetime]
) -> list[RunSummary]:
    """Return the runs of these tasks that are still going on or were left, the newest first.

    Args:
        chosen: The tasks.
        runs: All runs.
        decided: When the gate decided on a run: it asks for no more of it, unless more came since.
    """
    return [
        run
        for run in runs
        if run.task in chosen
        and not run.complete
        and not (run.id in decided and (run.finished_at or run.created_at) <= decided[run.id])
    ]


def protocol_words(run: RunSummary) -> str:
    """Say under which protocol a run was made, in short."""
    sampling = run.protocol.get("sampling") or {}
    temperature, budget = sampling.get("temperature"), sampling.get("max_tokens")
    pieces = [
        "imported" if is_imported(run) else "",
        f"temperature {'unknown' if temperature is None else temperature}",
        "token budget unknown" if budget is None else f"{budget:,} tokens",
        f"{run.items:,} items" + (f" × {run.samples}" if run.samples > 1 else ""),
    ]
    return ", ".join(part for part in pieces if part)


def _setting(run: RunSummary) -> Setting:
    return (
        run.protocol_sha256, run.data_sha256, run.items, run.samples, run.grader_versions
    )  # fmt: skip


def is_imported(run: RunSummary) -> bool:
    """Tell whether its responses were generated elsewhere, and only judged here."""
    return bool(run.protocol.get("imported"))


def _differs(usual: RunSummary, run: RunSummary) -> str:
    """Name what two runs of one task differ in so that they cannot stand in one column."""
    found = [f"{d.what} {d.second} instead of {d.first}" for d in differences(usual, run).refused]
    for name in ("samples", "items"):
        mine, theirs = getattr(run, name), getattr(usual, name)
        found += [f"{name} {mine} instead of {theirs}"] if mine != theirs else []
    mine, theirs = (" and ".join(one.grader_versions) or "unknown" for one in (run, usual))
    found += [f"grader version {mine} instead of {theirs}"] if mine != theirs else []
    # An imported run's protocol names its file: that is not what was asked.
    both_known = not is_imported(run) and not is_imported(usual)
    if not found and both_known and run.protocol_sha256 != usual.protocol_sha256:
        found.append(f"protocol {run.protocol_sha256[:8]} instead of {usual.protocol_sha256[:8]}")
    return ", ".join(found)


def _bounds(run: RunSummary) -> str:
    if run.bounds is None or run.bounds[0] == run.bounds[1]:
        return ""
    low, high = (percent(bound) for bound in run.bounds)
    return f"the grader failed on some answers: the score lies between {low} and {high} %"


def _measured(
    by_task: Mapping[str, Sequence[Cell]],
    place: int,
    known: Mapping[str, PublishedScore],
    lineages: Mapping[str, Lineage],
) -> Row:
    cells = {task: found[place] for task, found in by_task.items() if len(found) > place}
    runs = [cell.run for cell in cells.values() if cell.run is not None]
    newest = max(runs, key=lambda run: run.created_at)
    parameters_b = newest.parameters / 1e9 if newest.parameters else None
    lineage = lineages.get(newest.fingerprint)
    method, parent = "", ""
    if lineage is not None:
        method, parent = lineage.objective, lineage.base_name
    elif (same := known.get(newest.model.rstrip("/").split("/")[-1])) is not None:
        method = same.method
    elif newest.model.lower().endswith("-instruct"):
        method = "instruct"
    paces = [(run.completion_tokens, run.tokens_per_second) for run in runs]
    seconds = sum(tokens / pace for tokens, pace in paces if pace)
    return Row(
        model=newest.model,
        kind="measured",
        cells=cells,
        fingerprint=newest.fingerprint,
        method=method,
        parent=parent,
        parent_fingerprint=lineage.base if lineage else "",
        parameters_b=parameters_b,
        date=newest.finished_at or newest.created_at,
        tokens=sum(tokens for tokens, _ in paces) or None,
        seconds=seconds or None,
    )


def _published(model: str, scores: Mapping[str, PublishedScore]) -> Row:
    some = next(iter(scores.values()))
    return Row(
        model=model,
        kind="published",
        cells={task: _published_cell(score) for task, score in scores.items()},
        method=some.method,
        parameters_b=some.parameters_b,
        family=some.family,
    )


def _published_cell(score: PublishedScore) -> Cell:
    metric = "" if score.metric in _USUAL_METRICS else score.metric
    return Cell(
        assumed(score),
        score.score,
        "published",
        source=score.source,
        note="; ".join(part for part in (metric, score.note) if part),
        doubt=doubts(score),
    )


def _passes(row: Row, chosen: Sequence[str], filters: Filters) -> bool:
    size = row.parameters_b
    unknown = "" if row.kind == "measured" else None
    day = row.date.date() if row.date else None
    return (
        (not filters.kinds or row.shown_kind in filters.kinds)
        and (not filters.methods or row.method in (*filters.methods, unknown))
        and (
            not filters.sizes
            or (
                size is not None
                and any(SIZES[name][0] <= size < SIZES[name][1] for name in filters.sizes)
            )
        )
        and (filters.since is None or day is None or day >= filters.since)
        and (filters.until is None or day is None or day <= filters.until)
        and (not filters.complete or all(task in row.cells for task in chosen))
    )


def _average(row: Row, common: Sequence[str]) -> Estimate | None:
    """Return the mean over tasks; of several protocols, or without all intervals, there is none."""
    scores = [row.cells[task].score for task in common if not row.cells[task].differs]
    known = [score for score in scores if score is not None]
    return intervals.suite(known) if len(known) == len(common) else None


def _ranks(
    rows: Sequence[Row], tasks: Sequence[str], standings: Standings
) -> dict[int, tuple[int, int]]:
    """Return the ranks of the measured rows that can be tested against each other, by number.

    They have all these tasks under the usual protocols, and are judged on the same items as most.
    """
    if not tasks:
        return {}
    runs: dict[int, list[RunSummary]] = {}
    for number, row in enumerate(rows):
        cells = [row.cells.get(task) for task in tasks]
        found = [c.run for c in cells if c is not None and c.run is not None and not c.differs]
        if row.kind == "measured" and len(found) == len(tasks):
            runs[number] = found
    for place in range(len(tasks)):
        sets = Counter(found[place].item_set for found in runs.values())
        most = sets.most_common(1)[0][0] if sets else None
        runs = {number: found for number, found in runs.items() if found[place].item_set == most}
    if len(runs) < 2:
        return {}
    columns = [[found[place] for found in runs.values()] for place in range(len(tasks))]
    return {
        number: (standing.best_rank, standing.worst_rank)
        for number, standing in zip(runs, standings(columns), strict=True)
    }

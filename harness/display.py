"""What the command line prints: progress, tables, samples, JSON."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from harness.statistics.intervals import Estimate, clustered, wilson
from harness.terminal import clean

if TYPE_CHECKING:
    from harness.check import Findings
    from harness.doctor import Finding
    from harness.grade_file import Report
    from harness.importing import Agreement, Matched
    from harness.pipeline import Outcome
    from harness.store.queries import RunSummary
    from harness.store.samples import Sample

_LOG_EVERY_SECONDS = 10.0
_LOG_AFTER_SECONDS = 2.0
_LISTED_QUESTIONS = 5
_RUN_ID_WIDTH = 12
_WIDTH_OF_A_FILE = 120
_MARKS = {"fine": ("✓", "green"), "missing": ("–", "yellow"), "broken": ("✗", "red")}


class EvaluationProgress:
    """Draws an evaluation on standard error: items, tokens/s, running score, time left.

    Where standard error is no terminal, it writes a line every ``every_seconds`` instead.
    """

    def __init__(self, *, every_seconds: float = _LOG_EVERY_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Figures(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._bar = self._progress.add_task("starting", total=None, figures="")
        self._lock = threading.Lock()
        self._correct: dict[str, dict[str, list[int]]] = {}
        self._names: Mapping[str, str] = {}
        self._judged_last = ""
        self._generating_since = 0.0
        self._tokens = 0
        self._prompt_tokens = 0
        self._status = ""
        self._done = 0
        self._total = 0
        self._last_line = time.monotonic()
        self._drawn = 0.0

    @property
    def kept(self) -> int:
        """How many generations of this evaluation the store or its journal holds."""
        return self._done

    def __enter__(self) -> EvaluationProgress:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def phase(self, text: str) -> None:
        if text == "generating":
            with self._lock:
                self._generating_since = time.monotonic()
                self._tokens = self._prompt_tokens = 0
        self._progress.update(self._bar, description=text)
        if not self._console.is_terminal:
            self._console.print(_plain(f"{text} …"))

    def notice(self, text: str) -> None:
        self._console.print(_plain(text, style="yellow"))

    def planned(self, *, requests: int, stored: int, runs: Mapping[str, str]) -> None:
        self._total, self._done, self._names = requests, stored, runs
        self._progress.update(self._bar, total=requests, completed=stored)

    def generated(self, completion_tokens: int, status: str) -> None:
        with self._lock:
            self._tokens += completion_tokens
            self._status = status
            self._done += 1
        self._draw()

    def progressed(self, prompt_tokens: int, new_tokens: int) -> None:
        with self._lock:
            self._prompt_tokens = prompt_tokens
            # Counted by the engine, which knows of unfinished requests too.
            self._tokens = max(self._tokens, new_tokens)
        self._draw()

    def graded(self, run_id: str, item_id: str, correct: bool) -> None:
        with self._lock:
            counts = self._correct.setdefault(run_id, {}).setdefault(item_id, [0, 0])
            self._judged_last = run_id
            counts[0] += correct
            counts[1] += 1

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._drawn < min(0.2, self._every_seconds) and self._done < self._total:
            return
        self._drawn = now
        figures = self._figures()
        self._progress.update(self._bar, completed=self._done, figures=figures)
        if not self._console.is_terminal and now - self._last_line >= self._every_seconds:
            self._last_line = now
            self._console.print(_plain(f"{self._done} of {self._total}  {figures}"))

    def _figures(self) -> str:
        with self._lock:
            seconds = time.monotonic() - self._generating_since
            speed = f"{self._tokens / seconds:,.0f} tok/s" if self._tokens and seconds > 0 else ""
            if self._prompt_tokens and not self._tokens:
                speed = f"{self._prompt_tokens:,} prompt tokens read"
            counts = list(self._correct.get(self._judged_last, {}).values())
            score = percent_interval(_running_score(counts)) if counts else ""
            if score and len(self._names) > 1:
                score = f"{self._names.get(self._judged_last, '')} {score}".strip()
            shown = [speed, score]
        return "  ".join(text for text in (*shown, self._status) if text)


class Counting:
    """Counts judged responses on standard error; in a log, by a line now and then.

    Args:
        what: What is being done.
        total: How many there are; ``None`` where that is not known, or nothing is counted.
    """

    def __init__(self, what: str, total: int | None = None) -> None:
        self._console = Console(stderr=True)
        self._what, self._total, self._done = what, total, 0
        of = "" if total is None else " of {task.total}"
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description} {task.completed}" + of),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(what, total=total)
        self._over = threading.Event()

    def __enter__(self) -> Counting:
        if self._console.is_terminal:
            self._progress.start()
        else:
            threading.Thread(target=self._log, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._console.is_terminal:
            self._progress.stop()

    def told(self, run_id: str, item_id: str, correct: bool) -> None:
        """Count one more."""
        self._done += 1
        self._progress.advance(self._task)

    def _log(self) -> None:
        wait = _LOG_AFTER_SECONDS
        while not self._over.wait(wait):
            of = "" if self._total is None else f" {self._done} of {self._total}"
            self._console.print(_plain(f"{self._what}{of} …"))
            wait = _LOG_EVERY_SECONDS


class _Figures(ProgressColumn):
    def render(self, task: Task) -> Text:
        return _plain(task.fields["figures"])


def _running_score(counts: Sequence[Sequence[int]]) -> Estimate:
    if all(total == 1 for _, total in counts):
        return wilson(sum(correct for correct, _ in counts), len(counts))
    means = [correct / total for correct, total in counts]
    mean = math.fsum(means) / len(means)
    variance = math.fsum((value - mean) ** 2 for value in means) / max(1, len(means) - 1)
    return clustered(mean, variance, len(means))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; numbers are right-aligned by their heading's leading space."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        side: Literal["left", "right"] = "right" if name.startswith(" ") else "left"
        # A run's id is there to be copied, so it is never cut to fit.
        width = _RUN_ID_WIDTH if name == "run" else None
        table.add_column(name.strip(), justify=side, min_width=width)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console = _console()
    console.print(table)
    console.print()


def print_outcome(outcome: Outcome, summaries: Sequence[RunSummary], results: Path) -> None:
    """Print the scores of the runs just evaluated, and what they cost."""
    console = _console()
    head = ("task", " score", " 95 % interval", " n", " truncated", " no answer", " loops")
    by_model: dict[str, list[RunSummary]] = {}
    for summary in summaries:
        by_model.setdefault(summary.fingerprint, []).append(summary)
    for of_a_model in by_model.values():
        one = of_a_model[0]
        console.print(_plain(f"\n{one.model}  ({one.computed_by})"))
        print_table((*head, " tok/s", "run"), [_score_row(summary) for summary in of_a_model])
    phases = outcome.total
    times = (("start", phases.start), ("generate", phases.generate), ("grade", phases.grade))
    spent = "   ".join(f"{name} {seconds:.1f} s" for name, seconds in times)
    console.print(
        _plain(f"{spent}   ({phases.generated} generated, {outcome.stored} from the store)")
    )
    if "cost_usd" in phases.usage:
        console.print(_plain(f"cost ${phases.usage['cost_usd']:,.4f}"))
    for summary in summaries:
        _warn_of_infrastructure(console, summary)
        if not summary.complete:
            missing = summary.requests - summary.graded
            text = f"{summary.task}: {missing} samples are missing; run the same command again."
            console.print(_plain(text, style="bold red"))
    console.print(
        _plain(f"stored in {results}; `harness show {summaries[0].id} --wrong` shows why")
    )


def _score_row(summary: RunSummary) -> tuple[str, ...]:
    score, speed = summary.score, summary.tokens_per_second
    return (
        summary.task,
        _percent(score.value) if score else "–",
        f"{100 * score.low:.1f} – {100 * score.high:.1f}" if score else "–",
        _scored(summary),
        f"{_percent(summary.truncated)} %",
        f"{_percent(summary.no_answer)} %",
        f"{_percent(summary.loops)} %",
        f"{speed:,.0f}" if speed else "–",
        summary.id,
    )


def _scored(summary: RunSummary) -> str:
    """Say how many items a score rests on, and of how many where that is not all of them."""
    items = summary.score.items if summary.score else 0
    count = f"{items}" if summary.complete else f"{items} of {summary.items}"
    return count + (f" × {summary.samples}" if summary.samples > 1 else "")


def _warn_of_infrastructure(console: Console, summary: RunSummary) -> None:
    if summary.bounds is None or summary.bounds[0] == summary.bounds[1]:
        return
    low, high = (_percent(bound) for bound in summary.bounds)
    loud = summary.bounds[1] - summary.bounds[0] > 0.005
    console.print(
        _plain(
            f"{summary.task}: the grader failed on some answers (counted wrong): the score lies "
            f"between {low} and {high}.",
            style="bold red" if loud else "",
        )
    )


def print_runs(summaries: Sequence[RunSummary]) -> None:
    """Print one line a run."""
    head = ("run", "model", "task", " score", " n", " done", "when")
    rows = [
        (
            summary.id,
            summary.model,
            summary.task,
            percent_interval(summary.score) if summary.score else "–",
            _scored(summary),
            "all" if summary.complete else f"{summary.graded} of {summary.requests}",
            f"{summary.created_at:%Y-%m-%d %H:%M}",
        )
        for summary in summaries
    ]
    print_table(head, rows)


def print_samples(summary: RunSummary, samples: Sequence[Sample]) -> None:
    """Print samples one under the other, every text of a model as plain text."""
    console = _console()
    for sample in samples:
        verdict = "right" if sample.correct else f"wrong ({sample.status or 'not graded yet'})"
        console.print(Rule(_plain(f"{sample.item_id} · sample {sample.sample_index} · {verdict}")))
        for label, text in (
            *_texts(summary, sample),
            ("finish", f"{sample.finish_reason}, {sample.completion_tokens or '?'} tokens"),
        ):
            if text:
                console.print(_plain(f"{label:>9}  ", style="bold"), _plain(text), sep="")
    console.print(_plain(f"\n{len(samples)} samples of {summary.task} by {summary.model}"))
    fault = summary.made_with.chat.get("template_fault")
    if fault:
        console.print(_plain(f"chat template of the model: {fault}"))


def _texts(summary: RunSummary, sample: Sample) -> list[tuple[str, str]]:
    """Return what was asked, written and found; nothing of it for a restricted run."""
    if summary.restricted:
        return [("text", "not shown: this benchmark asks that its text is kept to itself")]
    return [
        ("question", sample.question or ""),
        ("thought", sample.thought),
        ("answer", sample.answer),
        ("extracted", f"{sample.extracted or '–'}  ({sample.extraction or 'none'})"),
        ("gold", sample.gold or ""),
    ]


def print_checks(found: Sequence[Findings], missing: Sequence[tuple[str, str]]) -> None:
    """Print what the checks of the tasks' own data found."""
    head = ("task", " items", " unparsed", " unequal", " confused", " duplicates", "state")
    rows = [
        (
            findings.task,
            f"{findings.items}",
            *(
                f"{len(found)}"
                for found in (findings.unparsed, findings.unequal, findings.confused)
            ),
            f"{len(findings.duplicates)}",
            "sound" if findings.sound else "NOT SOUND",
        )
        for findings in found
    ]
    print_table(head, rows)
    console = _console()
    for findings in found:
        for label, ids in (
            ("gold cannot be read", findings.unparsed),
            ("gold does not equal itself", findings.unequal),
            ("gold is taken for its neighbour's", findings.confused),
            ("same question", ["=".join(group) for group in findings.duplicates]),
            ("same question, other gold", ["=".join(group) for group in findings.conflicting]),
            *findings.noted.items(),
        ):
            if ids:
                listed = ", ".join(ids)
                console.print(_plain(f"{findings.task}: {label} ({len(ids)}): {listed}"))
    for name, reason in missing:
        console.print(_plain(f"{name}: not checked: {reason}", style="yellow"))


def print_report(summary: Report) -> None:
    """Print how a file of answers was judged."""
    counted = ", ".join(f"{name} {count}" for name, count in sorted(summary.statuses.items()))
    times = ", ".join(f"{name} {1000 * time:.1f} ms" for name, time in summary.latency.items())
    lines = [
        f"{summary.pairs} pairs, {_percent(summary.correct)} % right   ({counted})",
        f"{summary.pairs_per_second:,.0f} pairs/s; CPU time of one: {times}",
    ]
    if summary.accuracy is not None:
        lines.append(
            f"against {summary.labelled} labels: {_percent(summary.accuracy)} % agree, "
            f"{len(summary.false_positives)} wrong ones accepted, "
            f"{len(summary.false_negatives)} right ones rejected"
        )
        for label, ids in (
            ("accepted", summary.false_positives),
            ("rejected", summary.false_negatives),
        ):
            if ids:
                lines.append(f"wrongly {label}: {', '.join(ids)}")
    console = _console()
    for line in lines:
        console.print(_plain(line))


def print_matched(matched: Matched, unmatched: Sequence[str], ours: bool) -> None:
    """Print how many responses of a file were taken in, and a few of the questions left out.

    Args:
        matched: What was found.
        unmatched: The questions that may be shown.
        ours: They were looked for among a task's items.
    """
    from harness.importing import shortened

    console = _console()
    count, total = len(matched.kept), len(matched.kept) + matched.left_out
    if not ours:
        console.print(_plain(f"{count} of {total} responses, judged by the file's own golds"))
        return
    console.print(_plain(f"{count} of {total} responses answer items of the task"))
    if missing := len(matched.unmatched):
        console.print(_plain(f"{missing} questions are not items of the task and were left out"))
    for question in unmatched[:_LISTED_QUESTIONS]:
        console.print(_plain(f"  {shortened(question)}"), overflow="ellipsis", no_wrap=True)
    if len(unmatched) > _LISTED_QUESTIONS:
        more = len(unmatched) - _LISTED_QUESTIONS
        console.print(_plain(f"  and {more} more, which --json lists"))


def print_import(run_id: str, agreed: Agreement, notes: Sequence[str]) -> None:
    """Print how our grades and a log's own compare, and what the log lacks."""
    console = _console()
    if agreed.share is not None:
        console.print(
            _plain(
                f"our grades and the source's agree on {_percent(agreed.share)} % of "
                f"{agreed.judged} responses: right to us alone {agreed.only_ours}, right to the "
                f"source alone {agreed.only_source}"
            )
        )
        if agreed.share < 1:
            console.print(_plain(f"`harness show {run_id} --disagree strict,source` shows them"))
    for note in notes:
        console.print(_plain(note, style="yellow"))


def print_findings(findings: Sequence[Finding]) -> None:
    """Print what the doctor found."""
    console = _console()
    for finding in findings:
        mark, style = _MARKS[finding.level]
        console.print(
            _plain(f"{mark} ", style=style), _plain(f"{finding.what}: {finding.found}"), sep=""
        )
        if finding.remedy:
            console.print(_plain(f"    → {finding.remedy}"))


def outcome_json(outcome: Outcome, summaries: Sequence[RunSummary]) -> dict[str, Any]:
    """Return an evaluation's outcome for a script."""
    phases = outcome.total
    return {
        "runs": [run_json(summary) for summary in summaries],
        "generated": phases.generated,
        "stored": outcome.stored,
        "completion_tokens": phases.completion_tokens,
        "seconds": {"start": phases.start, "generate": phases.generate, "grade": phases.grade},
        "models": [asdict(of_a_model) for of_a_model in outcome.phases],
        "failed": [{"model": one.model, "error": str(one.error)} for one in outcome.failed],
    }


def run_json(summary: RunSummary) -> dict[str, Any]:
    """Return a run for a script; shares are in [0, 1]."""
    told = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(summary).items()
    }
    return told | {
        "complete": summary.complete,
        "tokens_per_second": summary.tokens_per_second,
    }


def samples_json(summary: RunSummary, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return samples for a script; a restricted run's texts are left out."""
    kept_back = ("question", "thought", "answer", "extracted", "gold")
    hidden = dict.fromkeys(kept_back) if summary.restricted else {}
    return [asdict(sample) | hidden for sample in samples]


def _console() -> Console:
    """Return standard output; where it is no terminal, wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)


def _plain(text: str, style: str = "") -> Text:
    """Return text without markup or control characters: much of it is a model's or a stranger's."""
    return Text(clean(text), style=style)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def percent_interval(estimate: Estimate) -> str:
    """Return a score and its interval in percent."""
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"

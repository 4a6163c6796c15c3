"""What the command line prints: progress, tables, samples, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from harness.analysis.completeness import CAVEAT, caveat
from harness.grading import GRADER_VERSION
from harness.statistics.intervals import Estimate
from harness.text import (
    clean,
    duration,
    harness_command,
    interval,
    percent,
    percent_interval,
    whole,
)

if TYPE_CHECKING:
    from harness.cli.doctor import Finding
    from harness.interop.grade_file import Report
    from harness.interop.import_run import Agreement, Matched
    from harness.run.evaluate import Outcome
    from harness.run.regrade import Regraded
    from harness.store.queries import RunSummary
    from harness.store.samples import Sample

_LISTED_QUESTIONS = 5
_RUN_ID_WIDTH = 12
_WIDTH_OF_A_FILE = 120
_MARKS = {"fine": ("✓", "green"), "missing": ("–", "yellow"), "broken": ("✗", "red")}


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; numbers are right-aligned by their heading's leading space."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        side: Literal["left", "right"] = "right" if name.startswith(" ") else "left"
        # A run's id is there to be copied, so it is never cut to fit.
        width = _RUN_ID_WIDTH if name == "run" else None
        table.add_column(name.strip(), justify=side, min_width=width)
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console = new_console()
    console.print(table)
    console.print()


def print_evaluation(
    outcome: Outcome,
    summaries: Sequence[RunSummary],
    results: Path,
    unparsed: Mapping[str, int],
) -> None:
    """Print the scores of the runs just evaluated, and what they cost.

    Args:
        outcome: What the evaluation did.
        summaries: Of its runs.
        results: The results file.
        unparsed: By run, how many answers the grader could not read or compare.
    """
    console = new_console()
    head = ("task", " score", " 95 % interval", " n", " truncated", " no answer", " loops")
    by_model: dict[str, list[RunSummary]] = {}
    for summary in summaries:
        by_model.setdefault(summary.fingerprint, []).append(summary)
    for of_a_model in by_model.values():
        one = of_a_model[0]
        console.print(plain(f"\n{one.model}  ({one.computed_by})"))
        print_table((*head, " tok/s", "run"), [_score_row(summary) for summary in of_a_model])
    stats = outcome.total
    times = (("start", stats.start), ("generate", stats.generate), ("grade", stats.grade))
    spent = "   ".join(f"{name} {duration(seconds)}" for name, seconds in times)
    console.print(
        plain(f"{spent}   ({stats.generated} generated, {outcome.stored} from the store)")
    )
    if "cost_usd" in stats.usage:
        console.print(plain(f"cost ${stats.usage['cost_usd']:,.4f}"))
    for summary in summaries:
        _warn_of_grader_failures(console, summary)
        _print_unparsed_note(console, summary, unparsed[summary.id])
        if not summary.complete:
            text = f"{summary.task}: {caveat(summary)}; run the same command again to go on."
            console.print(plain(text, style="bold red"))
    wrong = harness_command("show", summaries[0].id, "--wrong", results=results)
    console.print(plain(f"stored in {results}; `{wrong}` shows why"), soft_wrap=True)


def _score_row(summary: RunSummary) -> tuple[str, ...]:
    score, speed = summary.score, summary.tokens_per_second
    return (
        summary.task,
        percent(score.value) if score else _partial_score(summary),
        interval(score.low, score.high) if score else _state(summary),
        _item_count(summary),
        f"{percent(summary.truncated)} %",
        f"{percent(summary.no_answer)} %",
        f"{percent(summary.loops)} %",
        whole(speed or None),
        summary.id,
    )


def _item_count(summary: RunSummary) -> str:
    """Say how many items a score rests on, and of how many where that is not all of them."""
    judged = summary.score or summary.so_far
    items = judged.items if judged else 0
    count = f"{items}" if summary.complete else f"{items} of {summary.items}"
    return count + (f" × {summary.samples}" if summary.samples > 1 else "")


def _partial_score(summary: RunSummary) -> str:
    return percent(summary.so_far.value) if summary.so_far else "–"


def _state(summary: RunSummary) -> str:
    """Say in place of an interval why there is none."""
    return "–" if summary.complete else "incomplete"


def _warn_of_grader_failures(console: Console, summary: RunSummary) -> None:
    if summary.bounds is None or summary.bounds[0] == summary.bounds[1]:
        return
    low, high = (percent(bound) for bound in summary.bounds)
    loud = summary.bounds[1] - summary.bounds[0] > 0.005
    console.print(
        plain(
            f"{summary.task}: the grader failed on some answers (counted wrong): the score lies "
            f"between {low} and {high}.",
            style="bold red" if loud else "",
        )
    )


def _print_unparsed_note(console: Console, summary: RunSummary, unparsed: int) -> None:
    if unparsed:
        console.print(
            plain(
                f"{summary.task}: {unparsed} of {summary.graded} answers could not be read or "
                "compared, and count as wrong (status unparsed)"
            )
        )


def print_runs(summaries: Sequence[RunSummary], results: Path) -> None:
    """Print one line a run of this results file."""
    head = ("run", "model", "task", " score", " n", " done", "when")
    rows = [
        (
            summary.id,
            summary.model,
            summary.task,
            percent_interval(summary.score)
            if summary.score
            else f"{_partial_score(summary)} {_state(summary)}"
            if summary.so_far
            else "–",
            _item_count(summary),
            "all" if summary.complete else f"{summary.graded} of {summary.requests}",
            f"{summary.created_at:%Y-%m-%d %H:%M}",
        )
        for summary in summaries
    ]
    print_table(head, rows)
    print_incomplete_note(summaries, results)
    older = [summary for summary in summaries if _by_another_grader(summary)]
    if older:
        which = older[0].id if len(older) == 1 else "all"
        versions = dict.fromkeys(_versions(summary) for summary in older)
        print_note(
            f"{len(older)} of these runs were judged by another version of the grader than "
            f"{GRADER_VERSION} ({', '.join(versions)}); "
            f"`{harness_command('regrade', which, results=results)}` judges again"
        )


def print_incomplete_note(summaries: Sequence[RunSummary], results: Path) -> None:
    """Print how many of these runs are incomplete, and what that means; nothing where none is."""
    incomplete = [summary for summary in summaries if not summary.complete]
    if not incomplete:
        return
    stopped = sum(summary.stopped_by is not None for summary in incomplete)
    by_gates = f" ({stopped} stopped by a gate)" if stopped else ""
    score = harness_command("score", incomplete[0].id, results=results)
    print_note(
        f"{len(incomplete)} of these runs {'are' if len(incomplete) > 1 else 'is'} incomplete"
        f"{by_gates}; {CAVEAT}; `{score}` says how to go on with it"
    )


def _by_another_grader(summary: RunSummary) -> bool:
    # Our own versions are whole numbers; other harnesses' judgements carry their names.
    ours = [version for version in summary.grader_versions if version.isdigit()]
    return any(version != GRADER_VERSION for version in ours)


def _versions(summary: RunSummary) -> str:
    return " and ".join(summary.grader_versions)


def _print_version_note(console: Console, summary: RunSummary, results: Path) -> None:
    if _by_another_grader(summary):
        again = harness_command("regrade", summary.id, results=results)
        console.print(
            plain(
                f"judged by version {_versions(summary)} of the grader; `{again}` judges by "
                f"version {GRADER_VERSION}"
            ),
            soft_wrap=True,
        )


def print_score(
    summary: RunSummary, reducer: str, estimate: Estimate, remedy: str, results: Path
) -> None:
    """Print a run's score by a reducer, and of how many of its items it is.

    Args:
        summary: The run.
        reducer: Its name.
        estimate: The score; its interval is printed for a complete run only.
        remedy: How an incomplete run is completed.
        results: The results file.
    """
    missing = f" of {summary.items}" if estimate.items < summary.items else ""
    score = percent_interval(estimate) if summary.complete else percent(estimate.value)
    console = new_console()
    console.print(plain(f"{summary.id}  {reducer}  {score}  n {estimate.items}{missing}"))
    if not summary.complete:
        console.print(plain(f"{caveat(summary)}. {remedy}", style="yellow"), soft_wrap=True)
    _print_version_note(console, summary, results)


def print_samples(
    summary: RunSummary, samples: Sequence[Sample], unparsed: int, results: Path
) -> None:
    """Print samples one under the other, every text of a model as plain text.

    Args:
        summary: Of their run.
        samples: The samples.
        unparsed: How many of the run's answers the grader could not read or compare.
        results: The results file.
    """
    console = new_console()
    for sample in samples:
        verdict = "right" if sample.correct else f"wrong ({sample.status or 'not graded yet'})"
        console.print(Rule(plain(f"{sample.item_id} · sample {sample.sample_index} · {verdict}")))
        for label, text in (
            *_texts(summary, sample),
            ("finish", f"{sample.finish_reason}, {sample.completion_tokens or '?'} tokens"),
        ):
            if text:
                console.print(plain(f"{label:>9}  ", style="bold"), plain(text), sep="")
    console.print(plain(f"\n{len(samples)} samples of {summary.task} by {summary.model}"))
    if not summary.complete:
        console.print(plain(caveat(summary), style="yellow"))
    fault = summary.made_with.chat.get("template_fault")
    if fault:
        console.print(plain(f"chat template of the model: {fault}"))
    _print_unparsed_note(console, summary, unparsed)
    _print_version_note(console, summary, results)


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


def print_report(summary: Report) -> None:
    """Print how a file of answers was judged."""
    counted = ", ".join(f"{name} {count}" for name, count in sorted(summary.statuses.items()))
    times = ", ".join(f"{name} {1000 * time:.1f} ms" for name, time in summary.latency.items())
    lines = [
        f"{summary.pairs} pairs, {percent(summary.correct)} % right   ({counted})",
        f"{summary.pairs_per_second:,.0f} pairs/s; CPU time of one: {times}",
    ]
    if summary.accuracy is not None:
        lines.append(
            f"against {summary.labelled} labels: {percent(summary.accuracy)} % agree, "
            f"{len(summary.false_positives)} wrong ones accepted, "
            f"{len(summary.false_negatives)} right ones rejected"
        )
        for label, ids in (
            ("accepted", summary.false_positives),
            ("rejected", summary.false_negatives),
        ):
            if ids:
                lines.append(f"wrongly {label}: {', '.join(ids)}")
    console = new_console()
    for line in lines:
        console.print(plain(line))


def print_matched(matched: Matched, unmatched: Sequence[str], ours: bool) -> None:
    """Print how many responses of a file were taken in, and a few of the questions left out.

    Args:
        matched: What was found.
        unmatched: The questions that may be shown.
        ours: They were looked for among a task's items.
    """
    from harness.interop.import_run import shortened

    console = new_console()
    count, total = len(matched.kept), len(matched.kept) + matched.left_out
    if not ours:
        console.print(
            plain(f"{count} of {total} responses, graded by the file's own reference answers")
        )
        return
    console.print(plain(f"{count} of {total} responses answer items of the task"))
    if missing := len(matched.unmatched):
        console.print(plain(f"{missing} questions are not items of the task and were left out"))
    for question in unmatched[:_LISTED_QUESTIONS]:
        console.print(plain(f"  {shortened(question)}"), overflow="ellipsis", no_wrap=True)
    if len(unmatched) > _LISTED_QUESTIONS:
        more = len(unmatched) - _LISTED_QUESTIONS
        console.print(plain(f"  and {more} more, which --json lists"))


def print_import(run_id: str, agreed: Agreement, notes: Sequence[str], results: Path) -> None:
    """Print how our grades and a log's own compare, and what the log lacks."""
    console = new_console()
    if agreed.share is not None:
        console.print(
            plain(
                f"our grades and the source's agree on {percent(agreed.share)} % of "
                f"{agreed.judged} responses: right to us alone {agreed.only_ours}, right to the "
                f"source alone {agreed.only_source}"
            )
        )
        if agreed.share < 1:
            words = ("show", run_id, "--disagree", "strict,source")
            shows = harness_command(*words, results=results)
            console.print(plain(f"`{shows}` shows them"), soft_wrap=True)
    for note in notes:
        console.print(plain(note, style="yellow"), soft_wrap=True)


def print_regraded(done: Regraded, profile: str, *, list_changes: bool, hidden: bool) -> None:
    """Print how many generations of a run were judged again, and what changed.

    Args:
        done: What was done.
        profile: Whose rules judged.
        list_changes: Print each sample whose verdict changed.
        hidden: The run is restricted: of its answers nothing is shown.
    """
    console = new_console()
    before = [f"{count} by version {version}" for version, count in done.replaced.items()]
    new = done.judged - sum(done.replaced.values())
    before += [f"{new} not judged before"] if new else []
    replaced = f" ({', '.join(before)})" if before else ""
    changed = f": {done.gained} wrong → right, {done.lost} right → wrong" if done.replaced else ""
    console.print(
        plain(
            f"{done.run_id}  {done.task}: {done.judged} generations judged by {profile}, version "
            f"{GRADER_VERSION}{replaced}{changed}"
        ),
        soft_wrap=True,
    )
    from harness.interop.import_run import shortened

    for change in done.changes if list_changes else ():
        way = "wrong → right" if change.after.correct else "right → wrong"
        texts = (change.before.extracted or "–", change.after.extracted or "–")
        answers = "" if hidden else "  " + "  →  ".join(map(shortened, texts))
        status = f"{change.before.status} → {change.after.status}"
        console.print(
            plain(f"  {change.item_id} · sample {change.sample_index}: {way} ({status}){answers}"),
            soft_wrap=True,
        )


def regraded_json(done: Regraded, *, hidden: bool) -> dict[str, Any]:
    """Return what judging a run again changed for a script; restricted answers are left out."""
    fields = asdict(done) | {"gained": done.gained, "lost": done.lost}
    for change in fields["changes"] if hidden else ():
        for grade in (change["before"], change["after"]):
            grade["extracted"] = None
    return fields


def print_note(text: str) -> None:
    """Print one line that the user should not miss; a command in it can be copied."""
    new_console().print(plain(text, style="yellow"), soft_wrap=True)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print what the doctor found."""
    console = new_console()
    for finding in findings:
        mark, style = _MARKS[finding.level]
        console.print(
            plain(f"{mark} ", style=style), plain(f"{finding.what}: {finding.found}"), sep=""
        )
        if finding.remedy:
            console.print(plain(f"    → {finding.remedy}"), soft_wrap=True)


def outcome_json(outcome: Outcome, summaries: Sequence[RunSummary]) -> dict[str, Any]:
    """Return an evaluation's outcome for a script."""
    stats = outcome.total
    return {
        "runs": [run_json(summary) for summary in summaries],
        "generated": stats.generated,
        "stored": outcome.stored,
        "completion_tokens": stats.completion_tokens,
        "seconds": {"start": stats.start, "generate": stats.generate, "grade": stats.grade},
        "models": [asdict(one) for one in outcome.sessions],
        "failed": [{"model": one.model, "error": str(one.error)} for one in outcome.failed],
    }


def run_json(summary: RunSummary) -> dict[str, Any]:
    """Return a run for a script; shares are in [0, 1]."""
    fields = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(summary).items()
    }
    return fields | {
        "complete": summary.complete,
        "tokens_per_second": summary.tokens_per_second,
    }


def samples_json(summary: RunSummary, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return samples for a script; a restricted run's texts are left out."""
    kept_back = ("question", "thought", "answer", "extracted", "gold")
    hidden = dict.fromkeys(kept_back) if summary.restricted else {}
    return [asdict(sample) | hidden for sample in samples]


def new_console() -> Console:
    """Return standard output; where it is no terminal, wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)


def plain(text: str, style: str = "") -> Text:
    """Return text without markup or control characters: much of it is a model's or a stranger's."""
    return Text(clean(text), style=style)

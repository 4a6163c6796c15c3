"""A report for the browser in one file: no script, nothing loaded from elsewhere, light and dark.

Everything in it is escaped; what models wrote stands in ``<pre>`` and nowhere else. A content
security policy in its head forbids the browser whatever slips through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from harness.analysis.completeness import WHY, describe_progress
from harness.interop.export.protocol import groups, in_words, kind, truncation
from harness.interop.export.style import STYLE
from harness.statistics import ranking
from harness.statistics.intervals import Estimate, suite
from harness.store import Store, published, queries, samples
from harness.store.published import PublishedScore
from harness.store.queries import RunSummary
from harness.store.samples import Sample
from harness.text import NONE, clean, interval, percent, rank_range, whole

_SHOWN_WRONG = 3
_LONGEST_TEXT = 4000
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LEVELS = (0, 25, 50, 75, 100)


def render(store: Store, runs: Sequence[RunSummary], profile: str) -> str:
    """Return the report as one page of HTML.

    Args:
        store: The results file, for published scores, items' scores and samples.
        runs: What to report.
        profile: Whose grades the scores are of.
    """
    tasks = {task: [run for run in runs if run.task == task] for task in _tasks(runs)}
    printed: dict[str, list[PublishedScore]] = {}
    for score in published.scores(store):
        printed.setdefault(score.task, []).append(score)
    together = {task: groups(of_task) for task, of_task in tasks.items()}
    ranks = _ranks(store, tasks, profile)
    body = [
        "<h1>Evaluation report</h1>",
        f"<p>{len({run.fingerprint for run in runs})} models, {len(tasks)} benchmarks, "
        f"{len(runs)} runs. Scores are percent right as judged by the profile "
        f"<b>{_text(profile)}</b>, with 95&nbsp;% intervals over items. Written "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>",
        _legend(),
        _overview(tasks, together),
    ]
    for task in tasks:
        body.append(_task(store, task, together[task], printed.get(task, []), ranks, profile))
    return _PAGE.format(style=STYLE, body="\n".join(body))


def _tasks(runs: Sequence[RunSummary]) -> list[str]:
    return sorted({run.task for run in runs})


def _legend() -> str:
    return (
        '<p class="note"><span class="tag measured">measured</span> generated and judged by this '
        'harness. <span class="tag imported">imported</span> generated elsewhere, judged by this '
        'harness. <span class="tag published">published</span> a number somebody else printed: '
        "nothing of it was checked, and no test against it is possible; its interval is what "
        "chance alone would leave, assuming one answer for each item of the benchmark. A run that "
        f"is <b>incomplete</b> has neither interval nor rank: {WHY}.</p>"
    )


def _overview(
    tasks: Mapping[str, Sequence[RunSummary]],
    together: Mapping[str, Sequence[Sequence[RunSummary]]],
) -> str:
    """Return the models by benchmarks, ranked by the mean over what was asked of all alike."""
    best: dict[str, dict[str, RunSummary]] = {}
    names: dict[str, str] = {}
    for task, runs in tasks.items():
        for run in sorted(runs, key=_preference):
            if run.score is not None or run.so_far is not None:
                best.setdefault(run.fingerprint, {}).setdefault(task, run)
                names[run.fingerprint] = run.model
    if not best:
        return "<p>Nothing has been graded yet.</p>"
    shared = [
        task
        for task in tasks
        if all(task in of_model for of_model in best.values())
        and _alike([of_model[task] for of_model in best.values()])
    ]
    letters = {task: _letters(of_task) for task, of_task in together.items()}
    averages: dict[str, Estimate | None] = {
        model: suite([score for task in shared if (score := of_model[task].score)])
        if shared
        else None
        for model, of_model in best.items()
    }
    ordered = sorted(best, key=lambda model: (-_value(averages[model]), names[model]))
    if shared:
        said = (
            "The mean is over what every model here has finished, on the same items under the same "
            f"protocol: {', '.join(map(_text, shared))}."
        )
    else:
        said = (
            "No benchmark was finished by every model here on the same items under the same "
            "protocol, so there is no mean to rank by."
        )
    head = ["model", *([f"mean of {len(shared)}"] if shared else []), *tasks]
    rows = []
    for model in ordered:
        cells = [f'<th scope="row">{_text(names[model])}</th>']
        if shared:
            cells.append(f"<td>{_score(averages[model])}</td>")
        for task in tasks:
            shown = best[model].get(task)
            letter = letters[task].get(shown.id, "") if shown and len(together[task]) > 1 else ""
            cells.append(f"<td>{_run_score(shown) + _mark(shown, letter) if shown else '–'}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<h2>Models</h2><p class="note">{said} Of several runs the complete, longest, newest one '
        "is shown. A letter stands where a benchmark was run under several protocols; the scores "
        "of different letters answer different questions, and the letters are explained below.</p>"
        + _table(head, rows)
    )


def _alike(runs: Sequence[RunSummary]) -> bool:
    """Say whether these runs of one task are finished, of one protocol and on the same items."""
    sets = {run.item_set for run in runs}
    finished = all(run.complete for run in runs)
    return finished and len(sets) == 1 and None not in sets and len(groups(runs)) == 1


def _letters(together: Sequence[Sequence[RunSummary]]) -> dict[str, str]:
    """Name the protocols of one task: A to Z, then AA and so on."""
    found: dict[str, str] = {}
    for number, group in enumerate(together):
        name, rest = "", number + 1
        while rest:
            rest, place = divmod(rest - 1, len(_LETTERS))
            name = _LETTERS[place] + name
        found |= dict.fromkeys((run.id for run in group), name)
    return found


def _preference(run: RunSummary) -> tuple[bool, int, float]:
    return (not run.complete, -run.items, -run.created_at.timestamp())


def _value(estimate: Estimate | None) -> float:
    return estimate.value if estimate else -1.0


def _ranks(
    store: Store, tasks: Mapping[str, Sequence[RunSummary]], profile: str
) -> dict[str, tuple[int, int, int]]:
    """Return best rank, worst rank and how many were ranked, by run.

    Only runs on the same items under one protocol are ranked among themselves.
    """
    found: dict[str, tuple[int, int, int]] = {}
    for runs in tasks.values():
        for group in groups([run for run in runs if run.score and run.complete]):
            by_items: dict[str, list[RunSummary]] = {}
            for run in group:
                if run.item_set:
                    by_items.setdefault(run.item_set, []).append(run)
            for together in by_items.values():
                if len(together) < 2:
                    continue
                ids = [run.id for run in together]
                scores = queries.item_scores(store, ids, profile=profile)
                standings = ranking.standings([scores[run_id] for run_id in ids])
                for run_id, standing in zip(ids, standings, strict=True):
                    found[run_id] = (standing.best_rank, standing.worst_rank, len(ids))
    return found


def _task(
    store: Store,
    task: str,
    together: Sequence[Sequence[RunSummary]],
    printed: Sequence[PublishedScore],
    ranks: Mapping[str, tuple[int, int, int]],
    profile: str,
) -> str:
    runs = [run for group in together for run in group]
    letters = _letters(together)
    # Incomplete runs come last: their scores are not to be read in one order with the others'.
    rows = [(_value(run.score), _run_row(run, letters[run.id], ranks)) for run in runs]
    rows += [(score.score, _published_row(score)) for score in printed]
    rows.sort(key=lambda row: -row[0])
    head = [
        "model", "score, % [95 % interval]", "0 to 100 %, line: interval", "rank", "items",
        "truncated", "no answer", "tokens", "protocol", "date", "source",
    ]  # fmt: skip
    protocols = "".join(
        f"<li><b>{letters[group[0].id]}</b> {_text(in_words(group[0]))}</li>" for group in together
    )
    warning = (
        "<p><b>These runs were made under different protocols, or judged by different versions of "
        "the grader; scores under different letters answer different questions.</b></p>"
        if len(together) > 1
        else ""
    )
    return (
        f'<h2 id="{_text(task)}">{_text(task)}</h2>{warning}'
        f"{_table(head, [row for _, row in rows])}"
        f'<p class="note">Protocols:</p><ul class="note">{protocols}</ul>'
        f"{_wrong(store, runs, profile)}"
    )


def _run_row(run: RunSummary, letter: str, ranks: Mapping[str, tuple[int, int, int]]) -> str:
    who, cut_off = kind(run), truncation(run)
    place = ranks.get(run.id)
    rank = f"{rank_range(*place[:2])} of {place[2]}" if place else NONE
    judged = run.score or run.so_far
    items = f"{judged.items if judged else 0}"
    items += "" if run.complete else f" of {run.items}"
    items += f" × {run.samples}" if run.samples > 1 else ""
    cells = [
        f'<th scope="row">{_text(run.model)}<br><span class="tag {who}">{who}</span></th>',
        f"<td>{_run_score(run)}</td>",
        f"<td>{_dot(run.score, who)}</td>",
        f"<td>{rank}</td>",
        f"<td>{items}</td>",
        f"<td>{'–' if cut_off is None else percent(cut_off) + '&nbsp;%'}</td>",
        f"<td>{percent(run.no_answer)}&nbsp;%</td>",
        f"<td>{whole(run.completion_tokens or None)}</td>",
        f"<td>{letter}</td>",
        f"<td>{run.created_at:%Y-%m-%d}</td>",
        f'<td class="source">run {_text(run.id)}, {_text(run.engine)}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _published_row(score: PublishedScore) -> str:
    estimate = published.assumed(score)
    known = (("note", score.note), ("in doubt", published.doubts(score)))
    note = "".join(
        f'<br><span class="doubt">{what}: {_text(text)}</span>' for what, text in known if text
    )
    cells = [
        f'<th scope="row">{_text(score.model)}<br><span class="tag published">published</span> '
        f"<small>{_text(score.method)}</small></th>",
        f"<td>{_score(estimate)}<br><small>assumed</small></td>"
        if estimate
        else f"<td>{percent(score.score)}</td>",
        f"<td>{_dot(estimate, 'published')}</td>",
        "<td>no test possible</td>",
        *["<td>–</td>"] * 4,
        f'<td class="source">{_text(score.metric)}</td>',
        "<td>–</td>",
        f'<td class="source">{_text(score.source)}{note}</td>',
    ]
    return f'<tr class="published">{"".join(cells)}</tr>'


def _wrong(store: Store, runs: Sequence[RunSummary], profile: str) -> str:
    """Return the first wrong samples of each run, folded; nothing of restricted ones."""
    found = []
    for run in runs:
        if run.restricted:
            found.append(
                f'<p class="note">{_text(run.model)}: no samples are shown, since this benchmark '
                "asks that its text is kept to itself.</p>"
            )
            continue
        wrong = samples.of_run(store, run.id, only_wrong=True, limit=_SHOWN_WRONG, profile=profile)
        if wrong:
            inner = "".join(map(_sample, wrong))
            found.append(
                f"<details><summary>{_text(run.model)} ({_text(run.id)}): the first "
                f"{len(wrong)} samples that were wrong</summary>{inner}</details>"
            )
    return "".join(found)


def _sample(sample: Sample) -> str:
    parts = [
        ("question", sample.question or ""),
        ("thought", sample.thought),
        ("answer", sample.answer),
        ("extracted", sample.extracted or ""),
        ("gold", sample.gold or ""),
    ]
    shown = "".join(
        f"<h4>{name}</h4><pre>{_text(_cut(text))}</pre>" for name, text in parts if text
    )
    verdicts = {None: "not graded yet", "ok": "wrong"}
    verdict = verdicts.get(sample.status, f"wrong ({sample.status})")
    finish = f"{verdict}, finish reason {sample.finish_reason}"
    return (
        f"<h3>item {_text(sample.item_id)}, sample {sample.sample_index}: {_text(finish)}</h3>"
        f"{shown}"
    )


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}\n[… {len(text) - _LONGEST_TEXT:,} more characters]"


def _run_score(run: RunSummary) -> str:
    if run.so_far is None:
        return _score(run.score)
    progress = _text(describe_progress(run))
    return f'{percent(run.so_far.value)} <span class="doubt">incomplete: {progress}</span>'


def _score(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{percent(estimate.value)} <small>{interval(estimate.low, estimate.high)}</small>"


def _mark(run: RunSummary, letter: str) -> str:
    protocol = f" <b>{letter}</b>" if letter else ""
    who = "" if kind(run) == "measured" else ' <span class="tag imported">imported</span>'
    return protocol + who


def _dot(estimate: Estimate | None, who: str) -> str:
    """Draw a score with its interval on a line from 0 to 100 %."""
    if estimate is None:
        return "–"
    low, high, value = (100 * part for part in (estimate.low, estimate.high, estimate.value))
    grid = "".join(f'<line class="grid" x1="{x}" x2="{x}" y1="1" y2="12"/>' for x in _LEVELS)
    shape = (
        f'<rect class="dot" x="{value - 2.5:.1f}" y="4" width="5" height="5"/>'
        if who == "published"
        else f'<circle class="dot" cx="{value:.1f}" cy="6.5" r="2.6"/>'
    )
    return (
        f'<svg class="{who}" viewBox="-4 0 108 13" role="img" '
        f'aria-label="{value:.1f} percent, interval {low:.1f} to {high:.1f}">{grid}'
        f'<line class="reach" x1="{low:.1f}" x2="{high:.1f}" y1="6.5" y2="6.5"/>{shape}</svg>'
    )


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="table"><table><thead>'
        f"<tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _text(text: str | None) -> str:
    """Escape a text for HTML, in an attribute too; control characters are replaced."""
    return escape(clean(text or ""), quote=True)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Evaluation report</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

"""``train-cft review``: review queued critiques."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import RESULTS, JsonOption, ResultsOption, recovered
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.statistics.intervals import Estimate
    from harness.store import Store
    from harness.store.training import CritiqueRow
    from train_cft.critic.review_stats import Findings

_REASONS = ("conflict", "unreadable", "bare", "audit")
_SKIP, _STOP = "s", "q"


def review(
    reason: Annotated[
        str | None,
        typer.Option(help="Only those queued for it: conflict, unreadable, bare or audit."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Who reviews; the user's name if not given.")
    ] = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Say what the reviews so far have found.")
    ] = False,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Review critiques in the terminal: is the response right, is the critique free of mistakes?

    The question, its reference answer and the response come first, the critique after your verdict
    on the response. What our grader said, and why the critique was queued, is shown when you have
    answered.
    """
    from harness.errors import nearest
    from harness.store.training import critiques_to_review

    if reason is not None and reason not in _REASONS:
        raise HarnessError(f"--reason {reason!r} is not known. {nearest(reason, _REASONS)}")
    store = recovered(results)
    if stats:
        _print_stats(store, reason, as_json=as_json)
        return
    waiting, total = critiques_to_review(store, reason=reason, limit=limit)
    if as_json:
        print(json.dumps({"total": total, "critiques": [_as_json(row) for row in waiting]}))
        return
    if not waiting:
        print("nothing waits for review; `train-cft review --stats` says what was found")
        return
    done = _go_through(store, waiting, total, reviewer or getpass.getuser())
    print(f"{done} reviewed, {total - done} still wait")


def _go_through(store: Store, waiting: list[CritiqueRow], total: int, reviewer: str) -> int:
    """Ask about one critique after the other until the end of the queue or of the input."""
    from harness.store.reviews import review_critique
    from harness.text import clean

    done = 0
    for number, row in enumerate(waiting, start=1):
        try:
            answers = _ask(row, f"{number} of {total}")
        except (EOFError, KeyboardInterrupt):
            print()
            break
        if answers is None:
            continue
        right, sound, note = answers
        stored = review_critique(
            store, row.id, right=right, sound=sound, note=note, reviewer=reviewer
        )
        done += 1
        how = "stored" if stored else "it waits in a journal, because the results file is in use"
        reason = clean(row.reason)
        print(f"{how}; queued as {reason}, our grader said {_verdict(row.graded_right)}\n")
    return done


def _ask(row: CritiqueRow, place: str) -> tuple[bool, bool | None, str] | None:
    """Show one critique and ask; return the answers, ``None`` where it is skipped.

    Raises:
        EOFError: The reviewer has had enough.
    """
    # Not why it was queued: of a conflict with our grader, that and the critique give its verdict.
    _rule(f"{place} · by {row.critic} · {row.source}")
    _show("question", row.question)
    _show("reference answer", row.gold or "not known")
    _show("response", row.response)
    right = _choose("is the response right? [r]ight, [w]rong", {"r": True, "w": False})
    if right is None:
        return None
    _show("critique", row.critique)
    sound = _choose("is the critique free of mistakes? [y]es, [n]o", {"y": True, "n": False})
    return right, sound, input("a note, or Enter: ").strip()


def _choose(question: str, answers: dict[str, bool]) -> bool | None:
    """Ask until one of the letters is given, or a word that begins with it; ``None`` is a skip."""
    while True:
        given = input(f"{question}, [s]kip, [q]uit: ").strip().lower()[:1]
        if given == _STOP:
            raise EOFError
        if given == _SKIP:
            return None
        if given in answers:
            return answers[given]


def _print_stats(store: Store, reason: str | None, *, as_json: bool) -> None:
    from harness.cli import render
    from harness.store.reviews import review_summaries
    from train_cft.critic.review_stats import findings

    summaries = review_summaries(store)
    found = findings([summary for summary in summaries if reason in (None, summary.reason)])
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return
    critic_head = ("critic", "queued for", " waiting", " reviewed", " conclusion wrong", " unsound")
    render.print_table(critic_head, [_critics_row(one) for one in found])
    grader_head = (
        "our grader",
        "queued for",
        " agrees",
        " accepts wrong ones",
        " rejects right ones",
    )
    render.print_table(grader_head, [_graders_row(one) for one in found])
    if found:
        print(
            "Percent, 95 % intervals, against the reviewers' judgements. Only `audit` was drawn "
            "at random, among critiques without a conflict; the others were queued because of "
            "one, so no row is the critic's error rate on all that it wrote."
        )
    else:
        print("the review queue is empty")


def _critics_row(found: Findings) -> tuple[str, ...]:
    waiting, reviewed = f"{found.waiting:,}", f"{found.reviewed:,}"
    shares = (_percent(found.misjudged), _percent(found.unsound))
    return (found.critic, found.reason, waiting, reviewed, *shares)


def _graders_row(found: Findings) -> tuple[str, ...]:
    errors = (f"{found.wrongly_accepted:,}", f"{found.wrongly_rejected:,}")
    return (f"on {found.critic}", found.reason, _percent(found.agreement), *errors)


def _percent(estimate: Estimate | None) -> str:
    from harness.text import NONE, percent_interval

    return NONE if estimate is None else percent_interval(estimate)


def _as_json(row: CritiqueRow) -> dict[str, Any]:
    return asdict(row) | {"queued_at": row.queued_at.isoformat()} | {"reviewed_at": None}


def _verdict(right: bool | None) -> str:
    return "nothing" if right is None else "right" if right else "wrong"


def _rule(text: str) -> None:
    from harness.text import clean

    print(f"── {clean(text)} ──")


def _show(label: str, text: str) -> None:
    """Print untrusted text without control characters, indented."""
    from harness.text import clean

    print(f"{label}:")
    for line in clean(text).splitlines() or [""]:
        print(f"  {line}")
    print()

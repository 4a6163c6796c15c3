"""Render a report for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.cli.render import print_table
from harness.text import NONE, clean, drop_size, p_value, percent, percent_interval, points_interval
from train_cft.report.report import PAPER, Report, TaskResult
from train_cft.report.statements import effect

_SHORT = 12
# Safe in Markdown; every other character of an untrusted name becomes an entity.
_HARMLESS = frozenset(" ,.;:%()'/+-=?\N{MINUS SIGN}\N{EN DASH}\N{MULTIPLICATION SIGN}")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a report.

    Attributes:
        title: Its heading.
        head: Of its table; a leading space aligns a column to the right.
        rows: Of its table.
        lines: What is said below it.
    """

    title: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


def blocks(report: Report) -> list[Block]:
    """Return the parts of a report that have something to say."""
    made = [
        _models(report),
        _scores(report),
        _comparisons(report),
        _averages(report),
        _methods(report),
        _published(report),
        Block("Caveats", lines=tuple(_remarks(report))),
    ]
    return [block for block in made if block.rows or block.lines]


def print_report(report: Report) -> None:
    """Print a report on the terminal."""
    for block in blocks(report):
        print(f"{clean(block.title)}\n")
        if block.rows:
            print_table(block.head, block.rows)
        for line in block.lines:
            print(clean(f"- {line}"))
        if block.lines:
            print()


def markdown(report: Report) -> str:
    """Return a report as Markdown; names of models and runs are shown and do nothing."""
    text = ["# Critique fine-tuning: report"]
    for block in blocks(report):
        text += ["", f"## {_escaped(block.title)}", ""]
        if block.rows:
            sides = ("--:" if name.startswith(" ") else "---" for name in block.head)
            text.append(f"| {' | '.join(_escaped(name.strip()) for name in block.head)} |")
            text.append(f"|{'|'.join(sides)}|")
            text += [f"| {' | '.join(map(_escaped, row))} |" for row in block.rows]
            text += [""] if block.lines else []
        text += [f"- {_escaped(line)}" for line in block.lines]
    return "\n".join(text) + "\n"


def _models(report: Report) -> Block:
    rows = [
        (
            entry.label,
            "base" if place == 0 else entry.objective or "not known",
            "" if entry.seed is None else f"{entry.seed}",
            ", ".join(entry.chosen),
            entry.model,
            entry.fingerprint[:_SHORT],
        )
        for place, entry in enumerate(report.entries)
    ]
    head = ("model", "objective", " seed", "chosen", "name in the store", "fingerprint")
    return Block("What is compared", head, tuple(rows))


def _scores(report: Report) -> Block:
    rows = [
        (
            task.task,
            entry.label,
            percent_interval(side.score),
            f"{task.items}",
            percent(truncated),
            side.run,
        )
        for task in report.tasks
        for entry, side, truncated in zip(report.entries, task.sides, task.truncated, strict=True)
    ]
    rows += [
        (f"average of {len(report.tasks)}", entry.label, percent_interval(average), "", "", "")
        for entry, average in zip(report.entries, report.averages, strict=False)
    ]
    head = ("task", "model", " score [95 %]", " items", " truncated, %", "run")
    return Block(f"Measured here, judged by {report.profile}", head, tuple(rows))


def _comparisons(report: Report) -> Block:
    rows = [
        (
            pair.task,
            f"{pair.second} − {pair.first}",
            effect(pair.paired),
            p_value(pair.p_adjusted),
            f"{pair.paired.worse}/{pair.paired.better}",
            drop_size(pair.detectable),
        )
        for pair in report.pairs
    ]
    head = (
        "task",
        "difference",
        " points [95 %]",
        " p (Holm)",
        " worse/better",
        " min. detectable drop",
    )
    return Block(
        "Paired, item by item",
        head,
        tuple(rows),
        tuple(f"{pair.task}: {pair.words}" for pair in report.pairs),
    )


def _averages(report: Report) -> Block:
    rows = [
        (
            f"{average.second} − {average.first}",
            points_interval(average.effect.value, average.effect.low, average.effect.high),
        )
        for average in report.average_effects
    ]
    title = f"On average over {len(report.tasks)} tasks, each counting the same"
    lines = ("Each interval is for itself, not adjusted for their number.",) if rows else ()
    return Block(title, ("difference", " points [95 %]"), tuple(rows), lines)


def _methods(report: Report) -> Block:
    lines = [f"{claim.task}: {claim.words}".removeprefix(": ") for claim in report.methods]
    if not lines:
        lines = [
            "Nothing is said about any method: the results file knows no training of this base "
            "among the models."
        ]
    return Block("About the methods", lines=tuple(lines))


def _published(report: Report) -> Block:
    tasks = [task.task for task in report.tasks]
    score = {(row.model, row.task): row.score for row in report.published}
    models = list(dict.fromkeys((row.model, row.method) for row in report.published))
    rows = [
        (
            model,
            method,
            *(percent(score[model, task]) if (model, task) in score else NONE for task in tasks),
        )
        for model, method in models
    ]
    lines = [
        f"Printed in {PAPER}, of other models under another protocol and by another grader; "
        "not comparable with the numbers above."
    ]
    lines += [
        f"{row.model} on {row.task} is not the paper's own number: {row.source}."
        for row in report.published
        if PAPER not in row.source
    ]
    head = ("published model", "method", *(f" {task}" for task in tasks))
    return Block("Published, not measured here", head, tuple(rows), tuple(lines if rows else ()))


def _remarks(report: Report) -> Iterator[str]:
    for task in report.tasks:
        yield from _left_out(task)
    yield from report.warnings
    for one in report.left_out:
        yield f"{one.task} is not reported: {one.reason}."
    for task in report.tasks:
        for note in task.notes:
            yield f"{task.task}, {note}."
    yield "The comparisons speak of these checkpoints on these items."


def _left_out(task: TaskResult) -> Iterator[str]:
    whole = task.items + task.trained + task.selected
    for number, why in (
        (task.trained, "they are in the training data of one of the models"),
        (task.selected, "one of the models, or what it was trained from, was chosen by them"),
    ):
        if number:
            yield f"{task.task}: {number} of {whole} items count for no model, because {why}."


def _escaped(text: str) -> str:
    return "".join(
        character if character.isalnum() or character in _HARMLESS else f"&#{ord(character)};"
        for character in " ".join(clean(text).split())
    )

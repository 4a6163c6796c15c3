"""Print tasks: what one asks, and what the checks of their data found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.render import new_console, plain, print_table
from harness.text import counted

if TYPE_CHECKING:
    from harness.run.check_task import Findings


def print_task(facts: Mapping[str, Any]) -> None:
    """Print what a task asks, and how."""
    out = new_console()
    sampling = (
        f"{counted(facts['samples'], 'sample')} an item, temperature {facts['temperature']:g}"
    )
    out.print(plain(f"{facts['task']} (version {facts['version']})", style="bold"))
    out.print(plain(f"{counted(facts['items'], 'item')}, data {facts['data_sha256'][:12]}"))
    out.print(plain(f"{sampling}, at most {facts['max_tokens']:,} new tokens"))
    out.print(plain(f"item {facts['item']}, answer type {facts['answer_type']}:"))
    if facts["prompt"] is None:
        out.print(plain("Its text is restricted and not shown.", style="yellow"))
        return
    for message in facts["prompt"]:
        out.print(plain(f"[{message['role']}] {message['content']}"))
    out.print(plain(f"reference answer: {facts['reference']}"))


def print_checks(found: Sequence[Findings], missing: Sequence[tuple[str, str]]) -> None:
    """Print what the checks of the tasks' own data found."""
    head = ("task", " items", " unparsed", " unequal", " confused", " duplicates", "state", "data")
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
            findings.data_sha256[:12],
        )
        for findings in found
    ]
    print_table(head, rows)
    out = new_console()
    if len(found) == 1:
        out.print(plain(f'data_sha256="{found[0].data_sha256}"'))
    for findings in found:
        for label, ids in (
            ("reference answer cannot be parsed", findings.unparsed),
            ("reference answer does not equal itself", findings.unequal),
            ("reference answer is confused with its neighbour's", findings.confused),
            ("same question", ["=".join(group) for group in findings.duplicates]),
            (
                "same question, other reference answer",
                ["=".join(group) for group in findings.conflicting],
            ),
            *findings.noted.items(),
        ):
            if ids:
                listed = ", ".join(ids)
                out.print(plain(f"{findings.task}: {label} ({len(ids)}): {listed}"))
    for name, reason in missing:
        out.print(plain(f"{name}: not checked: {reason}", style="yellow"))

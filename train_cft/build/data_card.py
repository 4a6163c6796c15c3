"""The data card of a build in Markdown, and its facts in ``build.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.grading import GRADER_VERSION
from harness.text import interval, percent
from train_cft.critic.critique_check import Finding
from train_cft.critic.reference_critic import CRITIC as REFERENCE
from train_cft.critic.solutions import BY_SOURCE, BY_TEACHER
from train_cft.critic.solutions import Finding as SolutionFinding
from train_cft.data import dataset_folder, splits
from train_cft.decontamination.overlap import MAX_QUESTIONS, NGRAM

if TYPE_CHECKING:
    from train_cft.build.pipeline import Build, Report
    from train_cft.critic.teacher import Teacher

CARD = "data_card.md"
_BAR = 40


def write(folder: Path, build: Build, report: Report) -> None:
    """Write the card and ``build.json``, without times and paths: equal builds have equal bytes."""
    facts = json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
    (folder / dataset_folder.FACTS).write_text(facts + "\n", encoding="utf-8")
    sections = (
        _head(build, report),
        _sources(report),
        _left_out(report),
        _critiques(build, report),
        _solutions(build, report),
        _benchmarks(report),
        _exempt(report),
        _lengths(report),
        _files(folder),
    )
    text = "\n".join(line for section in sections for line in (*section, ""))
    (folder / CARD).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _head(build: Build, report: Report) -> Iterator[str]:
    facts = report.as_dict()
    unknown = facts["examples"] - facts["right"] - facts["wrong"]
    yield "# Critique data"
    yield ""
    yield (
        f"{facts['examples']:,} examples on {facts['questions']:,} questions: "
        f"{facts['right']:,} right responses, {facts['wrong']:,} wrong ones"
        + (f", {unknown:,} that our grader has not judged." if unknown else ".")
    )
    yield ""
    yield f"- Critic: {_named(build.teacher) if build.teacher else build.critic}"
    yield f"- Grader: version {GRADER_VERSION}, profile strict"
    yield f"- Seed: {build.seed}"
    yield f"- Share of right responses asked for: {_or_any(build.right_share)}"
    yield f"- Responses a question, at most: {_or_any(build.per_question)}"
    yield f"- Data hash (with solutions and verdicts): {report.data_sha256}"


def _named(teacher: Teacher) -> str:
    chosen = teacher.settings
    return (
        f"{teacher.model} ({teacher.engine.backend}), temperature {chosen.temperature:g}, "
        f"top_p {chosen.top_p:g}, {chosen.max_tokens} tokens, seed {chosen.seed}"
    )


def _or_any(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _sources(report: Report) -> Iterator[str]:
    yield "## Sources"
    yield ""
    yield from _table(
        ("source", "what", "rows", "taken", "note"),
        [
            (one.name, one.identity, f"{one.rows:,}", f"{len(one.examples):,}", one.note)
            for one in report.loaded
        ],
    )


def _left_out(report: Report) -> Iterator[str]:
    yield "## Left out"
    yield ""
    rows = [
        (f"{name} ({one.name})", f"{number:,}")
        for one in report.loaded
        for name, number in sorted(one.left_out.items())
    ]
    rows += [(name, f"{number:,}") for name, number in sorted(report.left_out.items())]
    if rows:
        yield from _table(("why", "how many"), rows)
    else:
        yield "Nothing."


def _critiques(build: Build, report: Report) -> Iterator[str]:
    checked = report.checked
    yield "## Critiques"
    yield ""
    if build.critic == REFERENCE:
        yield (
            "Written from our grader's verdict, the data set's own reference solutions and steps "
            "that arithmetic can check. Their conclusions are our grader's by construction, so "
            "there is no error rate."
        )
    else:
        yield f"Conclusions that are not our grader's: {_error(report)}."
        yield ""
        yield from _table(
            ("first critiques", "how many"),
            [(finding, f"{checked.findings[finding]:,}") for finding in Finding],
        )
        yield ""
        yield (
            f"On conflict: {build.on_conflict}. {checked.replaced:,} were corrected "
            f"by asking again; {sum(one.flagged for one in report.examples):,} examples are kept "
            "with a conflict, marked `flagged` in examples.parquet."
        )
    yield ""
    yield f"{report.queued:,} critiques are in the review queue (table `critique` of the store)."


def _error(report: Report) -> str:
    error = report.checked.error
    if error is None:
        return "not known, none could be compared"
    judged = report.checked.findings[Finding.AGREES] + report.checked.findings[Finding.CONFLICT]
    return (
        f"{percent(error.value)} % {interval(error.low, error.high)} on average over "
        f"{error.items:,} questions ({judged:,} critiques, 95 %; either side may err)"
    )


def _solutions(build: Build, report: Report) -> Iterator[str]:
    solved = report.solved
    asked, own = solved.findings.total(), solved.questions(BY_SOURCE)
    yield "## Solutions"
    yield ""
    yield f"{own:,} questions come with a reference solution of their source."
    if build.solver is None:
        return
    yield (
        f"For the {asked:,} others {_named(build.solver)} was asked. "
        f"{solved.questions(BY_TEACHER):,} of its solutions are in the data, marked "
        f"`{BY_TEACHER}` in the column `solution_by` of examples.parquet: those whose answer our "
        "grader finds right, and those of questions without a gold answer (unchecked)."
    )
    yield ""
    yield from _table(
        ("solutions of the teacher", "how many"),
        [(finding, f"{solved.findings[finding]:,}") for finding in SolutionFinding],
    )


def _benchmarks(report: Report) -> Iterator[str]:
    cleaned = report.cleaned
    yield "## Benchmarks"
    yield ""
    yield (
        "Question, response, solution and the source's own critique of each example were compared "
        f"with the questions below: the whole question, and every {NGRAM}-gram of words and "
        f"numbers (lower case, no layout, no signs). N-grams of more than {MAX_QUESTIONS} "
        f"different questions are phrases and do not count ({cleaned.index.phrases:,} of them). "
        "Questions of a generator share their wording, so only whole ones are compared. "
        f"{cleaned.rows_removed:,} examples were removed; one may repeat several benchmarks."
    )
    yield ""
    yield from _table(
        ("benchmark", "items", "compared by", "same question", f"shared {NGRAM} words"),
        [
            (
                one.name,
                f"{one.items:,}",
                "question" if one.exact_only else "both",
                f"{cleaned.removed[one.name].exact:,}" if one.name in cleaned.removed else "0",
                f"{cleaned.removed[one.name].ngram:,}" if one.name in cleaned.removed else "0",
            )
            for one in cleaned.index.benchmarks
        ],
    )
    if cleaned.not_checked:
        yield ""
        yield "Not checked, because they could not be loaded:"
        yield ""
        for name, reason in cleaned.not_checked.items():
            yield f"- {name}: {reason}"


def _exempt(report: Report) -> Iterator[str]:
    yield "## Meant as training data"
    yield ""
    if not report.exempt:
        yield "No benchmark item is among the examples."
        return
    yield (
        f"Questions of the build part of {splits.PARENT} ({splits.BUILD_ITEMS} of its items, by a "
        f"fixed hash) are exempt; those below are in the data and are to be dropped from every "
        f"report. Their ids are in {dataset_folder.FACTS}."
    )
    yield ""
    yield from _table(
        ("benchmark", "items in the data"),
        [(name, f"{len(ids):,}") for name, ids in report.exempt.items()],
    )


def _lengths(report: Report) -> Iterator[str]:
    found = report.lengths
    assert found is not None, "lengths are measured before anything is written"
    yield "## Lengths"
    yield ""
    yield (
        f"Prompt and critique together, in {found.unit}, without what a chat template adds: median "
        f"{found.median:,}, longest {found.longest:,}, {found.total:,} in all, {found.critiques:,} "
        "of them in critiques."
    )
    yield ""
    yield "```"
    most = max(number for _, number in found.histogram)
    lower = 0
    for bound, number in found.histogram:
        name = f"{lower + 1}-{bound}" if bound else f"over {lower}"
        bar = "#" * -(-_BAR * number // most)
        yield f"{name:>12} {number:>8,} {bar}".rstrip()
        lower = bound or lower
    yield "```"


def _files(folder: Path) -> Iterator[str]:
    yield "## Files"
    yield ""
    files = sorted(file for file in folder.iterdir() if file.name != CARD)
    yield from _table(
        ("file", "sha256"), [(file.name, dataset_folder.sha256_of(file)) for file in files]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in row)} |"

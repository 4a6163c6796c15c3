"""The pipeline of ``train-cft build``: from noisy responses to checked critique data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.registry import TaskRegistry
from harness.run.callbacks import Callbacks
from harness.run.evaluate import open_results
from harness.statistics.intervals import Estimate
from harness.store import Journal, Store
from harness.types import INFRASTRUCTURE_FAILURES, Verdict
from train_cft.build import data_card, from_run
from train_cft.critic import conclusions, critique_check, reference_critic
from train_cft.critic.critique_check import Checked, OnConflict
from train_cft.critic.solutions import BY_SOURCE, BY_TEACHER, Solved, solve
from train_cft.critic.teacher import Answer, Teacher, ask
from train_cft.data import dataset_folder, lengths, sources
from train_cft.data.dataset_folder import atomic_folder, refuse_existing
from train_cft.data.example_selection import choose, shuffled
from train_cft.data.examples import Example
from train_cft.data.lengths import Lengths
from train_cft.data.sources import OWN_CRITIC, Loaded
from train_cft.decontamination.filter import Decontaminated, decontaminate, exempt_items, repeats
from train_cft.decontamination.overlap import near_duplicates


@dataclass(frozen=True, slots=True)
class Build:
    """The options of one build.

    Attributes:
        out: The folder it leaves.
        data: Files, or parts of the paper's data set.
        runs: Runs of the results file.
        results: The results file.
        critic: ``source`` for the data's own critiques, ``reference``, or a backend's name.
        teacher: Who criticises, where ``critic`` is a backend.
        solver: Who is asked for solutions where a source has none; ``None`` leaves them missing.
        on_conflict: What becomes of critiques that our grader contradicts.
        retries: How often a teacher is asked again.
        right_share: Share of right responses; ``None`` takes them as they come.
        per_question: At most so many responses a question.
        limit: At most so many examples.
        keep_truncated: Take responses that ran out of budget too.
        keep_loops: Take responses that end in a repetition too.
        near_duplicates: N-gram overlap from which on two examples are the same.
        against: Further tasks to decontaminate against.
        tokenizer: The base model, to count its tokens; ``None`` counts words.
        audit: How many critiques without a conflict go to the review queue.
        seed: Of every choice.
        revision: Commit of the paper's data set.
        tasks_dir: A folder of the user's own tasks.
        replace: Write over an earlier build.
    """

    out: Path
    results: Path
    data: Sequence[str] = ()
    runs: Sequence[str] = ()
    critic: str = OWN_CRITIC
    teacher: Teacher | None = None
    solver: Teacher | None = None
    on_conflict: OnConflict = OnConflict.DROP
    retries: int = 2
    right_share: float | None = None
    per_question: int | None = None
    limit: int | None = None
    keep_truncated: bool = False
    keep_loops: bool = False
    near_duplicates: float = 0.8
    against: Sequence[str] = ()
    tokenizer: str | None = None
    audit: int = 50
    seed: int = 0
    revision: str | None = None
    tasks_dir: Path | None = None
    replace: bool = False

    def check(self) -> None:
        """Refuse what makes no sense, before anything is read.

        Raises:
            HarnessError: There is no source, or an option does not fit the others.
        """
        if not self.data and not self.runs:
            raise HarnessError("There is nothing to build from.", "Give --data or --from-run.")
        if self.right_share is not None and not 0 <= self.right_share <= 1:
            raise HarnessError(f"--right-share {self.right_share} is outside [0, 1].", "Try 0.5.")
        if not 0 < self.near_duplicates <= 1:
            raise HarnessError(
                f"--near-duplicates {self.near_duplicates} is outside (0, 1].",
                "1 removes only examples with the same wording.",
            )
        for name, value in (("limit", self.limit), ("per-question", self.per_question)):
            if value is not None and value < 1:
                raise HarnessError(f"--{name} {value} leaves nothing.", "Give 1 or more.")
        if self.runs and self.critic == OWN_CRITIC:
            raise HarnessError(
                "A run has no critiques of its own.",
                "Give --critic reference, or a teacher with --critic openai --teacher MODEL.",
            )
        self._check_retry()

    def _check_retry(self) -> None:
        if self.on_conflict is not OnConflict.RETRY:
            return
        if self.teacher is None:
            raise HarnessError(
                f"--on-conflict retry asks a teacher again, and --critic {self.critic} is none.",
                "Give --on-conflict drop or flag.",
            )
        if self.teacher.settings.temperature == 0 or self.retries < 1:
            raise HarnessError(
                "Asking again without chance would bring the same critique.",
                "Give --temperature above 0 and --retries of 1 or more.",
            )


@dataclass(slots=True)
class Report:
    """The result of a build, which the data card reports.

    Attributes:
        loaded: The sources.
        left_out: Examples left out after loading, by reason.
        cleaned: What decontamination removed and kept.
        checked: What became of the critiques.
        solved: What became of the solutions.
        lengths: How long the examples are.
        examples: What was written.
        exempt: Items of benchmarks among them, by benchmark: to be dropped from reports on it.
        queued: Rows of the review queue.
        data_sha256: Of all that can be trained on, see :func:`dataset_folder.data_sha256`.
    """

    loaded: list[Loaded]
    left_out: Counter[str] = field(default_factory=Counter)
    cleaned: Decontaminated = field(default_factory=Decontaminated)
    checked: Checked = field(default_factory=Checked)
    solved: Solved = field(default_factory=Solved)
    lengths: Lengths | None = None
    examples: list[Example] = field(default_factory=list)
    exempt: dict[str, list[str]] = field(default_factory=dict)
    queued: int = 0
    data_sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what a script or ``train`` needs to know."""
        removed = self.cleaned.removed
        return {
            "examples": len(self.examples),
            "right": sum(example.right is True for example in self.examples),
            "wrong": sum(example.right is False for example in self.examples),
            "flagged": sum(example.flagged for example in self.examples),
            "questions": len({example.question for example in self.examples}),
            "data_sha256": self.data_sha256,
            "sources": [
                {"name": one.name, "identity": one.identity, "rows": one.rows}
                | {"left_out": dict(one.left_out)}
                for one in self.loaded
            ],
            "left_out": dict(self.left_out),
            "contaminated": {
                name: {"exact": removed[name].exact, "stretch": removed[name].ngram}
                for name in sorted(removed)
            },
            "not_checked": self.cleaned.not_checked,
            "exempt": self.exempt,
            "critiques": dict(self.checked.findings),
            "critic_error": _shown(self.checked.error),
            "replaced": self.checked.replaced,
            "solutions": {by: self.solved.questions(by) for by in (BY_SOURCE, BY_TEACHER)}
            | {"asked": self.solved.findings.total(), "found": dict(self.solved.findings)},
            "queued_for_review": self.queued,
        }


def _shown(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def run_build(build: Build, callbacks: Callbacks) -> Report:
    """Build critique data, or resume a build that was interrupted.

    Raises:
        HarnessError: Something the user can correct; nothing was written, and what a teacher wrote
            is kept.
        KeyboardInterrupt: The user stopped it; the same.
    """
    build.check()
    refuse_existing(build.out, replace=build.replace)
    registry = TaskRegistry(build.tasks_dir)
    count, unit = lengths.counter(build.tokenizer)
    report = Report(_load(build, registry, callbacks))
    examples = [example for loaded in report.loaded for example in loaded.examples]
    examples = _distinct(examples, report.left_out)
    report.cleaned = decontaminate(examples, registry, build.against, callbacks.phase)
    if report.cleaned.rows_removed:
        report.left_out["repeats a benchmark"] = report.cleaned.rows_removed
    examples = _graded(report.cleaned.kept, report.left_out, callbacks)
    callbacks.phase("looking for near-duplicates")
    examples = _drop_near_duplicates(examples, build.near_duplicates, report.left_out)
    _require_examples(examples, report)
    _criticise(build, examples, report, callbacks)
    _require_examples(report.checked.kept, report)
    # Last: of what is left, and so that no critique is made of a solution.
    overlaps = partial(repeats, report.cleaned)
    report.solved = solve(report.checked.kept, build.solver, registry, overlaps, callbacks)
    report.examples = shuffled(report.solved.examples, build.seed)
    report.exempt = exempt_items(report.cleaned, report.examples)
    callbacks.phase("counting lengths")
    report.lengths = lengths.measure(report.examples, count, unit)
    callbacks.phase(f"writing {build.out.name}")
    with atomic_folder(build.out) as folder:
        dataset_folder.write_data(folder, report.examples)
        report.data_sha256 = dataset_folder.data_sha256(report.examples)
        report.queued = len(report.checked.queue)
        data_card.write(folder, build, report)
        dataset_folder.write_sums(folder)
        _queue(build.results, report.checked.queue, callbacks.notice)
    return report


def _load(build: Build, registry: TaskRegistry, callbacks: Callbacks) -> list[Loaded]:
    loaded = []
    for name in build.data:
        callbacks.phase(f"reading {name}")
        needs_critique = build.critic == OWN_CRITIC
        loaded.append(sources.load(name, revision=build.revision, needs_critique=needs_critique))
    if build.runs:
        store = Store(build.results)
        with store.read():
            pass  # a missing file is an error, not created
        open_results(store, callbacks.notice)
        for name in build.runs:
            callbacks.phase(f"reading run {name}")
            loaded.append(
                from_run.load(
                    store,
                    name,
                    registry,
                    keep_truncated=build.keep_truncated,
                    keep_loops=build.keep_loops,
                    on_grade=callbacks.graded,
                )
            )
    return loaded


def _distinct(examples: Sequence[Example], left_out: Counter[str]) -> list[Example]:
    distinct = {example.id: example for example in reversed(examples)}
    if len(distinct) < len(examples):
        left_out["the same question and response"] = len(examples) - len(distinct)
    return list(reversed(distinct.values()))


def _graded(
    examples: Sequence[Example], left_out: Counter[str], callbacks: Callbacks
) -> list[Example]:
    """Judge responses that have a gold answer and no verdict yet."""
    ungraded = [example for example in examples if example.gold and example.right is None]
    if not ungraded:
        return list(examples)
    callbacks.phase("grading the responses")
    callbacks.planned(requests=len(ungraded), stored=0, runs={})

    def count(_: Future[Verdict]) -> None:
        callbacks.generated(0, "")

    with GraderPool() as pool:
        futures = {}
        for example in ungraded:
            future = pool.submit(
                gold=example.gold,
                response=example.response,
                truncated=False,
                answer_type=example.answer_type,
            )
            future.add_done_callback(count)
            futures[example.id] = future
        verdicts = {name: future.result() for name, future in futures.items()}
    graded = []
    for example in examples:
        verdict = verdicts.get(example.id)
        if verdict is None:
            graded.append(example)
        elif verdict.status in INFRASTRUCTURE_FAILURES:
            left_out["not judged"] += 1
        else:
            found, rule = verdict.extracted, verdict.extraction
            graded.append(replace(example, right=verdict.correct, extracted=found, extraction=rule))
    return graded


def _drop_near_duplicates(
    examples: Sequence[Example], threshold: float, left_out: Counter[str]
) -> list[Example]:
    near = near_duplicates(
        [(example.question, example.response) for example in examples],
        [example.right for example in examples],
        threshold,
    )
    if near:
        left_out["near-duplicates"] = len(near)
    return [example for number, example in enumerate(examples) if number not in near]


def _criticise(
    build: Build, examples: Sequence[Example], report: Report, callbacks: Callbacks
) -> None:
    """Choose examples and give each a critique, or leave it out and count it."""
    if build.critic == reference_critic.CRITIC:
        _by_reference(build, examples, report)
        return
    teacher = build.teacher
    if teacher is not None:
        examples = [replace(one, critique="") for one in examples]
    chosen = _chosen(build, examples, report)
    _require_examples(chosen, report)

    def answers(asked: Sequence[Example], attempt: int) -> Mapping[str, Answer]:
        if teacher is not None:
            return ask(teacher, asked, callbacks, attempt=attempt)
        return {one.id: _own_answer(one) for one in asked}

    report.checked = critique_check.check(
        chosen,
        answers,
        critic=OWN_CRITIC if teacher is None else teacher.model,
        on_conflict=build.on_conflict,
        retries=build.retries,
        audit=build.audit,
        seed=build.seed,
    )
    report.left_out += report.checked.left_out


def _own_answer(example: Example) -> Answer:
    """Return the critique that an example comes with."""
    return Answer(example.critique, "", conclusions.read(example.critique))


def _by_reference(build: Build, examples: Sequence[Example], report: Report) -> None:
    """Write what can be written, then choose among it: it costs nothing."""
    written = []
    for example in examples:
        critique, reason = reference_critic.criticise(example)
        if reason:
            report.left_out[f"no critique: {reason}"] += 1
        else:
            written.append(replace(example, critique=critique, critic=reference_critic.CRITIC))
    kept = _chosen(build, written, report)
    drawn = shuffled(kept, build.seed)[: build.audit]
    queue = [
        critique_check.review_row(one, _own_answer(one), one.critic, "audit", "kept")
        for one in drawn
    ]
    report.checked = Checked(kept=kept, queue=queue)


def _chosen(build: Build, examples: Sequence[Example], report: Report) -> list[Example]:
    chosen = choose(
        examples,
        right_share=build.right_share,
        per_question=build.per_question,
        limit=build.limit,
        seed=build.seed,
    )
    if len(chosen) < len(examples):
        report.left_out["not chosen"] = len(examples) - len(chosen)
    return chosen


def _require_examples(examples: Sequence[Example], report: Report) -> None:
    if examples:
        return
    reasons = {f"{name}: {number}" for name, number in report.left_out.items()}
    for loaded in report.loaded:
        reasons |= {f"{name}: {number}" for name, number in loaded.left_out.items()}
    raise HarnessError(
        f"Nothing is left to train on ({'; '.join(sorted(reasons)) or 'the sources are empty'}).",
        "Take other sources, or other options; nothing was written.",
    )


def _queue(results: Path, rows: Sequence[Mapping[str, Any]], notice: Callable[[str], None]) -> None:
    """Write the review queue into the results file; rows that are there already stay."""
    if not rows:
        return
    store = Store(results)
    open_results(store, notice)
    with Journal(store) as journal:
        for row in rows:
            journal.append("critique", row)

"""Load a stored run's generations, with their grades, as noisy responses."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from harness.errors import HarnessError
from harness.registry import TaskRegistry
from harness.run.grader import OnGrade
from harness.run.regrade import regrade
from harness.store import Store, queries, samples
from harness.store.queries import RunSummary
from harness.store.samples import Sample
from harness.task import Task
from harness.types import DEFAULT_PROFILE, INFRASTRUCTURE_FAILURES, AnswerType
from train_cft.critic.solutions import TASK as SOLUTIONS
from train_cft.critic.teacher import TASK as CRITIQUES
from train_cft.data.examples import Example
from train_cft.data.sources import Loaded
from train_cft.decontamination.overlap import normalised

_QUESTIONS = ("problem", "question", "Question")
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_FINAL = "####"


def load(
    store: Store,
    name: str,
    registry: TaskRegistry,
    *,
    keep_truncated: bool,
    keep_loops: bool,
    on_grade: OnGrade,
) -> Loaded:
    """Take a run's generations, judged by this version of the grader.

    Args:
        store: The results file.
        name: The run's id, or the beginning of it.
        registry: Where its task is loaded from, for reference solutions and for grading again.
        keep_truncated: Take responses that ran out of budget too.
        keep_loops: Take responses that end in a repetition too.
        on_grade: Called for each generation that has to be judged again.

    Raises:
        HarnessError: There is no such run, it is restricted, or a teacher wrote it for a build.
    """
    run = queries.find_run(store, name)
    _refuse(run)
    regrade(store, run.id, DEFAULT_PROFILE, on_grade, registry)
    solutions, note = _solutions(run.task, registry)
    left_out: Counter[str] = Counter()
    examples = []
    for sample in samples.of_run(store, run.id):
        reason = _reason(sample, keep_truncated=keep_truncated, keep_loops=keep_loops)
        if reason:
            left_out[reason] += 1
            continue
        solution = solutions.get(normalised(sample.question or ""), "")
        examples.append(_example(run, sample, solution))
    return Loaded(
        f"run {run.id}",
        f"{run.model} on {run.task}, {run.samples} samples an item, data {run.data_sha256[:12]}",
        run.generated,
        examples,
        left_out,
        note,
    )


def _refuse(run: RunSummary) -> None:
    if run.restricted:
        raise HarnessError(
            f"Run {run.id} is of {run.task}, whose text must not be written anywhere.",
            "Take a run of another task.",
        )
    if run.task in (CRITIQUES, SOLUTIONS):
        raise HarnessError(
            f"Run {run.id} holds what a teacher wrote for a build, not a model's own answers.",
            "`harness runs` lists the others.",
        )


def _reason(sample: Sample, *, keep_truncated: bool, keep_loops: bool) -> str:
    """Say why a generation is no noisy response; empty where it is one."""
    if not sample.answer.strip():
        return "empty"
    if sample.loop and not keep_loops:
        return "loops"
    if sample.truncated and not keep_truncated:
        return "truncated"
    if sample.correct is None or sample.status in INFRASTRUCTURE_FAILURES:
        return "not judged"
    return ""


def _example(run: RunSummary, sample: Sample, solution: str) -> Example:
    return Example(
        question=sample.question or "",
        response=sample.answer.strip(),
        source=f"run {run.id}",
        gold=sample.gold or "",
        answer_type=AnswerType(sample.answer_type),
        solution=solution,
        right=bool(sample.correct),
        extracted=sample.extracted or "",
        extraction=sample.extraction or "",
        task=run.task,
        item_id=sample.item_id,
        run_id=run.id,
    )


def _solutions(task_name: str, registry: TaskRegistry) -> tuple[dict[str, str], str]:
    """Return a task's reference solutions by question, and what a reader should know of them."""
    try:
        task = registry.load(task_name)
        found = reference_solutions(task)
    except HarnessError as error:
        return {}, f"no reference solutions: {error.message}"
    return found, "" if found else "its data set has no reference solutions"


def reference_solutions(task: Task) -> dict[str, str]:
    """Return the reference solutions of a task's own data set, by normalised question.

    Raises:
        HarnessError: The rows cannot be had.
    """
    if task.source is None:
        return {}
    found = {}
    for row in task.source.rows():
        question = next((row[name] for name in _QUESTIONS if row.get(name)), "")
        solution = _solution(row)
        if question and solution:
            found[normalised(str(question))] = solution
    return found


def _solution(row: dict[str, Any]) -> str:
    solution = row.get("solution")
    if isinstance(solution, list):
        solution = solution[0] if solution else ""
    if isinstance(solution, str) and solution.strip():
        return solution.strip()
    answer = row.get("answer")
    if isinstance(answer, str) and _FINAL in answer:
        # GSM8K: the solution, its calculator's marks, and the bare answer behind the hashes.
        reasons, _, final = _CALCULATOR.sub("", answer).partition(_FINAL)
        return f"{reasons.strip()}\nThe answer is {final.strip()}."
    return ""

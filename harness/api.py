"""The Python interface: evaluate, read results, compare, grade. The command line is a client of it.

Everything here is silent: what a user may want to see while it goes on comes through
:class:`Callbacks`. Scores are shares from 0 to 1. Errors that a user can fix are
:class:`HarnessError`, one sentence with its remedy.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.analysis.compare import Compared, Ranked
from harness.analysis.compare import compare as compare_runs
from harness.analysis.compare import rank as rank_runs
from harness.analysis.completeness import check_complete
from harness.analysis.score import score_run
from harness.analysis.select import (
    CompareRequest,
    MatchedRuns,
    display_name,
    find_runs,
    runs_to_compare,
)
from harness.backends.base import EngineOptions
from harness.errors import HarnessError
from harness.grading import grade_response
from harness.registry import TaskRegistry
from harness.run.callbacks import Callbacks
from harness.run.completion import split_thought
from harness.run.evaluate import Evaluation, Outcome
from harness.run.evaluate import evaluate as carry_out
from harness.run.grader import OnGrade
from harness.run.plan import Settings
from harness.run.regrade import RegradedToMatch, regrade_to_match
from harness.statistics.intervals import Estimate
from harness.store import Store, queries, recover
from harness.store import samples as stored_samples
from harness.store.queries import RunSummary
from harness.store.samples import Sample
from harness.task import Task
from harness.types import DEFAULT_PROFILE, AnswerType, Chat, ThoughtTags, Tolerance, Verdict

RESULTS = "results.duckdb"


@dataclass(frozen=True, slots=True)
class Results:
    """The runs of a results file, or those that one evaluation made.

    Attributes:
        path: The results file.
        run_ids: The runs that are meant; ``None`` for all that the file has.
        outcome: What the evaluation that made them took, where there was one: wall clock and tokens
            per model, how much was stored before, and the models that could not be evaluated.
    """

    path: Path
    run_ids: tuple[str, ...] | None = None
    outcome: Outcome | None = field(default=None, compare=False)

    def runs(
        self,
        *,
        model: str | None = None,
        task: str | None = None,
        profile: str = DEFAULT_PROFILE,
    ) -> list[RunSummary]:
        """Return the runs, the newest first (of an evaluation: model by model, in its order).

        Args:
            model: Only this model's: its name, the last part of it, or an id of a run.
            task: Only on this task.
            profile: Whose grades count.

        Raises:
            HarnessError: No run or model is called so.
        """
        store = Store(self.path)
        found = queries.runs(store, self.run_ids, profile=profile)
        if self.run_ids is not None:
            order = {run_id: place for place, run_id in enumerate(self.run_ids)}
            found.sort(key=lambda run: order[run.id])
        if model is not None:
            (named,) = find_runs(store, [model], profile)
            wanted = {run.id for run in named}
            found = [run for run in found if run.id in wanted]
        return [run for run in found if task in (None, run.task)]

    def score(
        self,
        task: str | None = None,
        *,
        model: str | None = None,
        reducer: str = "mean",
        profile: str = DEFAULT_PROFILE,
    ) -> Estimate:
        """Return the score of one run, a share from 0 to 1, with its 95 % interval.

        Args:
            task: Its task; may be left out where the runs are on one.
            model: Its model, or the run's id; may be left out where the runs are of one.
            reducer: What becomes of an item's samples: ``mean``, ``pass@K``, ``all@K``, ``maj@K``.
            profile: Whose grades count.

        Raises:
            HarnessError: No run or several are meant, or the run is incomplete: what came back
                first is no sample of its items.
        """
        found = self.runs(model=model, task=task, profile=profile)
        if len(found) != 1:
            listed = ", ".join(f"{display_name(run)} on {run.task} ({run.id})" for run in found[:5])
            raise HarnessError(
                f"{len(found)} runs are meant{': ' + listed if listed else ''}.",
                "Name one by task= and model=; a run's id can stand for both.",
            )
        store = Store(self.path)
        check_complete(store, found, profile=profile)
        return score_run(store, found[0].id, reducer, profile)

    def samples(
        self, run: str | RunSummary, *, only_wrong: bool = False, profile: str = DEFAULT_PROFILE
    ) -> list[Sample]:
        """Return a run's samples: question, thought, answer, extracted answer, verdict.

        Texts of a restricted benchmark are empty.

        Args:
            run: A run, its id or the beginning of it.
            only_wrong: Leave out those that are right.
            profile: Whose grades to show.

        Raises:
            HarnessError: There is no such run.
        """
        store = Store(self.path)
        run_id = run.id if isinstance(run, RunSummary) else queries.find_run(store, run).id
        return stored_samples.of_run(store, run_id, only_wrong=only_wrong, profile=profile)


def open(results: str | os.PathLike[str] = RESULTS) -> Results:
    """Open a results file to read, first ingesting what a crashed run left in its journal.

    What cannot be ingested now (the disk may be full) is a warning: the rest can still be read.

    Raises:
        HarnessError: There is no such file, or it is not a results file.
    """
    store = Store(Path(results))
    try:
        recover(store, wait_seconds=1.0)
    except HarnessError as error:
        warnings.warn(str(error), stacklevel=2)
    queries.models(store)
    return Results(store.path)


def evaluate(
    model: str | Sequence[str],
    tasks: str | Sequence[str] | Sequence[Task] = (),
    *,
    suite: str | None = None,
    tasks_dir: str | os.PathLike[str] | None = None,
    results: str | os.PathLike[str] = RESULTS,
    limit: int | None = None,
    n: int | None = None,
    temperature: float | None = None,
    top_p: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    replicate: int = 0,
    system: str | None = None,
    thinking: bool | None = None,
    thinking_budget: int | None = None,
    template_args: Mapping[str, Any] | None = None,
    stop_loops: bool = False,
    revision: str | None = None,
    engine: EngineOptions = EngineOptions(),  # noqa: B008 - frozen
    callbacks: Callbacks | None = None,
) -> Results:
    """Evaluate models on tasks: generate, grade while generating, store.

    What the results file already holds is not generated again, so that the same call goes on with
    an evaluation that was interrupted. The engine and the graders are processes of their own: in a
    script, call this under ``if __name__ == "__main__":``.

    Args:
        model: A built-in name, a checkpoint folder, a pattern of folders, a hub id, or a server's
            name for it; or several.
        tasks: Names, several in one text separated by commas or as a sequence; or tasks themselves.
        suite: A named list of tasks, in addition.
        tasks_dir: A folder of your own task files.
        results: The results file; made where there is none.
        limit: Number of items per task: a fixed pseudo-random subset, by the hash of their ids.
        n: Samples per item; the task's own number if ``None``.
        temperature: 0 is greedy; the task's own if ``None``.
        top_p: Nucleus sampling, in (0, 1].
        max_tokens: Budget of new tokens; the task's own if ``None``.
        seed: Base seed of all sampling.
        replicate: Another number draws new samples of the same model.
        system: A system prompt in place of the task's own.
        thinking: Sets the template's switch for thinking.
        thinking_budget: Tokens after which the engine ends a thought.
        template_args: Variables of the chat template.
        stop_loops: End a generation that repeats itself.
        revision: Commit of a hub model.
        engine: The inference backend and its options.
        callbacks: Called as it goes on; from several threads.

    Returns:
        The runs, in the order of models and tasks. Models that could not be evaluated, of several,
        are in ``outcome.failed``.

    Raises:
        HarnessError: Something the user can fix, or none of the models can be evaluated. Whatever
            was finished is kept.
    """
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    given = [task for task in names if isinstance(task, Task)]
    listed = [part.strip() for name in names if isinstance(name, str) for part in name.split(",")]
    wanted = [name for name in listed if name]
    if not given and not wanted and suite is None:
        raise HarnessError(
            "Nothing to evaluate on.", "Give --tasks or --suite; see `harness tasks`."
        )
    registry = TaskRegistry(None if tasks_dir is None else Path(tasks_dir))
    evaluation = Evaluation(
        models=[model] if isinstance(model, str) else list(model),
        tasks=[*given, *registry.load_all(wanted, suite)],
        results=Path(results),
        settings=Settings(
            limit=limit,
            samples=n,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            replicate=replicate,
            system=system,
            chat=Chat(thinking, dict(template_args or {})),
            thinking_budget=thinking_budget,
            stop_loops=stop_loops,
        ),
        revision=revision,
        engine=engine,
    )
    outcome = carry_out(evaluation, callbacks or Callbacks())
    return Results(evaluation.results, tuple(outcome.run_ids), outcome)


def compare(
    first: str | RunSummary,
    second: str | RunSummary,
    *,
    results: str | os.PathLike[str] | Results = RESULTS,
    tasks: Collection[str] = (),
    profile: str = DEFAULT_PROFILE,
    allow_different: bool = False,
    allow_incomplete: bool = False,
    tasks_dir: str | os.PathLike[str] | None = None,
    on_grade: OnGrade | None = None,
) -> Compared:
    """Compare two runs or models item by item; differences are the second less the first.

    Runs graded by different versions of the grader are regraded first.

    Args:
        first: A run, the beginning of its id, or a model's name.
        second: The other.
        results: The results file that both are in.
        tasks: Only these; all that both have if empty.
        profile: Whose grades count.
        allow_different: Compare runs under different protocols too; what differs is in the result.
        allow_incomplete: Put incomplete runs side by side too; nothing is concluded from them.
        tasks_dir: A folder of your own task files, for regrading.
        on_grade: Called with run id, item id and verdict while regrading.

    Returns:
        One comparison per task (``tasks[0].paired``: effect, interval and p-value of the exact
        sign-flip test), their average, and the tasks that were left out with the reason.

    Raises:
        HarnessError: A name stands for nothing, a run is incomplete, the protocols differ, or no
            item is shared.
    """
    named = _named((first, second), tasks, profile, allow_different, allow_incomplete)
    return compare_runs(*_regraded(results, named, tasks_dir, on_grade))


def rank(
    models: Sequence[str | RunSummary],
    *,
    results: str | os.PathLike[str] | Results = RESULTS,
    tasks: Collection[str] = (),
    profile: str = DEFAULT_PROFILE,
    allow_different: bool = False,
    allow_incomplete: bool = False,
    tasks_dir: str | os.PathLike[str] | None = None,
    on_grade: OnGrade | None = None,
) -> Ranked:
    """Rank several runs or models on the items that all of them have.

    Takes and raises what :func:`compare` does.

    Returns:
        The standings per task: scores with intervals that hold together, and ranks with their
        intervals.
    """
    named = _named(models, tasks, profile, allow_different, allow_incomplete)
    return rank_runs(*_regraded(results, named, tasks_dir, on_grade))


def _named(
    names: Sequence[str | RunSummary],
    tasks: Collection[str],
    profile: str,
    allow_different: bool,
    allow_incomplete: bool,
) -> CompareRequest:
    if len(names) < 2:
        raise HarnessError("One name alone cannot be compared.", "Name two runs or models.")
    called = [one if isinstance(one, str) else one.id for one in names]
    return CompareRequest(called, profile, tasks, allow_different, allow_incomplete)


def _regraded(
    results: str | os.PathLike[str] | Results,
    request: CompareRequest,
    tasks_dir: str | os.PathLike[str] | None,
    on_grade: OnGrade | None,
) -> tuple[Store, MatchedRuns, RegradedToMatch]:
    """Return the runs that a request means, all graded by one version of the grader."""
    store = Store((results if isinstance(results, Results) else open(results)).path)
    registry = TaskRegistry(None if tasks_dir is None else Path(tasks_dir))
    matched = runs_to_compare(store, request, registry.folder)
    regraded = regrade_to_match(
        store, matched.tasks, request.profile, registry, on_grade or (lambda run, item, right: None)
    )
    return store, matched, regraded


def grade(
    reference: str,
    response: str,
    *,
    answer_type: AnswerType | str = AnswerType.AUTO,
    tolerance: Tolerance | None = None,
    truncated: bool = False,
    profile: str = DEFAULT_PROFILE,
) -> Verdict:
    r"""Grade one response: find its answer, and compare it with the reference answer.

    Nothing in either text is evaluated. This runs in the calling process without a deadline; for
    many responses, or ones you do not trust, :class:`harness.grading.GraderPool` grades in worker
    processes that are stopped at a deadline.

    Args:
        reference: The reference answer, bare: no ``$``, no ``\boxed``.
        response: What the model wrote. A thought in ``<think>`` tags is left out.
        answer_type: How to compare; ``auto`` infers it from the reference.
        tolerance: For numbers; without one they compare exactly.
        truncated: Its budget ran out; only an answer stated explicitly before then counts.
        profile: Name of a profile, see ``harness.grading.PROFILES``.

    Returns:
        The verdict: ``correct``, ``status``, the extracted answer, how it was decided.

    Raises:
        HarnessError: There is no such profile or answer type.
    """
    try:
        declared = AnswerType(answer_type)
    except ValueError:
        raise HarnessError(
            f"There is no answer type {answer_type!r}.", f"Known: {', '.join(AnswerType)}."
        ) from None
    _, answer = split_thought(response, ThoughtTags(), starts_in_thought=False)
    return grade_response(
        gold=reference,
        response=answer or "",
        truncated=truncated,
        answer_type=declared,
        tolerance=tolerance,
        profile=profile,
    )

"""Resolve names of runs and models to stored runs, and match runs for a comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.analysis.completeness import all_generated, check_complete
from harness.analysis.protocol import differences
from harness.errors import HarnessError, nearest
from harness.store import Store, queries
from harness.store.queries import RunSummary
from harness.text import harness_command
from harness.types import DEFAULT_PROFILE

SHOW_INCOMPLETE = (
    "`harness compare --allow-incomplete` shows what is there, without interval, p, verdict or "
    "rank."
)
_SHORTEST_FINGERPRINT = 6
_LISTED = 3


class NameNotFound(HarnessError):
    """No run or model in the results file has that name."""


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """The runs that a name stands for: one run, or all runs of a model."""

    runs: list[RunSummary]
    is_model: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A task that is not compared, and why."""

    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """What is compared, and how.

    Attributes:
        names: Runs or models, as :func:`resolve_names` reads them.
        profile: Whose grades count.
        tasks: Only these; all that every name has a run of if empty.
        allow_different: Compare runs under different protocols too, and mark them.
        allow_incomplete: Take incomplete runs too, without interval, p, verdict or rank.
        without: Items that do not count, by task.
    """

    names: Sequence[str]
    profile: str = DEFAULT_PROFILE
    tasks: Collection[str] = ()
    allow_different: bool = False
    allow_incomplete: bool = False
    without: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MatchedRuns:
    """The runs that a request compares.

    Attributes:
        request: What is to be compared, and how.
        tasks: One run of each name, in the order of the names; task by task.
        left_out: Tasks not compared.
    """

    request: CompareRequest
    tasks: Sequence[Sequence[RunSummary]]
    left_out: Sequence[LeftOut]


def find_runs(store: Store, names: Sequence[str], profile: str) -> list[list[RunSummary]]:
    """Return the runs that each name stands for, the newest first; see :func:`resolve_names`."""
    return [found.runs for found in resolve_names(store, names, profile)]


def resolve_names(store: Store, names: Sequence[str], profile: str) -> list[ResolvedName]:
    """Return the runs that each name stands for.

    A name is a run's id or its beginning, or a model: any name, source or folder that it was
    measured under, the last part of its name (``step-100`` of ``sft/step-100``), or its fingerprint
    or the beginning of that. Whole names go before parts.

    Args:
        store: The results file.
        names: As the user wrote them.
        profile: Whose grades the summaries are to hold.

    Returns:
        For each name its runs, the newest first.

    Raises:
        NameNotFound: A name stands for nothing that has a run.
        HarnessError: A name stands for several runs or models.
    """
    runs = queries.runs(store, profile=profile)
    known_as = {run.fingerprint: {run.model} for run in runs}
    for fingerprint, *aliases in queries.aliases(store):
        known_as.setdefault(fingerprint, set()).update(aliases)
    return [_resolve(name, runs, known_as, store.path) for name in names]


def resolve_run(store: Store, name: str, profile: str) -> RunSummary:
    """Return the one run that a name stands for, as in :func:`find_runs`.

    Raises:
        HarnessError: It stands for nothing, or for a model with several runs.
    """
    (runs,) = find_runs(store, [name], profile)
    if len(runs) > 1:
        listed = ", ".join(f"{run.id} ({run.task})" for run in runs[:_LISTED])
        raise HarnessError(f"{name} has {len(runs)} runs.", f"Name one, for instance {listed}.")
    return runs[0]


def runs_to_compare(store: Store, request: CompareRequest, tasks_dir: Path | None) -> MatchedRuns:
    """Find the runs that a request compares.

    Grades of several grader versions do not compare: :func:`harness.run.regrade.regrade_to_match`
    makes them equal before :func:`harness.analysis.align.align_runs` reads them.

    Args:
        store: The results file.
        request: What is to be compared.
        tasks_dir: A folder of the user's own tasks, for the commands that a refusal names.

    Raises:
        HarnessError: A name stands for nothing, or the names have no task in common.
    """
    named = find_runs(store, request.names, request.profile)
    tasks, left_out = match_runs(
        store,
        named,
        tasks=request.tasks,
        allow_different=request.allow_different,
        allow_incomplete=request.allow_incomplete,
        tasks_dir=tasks_dir,
    )
    return MatchedRuns(request, tasks, left_out)


def match_runs(
    store: Store,
    found: Sequence[Sequence[RunSummary]],
    *,
    tasks: Collection[str] = (),
    allow_different: bool = False,
    allow_incomplete: bool = False,
    tasks_dir: Path | None = None,
) -> tuple[list[list[RunSummary]], list[LeftOut]]:
    """Match runs: for each task one run of each name, all under one protocol.

    Of several, complete ones with many items go first, then the newest. A run of which all
    responses are there counts as complete: what is not graded can be graded before the comparison.

    Args:
        store: The results file, for the commands that a refusal names.
        found: The runs of each name.
        tasks: Only these; all if empty.
        allow_different: Take runs under different protocols where there are no others.
        allow_incomplete: Take incomplete runs where there are no others.
        tasks_dir: A folder of the user's own tasks, for the same commands.

    Returns:
        For each task one run a name, and the tasks left out.

    Raises:
        HarnessError: Nothing is left; the reason is named.
    """

    def check(together: Sequence[RunSummary]) -> None:
        _check(together, allow_different=allow_different)
        if not allow_incomplete:
            waiting = [run for run in together if not all_generated(run)]
            check_complete(store, waiting, tasks_dir=tasks_dir, otherwise=SHOW_INCOMPLETE)

    known = dict.fromkeys(run.task for runs in reversed(found) for run in runs)
    for task in tasks:
        if task not in known:
            raise HarnessError(f"There is no run of the task {task!r} here.", nearest(task, known))
    if not tasks and all(len(runs) == 1 for runs in found):
        # Runs named one by one are compared, also where their tasks differ.
        together = [runs[0] for runs in found]
        check(together)
        return [together], []
    lines: list[list[RunSummary]] = []
    left_out: list[LeftOut] = []
    refusal: HarnessError | None = None
    for task in sorted(tasks or known):
        of_the_task = [[run for run in runs if run.task == task] for runs in found]
        if not all(of_the_task):
            left_out.append(LeftOut(task, "not everything named has a run of it"))
            continue
        if not allow_incomplete:
            of_the_task = [list(filter(all_generated, runs)) or runs for runs in of_the_task]
        together = _best_match(of_the_task)
        try:
            check(together)
        except HarnessError as error:
            refusal = refusal or error
            left_out.append(LeftOut(task, error.message))
        else:
            lines.append(together)
    if not lines:
        raise refusal or HarnessError(
            "No task has a run of each.",
            f"`{harness_command('runs', results=store.path)}` lists them.",
        )
    return lines, left_out


def _resolve(
    name: str, runs: Sequence[RunSummary], known_as: Mapping[str, set[str]], results: Path
) -> ResolvedName:
    folder = str(Path(name).expanduser().resolve())
    enough = len(name) >= _SHORTEST_FINGERPRINT
    beginnings = [run for run in runs if name and run.id.startswith(name)]
    ways = (
        [run for run in runs if run.id == name],
        [run for run in runs if name == run.fingerprint or name in known_as[run.fingerprint]],
        [run for run in runs if folder in known_as[run.fingerprint]],
        [run for run in runs if run.model.rpartition("/")[2] == name],
        beginnings,
        [run for run in runs if enough and run.fingerprint.startswith(name)],
    )
    found = next(filter(None, ways), [])
    if not found:
        known = {run.model for run in runs} | {run.id for run in runs}
        raise NameNotFound(
            f"Nothing in {results.name} is called {name!r}, neither a run nor a model.",
            f"{nearest(name, known)} `{harness_command('runs', results=results)}` lists them."
            if known
            else "Run `harness eval` first.",
        )
    if found is beginnings and len(found) > 1:
        raise HarnessError(
            f"{len(found)} runs in {results.name} begin with {name!r}.",
            f"`{harness_command('runs', results=results)}` lists them.",
        )
    models = {run.fingerprint: run for run in found}
    if len(models) > 1:
        listed = ", ".join(f"{run.fingerprint[:12]} ({run.model})" for run in models.values())
        raise HarnessError(
            f"{len(models)} models in {results.name} are called {name!r}.",
            f"Name one by its fingerprint: {listed}.",
        )
    return ResolvedName(found, is_model=found is not ways[0] and found is not beginnings)


def _best_match(of_the_task: Sequence[Sequence[RunSummary]]) -> list[RunSummary]:
    """Return one run per name: under one protocol if possible, complete, with many items, new."""
    ordered = [
        sorted(runs, key=lambda run: (not run.complete, -run.items, -run.created_at.timestamp()))
        for runs in of_the_task
    ]
    choices = []
    for first in ordered[0]:
        together = [first]
        for runs in ordered[1:]:
            others = [run for run in runs if run not in together] or list(runs)
            together.append(min(others, key=lambda run: len(differences(first, run).refused)))
        refused = sum(len(differences(first, run).refused) for run in together[1:])
        choices.append((refused, together))
    return min(choices, key=lambda choice: choice[0])[1]


def _check(together: Sequence[RunSummary], *, allow_different: bool) -> None:
    first = together[0]
    if len({run.id for run in together}) < len(together):
        raise HarnessError(
            f"Run {first.id} would be compared with itself.",
            "Name two different runs; `harness runs` lists them.",
        )
    if not allow_different:
        for other in together[1:]:
            differences(first, other).check(display_name(first), display_name(other))


def display_name(run: RunSummary) -> str:
    """Return a run's name for messages."""
    return f"{run.model} ({run.id})"

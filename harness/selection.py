"""From what a user calls a run or a model to the stored runs that are meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.comparability import differences
from harness.completeness import all_generated, check_complete
from harness.errors import HarnessError, nearest
from harness.store import Store, queries
from harness.store.queries import RunSummary

SHOW_INCOMPLETE = (
    "`harness compare --allow-incomplete` shows what is there, without interval, p, verdict or "
    "rank."
)
_SHORTEST_FINGERPRINT = 6
_LISTED = 3


class NothingCalled(HarnessError):
    """Nothing in the results file goes by that name."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: one run, or whatever runs a model has."""

    runs: list[RunSummary]
    is_model: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A task that is not compared, and why."""

    task: str
    reason: str


def find_runs(store: Store, names: Sequence[str], profile: str) -> list[list[RunSummary]]:
    """Return the runs that each name stands for, the newest first; see :func:`find`."""
    return [found.runs for found in find(store, names, profile)]


def find(store: Store, names: Sequence[str], profile: str) -> list[Found]:
    """Find what each name stands for.

    A name is a run's id or its beginning, or a model: any name, source or folder that it was
    measured under, the last part of its name (``step-100`` of ``sft/step-100``), or its fingerprint
    or the beginning of that. Whole names go before parts.

    Args:
        store: The results file.
        names: What the user calls them.
        profile: Whose grades the summaries are to hold.

    Returns:
        For each name its runs, the newest first.

    Raises:
        NothingCalled: A name stands for nothing that has a run.
        HarnessError: A name stands for several runs or models.
    """
    runs = queries.runs(store, profile=profile)
    known_as = {run.fingerprint: {run.model} for run in runs}
    for fingerprint, *aliases in queries.aliases(store):
        known_as.setdefault(fingerprint, set()).update(aliases)
    return [_meant(name, runs, known_as, store.path) for name in names]


def find_one(store: Store, name: str, profile: str) -> RunSummary:
    """Return the one run that a name stands for, as in :func:`find_runs`.

    Raises:
        HarnessError: It stands for nothing, or for a model with several runs.
    """
    (runs,) = find_runs(store, [name], profile)
    if len(runs) > 1:
        listed = ", ".join(f"{run.id} ({run.task})" for run in runs[:_LISTED])
        raise HarnessError(f"{name} has {len(runs)} runs.", f"Name one, for instance {listed}.")
    return runs[0]


def line_up(
    store: Store,
    found: Sequence[Sequence[RunSummary]],
    *,
    tasks: Collection[str] = (),
    allow_different: bool = False,
    allow_incomplete: bool = False,
    tasks_dir: Path | None = None,
) -> tuple[list[list[RunSummary]], list[LeftOut]]:
    """Choose, for each task, one run of each name, all under one protocol.

    Of several, complete ones with many items go first, then the newest. A run of which all answers
    are there passes for complete: what is not judged can be judged before it is compared.

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
        # Runs named one by one are meant, also where their tasks differ.
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
        together = _best(of_the_task)
        try:
            check(together)
        except HarnessError as error:
            refusal = refusal or error
            left_out.append(LeftOut(task, error.message))
        else:
            lines.append(together)
    if not lines:
        raise refusal or HarnessError("No task has a run of each.", "`harness runs` lists them.")
    return lines, left_out


def _meant(
    name: str, runs: Sequence[RunSummary], known_as: Mapping[str, set[str]], results: Path
) -> Found:
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
        raise NothingCalled(
            f"Nothing in {results.name} is called {name!r}, neither a run nor a model.",
            f"{nearest(name, known)} `harness runs` lists all there is."
            if known
            else "Run `harness eval` first.",
        )
    if found is beginnings and len(found) > 1:
        raise HarnessError(
            f"{len(found)} runs in {results.name} begin with {name!r}.",
            "`harness runs` lists them.",
        )
    models = {run.fingerprint: run for run in found}
    if len(models) > 1:
        listed = ", ".join(f"{run.fingerprint[:12]} ({run.model})" for run in models.values())
        raise HarnessError(
            f"{len(models)} models in {results.name} are called {name!r}.",
            f"Name one by its fingerprint: {listed}.",
        )
    return Found(found, is_model=found is not ways[0] and found is not beginnings)


def _best(of_the_task: Sequence[Sequence[RunSummary]]) -> list[RunSummary]:
    """Return one run a name, as alike as can be had: under one protocol, complete, long, new."""
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
            differences(first, other).check(called(first), called(other))


def called(run: RunSummary) -> str:
    """Return what to call a run in a message."""
    return f"{run.model} ({run.id})"

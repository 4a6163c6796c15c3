"""Candidate plan: the runs that pair with the baseline's, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.protocol import differences
from harness.backends.base import Backend, EngineOptions
from harness.errors import HarnessError
from harness.gate.baseline import Baseline
from harness.gate.config import GateConfig, TaskConfig
from harness.gate.rounds import deal_out
from harness.grading import GRADER_VERSION
from harness.registry import TaskRegistry
from harness.run.callbacks import Callbacks
from harness.run.command import CommandOptions, model_argument
from harness.run.plan import TaskPlan, plan_task, with_stored_fingerprint
from harness.run.regrade import regrade
from harness.store import Store, queries
from harness.store.item_results import ItemResult, item_results
from harness.types import DEFAULT_PROFILE, THESE_ITEMS, Model


@dataclass(frozen=True, slots=True)
class Gate:
    """What one command asks.

    Attributes:
        candidate: The checkpoint; ``None`` where it is the baseline's own model (``aa``).
        baselines: Runs, or a model, of the results file.
        config: What is decided.
        results: The results file.
        registry: Where the tasks are.
        tasks: What to gate on, in place of what the configuration says.
        suite: A named list of tasks.
        aa: The baseline's own model, sampled again.
        replicate: Of the candidate; ``None`` for the first, or the next after the baseline's.
        revision: Commit of a hub model.
        engine: Which engine generates, and its options.
    """

    candidate: str | None
    baselines: Sequence[str]
    config: GateConfig
    results: Path
    registry: TaskRegistry
    tasks: Sequence[str] = ()
    suite: str | None = None
    aa: bool = False
    replicate: int | None = None
    revision: str | None = None
    engine: EngineOptions = EngineOptions()

    @property
    def command_options(self) -> CommandOptions:
        """Engine and tasks folder, for the commands that a refusal names."""
        return CommandOptions(self.engine, self.registry.folder)


@dataclass(frozen=True, slots=True)
class Pair:
    """One task with both its sides.

    Attributes:
        config: What is decided on it.
        baseline_run: The stored run.
        plan: The candidate's.
        baseline_items: Its items that the candidate is asked.
        rounds: Where the drop is about these items: what of the baseline each round reads.
    """

    config: TaskConfig
    baseline_run: queries.RunSummary
    plan: TaskPlan
    baseline_items: Mapping[str, ItemResult]
    rounds: Sequence[Mapping[str, ItemResult]] | None = None

    @property
    def name(self) -> str:
        """The task."""
        return self.plan.task.name


def open_candidate(
    gate: Gate, store: Store, backend: Backend, baselines: Sequence[Baseline]
) -> Model:
    """Open the candidate: what was named, or the baseline's own model.

    Raises:
        HarnessError: It cannot be used, or the baseline's model is no longer where it was.
    """
    if gate.candidate is not None:
        return with_stored_fingerprint(backend.open(gate.candidate, gate.revision), store)
    if gate.engine.trust_remote_code:
        # A results file may come from anybody: it does not choose whose code runs.
        raise HarnessError(
            "--aa opens the model that the results file names, and --trust-remote-code would run "
            "its code.",
            "Name where the baseline's own weights are with --candidate, beside --aa.",
        )
    fingerprint = baselines[0].run.fingerprint
    model = with_stored_fingerprint(backend.open(*model_argument(store, fingerprint)), store)
    if model.fingerprint != fingerprint:
        raise HarnessError(
            f"What is now at {model.source} is not the model of run {baselines[0].run.id}: its "
            "fingerprint differs.",
            "Name where the baseline's own weights are with --candidate, beside --aa.",
        )
    return model


def plan_candidate(gate: Gate, baseline: Baseline, model: Model, backend: Backend) -> TaskPlan:
    """Plan the candidate's run as the baseline was asked."""
    replicate = gate.replicate
    if replicate is None:
        replicate = baseline.run.replicate + 1 if gate.aa else 0
    settings = replace(baseline.settings, replicate=replicate)
    settings.check()
    return plan_task(baseline.task, model, backend, settings)


def protocol_warnings(baselines: Sequence[Baseline], plans: Sequence[TaskPlan]) -> list[str]:
    """Return the differences that are only warned of; refuse those that are more.

    Raises:
        HarnessError: The candidate would be asked something else than the baseline was.
    """
    warnings: dict[str, None] = {}
    for baseline, plan in zip(baselines, plans, strict=True):
        found = differences(baseline.run, plan)
        if found.refused:
            raise HarnessError(
                f"The candidate would not be measured on {baseline.task.name} as the baseline run "
                f"{baseline.run.id} was: {'; '.join(map(str, found.refused))}.",
                "Give the engine the same arguments, or evaluate the baseline again.",
            )
        for difference in (*found.shown, *found.warned):
            warnings[f"Baseline and candidate differ in {difference}."] = None
    return list(warnings)


def regrade_baselines(
    store: Store, baselines: Sequence[Baseline], registry: TaskRegistry, callbacks: Callbacks
) -> None:
    """Judge the baseline again where another version of the grader judged it."""
    run_ids = [baseline.run.id for baseline in baselines]
    for run_id, versions in queries.grader_versions(store, run_ids, DEFAULT_PROFILE).items():
        if versions != (GRADER_VERSION,):
            callbacks.phase("judging the baseline by today's grader")
            regrade(store, run_id, DEFAULT_PROFILE, lambda *_: None, registry)


def pair_runs(store: Store, baseline: Baseline, plan: TaskPlan) -> Pair:
    """Put the two sides of a task together.

    Raises:
        HarnessError: The baseline lacks an item, or it was judged by another gold.
    """
    stored = item_results(store, baseline.run.id)
    items: dict[str, ItemResult] = {}
    for item in plan.items:
        outcome = stored.get(item.id)
        if outcome is None or outcome.gold_id.replace("-", "") != item.gold_id:
            raise HarnessError(
                f"The baseline run {baseline.run.id} was not judged on item {item.id} of "
                f"{plan.task.name} as the task now stands.",
                "Run the `harness eval` that made it once more: only the judging is done again.",
            )
        items[item.id] = outcome
    rounds = None
    if baseline.config.target == THESE_ITEMS:
        rounds = deal_out(store, baseline.run.id, items, plan.run.samples)
    return Pair(baseline.config, baseline.run, plan, items, rounds)


def compared_with_itself(pairs: Sequence[Pair]) -> list[str]:
    """Return a warning where both sides are the same samples."""
    same = [
        pair.name
        for pair in pairs
        if pair.plan.model.fingerprint == pair.baseline_run.fingerprint
        and (pair.plan.run.replicate, pair.plan.run.seed)
        == (pair.baseline_run.replicate, pair.baseline_run.seed)
    ]
    if not same:
        return []
    return [
        f"The candidate is the baseline's own model, and on {', '.join(same)} its stored samples "
        "are compared with themselves; --aa samples it again."
    ]

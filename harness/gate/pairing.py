"""Both sides of a gate, task by task: a stored run, and the plan of the candidate's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.backends import Backend
from harness.comparability import differences
from harness.errors import HarnessError
from harness.gate.anchors import Anchor
from harness.gate.command import Engine, model_argument
from harness.gate.config import GateConfig, TaskConfig
from harness.gate.rounds import deal_out
from harness.grading import GRADER_VERSION
from harness.judging import regrade
from harness.pipeline import with_stored_fingerprint
from harness.plan import TaskPlan, plan_task
from harness.registry import TaskRegistry
from harness.sitting import Observer
from harness.store import Store, queries
from harness.store.outcomes import ItemOutcome, item_outcomes
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
        aa: The baseline's own model, sampled anew.
        replicate: Of the candidate; ``None`` for the first, or the next after the baseline's.
        revision: Commit of a hub model.
        backend: Name of the backend.
        engine_args: Passed through to the engine.
        backend_options: The backend's own options.
        trust_remote_code: Whether a checkpoint's own code may run.
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
    backend: str = "vllm"
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False

    @property
    def engine(self) -> Engine:
        """What generates, for the commands that a refusal names."""
        return Engine(
            self.backend,
            self.engine_args,
            self.backend_options,
            self.trust_remote_code,
            self.registry.folder,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """One task with both its sides.

    Attributes:
        config: What is decided on it.
        anchor: The baseline's run.
        plan: The candidate's.
        baseline: The baseline's items that the candidate is asked.
        rounds: Where the drop is about these items: what of the baseline each round reads.
    """

    config: TaskConfig
    anchor: queries.RunSummary
    plan: TaskPlan
    baseline: Mapping[str, ItemOutcome]
    rounds: Sequence[Mapping[str, ItemOutcome]] | None = None

    @property
    def name(self) -> str:
        """The task."""
        return self.plan.task.name


def open_candidate(gate: Gate, store: Store, backend: Backend, anchors: Sequence[Anchor]) -> Model:
    """Open the candidate: what was named, or the baseline's own model.

    Raises:
        HarnessError: It cannot be used, or the baseline's model is no longer where it was.
    """
    if gate.candidate is not None:
        return with_stored_fingerprint(backend.open(gate.candidate, gate.revision), store)
    if gate.trust_remote_code:
        # A results file may come from anybody: it does not choose whose code runs.
        raise HarnessError(
            "--aa opens the model that the results file names, and --trust-remote-code would run "
            "its code.",
            "Name where the baseline's own weights are with --candidate, beside --aa.",
        )
    fingerprint = anchors[0].run.fingerprint
    model = with_stored_fingerprint(backend.open(*model_argument(store, fingerprint)), store)
    if model.fingerprint != fingerprint:
        raise HarnessError(
            f"What is now at {model.source} is not the model of run {anchors[0].run.id}: its "
            "fingerprint differs.",
            "Name where the baseline's own weights are with --candidate, beside --aa.",
        )
    return model


def plan_candidate(gate: Gate, anchor: Anchor, model: Model, backend: Backend) -> TaskPlan:
    """Plan the candidate's run as the baseline was asked."""
    replicate = gate.replicate
    if replicate is None:
        replicate = anchor.run.replicate + 1 if gate.aa else 0
    settings = replace(anchor.settings, replicate=replicate)
    settings.check()
    return plan_task(anchor.task, model, backend, settings)


def tell_apart(anchors: Sequence[Anchor], plans: Sequence[TaskPlan]) -> list[str]:
    """Return the differences that are only warned of; refuse those that are more.

    Raises:
        HarnessError: The candidate would be asked something else than the baseline was.
    """
    warnings: dict[str, None] = {}
    for anchor, plan in zip(anchors, plans, strict=True):
        found = differences(anchor.run, plan)
        if found.refused:
            raise HarnessError(
                f"The candidate would not be measured on {anchor.task.name} as the baseline run "
                f"{anchor.run.id} was: {'; '.join(map(str, found.refused))}.",
                "Give the engine the same arguments, or evaluate the baseline again.",
            )
        for difference in (*found.shown, *found.warned):
            warnings[f"Baseline and candidate differ in {difference}."] = None
    return list(warnings)


def heal(
    store: Store, anchors: Sequence[Anchor], registry: TaskRegistry, observer: Observer
) -> None:
    """Judge the baseline again where another version of the grader judged it."""
    run_ids = [anchor.run.id for anchor in anchors]
    for run_id, versions in queries.grader_versions(store, run_ids, DEFAULT_PROFILE).items():
        if versions != (GRADER_VERSION,):
            observer.phase("judging the baseline by today's grader")
            regrade(store, run_id, DEFAULT_PROFILE, lambda *_: None, registry)


def pair_up(store: Store, anchor: Anchor, plan: TaskPlan) -> Pair:
    """Put the two sides of a task together.

    Raises:
        HarnessError: The baseline lacks an item, or it was judged by another gold.
    """
    stored = item_outcomes(store, anchor.run.id)
    baseline: dict[str, ItemOutcome] = {}
    for item in plan.items:
        outcome = stored.get(item.id)
        if outcome is None or outcome.gold_id.replace("-", "") != item.gold_id:
            raise HarnessError(
                f"The baseline run {anchor.run.id} was not judged on item {item.id} of "
                f"{plan.task.name} as the task now stands.",
                "Run the `harness eval` that made it once more: only the judging is done anew.",
            )
        baseline[item.id] = outcome
    rounds = None
    if anchor.config.target == THESE_ITEMS:
        rounds = deal_out(store, anchor.run.id, baseline, plan.run.samples)
    return Pair(anchor.config, anchor.run, plan, baseline, rounds)


def compared_with_itself(pairs: Sequence[Pair]) -> list[str]:
    """Return a warning where both sides are the same samples."""
    same = [
        pair.name
        for pair in pairs
        if pair.plan.model.fingerprint == pair.anchor.fingerprint
        and (pair.plan.run.replicate, pair.plan.run.seed)
        == (pair.anchor.replicate, pair.anchor.seed)
    ]
    if not same:
        return []
    return [
        f"The candidate is the baseline's own model, and on {', '.join(same)} its stored samples "
        "are compared with themselves; --aa samples it anew."
    ]

"""Alpha budget: how the error rate is divided over tests, attempts and the choice of the baseline.

Two choices make errors more likely than one gate shows. Who gates one candidate several times takes
the luckiest verdict; so the attempts share alpha. And who takes the best of several stored models
as the baseline takes the luckiest one; so the probability of a false fail is divided by their
number. Both are union bounds, which hold however the attempts, or the models, depend on each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.protocol import protocol_differences
from harness.errors import HarnessError
from harness.gate.baseline import BEST
from harness.gate.config import GateConfig, Tier, margin_of
from harness.gate.plan import Gate, Pair
from harness.gate.report import Budget
from harness.statistics.sequential import Rule, divide_alpha
from harness.store import Store, queries
from harness.store.gate_decisions import PastGate, past_gates

_GUARDS = 4
_LISTED = 3
# What cannot change a verdict, or is in the ids of the runs.
_IMMATERIAL = frozenset(
    {
        "tasks", "suite", "defaults", "by_task", "suite_margin", "power", "window", "undecided",
        "chosen_on", "baseline_fixed", "top_p", "thinking_budget", "stop_loops", "thinking",
        "system", "seed",
    }
)  # fmt: skip
_IN_THE_RUN = frozenset({"samples", "limit", "max_tokens", "temperature"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What is decided on each task and on the suite.

    Attributes:
        tasks: By task; the alpha of a test that is only reported is the whole one.
        suite: On all tasks that are not advisory; ``None`` where there is one.
        guard: Greatest probability that one guard is breached by mistake.
        tiers: By task.
    """

    tasks: dict[str, Rule]
    suite: Rule | None
    guard: float
    tiers: dict[str, Tier]


def rules_of(config: GateConfig, pairs: Sequence[Pair], budget: Budget) -> Rules:
    """Return what is decided, with alpha divided over all that can fail the gate.

    Raises:
        HarnessError: Nothing counts, or a margin is a share of a score of 0.
    """
    tiers = config.tiers([pair.name for pair in pairs])
    counted = [pair for pair in pairs if tiers[pair.name] is not Tier.ADVISORY]
    required = [pair for pair in pairs if tiers[pair.name] is Tier.REQUIRED]
    alpha_pass = config.alpha * budget.share
    shares = divide_alpha(
        alpha_pass / budget.best_of,
        tests=len(required) + (len(counted) > 1),
        guards=_GUARDS * len(counted),
        guard_share=config.guard_share,
    )
    tasks = {}
    for pair in pairs:
        counts = tiers[pair.name] is Tier.REQUIRED
        alphas = (shares.test, alpha_pass) if counts else (config.alpha, config.alpha)
        margin = _margin(pair.config.margin, _score([pair]), pair.name)
        tasks[pair.name] = Rule(margin, *alphas)
    suite = None
    if len(counted) > 1:
        said = config.suite_margin or config.defaults.margin
        suite = Rule(_margin(said, _score(counted), "the suite"), shares.test, alpha_pass)
    return Rules(tasks, suite, shares.guard, tiers)


def alpha_budget(gate: Gate, store: Store, pairs: Sequence[Pair]) -> tuple[Budget, list[str]]:
    """Return what is left of alpha, and what a reader should know of that.

    A gate that asks what an earlier one asked, of the same runs, is that attempt: it comes to the
    same verdict. Gates that sample the baseline again (``--aa``) let nothing through and are not
    counted.
    """
    past = past_gates(store)
    tiers = gate.config.tiers([pair.name for pair in pairs])
    counted = [pair for pair in pairs if tiers[pair.name] is not Tier.ADVISORY]
    candidate = pairs[0].plan.model.fingerprint
    chosen: list[str] = []
    if not gate.config.baseline_fixed and BEST not in gate.baselines:
        chosen = _best_of(store, counted, candidate, past)
    best_of = max(1, len(chosen))
    runs = {pair.name: (pair.baseline_run.id, pair.plan.run.id) for pair in pairs}
    earlier = []
    if not gate.aa:
        earlier = earlier_attempts(gate.config, runs, candidate, past, best_of=best_of)
    budget = Budget(len(earlier) + 1, tuple(one.id for one in earlier), best_of)
    said = []
    if len(chosen) > 1:
        said.append(
            f"The baseline {pairs[0].baseline_run.model} has the best score of {len(chosen)} "
            f"stored models ({_listed(chosen)}), and such a score is partly luck: an equal "
            "candidate looks worse. The probability of a false fail is therefore divided by "
            f"{len(chosen)}. "
            "If the baseline was chosen before these scores were known, say so in gate.toml "
            "(baseline_fixed = true); or have it chosen on other tasks (--baseline best, "
            "chosen_on)."
        )
    if earlier:
        tasks = ", ".join(pair.name for pair in pairs)
        verdicts = _listed([f"{one.outcome} {one.id}" for one in reversed(earlier)])
        said.append(
            f"This is attempt {budget.attempt} at this candidate on {tasks} (before: {verdicts}). "
            f"All attempts share alpha, and this one has {100 * budget.share:.2g} % of it."
        )
    return budget, said


def margin_remarks(pairs: Sequence[Pair], rules: Rules) -> list[str]:
    """Say in points what a margin comes to that is a share of the baseline's score."""
    return [
        f"{pair.name}: the margin is {pair.config.margin} of the baseline's stored score of "
        f"{100 * _score([pair]):.1f} %, which is {100 * rules.tasks[pair.name].margin:.2f} points."
        for pair in pairs
        if isinstance(pair.config.margin, str)
    ]


def _margin(said: float | str, score: float, where: str) -> float:
    margin = margin_of(said, score)
    if margin <= 0:
        raise HarnessError(
            f"The baseline scores 0 on {where}, so that {said} of it is no margin.",
            "Give the margin in points: margin = 3.0.",
        )
    return margin


def _score(pairs: Sequence[Pair]) -> float:
    """Return the baseline's score on the items asked, the plain mean over tasks."""
    scores = [
        sum(item.score for item in pair.baseline_items.values()) / len(pair.baseline_items)
        for pair in pairs
    ]
    return sum(scores) / len(scores)


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join([*names[:_LISTED], *more])


def _best_of(
    store: Store, pairs: Sequence[Pair], candidate: str, past: Sequence[PastGate]
) -> list[str]:
    """Return the models that the baseline is the best of, itself first, on a task or on their mean.

    Models count, not their replicates. Those measured after the baseline had taken up its service
    cannot have been chosen among.
    """
    baseline = pairs[0].baseline_run.fingerprint
    since = _in_service_since(baseline, {pair.name for pair in pairs}, past)
    runs = queries.runs(store)
    names = {run.fingerprint: run.model for run in runs}
    by_task: list[dict[str, float]] = []
    for pair in pairs:
        sign = -1 if pair.config.better == "lower" else 1
        (stored,) = (run for run in runs if run.id == pair.baseline_run.id)
        scores = {baseline: sign * stored.score.value if stored.score else 0.0}
        for run in runs:
            if (
                run.task == stored.task
                and run.fingerprint not in (baseline, candidate)
                and run.complete
                and run.score is not None
                and run.item_set == stored.item_set
                and not protocol_differences(run.protocol, stored.protocol)
                and (since is None or (run.finished_at or run.created_at).timestamp() < since)
            ):
                score = sign * run.score.value
                scores[run.fingerprint] = max(score, scores.get(run.fingerprint, score))
        by_task.append(scores)
    everywhere = [model for model in by_task[0] if all(model in scores for scores in by_task)]
    together = {model: sum(scores[model] for scores in by_task) for model in everywhere}
    pools = [scores for scores in (*by_task, together) if scores[baseline] >= max(scores.values())]
    return [names[model] for model in max(pools, key=len, default={})]


def _in_service_since(baseline: str, tasks: set[str], past: Sequence[PastGate]) -> float | None:
    """Return when the unbroken series of gates against this baseline began; None without one."""
    since = None
    for one in reversed(past):
        if one.aa or not tasks & one.runs.keys():
            continue
        if one.baseline != baseline:
            break
        since = one.decided_at.timestamp() - one.seconds
    return since


def earlier_attempts(
    config: GateConfig,
    runs: Mapping[str, tuple[str, str]],
    candidate: str,
    past: Sequence[PastGate],
    *,
    best_of: int = 1,
) -> list[PastGate]:
    """Return the gates that count as earlier attempts at a candidate, the oldest first.

    Those that had a task in common with this gate, against any baseline; each question once, and
    none from this very question on: what is asked again is the same attempt.

    Args:
        config: Of this gate.
        runs: By task, the ids of the baseline's run and the candidate's.
        candidate: Fingerprint.
        past: All decisions, the oldest first.
        best_of: Number of models that the baseline is the best of.
    """
    asked = _question(json.loads(json.dumps(config.as_dict())), runs, best_of)
    attempts: list[PastGate] = []
    questions: list[dict[str, Any]] = []
    for one in past:
        if one.aa or one.candidate != candidate or not runs.keys() & one.runs.keys():
            continue
        question = _question(one.config, one.runs, one.best_of)
        if question == asked:
            break
        if question not in questions:
            questions.append(question)
            attempts.append(one)
    return attempts


def _question(
    config: Mapping[str, Any], runs: Mapping[str, tuple[str, str]], best_of: int
) -> dict[str, Any]:
    """Return all that decides a verdict; what is at its default is left out.

    A configuration stored by a version that did not know a key is one that leaves it at its
    default.
    """
    standard = json.loads(json.dumps(GateConfig().as_dict()))
    defaults = config.get("defaults", {})
    said = {
        name: value
        for name, value in config.items()
        if name not in _IMMATERIAL and value != standard.get(name)
    }
    by_task = {
        task: {
            name: value
            for name, value in config.get("by_task", {}).get(task, defaults).items()
            if name not in _IN_THE_RUN and value != standard["defaults"].get(name)
        }
        for task in runs
    }
    suite_margin = config.get("suite_margin") or defaults.get("margin") if len(runs) > 1 else None
    return {
        "said": said,
        "by_task": by_task,
        "suite_margin": suite_margin,
        "runs": {task: tuple(pair) for task, pair in runs.items()},
        "best_of": best_of,
    }

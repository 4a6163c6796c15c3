"""What counts for a verdict, in which direction, and how much of alpha a gate may spend."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.simulated import read_in_order
from harness.gate.budget import earlier_attempts
from harness.gate.config import GateConfig, Guards, TaskConfig, Tier
from harness.gate.evidence import GateEvidence, Rates, ReadItem, TaskEvidence, guards_of
from harness.statistics.sequential import Outcome, Rule, share_of_attempt
from harness.store import Store
from harness.store.gate_decisions import PastGate, gate_decisions
from harness.store.item_results import ItemResult, SampleResult
from harness.types import Status
from tests.conftest import Finished

Call = Callable[..., Finished]
Floats = NDArray[np.float64]


def _tests(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["task"]: task for task in report["tasks"]}


@pytest.fixture
def evaluate(harness: Call, results: Path, tasks_dir: Path) -> Callable[..., None]:
    """Evaluate models on ``hostile`` as the baseline was evaluated."""

    def call(*names: str, replicate: int = 0) -> None:
        models = [word for name in names for word in ("--model", name)]
        done = harness(
            *("eval", *models, "--tasks", "hostile", "--tasks-dir", tasks_dir),
            *("--results", results, "--replicate", replicate),
        )
        assert done.code == 0, done.err

    return call


def test_an_advisory_task_and_a_rise_are_reported_as_what_they_are(
    gate: Call, tmp_path: Path
) -> None:
    # The candidate scores less on both: on `sums` that is good, and `more_sums` does not count.
    files = ("--markdown", tmp_path / "gate.md", "--junit", tmp_path / "gate.xml")
    own = '{sums = {better = "lower", margin = 1}, more_sums = {tier = "advisory"}}'
    both = {"tasks": "sums,more_sums", "margin": 15, "task": own}
    done = gate("worse:drop=0.9", "--json", *files, **both)
    tests = _tests(done.json)
    assert (done.code, done.json["outcome"], done.json["suite"]) == (0, "pass", None)
    assert (tests["sums"]["outcome"], tests["more_sums"]["outcome"]) == ("pass", "fail")
    assert tests["sums"]["drop"] < -0.1 < 0.1 < tests["more_sums"]["drop"]
    assert tests["sums"]["better"] > tests["sums"]["worse"]
    # All of alpha for failing is that of the one task that counts.
    assert tests["sums"]["alpha_fail"] == pytest.approx(0.036)
    said = "the rise is under 1 points"
    assert said in done.json["reason"] and "Not counted: more_sums" in done.json["reason"]
    markdown = files[1].read_text()
    assert "fail (advisory)" in markdown and "(rise)" in markdown
    assert "if on one required task alone (sums)" in markdown
    suites = {suite.get("name"): suite for suite in ElementTree.parse(files[3]).getroot()}
    assert suites["more_sums"].get("failures") == "0" < str(suites["more_sums"].get("skipped"))


def test_a_rise_fails_where_the_lower_score_is_the_better_one(
    gate: Call, evaluate: Callable[..., None]
) -> None:
    evaluate("tame:drop=0.8")
    named = ("--baseline", "tame:drop=0.8")
    done = gate("same", "--json", *named, tasks="hostile", better='"lower"', margin=10)
    assert done.code == 1 and "the score has risen" in done.json["reason"]


def test_tasks_may_count_only_together(gate: Call) -> None:
    done = gate("same", "--json", tasks="sums,more_sums", margin=15, tier='"suite"')
    assert done.code == 0 and done.json["suite"]["outcome"] == "pass"
    assert done.json["suite"]["alpha_fail"] == pytest.approx(0.036)
    assert "the tasks together" in done.json["reason"] and "sums:" not in done.json["reason"]
    assert "on every task" in done.err and "alone" not in done.err
    refused = gate("same", tasks="sums,more_sums", tier='"advisory"')
    assert refused.code == 2 and "advisory" in refused.err


def test_a_relative_margin_is_fixed_from_the_stored_score(
    gate: Call, evaluate: Callable[..., None]
) -> None:
    report = gate("same", "--json", margin='"20%"').json
    (task,) = report["tasks"]
    assert 0.10 < task["margin"] < 0.14, "60 % of the items are solved"
    points = f"{100 * task['margin']:.2f} points"
    assert any(
        "20% of the baseline's stored score" in w and points in w for w in report["warnings"]
    )
    evaluate("null:drop=1")
    refused = gate("same", "--baseline", "null:drop=1", tasks="hostile", margin='"20%"')
    assert refused.code == 2 and "no margin" in refused.err and "margin = 3.0" in refused.err


def test_the_best_of_several_named_by_its_name_divides_alpha_for_failing(
    gate: Call, evaluate: Callable[..., None], results: Path
) -> None:
    def asked(*more: object, **config: object) -> tuple[float, float, str]:
        asks = {"tasks": "hostile", "margin": 10, **config}
        report = gate("same", "--json", *more, **asks).json
        (task,) = report["tasks"]
        return task["alpha_fail"], task["alpha_pass"], " ".join(report["warnings"])

    evaluate("poor:drop=0.3", "weak:drop=0.4")
    evaluate("poor:drop=0.3", replicate=1)
    fail, passes, said = asked()
    assert fail == pytest.approx(0.036 / 3) and passes == pytest.approx(0.045)
    assert "the best score of 3 stored models" in said and "baseline_fixed = true" in said
    # What is measured once a baseline serves was not chosen among, and neither is the candidate.
    evaluate("late:drop=0.5", "same")
    assert asked()[0] == pytest.approx(0.036 / 3)
    with duckdb.connect(str(results)) as connection:
        connection.execute("DELETE FROM gate_decision")
    fail, _, said = asked(baseline_fixed=True)
    assert fail == pytest.approx(0.036) and "best score" not in said
    other = ("--baseline", "poor:drop=0.3")
    assert "best score" not in asked(*other, margin=15)[2]
    # A later attempt has so little of alpha that 60 items cannot pass this margin.
    refused = gate("same", *other, tasks="hostile", margin=10)
    assert refused.code == 2 and "In attempt 3, which has 2.5 % of alpha" in refused.err


def test_a_gate_asked_otherwise_is_another_attempt_and_a_repeat_is_none(
    gate: Call, results: Path, tmp_path: Path
) -> None:
    asked = {"tasks": "hostile", "margin": 20}
    first = gate("same", "--json", **asked).json
    assert first["budget"] == {"attempt": 1, "earlier": [], "best_of": 1}
    again = gate("same", "--json", **asked, window=20, undecided='"neutral"').json
    assert again["budget"] == first["budget"] and again["tokens_spent"] == 0
    files = ("--markdown", tmp_path / "gate.md", "--junit", tmp_path / "gate.xml")
    second = gate("same", "--json", *files, **asked, order_seed=7).json
    assert second["budget"] == {"attempt": 2, "earlier": [first["id"]], "best_of": 1}
    (task,) = second["tasks"]
    assert task["alpha_pass"] == pytest.approx(0.05 * 0.05)
    assert task["alpha_fail"] == pytest.approx(0.04 * 0.05)
    said = " ".join(second["warnings"])
    assert "attempt 2 at this candidate on hostile" in said and first["id"] in said
    assert "attempt 2" in files[1].read_text() and "attempt 2" in files[3].read_text()
    assert "(attempt 2)" in gate("same", **asked, order_seed=7).out
    (kept,) = gate_decisions(Store(results), decision_id=second["id"])
    assert kept.budget == second["budget"]
    for model in (None, "base"):
        more = () if model else ("--aa",)
        assert gate(model, *more, "--json", **asked).json["budget"]["attempt"] == 1


RUNS = {"sums": ("base-1", "run-1")}


def _past(config: GateConfig | None = None, **others: Any) -> PastGate:
    stored = json.loads(json.dumps((config or GateConfig()).as_dict()))
    one = PastGate("d", datetime.now(UTC), 1.0, "pass", "me", "base", False, stored, RUNS, 1)
    return replace(one, **others)


@pytest.mark.parametrize(
    "other",
    [
        {"config": GateConfig(order_seed=7)},
        {"config": GateConfig(alpha=0.1)},
        {"config": GateConfig(defaults=TaskConfig(margin=5))},
        {"config": GateConfig(by_task={"sums": TaskConfig(guards=Guards(loop=9))})},
        {"runs": {"sums": ("base-1", "run-of-replicate-1")}},
        {"runs": {"sums": ("base-2", "run-1")}, "baseline": "another"},
        {"runs": RUNS | {"more": ("base-3", "run-3")}},
        {"best_of": 2},
        {"outcome": "error", "config": GateConfig(order_seed=7)},
    ],
)
def test_whatever_decides_a_verdict_makes_another_attempt(other: dict[str, Any]) -> None:
    past = [_past(**other), _past(**other)]
    assert earlier_attempts(GateConfig(), RUNS, "me", past) == past[:1]
    assert earlier_attempts(GateConfig(), RUNS, "me", [_past(), *past]) == []


@pytest.mark.parametrize(
    "other",
    [
        {"config": GateConfig(window=3, power=0.9, undecided="neutral", tasks=("sums",))},
        {"config": GateConfig(by_task={"more": TaskConfig(margin=5)})},
        {"runs": {"more": ("base-3", "run-3")}},
        {"candidate": "another"},
        {"aa": True, "config": GateConfig(order_seed=7)},
    ],
)
def test_what_decides_nothing_makes_none(other: dict[str, Any]) -> None:
    assert earlier_attempts(GateConfig(), RUNS, "me", [_past(**other)]) == []


def test_a_decision_of_an_older_version_is_the_same_question() -> None:
    config = json.loads(json.dumps(GateConfig().as_dict()))
    del config["baseline_fixed"], config["defaults"]["tier"], config["defaults"]["better"]
    assert earlier_attempts(GateConfig(), RUNS, "me", [replace(_past(), config=config)]) == []


def test_ten_attempts_at_the_margin_pass_as_rarely_as_one() -> None:
    random = np.random.default_rng(0)
    attempts, gates, items, margin = 10, 300, 200, 0.10
    skill = random.beta(2, 2, (gates, items)) * (1 - margin) + margin
    stored = random.random((gates, items)) < skill
    fresh = random.random((attempts, gates, items)) < skill - margin
    drops = stored.astype(float) - fresh
    alone = read_in_order(drops.reshape(-1, items), Rule(margin, 0.04, 0.05)).passed
    assert alone.reshape(attempts, gates).any(0).mean() > 0.10, "else this would test nothing"
    passed = np.zeros(gates, dtype=bool)
    for number, of_attempt in enumerate(drops, start=1):
        share = share_of_attempt(number)
        passed |= read_in_order(of_attempt, Rule(margin, 0.04 * share, 0.05 * share)).passed
    assert passed.mean() <= 0.05


def test_the_best_of_ten_equal_models_as_baseline_fails_an_equal_one_rarely() -> None:
    random = np.random.default_rng(1)
    gates, items, models, margin = 500, 300, 10, 0.05
    skill = random.beta(2, 2, (gates, items))
    stored = random.random((models, gates, items)) < skill
    best = stored.sum(-1).argmax(0)
    lucky = stored[best, np.arange(gates)].astype(float)
    drops = lucky - (random.random((gates, items)) < skill)
    uncorrected = read_in_order(drops, Rule(margin, 0.036, 0.045))
    corrected = read_in_order(drops, Rule(margin, 0.036 / models, 0.045))
    assert uncorrected.failed.mean() > 0.05, "else this would test nothing"
    assert corrected.failed.mean() <= 0.036


def test_what_does_not_count_is_read_along_and_decides_nothing() -> None:
    def stored(task: str) -> dict[str, ItemResult]:
        names = [f"{task}-{n}" for n in range(100)]
        return {name: ItemResult(name, "", "", "", 1, 1, 0, 0, 0, 0, 40) for name in names}

    tasks = []
    for name, tier in (("a", Tier.REQUIRED), ("b", Tier.ADVISORY)):
        guards = guards_of(Guards(), 0.01, 0.05)
        tasks.append(TaskEvidence(name, list(stored(name)), 1, stored(name), guards, tier=tier))
    rule = Rule(0.02, 0.04, 0.05)
    evidence = GateEvidence(tasks, {"a": rule, "b": rule}, None)
    for task, item, _ in evidence.in_order():
        if item != "a-99":
            right = task == "a"
            evidence.arrive(
                task, SampleResult("run", item, 0, right, Status.OK, False, not right, 40)
            )
    assert evidence.tests.tasks["b"].outcome is Outcome.FAIL and evidence.tasks["b"].breached
    assert evidence.outcome is Outcome.UNDECIDED and not evidence.breached
    assert evidence.unread() == 1 and evidence.needs("a") and not evidence.needs("b")


def test_failures_of_the_grader_are_read_both_ways_where_lower_is_better() -> None:
    before, after = Rates(0, 0, 0, grader_failure=0.25), Rates(0, 0, 0, grader_failure=0.5)
    higher = ReadItem("item", 0.5, 0.25, before, after, 40)
    lower = replace(higher, lower_is_better=True)
    assert (higher.least_drop, higher.drop, higher.greatest_drop) == (-0.25, 0.25, 0.5)
    assert (lower.least_drop, lower.drop, lower.greatest_drop) == (-0.5, -0.25, 0.25)

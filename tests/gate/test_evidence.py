"""The evidence of a gate: only the completed prefix counts, whatever comes back first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.gate.config import Guards
from harness.gate.evidence import GateEvidence, TaskEvidence, guards_of, order_of
from harness.statistics.sequential import Evidence, Outcome, Rule
from harness.store.item_results import ItemResult, SampleResult
from harness.types import Status
from tests.gate.simulated import arrivals

ITEMS, WINDOW = 600, 256
RULE = Rule(0.02, 0.04, 0.05)


def _baseline(right: np.ndarray) -> dict[str, ItemResult]:
    return {
        str(n): ItemResult(str(n), "", "", "", 1, int(ok), 0, 0, 0, 0, 40)
        for n, ok in enumerate(right)
    }


def _sample(item: str, right: bool, status: Status = Status.OK) -> SampleResult:
    return SampleResult("run", item, 0, bool(right), status, False, False, 40)


def _evidence(baseline: dict[str, ItemResult], order: list[str], rule: Rule = RULE) -> GateEvidence:
    guards = guards_of(Guards(), 0.0025, 0.05)
    return GateEvidence([TaskEvidence("sums", order, 1, baseline, guards)], {"sums": rule}, None)


def _race(seed: int, drop: float) -> tuple[Outcome, Outcome]:
    """Return what the gate says, and what evidence read as it arrives would say.

    As in an engine with many requests under way, where wrong answers are 2.5 times as long.
    """
    random = np.random.default_rng(seed)
    skill = random.choice([0.15, 0.95], size=ITEMS, p=[0.4, 0.6])
    before = random.random(ITEMS) < skill
    after = (random.random(ITEMS) < skill) & (random.random(ITEMS) >= drop / 0.63)
    lengths = np.where(after, 1.0, 2.5) * random.uniform(0.8, 1.2, ITEMS)
    order = order_of([str(n) for n in range(ITEMS)], seed, "candidate")
    evidence, naive = _evidence(_baseline(before), order), Evidence(RULE)
    for place in arrivals([lengths[int(item)] for item in order], WINDOW):
        item = order[place]
        evidence.arrive("sums", _sample(item, after[int(item)]))
        if naive.outcome is Outcome.UNDECIDED:
            naive.update(float(before[int(item)]) - float(after[int(item)]))
        if evidence.decided and naive.outcome is not Outcome.UNDECIDED:
            break
    return evidence.outcome, naive.outcome


def test_a_drop_is_seen_though_its_wrong_answers_come_back_last() -> None:
    said = [_race(seed, 0.10) for seed in range(20)]
    gate, naive = ([pair[side] for pair in said] for side in (0, 1))
    assert gate.count(Outcome.PASS) == 0
    assert gate.count(Outcome.FAIL) >= 12
    assert naive.count(Outcome.PASS) > 10, "else this would test nothing"


def test_an_equal_candidate_is_not_failed_for_the_order_in_which_it_answers() -> None:
    said = [_race(1000 + seed, 0.0)[0] for seed in range(10)]
    # At most 5 % with the guards: four of ten would happen once in a thousand times.
    assert said.count(Outcome.FAIL) < 4


def test_an_item_that_arrives_early_waits_for_those_before_it() -> None:
    baseline = _baseline(np.ones(4, dtype=bool))
    evidence = _evidence(baseline, ["2", "0", "3", "1"])
    for item in ("3", "0", "1"):
        evidence.arrive("sums", _sample(item, False))
        assert not evidence.tasks["sums"].read
    assert evidence.unread() == 4
    evidence.arrive("sums", _sample("2", True))
    evidence.arrive("sums", _sample("2", False))  # a second verdict on it says nothing new
    read = evidence.tasks["sums"].read
    assert [item.item_id for item in read] == ["2", "0", "3", "1"]
    assert [item.drop for item in read] == [0, 1, 1, 1]


def test_nothing_is_read_after_the_verdict() -> None:
    baseline = _baseline(np.ones(300, dtype=bool))
    evidence = _evidence(baseline, [str(n) for n in range(300)])
    for n in range(300):
        evidence.arrive("sums", _sample(str(n), False))
    assert evidence.outcome is Outcome.FAIL and not evidence.needs("sums")
    assert len(evidence.tasks["sums"].read) == evidence.tests.tasks["sums"].decided_at < 300


def test_an_answer_the_grader_failed_on_is_read_both_ways() -> None:
    baseline = _baseline(np.ones(400, dtype=bool))
    rule = Rule(0.1, 0.04, 0.05)
    evidence = _evidence(baseline, [str(n) for n in range(400)], rule)
    for n in range(100):
        failed = n % 4 == 0
        status = Status.TIMEOUT if failed else Status.OK
        evidence.arrive("sums", _sample(str(n), not failed, status))
    assert evidence.in_doubt is not None or evidence.breached
    assert evidence.tests.outcome is Outcome.FAIL


@pytest.mark.parametrize("sizes", [(40, 40), (30, 90), (25, 60)])
def test_the_tasks_are_asked_for_in_proportion_and_the_suite_reads_them_all(
    sizes: tuple[int, int],
) -> None:
    rule = Rule(0.5, 0.01, 1e-9)
    tasks = []
    for name, size in zip("ab", sizes, strict=True):
        stored = _baseline(np.arange(size) % 2 == 0)
        tasks.append(TaskEvidence(name, list(stored), 1, stored, guards_of(Guards(), 0.001, 0.05)))
    evidence = GateEvidence(tasks, {"a": rule, "b": rule}, rule)
    asked = list(evidence.in_order())
    assert len(asked) == len(set(asked)) == sum(sizes)
    first = asked[: len(asked) // 2]
    assert abs(sum(name == "a" for name, *_ in first) / len(first) - sizes[0] / sum(sizes)) < 0.1
    for name, item, _ in reversed(asked):
        evidence.arrive(name, _sample(item, int(item) % 2 == 0))
    assert evidence.tests.suite is not None
    assert evidence.tests.suite.items == sum(sizes)
    assert evidence.tests.suite.drop == 0


def test_a_late_answer_holds_up_its_round_and_all_after_it() -> None:
    stored = _baseline(np.ones(3, dtype=bool))
    guards = guards_of(Guards(), 0.0025, 0.05)
    task = TaskEvidence("sums", ["2", "0", "1"], 4, stored, guards, [stored] * 4)
    evidence = GateEvidence([task], {"sums": RULE}, None)
    asked = [(item, sample) for _, item, sample in evidence.in_order()]
    assert asked == [(item, sample) for sample in range(4) for item in ("2", "0", "1")]
    late = ("0", 1)
    for item, sample in asked:
        if (item, sample) != late:
            evidence.arrive("sums", replace(_sample(item, item == "1"), sample_index=sample))
    assert task.units_read == 1 and evidence.unread() == 3
    evidence.arrive("sums", replace(_sample("0", False, Status.TIMEOUT), sample_index=1))
    assert task.units_read == 4 and len(task.read) == 12
    assert dict(task.by_item()) == {"2": 1, "0": 1, "1": 0}
    harsh, kind = evidence.tests.tasks["sums"].drop, evidence._others[0].tasks["sums"].drop
    assert (harsh, kind) == (pytest.approx(8 / 12), pytest.approx(7 / 12))


def test_every_candidate_has_an_order_of_its_own() -> None:
    items = [str(n) for n in range(50)]
    assert order_of(items, 0, "a") == order_of(items, 0, "a")
    assert len({tuple(order_of(items, seed, who)) for seed in (0, 1) for who in "ab"}) == 4

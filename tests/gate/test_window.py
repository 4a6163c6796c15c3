"""How far the gate's requests run ahead of its evidence: its driver on an engine with a clock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bench.window import ITEMS, WAYS, Answers, Engine, gate, plan_of
from harness.gate.evidence import GateEvidence, TaskEvidence
from harness.gate.run import EarlyStopping
from harness.run.plan import TaskPlan
from harness.statistics.sequential import Outcome, Rule
from harness.store.item_results import ItemResult, SampleResult
from harness.types import Generation, Request, Status, Verdict

# Of a margin that no benchmark decides, so that everything has to be read.
UNDECIDABLE = Rule(0.0005, 0.04, 0.05)
LONG, SHORT = 1_000_000, 10

Deliver = Callable[[Callable[[], None]], object]


def _evidence(rules: dict[str, Rule], samples: int = 1) -> GateEvidence:
    """Tasks whose baseline solves every item."""
    items = plan_of(samples).run.item_ids
    stored = {item: ItemResult(item, "", "", "", 1, 1, 0, 0, 0, 0, 0) for item in items}
    return GateEvidence(
        [TaskEvidence(name, list(items), samples, stored, {}) for name in rules], rules, None
    )


def _plan(task: str, samples: int = 1) -> TaskPlan:
    plan = plan_of(samples)
    requests = tuple(replace(asked, key=f"{task} {asked.key}") for asked in plan.requests)
    named = replace(plan.task, name=task)
    return replace(plan, task=named, run=replace(plan.run, id=task), requests=requests)


def _serve(
    stopping: EarlyStopping,
    plans: Sequence[TaskPlan],
    long: Sequence[Request],
    deliver: Deliver = lambda verdict: verdict(),
) -> list[str]:
    """Have everything answered rightly; return the keys as they come back."""
    asked: dict[str, list[tuple[TaskPlan, Request]]] = {}
    for plan in plans:
        for request in plan.requests:
            asked.setdefault(request.key, []).append((plan, request))
    tokens = dict.fromkeys(asked, SHORT) | {request.key: LONG for request in long}
    done = []
    completions = Engine(tokens, slots=256).generate(stopping.requests())
    for completion in completions:
        done.append(completion.key)
        generation = Generation(completion.key, "", "", "stop", False, False, 0, 1, 0, 0.0)

        def judge(generation: Generation = generation) -> None:
            for plan, request in asked[generation.key]:
                stopping.on_verdict(plan, request, generation, Verdict(True, Status.OK))

        deliver(judge)
        if stopping.on_completion(completion.key):
            break
    completions.close()
    return done


def test_the_window_bounds_what_is_generated_behind_a_long_answer_at_the_head() -> None:
    plan = _plan("a")
    stopping = EarlyStopping(_evidence({"a": UNDECIDABLE}), [plan], 16)
    stopping.missing = {request.key for request in plan.requests}
    head = plan.requests[0]
    done = _serve(stopping, [plan], [head])
    assert done.index(head.key) == 2 * 16 - 1, "nothing could be read before it"
    assert sorted(done) == sorted(request.key for request in plan.requests)


def test_behind_a_long_answer_no_more_is_generated_than_the_verdict_takes() -> None:
    plan = _plan("a")
    evidence = _evidence({"a": Rule(0.03, 0.04, 0.05)})
    stopping = EarlyStopping(evidence, [plan], None)
    stopping.missing = {request.key for request in plan.requests}
    done = _serve(stopping, [plan], [plan.requests[0]])
    assert evidence.outcome is Outcome.PASS
    assert done.index(plan.requests[0].key) >= 60, "what has come back says that more is needed"
    assert len(done) <= 1.2 * len(evidence.tasks["a"].read)


def test_all_of_a_round_is_generated_at_once() -> None:
    plan = _plan("a", samples=4)
    items = list(plan.run.item_ids)
    stored = {item: ItemResult(item, "", "", "", 4, 4, 0, 0, 0, 0, 0) for item in items}
    task = TaskEvidence("a", items, 4, stored, {}, [stored] * 4)
    stopping = EarlyStopping(GateEvidence([task], {"a": UNDECIDABLE}, None), [plan], None)
    stopping.missing = {request.key for request in plan.requests}
    requests = stopping.requests()
    first = [next(requests) for _ in range(ITEMS)]
    assert {request.sample_index for request in first if request} == {0}
    assert next(requests) is None, "nothing is known of another one yet"


@pytest.mark.parametrize(("drop", "samples"), [(0.10, 4), (0.05, 4)])
def test_a_clear_drop_costs_little_more_than_the_items_that_show_it(
    drop: float, samples: int
) -> None:
    read = spent = 0.0
    for seed in range(6):
        answers = Answers.drawn(drop, samples, 0.5, seed)
        ended = gate(WAYS["default"], answers, 256, seed)
        assert ended.outcome is not Outcome.PASS
        read += ended.read / ITEMS
        spent += ended.tokens / float(answers.tokens.sum())
    assert read < 6 * 0.8, "else this would test nothing"
    assert spent <= 1.3 * read


@pytest.mark.parametrize("window", [16, None])
def test_nothing_is_lost_with_a_slow_grader_stored_answers_and_a_question_asked_twice(
    window: int | None,
) -> None:
    plan = _plan("a", samples=2)
    twin = replace(plan.requests[1400], key=plan.requests[0].key)
    plan = replace(plan, requests=(*plan.requests[:1400], twin, *plan.requests[1401:]))
    evidence = _evidence({"a": UNDECIDABLE}, samples=2)
    stopping = EarlyStopping(evidence, [plan], window)
    keys = sorted({request.key for request in plan.requests} - {twin.key})
    stored = set(random.Random(0).sample(keys, ITEMS))
    stopping.read(
        [
            SampleResult("a", r.item_id, r.sample_index, True, Status.OK, False, False, 1)
            for r in plan.requests
            if r.key in stored
        ]
    )
    missing = {request.key for request in plan.requests} - stored
    stopping.missing = set(missing)

    def slow(verdict: Callable[[], None]) -> None:
        time.sleep(0.0005)
        verdict()

    with ThreadPoolExecutor(1) as grader:

        def later(verdict: Callable[[], None]) -> None:
            grader.submit(slow, verdict)

        done = _serve(stopping, [plan], [plan.requests[100]], later)
    stopping.take_in()
    assert sorted(done) == sorted(missing)
    assert evidence.unread() == 0 and evidence.outcome is not Outcome.FAIL


def test_what_a_decided_task_still_generates_holds_no_other_task_back() -> None:
    plans = [_plan("a"), _plan("b")]
    evidence = _evidence({"a": Rule(0.9, 0.04, 0.05), "b": UNDECIDABLE})
    stopping = EarlyStopping(evidence, plans, None)
    stopping.missing = {request.key for plan in plans for request in plan.requests}
    late = plans[0].requests[15]
    done = _serve(stopping, plans, [late])
    assert evidence.tests.tasks["a"].outcome is Outcome.PASS
    assert done[-1] == late.key and len(done) > ITEMS

"""How far the gate's requests run ahead of its evidence: its driver on an engine with a clock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from bench.window import ITEMS, WAYS, Answers, Engine, gate, plan_of
from harness.gate.course import Course, TaskCourse
from harness.gate.driver import Trial
from harness.plan import TaskPlan
from harness.statistics.sequential import Outcome, Rule
from harness.store.outcomes import ItemOutcome, SampleOutcome
from harness.types import Generation, Request, Status, Verdict

# Of a margin that no benchmark decides, so that everything has to be read.
UNDECIDABLE = Rule(0.0005, 0.04, 0.05)
LONG, SHORT = 1_000_000, 10

Deliver = Callable[[Callable[[], None]], object]


def _course(rules: dict[str, Rule], samples: int = 1) -> Course:
    """Tasks whose baseline solves every item."""
    items = plan_of(samples).run.item_ids
    stored = {item: ItemOutcome(item, "", "", "", 1, 1, 0, 0, 0, 0, 0) for item in items}
    return Course(
        [TaskCourse(name, list(items), samples, stored, {}) for name in rules], rules, None
    )


def _plan(task: str, samples: int = 1) -> TaskPlan:
    plan = plan_of(samples)
    requests = tuple(replace(asked, key=f"{task} {asked.key}") for asked in plan.requests)
    named = replace(plan.task, name=task)
    return replace(plan, task=named, run=replace(plan.run, id=task), requests=requests)


def _serve(
    trial: Trial,
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
    completions = Engine(tokens, slots=256).generate(trial.requests())
    for completion in completions:
        done.append(completion.key)
        generation = Generation(completion.key, "", "", "stop", False, False, 0, 1, 0, 0.0)

        def judge(generation: Generation = generation) -> None:
            for plan, request in asked[generation.key]:
                trial.judged(plan, request, generation, Verdict(True, Status.OK))

        deliver(judge)
        if trial.arrived(completion.key):
            break
    completions.close()
    return done


def test_the_window_bounds_what_is_generated_behind_a_long_answer_at_the_head() -> None:
    plan = _plan("a")
    trial = Trial(_course({"a": UNDECIDABLE}), [plan], 16)
    trial.missing = {request.key for request in plan.requests}
    head = plan.requests[0]
    done = _serve(trial, [plan], [head])
    assert done.index(head.key) == 2 * 16 - 1, "nothing could be read before it"
    assert sorted(done) == sorted(request.key for request in plan.requests)


def test_behind_a_long_answer_no_more_is_generated_than_the_verdict_takes() -> None:
    plan = _plan("a")
    course = _course({"a": Rule(0.03, 0.04, 0.05)})
    trial = Trial(course, [plan], None)
    trial.missing = {request.key for request in plan.requests}
    done = _serve(trial, [plan], [plan.requests[0]])
    assert course.outcome is Outcome.PASS
    assert done.index(plan.requests[0].key) >= 60, "what has come back says that more is needed"
    assert len(done) <= 1.2 * len(course.tasks["a"].read)


def test_all_of_a_round_is_generated_at_once() -> None:
    plan = _plan("a", samples=4)
    items = list(plan.run.item_ids)
    stored = {item: ItemOutcome(item, "", "", "", 4, 4, 0, 0, 0, 0, 0) for item in items}
    task = TaskCourse("a", items, 4, stored, {}, [stored] * 4)
    trial = Trial(Course([task], {"a": UNDECIDABLE}, None), [plan], None)
    trial.missing = {request.key for request in plan.requests}
    requests = trial.requests()
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
    course = _course({"a": UNDECIDABLE}, samples=2)
    trial = Trial(course, [plan], window)
    keys = sorted({request.key for request in plan.requests} - {twin.key})
    stored = set(random.Random(0).sample(keys, ITEMS))
    trial.read(
        [
            SampleOutcome("a", r.item_id, r.sample_index, True, Status.OK, False, False, 1)
            for r in plan.requests
            if r.key in stored
        ]
    )
    missing = {request.key for request in plan.requests} - stored
    trial.missing = set(missing)

    def slow(verdict: Callable[[], None]) -> None:
        time.sleep(0.0005)
        verdict()

    with ThreadPoolExecutor(1) as grader:
        done = _serve(trial, [plan], [plan.requests[100]], partial(grader.submit, slow))
    trial.take_in()
    assert sorted(done) == sorted(missing)
    assert course.unread() == 0 and course.outcome is not Outcome.FAIL


def test_what_a_decided_task_still_generates_holds_no_other_task_back() -> None:
    plans = [_plan("a"), _plan("b")]
    course = _course({"a": Rule(0.9, 0.04, 0.05), "b": UNDECIDABLE})
    trial = Trial(course, plans, None)
    trial.missing = {request.key for plan in plans for request in plan.requests}
    late = plans[0].requests[15]
    done = _serve(trial, plans, [late])
    assert course.reading.tasks["a"].outcome is Outcome.PASS
    assert done[-1] == late.key and len(done) > ITEMS

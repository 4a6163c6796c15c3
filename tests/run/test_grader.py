"""How answers get to the graders."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from harness.run import grader
from harness.run.grader import RunGrader
from harness.store import Journal, Store
from harness.types import Item, Status, Verdict


class HeldPool:
    """Takes answers in and grades none until it is released."""

    def __init__(self) -> None:
        self.taken: list[Future[Verdict]] = []

    def submit(self, **_: Any) -> Future[Verdict]:
        self.taken.append(Future())
        return self.taken[-1]


def test_generation_waits_where_the_graders_have_fallen_far_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grader, "_MAX_UNGRADED", 3)
    pool: Any = HeldPool()
    item = Item("a", "What is 1 + 1?", "2")
    with Journal(Store(tmp_path / "results.duckdb")) as journal:
        run_grader = RunGrader(pool, journal, "strict", lambda *_: None)

        def generate() -> None:
            for number in range(5):
                run_grader.submit("run", item, f"{number:032x}", "2", truncated=False)

        thread = threading.Thread(target=generate, daemon=True)
        thread.start()
        thread.join(0.5)
        assert len(pool.taken) == 3
        for number in range(5):
            while len(pool.taken) <= number:
                thread.join(0.01)
            pool.taken[number].set_result(Verdict(True, Status.OK))
        thread.join(10)
        run_grader.wait()
    assert len(pool.taken) == 5


def test_generation_waits_where_long_answers_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grader, "_MAX_UNGRADED_CHARACTERS", 250)
    pool: Any = HeldPool()
    with Journal(Store(tmp_path / "results.duckdb")) as journal:
        run_grader = RunGrader(pool, journal, "strict", lambda *_: None)
        asked = (run_grader, Item("a", "", "2"), "x" * 100)
        thread = threading.Thread(target=_submit_all, args=(*asked, 4), daemon=True)
        thread.start()
        thread.join(0.5)
        assert len(pool.taken) == 3
        pool.taken[0].set_result(Verdict(True, Status.OK))
        thread.join(10)
        assert len(pool.taken) == 4


def _submit_all(run_grader: RunGrader, item: Item, answer: str, count: int) -> None:
    for number in range(count):
        run_grader.submit("run", item, f"{number:032x}", answer, truncated=False)


def test_what_fails_after_a_verdict_is_raised_where_it_is_waited_for(tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of the callbacks")

    pool: Any = HeldPool()
    with Journal(Store(tmp_path / "results.duckdb")) as journal:
        run_grader = RunGrader(pool, journal, "strict", broken)
        _submit_all(run_grader, Item("a", "", "2"), "2", 2)
        for future in pool.taken:
            future.set_result(Verdict(True, Status.OK))
        with pytest.raises(ZeroDivisionError, match="of the callbacks"):
            run_grader.wait()


def test_an_answer_that_makes_the_grader_fail_has_a_grade_that_says_so(tmp_path: Path) -> None:
    pool: Any = HeldPool()
    store = Store(tmp_path / "results.duckdb")
    with Journal(store) as journal:
        run_grader = RunGrader(pool, journal, "strict", lambda *_: None)
        _submit_all(run_grader, Item("a", "", "2"), "2", 1)
        pool.taken[0].set_exception(OSError("of the pool"))
        run_grader.wait()
    with store.read() as connection:
        rows = connection.execute("SELECT correct, status, method FROM grade").fetchall()
    assert rows == [(False, "crash", "OSError")]

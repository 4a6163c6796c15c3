"""Judging stored answers again: what code is called and which gold counts is the task's to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.grading import GRADER_VERSION
from harness.registry import TaskRegistry
from harness.run.regrade import regrade
from harness.store import Journal, Store, queries
from harness.store.rows import item_row
from harness.types import DEFAULT_PROFILE, Item
from tests.conftest import Finished
from tests.store.rows import generation, grade, model, request, run

TASK = """
from harness.task import Task
from harness.types import Item
TASK = Task("own", "1", lambda: [Item("a", "1 + 1?", "2"), Item("b", "1 + 2?", "3")],
            lambda item: [{"role": "user", "content": item.question}])
"""
MARK = "PWNED"


@pytest.fixture
def registry(tmp_path: Path) -> TaskRegistry:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "own.py").write_text(TASK)
    return TaskRegistry(folder)


def _store(tmp_path: Path, *items: Item, task: str = "own", **changed: Any) -> Store:
    """A run of these items; all answers are Python, and say 2 as well."""
    store = Store(tmp_path / "results.duckdb")
    answer = f"open({str(tmp_path / MARK)!r}, 'w') # \\boxed{{2}}"
    with Journal(store) as journal:
        journal.append("model", model())
        journal.append("run", run(items=len(items), requests=len(items)) | {"task": task})
        for number, one in enumerate(items):
            data = run()["data_sha256"]
            journal.append("item", item_row(one, task, data, number) | changed)
            asked = {"item_id": one.id, "gold_id": one.gold_id}
            journal.append("request", request(number) | asked)
            journal.append("generation", generation(number, answer=answer))
    return store


def _regrade(store: Store, registry: TaskRegistry) -> int:
    return regrade(store, "aaaaaaaaaaaa", DEFAULT_PROFILE, lambda *_: None, registry)


STRANGE = {
    "the task has another judge": (Item("a", "1 + 1?", "2", scorer="timeit:timeit"), "own"),
    "the task has no such item": (Item("c", "1 + 1?", "2", scorer="timeit:timeit"), "own"),
    "there is no such task": (Item("a", "1 + 1?", "2", scorer="timeit:timeit"), "nowhere"),
}


@pytest.mark.parametrize("why", STRANGE)
def test_a_row_names_no_code(tmp_path: Path, registry: TaskRegistry, why: str) -> None:
    item, task = STRANGE[why]
    store = _store(tmp_path, item, task=task)
    with pytest.raises(HarnessError, match="no longer has item|There is no task"):
        _regrade(store, registry)
    assert not (tmp_path / MARK).exists()
    assert queries.runs(store)[0].graded == 0


def test_an_item_that_the_task_has_changed_or_lost_is_not_judged_by_another_gold(
    tmp_path: Path, registry: TaskRegistry
) -> None:
    known, changed = Item("a", "1 + 1?", "2"), Item("b", "1 + 2?", "4")
    store = _store(tmp_path, known, changed, gold=None)  # as restricted runs are stored
    with pytest.raises(HarnessError, match="no longer has item b"):
        _regrade(store, registry)
    assert queries.runs(store)[0].graded == 0


def test_a_restricted_run_is_judged_by_the_golds_of_its_task(
    tmp_path: Path, registry: TaskRegistry
) -> None:
    store = _store(tmp_path, Item("a", "1 + 1?", "2"), Item("b", "1 + 2?", "3"), gold=None)
    assert _regrade(store, registry) == 2
    assert _regrade(store, registry) == 0
    (summary,) = queries.runs(store)
    assert (summary.graded, summary.grader_versions) == (2, (GRADER_VERSION,))
    assert summary.score and summary.score.value == 0.5


def test_what_another_version_judged_is_told_and_what_judging_again_changed(
    harness: Callable[..., Finished], tmp_path: Path, registry: TaskRegistry
) -> None:
    """Version 1 took item a's 2 for wrong, b's for right, and could not read c's."""
    items = [Item("a", "?", "2"), Item("b", "?", "3"), Item("c", "?", "4"), Item("d", "?", "5")]
    store = _store(tmp_path, *items)
    with Journal(store) as journal:
        for number, status in enumerate(("ok", "ok", "unparsed")):
            old = grade(number, correct=number == 1, status=status)
            journal.append("grade", old | {"gold_id": items[number].gold_id, "extracted": "old"})
    where = ("--results", store.path)
    shown = harness("show", "aaaa", *where).out
    scored = harness("score", "aaaa", *where).out
    assert "n 3 of 4" in scored
    for said in (harness("runs", *where).out, shown, scored):
        assert f"version {GRADER_VERSION}" in said or f"than {GRADER_VERSION} (1)" in said
        assert f"`harness regrade aaaaaaaaaaaa --results {store.path}`" in said
    assert "1 of 3 answers could not be read" in shown

    done = harness("regrade", "all", "--list", "--tasks-dir", tmp_path / "tasks", *where)
    assert done.code == 0, done.err
    output = " ".join(done.out.split())
    assert "(3 by version 1, 1 not judged before): 1 wrong → right, 1 right → wrong" in output
    assert "a · sample 0: wrong → right (ok → ok) old → 2" in output
    assert "another version" not in harness("runs", *where).out
    again = harness("regrade", "aaaa", *where, "--json").json
    assert (again["judged"], again["changes"], again["run"]["graded"]) == (0, [], 4)


def test_of_a_restricted_run_no_answer_is_listed(
    harness: Callable[..., Finished], tmp_path: Path, registry: TaskRegistry
) -> None:
    item = Item("a", "1 + 1?", "2")
    store = _store(tmp_path, item, gold=None)
    with Journal(store) as journal:
        old = grade(0, correct=False) | {"gold_id": item.gold_id, "extracted": "secret"}
        journal.append("grade", old)
    with store.write() as connection:
        connection.execute("UPDATE run SET restricted = true")
    arguments = ("--list", "--tasks-dir", tmp_path / "tasks", "--results", store.path)
    output = harness("regrade", "aaaa", *arguments, "--json").json
    assert [change["before"]["extracted"] for change in output["changes"]] == [None]

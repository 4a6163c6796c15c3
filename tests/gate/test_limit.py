"""What `--limit` takes in evaluations and gates, and in files whose runs took the first items."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.registry import TaskRegistry
from harness.run.plan import limit_items
from harness.store import Store, queries
from tests.conftest import Finished
from tests.gate.conftest import ITEMS
from tests.gate.simulated import Simulated

Call = Callable[..., Finished]
_FIRST = {f"sum-{n}" for n in range(60)}


@pytest.fixture
def evaluate(harness: Call, tmp_path: Path, tasks_dir: Path) -> Call:
    """Call ``harness eval`` on ``sums`` in a file of its own, which gates take as well."""

    def call(model: str, *more: object) -> Finished:
        results = tmp_path / "limited.duckdb"
        where = ("--tasks", "sums", "--tasks-dir", tasks_dir, "--results", results)
        return harness("eval", "--model", model, *where, "--json", *more)

    return call


def _as_earlier_versions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("harness.run.plan.limit_items", lambda items, limit: list(items[:limit]))


def _stopped_after(patch: pytest.MonkeyPatch, count: int) -> None:
    handed_over: list[str] = []

    def stop(key: str) -> None:
        handed_over.append(key)
        if len(handed_over) > count:
            os.kill(os.getpid(), signal.SIGTERM)

    patch.setattr(Simulated, "handed_over", staticmethod(stop))


def _asked(tmp_path: Path, done: Finished) -> frozenset[str]:
    (run,) = done.json["runs"]
    return queries.item_ids(Store(tmp_path / "limited.duckdb"), run["id"])


def test_a_limit_draws_from_the_whole_task_and_keeps_its_order(
    evaluate: Call, tmp_path: Path, tasks_dir: Path
) -> None:
    items = TaskRegistry(tasks_dir).load("sums").items()
    small, large = (_asked(tmp_path, evaluate("base", "--limit", n)) for n in (30, 60))
    assert small < large == {item.id for item in limit_items(items, 60)} != _FIRST
    with Store(tmp_path / "limited.duckdb").read() as connection:
        stored = connection.execute("SELECT id, ordinal FROM item").fetchall()
    assert dict(stored) == {f"sum-{n}": n for n in range(ITEMS) if f"sum-{n}" in large}
    whole = evaluate("base")
    assert (whole.json["stored"], whole.json["generated"]) == (60, ITEMS - 60)


def test_a_run_on_the_first_items_is_gone_on_with_and_others_follow_it(
    evaluate: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _as_earlier_versions(patch)
        _stopped_after(patch, 20)
        assert evaluate("base", "--limit", 60).code == 128 + signal.SIGTERM
    (begun,) = queries.runs(Store(tmp_path / "limited.duckdb"))
    assert 0 < begun.generated < begun.requests == 60

    again = evaluate("base", "--limit", 60)
    assert [run["id"] for run in again.json["runs"]] == [begun.id]
    assert again.json["stored"] == begun.generated and again.json["runs"][0]["complete"]
    assert "first 60 items of sums" in " ".join(again.err.split())
    other = evaluate("other", "--limit", 60)
    assert _asked(tmp_path, other) == _asked(tmp_path, again) == _FIRST, "comparable"
    assert evaluate("base", "--limit", 60).json["generated"] == 0
    # Another limit was never asked here, and nothing keeps it from the drawn items.
    assert _asked(tmp_path, evaluate("base", "--limit", 59)) != {f"sum-{n}" for n in range(59)}


@pytest.mark.parametrize("first", [False, True], ids=["drawn", "first"])
def test_a_gate_asks_the_items_of_its_baseline(
    evaluate: Call,
    gate: Call,
    harness: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tasks_dir: Path,
    first: bool,
) -> None:
    with monkeypatch.context() as patch:
        if first:
            _as_earlier_versions(patch)
        _stopped_after(patch, 100)
        assert evaluate("base", "--limit", 60, "--n", 2).code == 128 + signal.SIGTERM
    where = ("--results", tmp_path / "limited.duckdb")
    refused = gate("same", *where)
    printed = re.search(r"`harness (eval .*)` goes on with it", refused.err, re.DOTALL)
    assert printed is not None, refused.err
    baseline = harness(*shlex.split(printed[1]), "--json")
    assert (baseline.json["stored"], baseline.json["generated"]) == (100, 20)
    asked = _asked(tmp_path, baseline)
    assert (asked == _FIRST) is first

    def candidates(done: Finished) -> frozenset[str]:
        assert done.code in (0, 3), done.err
        (task,) = done.json["tasks"]
        return queries.item_ids(store, task["candidate_run"])

    store = Store(where[1])
    assert candidates(gate("same", *where, "--json", margin=6)) == asked
    fewer = candidates(gate("same", *where, "--json", margin=30, limit=25))
    among = [item for item in TaskRegistry(tasks_dir).load("sums").items() if item.id in asked]
    assert fewer == {item.id for item in limit_items(among, 25)}
    # What was made for the gate is the run that an evaluation asks for.
    assert evaluate("same", "--limit", 60, "--n", 1).json["generated"] == 0

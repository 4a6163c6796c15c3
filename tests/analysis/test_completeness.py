"""Incomplete runs are marked wherever they are shown, and are never ranked or tested."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from harness.store import Journal, Store, queries
from tests.compared_store import Made, store_of
from tests.conftest import Finished
from tests.leaderboard.made_gate import decision_row

Harness = Callable[..., Finished]


def right(share: float, items: int = 60) -> list[list[bool]]:
    return [[number < share * items] for number in range(items)]


OLD, OLD_MORE = Made("old", right(0.5)), Made("old", right(0.5), task="more sums")
NEW = Made("new", right(0.6))
# Its first items are those that are right: 40 of 40, and 45 of 60 in truth.
HALF = Made("half", right(0.75), finished=40)
HALF_MORE = Made("half", right(0.4), task="more sums")
STOPPED_MORE = Made("stopped", right(0.75), task="more sums", finished=40)
RUNS = [OLD, OLD_MORE, NEW, HALF, HALF_MORE, STOPPED_MORE]
GATE = "gate-of-half"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = store_of(tmp_path_factory.mktemp("incomplete") / "results.duckdb", RUNS)
    with Journal(Store(path)) as journal:
        for decision, tasks in (
            ("older", [{"candidate_run": HALF.id}]),
            (GATE, [{"candidate_run": "unheard"}, {"candidate_run": HALF.id}]),
            # Whatever else a file holds is no run of ours.
            *((f"odd {n}", odd) for n, odd in enumerate(({}, [1], [{"candidate_run": [2]}]))),
        ):
            at = f"2030-01-0{2 if decision == GATE else 1}T00:00:00+00:00"
            row = decision_row(decision, "pass", "half", [], decided_at=at)
            journal.append("gate_decision", row | {"tasks": tasks, "candidate": HALF.fingerprint})
    return path


@pytest.fixture
def called(harness: Harness, results: Path) -> Harness:
    """Call a command on the results file."""
    return lambda *arguments: harness(*arguments, "--results", results)


def test_a_score_with_an_interval_is_of_complete_runs_only(results: Path) -> None:
    found = {run.id: run for run in queries.runs(Store(results))}
    assert found[HALF.id].so_far == queries.PartialScore(1.0, 40) and found[HALF.id].score is None
    assert (found[HALF.id].stopped_by, found[STOPPED_MORE.id].stopped_by) == (GATE, None)
    assert found[OLD.id].score is not None and found[OLD.id].so_far is None
    assert {run.complete for run in found.values() if run.score} == {True}


@pytest.mark.parametrize("names", [(OLD.id, HALF.id), (HALF.id, NEW.id, OLD.id), ("old", HALF.id)])
def test_incomplete_runs_are_not_compared(called: Harness, names: tuple[str, ...]) -> None:
    done = called("compare", *names, "--json")
    assert done.code == 2 and not done.out
    said = " ".join(done.err.split())
    assert f"half ({HALF.id}) on sums is incomplete: 40 of 60 samples judged" in said
    assert f"stopped by gate {GATE}" in said and f"gate {GATE} are in its report" in said
    assert "`harness eval --model /checkpoints/half --tasks sums" in said and "--limit 60" in said


def test_models_are_compared_on_the_tasks_that_they_have_complete_runs_of(called: Harness) -> None:
    found = called("compare", "old", "half", "--json").json
    assert [(task["task"], task["complete"]) for task in found["tasks"]] == [("more sums", True)]
    assert found["tasks"][0]["first"]["stopped_by"] is None and found["average"] is None
    (left_out,) = found["left_out"]
    assert left_out["task"] == "sums" and "40 of 60 samples judged" in left_out["reason"]
    assert "sums is left out: half" in called("compare", "old", "half").out
    none = called("compare", "old", "stopped")
    assert none.code == 2 and "harness eval --model /checkpoints/stopped" in none.err


def test_a_complete_run_goes_before_an_incomplete_one_with_more_items(
    harness: Harness, tmp_path: Path
) -> None:
    longer = Made("new", right(0.75, 90), replicate=1, finished=80)
    results = store_of(tmp_path / "r.duckdb", [OLD, NEW, longer])
    (task,) = harness("compare", "old", "new", "--results", results, "--json").json["tasks"]
    assert task["second"]["run"] == NEW.id


def _every(part: object, name: str) -> list[Any]:
    if isinstance(part, dict):
        own = [part[name]] if name in part else []
        return own + [one for value in part.values() for one in _every(value, name)]
    return [one for value in part for one in _every(value, name)] if isinstance(part, list) else []


@pytest.mark.parametrize("names", [(OLD.id, HALF.id), (HALF.id, NEW.id, OLD.id), ("old", "half")])
def test_where_they_are_allowed_nothing_is_concluded(
    called: Harness, names: tuple[str, ...]
) -> None:
    found = called("compare", *names, "--allow-incomplete", "--json").json
    (task,) = (task for task in found["tasks"] if task["task"] == "sums")
    assert (task["complete"], task["items"]) == (False, 40)
    conclusions = (
        *("low", "high", "p", "p_adjusted", "detectable", "method"),
        *("best_rank", "worst_rank", "noise"),
    )
    for name in conclusions:
        assert set(map(str, _every(task, name))) <= {"None"}, name
    assert 1.0 in _every(task, "value"), "the scores themselves are shown"
    assert GATE in _every(task, "stopped_by")
    assert not found.get("average") and not found.get("averages")
    printed = called("compare", *names, "--allow-incomplete").out
    assert "INCOMPLETE" in printed and f"stopped by gate {GATE}" in printed
    for line in printed.splitlines():
        if "INCOMPLETE" in line or HALF.id in line:
            assert not re.search(r"\[|p [<0]|is better|1st|any", line), line
    if len(names) == 3:
        assert len(re.findall(r"^– ", printed, re.MULTILINE)) == 3, "no rank"
    other = [task for task in found["tasks"] if task["task"] == "more sums"]
    assert all(task["paired"]["p"] == task["p_adjusted"] for task in other), "Holm is over one"


@pytest.mark.parametrize("form", ["csv", "html", "model-card"])
def test_exports_mark_them(called: Harness, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    arguments = ("export", "--format", form, "--out", out, "--model", "half")
    assert called(*arguments, "--json").json["incomplete"] == [HALF.id]
    assert "1 of these runs is incomplete (1 stopped by a gate)" in " ".join(
        called(*arguments, "--force").out.split()
    )
    text = out.read_text()
    if form == "csv":
        rows = duckdb.sql(
            f"SELECT task, run_complete, count(*) FROM read_csv('{out}') GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        assert rows == [("more sums", True, 60), ("sums", False, 40)]
    elif form == "html":
        of_the_task = text[text.index('<h2 id="sums">') :]
        assert '100.0 <span class="doubt">incomplete: 40 of 60 samples judged' in of_the_task
        assert f"stopped by gate {GATE}" in of_the_task and 'class="reach' not in of_the_task
    else:
        head = yaml.safe_load(text.split("---")[1])
        (result,) = head["model-index"][0]["results"]
        assert result["dataset"]["name"] == "more sums"
        assert "| sums | 100.0 | incomplete, not comparable | 40 of 60 |" in text


def test_a_model_card_of_incomplete_runs_only_is_refused(called: Harness, tmp_path: Path) -> None:
    arguments = ("export", "--format", "model-card", "--out", tmp_path / "o", "--model", "stopped")
    done = called(*arguments)
    assert done.code == 2 and f"`harness score {STOPPED_MORE.id} --results " in done.err


def test_answers_that_are_only_not_judged_yet_are_judged_and_compared(called: Harness) -> None:
    done = called("compare", OLD.id, NEW.id, "--profile", "lenient-test", "--json")
    assert done.code == 2
    judged = called("compare", OLD.id, NEW.id, "--profile", "cft-paper", "--json")
    assert judged.code == 0, judged.err
    (task,) = judged.json["tasks"]
    assert task["complete"] and task["regraded"] == {OLD.id: 60, NEW.id: 60}
    assert task["paired"]["p"] is not None

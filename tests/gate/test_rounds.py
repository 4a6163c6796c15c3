"""A gate on these items: 30 of them, read in rounds of one sample of each.

The baseline ``base`` has 64 stored samples of each item.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.store import Store
from harness.store.gate_decisions import gate_decisions
from tests.conftest import Finished
from tests.gate.conftest import made_baseline
from tests.gate.simulated import Simulated

Call = Callable[..., Finished]
ITEMS, ROUNDS = 30, 64
THESE = '"these items"'


@pytest.fixture(scope="session")
def _contest(tmp_path_factory: pytest.TempPathFactory, tasks_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("contest")
    return made_baseline(folder, tasks_dir, "contest", "--n", str(ROUNDS))


@pytest.fixture
def results(_contest: Path, tmp_path: Path) -> Path:
    """In place of the file with four samples an item."""
    return Path(shutil.copy(_contest, tmp_path / "results.duckdb"))


@pytest.fixture
def rounds(gate: Call) -> Call:
    """Call ``harness gate`` on these items."""

    def call(candidate: str | None, *more: object, **config: Any) -> Finished:
        return gate(candidate, *more, **{"tasks": "contest", "target": THESE, "margin": 5} | config)

    return call


def _the_task(done: Finished) -> dict[str, Any]:
    (task,) = done.json["tasks"]
    found: dict[str, Any] = task
    return found


def test_an_equal_candidate_passes_on_30_items(rounds: Call, results: Path, tmp_path: Path) -> None:
    files = (tmp_path / "gate.md", tmp_path / "gate.xml")
    done = rounds("same", "--json", "--markdown", files[0], "--junit", files[1], window=16)
    task = _the_task(done)
    assert (done.code, task["outcome"], task["target"]) == (0, "pass", "these items")
    assert task["decided_at"] == task["rounds_read"] == len(task["low"]) < task["rounds"] == ROUNDS
    assert task["items"] == task["read"] == ITEMS
    taken = Simulated.latest.taken
    first = [item for item, _ in taken[:ITEMS]]
    assert len(set(first)) == ITEMS, "a round is one sample of every item"
    assert taken == [(first[n % ITEMS], n // ITEMS) for n in range(len(taken))]
    assert len(taken) <= ITEMS * (task["rounds_read"] + 1)
    assert done.json["tokens_spent"] < 0.6 * done.json["tokens_full"]
    assert gate_decisions(Store(results))[0].tasks == [task]
    (case, *_) = ElementTree.fromstring(files[1].read_text()).iter("testcase")
    again = rounds("same")
    extent = f"{task['rounds_read']} of 64 rounds"
    for printed in (files[0].read_text(), " ".join(again.out.split()), done.json["reason"]):
        assert "on these 30 items" in printed and extent in printed
    assert "on these 30 items" in str(case.get("name"))
    assert again.code == 0 and Simulated.latest.starts == 0, "kept samples cost nothing"


def test_a_candidate_that_dropped_fails_after_few_rounds(rounds: Call) -> None:
    done = rounds("worse:drop=0.3", "--json", window=16)
    task = _the_task(done)
    assert (done.code, task["outcome"]) == (1, "fail")
    assert task["rounds_read"] < 20 and 0 <= task["least"] < task["drop"]
    assert len(set(task["most_lost"])) == 10
    assert task["worse"] + task["better"] <= ITEMS


def test_a_gate_stopped_in_the_middle_of_a_round_goes_on(
    rounds: Call, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, short = shutil.copy(results, results.with_name("before.duckdb")), {"samples": 16}
    finished: list[str] = []

    def stop(key: str) -> None:
        finished.append(key)
        if len(finished) > 4 * ITEMS + 7:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Simulated, "handed_over", staticmethod(stop))
        assert rounds("same", **short).code == 4
    again = rounds("same", "--json", **short)
    assert again.json["stored"] >= 4 * ITEMS
    shutil.copy(before, results)
    at_once = rounds("same", "--json", **short)
    for name in ("outcome", "rounds_read", "decided_at", "drop", "low", "high"):
        assert _the_task(again)[name] == _the_task(at_once)[name]


def test_fewer_rounds_use_all_that_the_baseline_has(rounds: Call) -> None:
    done = rounds("same", "--json", samples=32)
    task = _the_task(done)
    assert (done.code, task["rounds"], task["baseline_samples"]) == (0, 32, ROUNDS)
    # In single samples all baseline scores of a round are multiples of 1/30.
    assert (task["baseline_score"] * ITEMS * task["rounds_read"] * 2) % 1 == pytest.approx(0)


def test_a_margin_too_fine_for_the_rounds_is_told_or_refused(rounds: Call) -> None:
    fine = rounds("same", "--json", margin=2, samples=16)
    assert fine.code == 3
    before, generating, _ = fine.err.partition("generating")
    assert generating and "rounds (samples of each item, by both models)" in " ".join(
        before.split()
    )
    assert _the_task(fine)["would_take"]["samples"] > 16
    refused = rounds("same", margin=2, samples=4)
    assert refused.code == 2
    assert "cannot pass a margin of 2 points within 4 rounds" in " ".join(refused.err.split())
    assert "rounds (samples of each item, by both models), or a margin of" in refused.err


def test_the_baseline_against_itself(rounds: Call) -> None:
    words = " ".join(rounds(None, "--aa", tasks="", samples=16).out.split())
    assert "on these 30 items the model differs from itself by" in words


def test_a_mishap_that_spreads_breaches_its_guard(rounds: Call) -> None:
    done = rounds("odd:loop=0.6", "--json", margin=3, samples=32)
    assert done.code == 1 and "loop has risen" in done.json["reason"]


def test_answers_the_grader_fails_on_are_read_both_ways(rounds: Call) -> None:
    done = rounds("odd:hard=0.2", "--json", margin=10, samples=32, guards="{grader_failure = 90.0}")
    assert (done.code, done.json["outcome"]) == (4, "error")
    assert "the verdict depends on them" in done.json["reason"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--n", "1"), "one sample of each item"),
        (("--n", "1", "--temperature", "0"), "greedy answers"),
        (("--n", "8"), "64 rounds on contest need as many samples"),
    ],
)
def test_a_baseline_that_brings_no_fresh_samples_is_refused_with_the_command(
    rounds: Call, harness: Call, results: Path, tasks_dir: Path, asked: tuple[str, ...], said: str
) -> None:
    results.unlink()
    evaluated = ("--tasks", "contest", "--tasks-dir", tasks_dir, "--results", results, "--json")
    run = harness("eval", "--model", "base", *evaluated, *asked).json["runs"][0]["id"]
    refused = rounds("same", "--baseline", run, **({"samples": 64} if "8" in asked else {}))
    assert refused.code == 2 and said in refused.err, refused.err
    assert "harness eval --model base" in refused.err and "--n 64" in refused.err
    assert "--temperature 0 " not in refused.err


def test_tasks_of_both_kinds_are_read_together(
    rounds: Call, harness: Call, results: Path, tasks_dir: Path
) -> None:
    evaluated = ("--tasks", "sums", "--n", "4", "--tasks-dir", tasks_dir, "--results", results)
    assert harness("eval", "--model", "base", *evaluated).code == 0
    config = results.with_name("both.toml")
    config.write_text(f"margin = 12\n[task.contest]\ntarget = {THESE}\n")
    done = harness(
        *("gate", "--results", results, "--tasks-dir", tasks_dir, "--candidate", "same"),
        *("--baseline", "base", "--tasks", "sums,contest", "--config", config, "--json"),
    )
    assert done.code == 0, done.err
    sums, contest = done.json["tasks"]
    assert (sums["target"], sums["rounds"]) == ("new items", None)
    assert (contest["target"], contest["rounds"]) == ("these items", ROUNDS)
    suite = done.json["suite"]
    assert (suite["target"], suite["rounds"]) == ("each task's own target", ROUNDS)
    assert suite["rounds_read"] <= ROUNDS and suite["outcome"] == "pass"

"""The gate from the command line, on a simulated engine whose models are as good as they are named.

The baseline ``base`` has four stored samples of each item, of which 60 % are solved.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.gate.evidence import order_of
from harness.grading import GraderPool
from harness.store import Store, queries
from harness.store.gate_decisions import gate_decisions
from harness.types import digest
from tests.conftest import Finished
from tests.gate.conftest import ITEMS
from tests.gate.simulated import TASK_FILE, Simulated

Call = Callable[..., Finished]


def _the_task(report: dict[str, Any]) -> dict[str, Any]:
    (task,) = report["tasks"]
    found: dict[str, Any] = task
    return found


def test_an_equal_candidate_passes_before_all_items_are_read(gate: Call, results: Path) -> None:
    done = gate("same", "--json", margin=10)
    assert (done.code, done.json["outcome"], done.json["blocks"]) == (0, "pass", False)
    task = _the_task(done.json)
    assert task["decided_at"] == task["read"] == len(task["low"]) < ITEMS
    assert task["most"] <= 0.10 and task["least"] < 0
    assert done.json["tokens_spent"] < 0.9 * done.json["tokens_full"]
    assert done.json["tokens_aborted"] == Simulated.latest.aborted > 0
    (kept,) = gate_decisions(Store(results))
    assert (kept.outcome, kept.exit_code, kept.candidate_name) == ("pass", 0, "same")
    assert kept.tasks == done.json["tasks"] and kept.config == done.json["config"]
    assert kept.tokens_spent == done.json["tokens_spent"]


def test_a_candidate_that_dropped_fails_early_and_the_report_says_by_how_much(
    gate: Call,
) -> None:
    done = gate("worse:drop=0.4", "--json", margin=5)
    assert (done.code, done.json["outcome"], done.json["blocks"]) == (1, "fail", True)
    task = _the_task(done.json)
    assert 0 <= task["least"] < task["drop"] < 0.6 and task["read"] < ITEMS / 2
    assert "with 96.4 % confidence the score has dropped" in done.json["reason"]
    assert len(task["most_lost"]) == 10
    assert len(Simulated.latest.taken) < ITEMS


def test_a_margin_too_fine_for_the_items_is_told_before_and_ends_undecided(gate: Call) -> None:
    done = gate("same", "--json", margin=1.5, undecided='"neutral"')
    assert (done.code, done.json["outcome"], done.json["blocks"]) == (3, "undecided", False)
    before, generating, _ = done.err.partition("generating")
    printed = " ".join(before.split())
    assert generating and "would take about" in printed
    assert "Power before the start:" in printed and "that an equal candidate passes" in printed
    chances = done.json["chances"]
    assert 0 <= chances["pass_if_equal"] == chances["tasks"]["sums"]["pass_if_equal"] < 0.5
    task = _the_task(done.json)
    assert task["read"] == ITEMS and task["would_take"]["items"] > ITEMS
    assert task["would_take"]["margin"] > 0.015
    assert done.json["tokens_full"] == done.json["tokens_spent"], "all was read, nothing estimated"
    assert gate("same", margin=1.5).code == 3


def test_a_margin_that_not_even_an_identical_candidate_could_pass_is_refused(gate: Call) -> None:
    alone = gate("same", margin=0.5)
    _refused(alone, "cannot pass a margin of 0.5 points", "Take at least")
    together = gate("same", tasks="sums,more_sums", margin=10, suite_margin=0.3)
    _refused(together, "tasks together cannot pass", "200 items of more_sums", "Give each task")
    assert gate(None, "--aa", margin=0.5).code in (1, 3), "the noise floor is still measured"


def test_tasks_that_share_items_are_no_suite(
    harness: Call, results: Path, tasks_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tasks"
    shutil.copytree(tasks_dir, folder)
    text = TASK_FILE.format(name="sums", items=100, restricted=False, prefix="again")
    (folder / "some_sums.py").write_text(text.replace('Task("sums"', 'Task("some_sums"'))
    where = ("--tasks-dir", folder, "--results", results)
    assert harness("eval", "--model", "base", "--tasks", "some_sums", "--n", 4, *where).code == 0

    def gate(more: str) -> Finished:
        config = tmp_path / "gate.toml"
        config.write_text(f'tasks = ["sums", "some_sums"]\nmargin = 15.0\n{more}')
        sides = ("--candidate", "same", "--baseline", "base", "--config", config)
        return harness("gate", *sides, *where)

    _refused(gate(""), "100 items of sums are items of some_sums too", "Give some_sums tier")
    assert gate('[task.some_sums]\ntier = "advisory"\n').code == 0


def test_items_are_asked_in_a_seeded_order_within_a_window(gate: Call) -> None:
    gate("worse:drop=0.4", window=16, order_seed=7)
    expected = order_of([f"sum-{n}" for n in range(ITEMS)], 7, f"{digest('worse:drop=0.4')} 0")
    taken = [item for item, _ in Simulated.latest.taken]
    assert taken == expected[: len(taken)]
    assert Simulated.latest.most_under_way == 16


def test_a_grader_that_lags_does_not_let_generation_run_ahead(
    gate: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real pool; the engine takes no time at all. Of two workers one may start late, and the
    # other then judges many items behind the one that the evidence waits for.
    monkeypatch.setattr("harness.gate.run.GraderPool", partial(GraderPool, workers=1))
    done = gate("worse:drop=0.6", "--json", window=16, margin=10)
    assert done.code == 1
    assert len(Simulated.latest.taken) <= _the_task(done.json)["read"] + 2 * 16


def test_a_gate_that_was_stopped_goes_on_and_comes_to_the_same_verdict(
    gate: Call, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shutil.copy(results, results.with_name("whole.duckdb"))
    finished: list[str] = []

    def stop(key: str) -> None:
        finished.append(key)
        if len(finished) > 15:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Simulated, "handed_over", staticmethod(stop))
        stopped = gate("same", margin=10)
    assert stopped.code == 4 and "are kept" in stopped.err
    assert not gate_decisions(Store(results)), "no verdict, no row"
    again = gate("same", "--json", margin=10)
    assert again.json["stored"] == 15
    shutil.copy(whole, results)
    at_once = gate("same", "--json", margin=10)
    for name in ("outcome", "decided_at", "drop", "low", "high"):
        assert _the_task(again.json)[name] == _the_task(at_once.json)[name]
    assert again.json["tokens_stored"] > 0 == at_once.json["tokens_stored"]


def test_the_same_gate_again_costs_nothing_and_a_full_evaluation_goes_on_from_it(
    gate: Call, harness: Call, results: Path, tasks_dir: Path
) -> None:
    first = gate("worse:drop=0.4", "--json", window=16)
    generated = len(Simulated.latest.taken)
    again = gate("worse:drop=0.4", "--json", window=16)
    assert (again.code, again.json["tokens_spent"]) == (1, 0)
    assert Simulated.latest.starts == 0
    assert _the_task(again.json)["decided_at"] == _the_task(first.json)["decided_at"]
    whole = harness(
        *("eval", "--model", "worse:drop=0.4", "--tasks", "sums", "--tasks-dir", tasks_dir),
        *("--results", results, "--json"),
    )
    assert generated - 16 <= whole.json["stored"] <= generated
    assert whole.json["stored"] + whole.json["generated"] == ITEMS
    assert whole.json["runs"][0]["id"] == _the_task(first.json)["candidate_run"]


@pytest.mark.parametrize(
    ("trait", "named"), [("loop", "loop"), ("cut", "truncation"), ("silent", "no answer")]
)
def test_a_rate_of_mishaps_that_rises_fails_the_gate_by_name(
    gate: Call, trait: str, named: str
) -> None:
    # Only wrong answers are odd, so that the score does not change.
    done = gate(f"odd:{trait}=0.6", "--json", margin=3)
    assert done.code == 1 and _the_task(done.json)["outcome"] == "undecided"
    breached = [guard["name"] for guard in _the_task(done.json)["guards"] if guard["breached"]]
    assert named.replace(" ", "_") in breached and named in done.json["reason"]
    assert "with 99.77 % confidence by at least" in done.json["reason"]
    for guard in _the_task(done.json)["guards"]:
        assert guard["at_least"] <= guard["candidate"] - guard["baseline"] <= guard["at_most"]
        assert not (guard["breached"] and guard["held"])


def test_answers_the_grader_fails_on_leave_no_verdict_where_it_depends_on_them(
    gate: Call,
) -> None:
    # A fifth is not judged: 0 to 20 points of drop. The guard tolerates it.
    done = gate("odd:hard=0.2", "--json", margin=10, guards="{grader_failure = 90.0}")
    assert (done.code, done.json["outcome"], done.json["blocks"]) == (4, "error", True)
    assert "the verdict depends on them" in done.json["reason"]
    few = gate("fine:hard=0.005", "--json", margin=12, guards="{grader_failure = 90.0}")
    assert (few.code, few.json["outcome"]) == (0, "pass")
    guarded = gate("other:hard=0.4", "--json", margin=10)
    assert guarded.code == 1 and "grader failure" in guarded.json["reason"]


def test_a_breakdown_is_no_verdict(
    gate: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ("--markdown", tmp_path / "gate.md", "--junit", tmp_path / "gate.xml")
    died = gate("fragile:dies=1", *files)
    assert died.code == 4 and "engine died" in died.err
    assert "engine died" in (tmp_path / "gate.md").read_text()
    assert "<error" in (tmp_path / "gate.xml").read_text()

    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("harness.gate.run.summarise", bug)
    broken = gate("same")
    assert broken.code == 4 and "ZeroDivisionError" in broken.err and "Traceback" not in broken.err


def test_the_baseline_against_itself_shows_the_noise_floor(gate: Call) -> None:
    done = gate(None, "--aa", margin=10)
    assert done.code == 0
    words = " ".join(done.out.split())
    assert "base against itself" in words and "differs from itself on" in words
    report = gate(None, "--aa", "--json", margin=10).json
    assert report["aa"] and report["candidate"]["name"] == "base"
    assert (
        report["tokens_stored"] > 0
        and _the_task(report)["candidate_run"] not in (_the_task(report)["baseline_run"])
    )
    itself = gate("base", "--json", margin=10)
    assert "--aa" in " ".join(itself.json["warnings"])
    assert itself.json["tokens_spent"] == 0


def test_several_tasks_are_read_together_and_all_must_pass(gate: Call) -> None:
    both = gate("same", "--json", tasks="sums,more_sums", margin=15)
    assert both.code == 0
    assert {task["outcome"] for task in both.json["tasks"]} == {"pass"}
    suite = both.json["suite"]
    assert suite["outcome"] == "pass" and suite["read"] <= suite["items"] == 600
    # Of alpha .05 the first attempt spends .9; of that a fifth is the guards', and the rest is
    # shared by two tasks and the suite.
    assert suite["alpha_fail"] == pytest.approx(0.036 / 3)
    assert suite["alpha_pass"] == pytest.approx(0.045)
    dropped = gate("worse:drop=0.5", "--json", tasks="sums,more_sums", margin=15)
    assert dropped.code == 1
    assert len(Simulated.latest.taken) < 600


def test_more_samples_of_the_candidate_are_one_item(gate: Call) -> None:
    report = gate("same", "--json", margin=10, samples=2).json
    task = _the_task(report)
    assert (task["candidate_samples"], task["baseline_samples"]) == (2, 4)
    assert set(range(2)) == {sample for _, sample in Simulated.latest.taken}


def test_runs_of_several_tasks_are_a_baseline_together(gate: Call, results: Path) -> None:
    runs = {run.task: run.id for run in queries.runs(Store(results))}
    named = ("--baseline", runs["sums"], "--baseline", runs["more_sums"][:8])
    done = gate("same", "--json", *named, tasks="", margin=15)
    assert [task["task"] for task in done.json["tasks"]] == ["sums", "more_sums"]
    _refused(gate("same", *named), "more_sums", "no task of this gate")
    twice = gate("same", "--baseline", runs["sums"], "--baseline", runs["sums"], tasks="")
    _refused(twice, "both runs of sums")


def _refused(done: Finished, *said: str) -> None:
    assert done.code == 2, done.err
    assert done.out == ""
    error = done.err[done.err.index("error: ") :]
    for words in said:
        assert words in error, error


def test_another_protocol_is_refused_with_the_difference_and_the_command(
    gate: Call, results: Path
) -> None:
    run = next(run.id for run in queries.runs(Store(results)) if run.task == "sums")
    asked = gate("same", "--baseline", run, max_tokens=100)
    _refused(asked, "token budget: 400 tokens against 100 tokens", "harness eval --model base")
    model = gate("same", temperature=0.5)
    _refused(model, "temperature: 1.0 against 0.5", "--temperature 0.5")
    system = gate("same", system='"Think."')
    _refused(system, "messages before templating")
    _refused(gate("same", "--engine-arg", "top_k=5", margin=10), "top k: none against 5")


def test_another_engine_is_only_warned_of(gate: Call) -> None:
    done = gate("same", "--engine-arg", "block=7", "--json", margin=10)
    assert done.code == 0
    assert "block: none against 7" in " ".join(done.json["warnings"])


def test_a_missing_baseline_is_told_with_the_command_that_makes_it(
    gate: Call, results: Path, tasks_dir: Path
) -> None:
    _refused(gate("same", "--baseline", "unheard"), "no model 'unheard'", "harness eval --model")
    (tasks_dir / "fresh_sums.py").write_text(
        (tasks_dir / "sums.py").read_text().replace('"sums"', '"fresh_sums"')
    )
    _refused(
        gate("same", tasks="fresh_sums"),
        "base has no run on fresh_sums",
        "harness eval --model base --tasks fresh_sums",
    )
    _refused(gate("same", tasks=""), "No task is named", "runs on hostile, more_sums", "--tasks")
    _refused(gate(None), "no --candidate")
    with duckdb.connect(str(results)) as connection:
        connection.execute("DELETE FROM grade WHERE key IN (SELECT min(key) FROM grade)")
        connection.execute("DELETE FROM generation WHERE key NOT IN (SELECT key FROM grade)")
        connection.execute("DELETE FROM run_tally")  # nobody but a test takes rows away
    incomplete = [
        gate("same", tasks=name, margin=10) for name in ("sums", "more_sums", "secret", "hostile")
    ]
    (found,) = [done for done in incomplete if done.code == 2]
    _refused(found, "is not complete", "goes on with it")


def test_a_model_that_was_not_asked_as_its_task_says_is_a_baseline_as_it_was_asked(
    gate: Call, harness: Call, results: Path, tasks_dir: Path
) -> None:
    greedy = tasks_dir / "greedy.py"
    text = (tasks_dir / "contest.py").read_text().replace('"contest"', '"greedy"')
    greedy.write_text(text.replace("temperature=1.0", "temperature=0.0"))

    def evaluated(budget: int) -> None:
        asked = ["--model", "base", "--tasks", "greedy", "--n", "2", "--temperature", "0.7"]
        asked += ["--max-tokens", str(budget)]
        places = ["--results", results, "--tasks-dir", tasks_dir]
        assert harness("eval", *asked, *places).code == 0

    evaluated(99)
    done = gate("same", "--json", tasks="greedy", margin=60, samples=2)
    assert done.code == 0
    with duckdb.connect(str(results)) as connection:
        printed = "SELECT protocol->'sampling'->>'max_tokens' FROM run WHERE id = ?"
        candidate = _the_task(done.json)["candidate_run"]
        assert connection.execute(printed, [candidate]).fetchall() == [("99",)]
    evaluated(98)
    _refused(
        gate("same", tasks="greedy", margin=60, samples=2),
        "base has runs on greedy under several protocols",
        "token budget: ",
        "Name a run as the --baseline",
    )
    assert gate("same", tasks="greedy", margin=60, samples=2, max_tokens=99).code == 0


def test_the_best_of_several_is_refused_as_a_baseline_unless_chosen_on_other_items(
    gate: Call, harness: Call, results: Path, tasks_dir: Path
) -> None:
    _refused(gate("same", "--baseline", "best"), "winner's curse", "chosen_on")
    _refused(
        gate("same", "--baseline", "best", chosen_on='["sums"]'), "400 items of sums", "share no"
    )
    for name in ("poor:drop=0.5", "good"):
        evaluated = ("--tasks", "sums,more_sums", "--tasks-dir", tasks_dir, "--results", results)
        assert harness("eval", "--model", name, *evaluated).code == 0
    done = gate("same", "--baseline", "best", "--json", chosen_on='["more_sums"]', margin=10)
    assert done.json["baseline"]["name"] in ("good", "base")


def test_a_baseline_does_not_move_when_it_is_sampled_again(
    gate: Call, harness: Call, results: Path, tasks_dir: Path
) -> None:
    before = _the_task(gate("same", "--json", margin=10).json)["baseline_run"]
    for more in (("--replicate", "1", "--n", "4"), ("--n", "1")):
        evaluated = ("--tasks", "sums", "--tasks-dir", tasks_dir, "--results", results)
        assert harness("eval", "--model", "base", *evaluated, *more).code == 0
    assert _the_task(gate("same", "--json", margin=10).json)["baseline_run"] == before


def test_a_baseline_judged_by_an_older_grader_is_judged_again(gate: Call, results: Path) -> None:
    with duckdb.connect(str(results)) as connection:
        connection.execute("UPDATE grade SET grader_version = '0', correct = false")
    done = gate("same", "--json", margin=10)
    assert done.code == 0
    assert _the_task(done.json)["baseline_score"] > 0.4, "not what the old grader said"


def test_a_changed_gold_asks_for_new_judgements(
    gate: Call, results: Path, tasks_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    text = (tasks_dir / "sums.py").read_text()
    changed = text.replace("AnswerType.INTEGER)", "AnswerType.NUMBER)")
    (folder / "sums.py").write_text(changed)
    _refused(gate("same", "--tasks-dir", folder), "as the task now stands", "harness eval")

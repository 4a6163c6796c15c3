"""A real model on a real engine, from the command line to the rows in the store."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from harness.statistics.intervals import wilson
from harness.store import Store, samples
from tests.conftest import Evaluated, Finished, held_by_another_process, run_harness

Harness = Callable[..., Finished]

# The command line, with less patience where another process holds the results file.
_PATIENCE = 2.0
_IMPATIENT = f"""
from harness.store import store
store.WAIT_SECONDS = {_PATIENCE}
from harness.cli.main import main
main()
"""


def test_the_score_printed_is_the_score_of_the_stored_grades(evaluated: Evaluated) -> None:
    with duckdb.connect(str(evaluated.results), read_only=True) as connection:
        correct, total = connection.execute(
            "SELECT count(*) FILTER (WHERE correct), count(*) FROM grade"
        ).fetchall()[0]
    expected = wilson(correct, total)
    score = evaluated.run["score"]
    assert (score["value"], score["low"], score["high"]) == (
        expected.value,
        expected.low,
        expected.high,
    )
    assert total == evaluated.run["items"] == 40
    assert 0 < correct < 40, "a small model solves some of these items, not all"


def test_a_generation_keeps_its_finish_reason_and_its_token_counts(evaluated: Evaluated) -> None:
    found = samples.of_run(Store(evaluated.results), evaluated.run["id"])
    assert {sample.finish_reason for sample in found} <= {"stop", "length"}
    for sample in found:
        assert sample.truncated == (sample.finish_reason == "length")
        # An end that comes as the last token of the budget is an end.
        tokens = sample.completion_tokens
        assert tokens is not None and (tokens == 48 if sample.truncated else tokens <= 48)
        assert sample.answer


def test_a_run_tells_what_it_was_made_with(evaluated: Evaluated) -> None:
    with duckdb.connect(str(evaluated.results), read_only=True) as connection:
        libraries, machine, session = connection.execute(
            "SELECT libraries, machine, s.engine_settings FROM run JOIN run_session s"
            " ON s.run_id = run.id"
        ).fetchall()[0]
    assert "torch" in libraries and "math-verify" in libraries
    assert "cores" in machine and "max_num_seqs" in session


def test_the_same_command_again_generates_nothing(evaluated: Evaluated, harness: Harness) -> None:
    again = harness(*evaluated.arguments)
    assert again.code == 0, again.err
    assert (again.json["generated"], again.json["stored"]) == (0, 40)
    assert again.json["runs"][0]["score"] == evaluated.run["score"]
    assert "engine" not in again.err, "the engine is not started for nothing"


def test_show_prints_why_an_answer_was_wrong(evaluated: Evaluated, harness: Harness) -> None:
    shown = harness("show", evaluated.run["id"][:6], "--wrong", "--results", evaluated.results)
    assert shown.code == 0, shown.err
    for label in ("question", "answer", "extracted", "gold", "wrong"):
        assert label in shown.out


def test_runs_lists_the_score_with_its_interval(evaluated: Evaluated, harness: Harness) -> None:
    listed = harness("runs", "--results", evaluated.results)
    assert evaluated.run["id"] in listed.out
    assert f"{100 * evaluated.run['score']['value']:.1f} [" in listed.out


def test_nothing_finished_is_lost_to_ctrl_c_or_kill_nine_or_a_held_file(
    tmp_path: Path, model_folder: Path
) -> None:
    results = tmp_path / "results.duckdb"
    command = ["eval", "--model", "smollm2-135m", "--tasks", "quick", "--limit", "60"]
    command += ["--max-tokens", "64", "--results", str(results), "--json"]
    slowly = ["--engine-arg", "max_num_seqs=2"]

    # Ctrl-C once a few have come back.
    with _started(command + slowly) as first:
        # Not the journal's as well: rows on their way are in both for a moment.
        _wait_for(lambda: _stored(results) >= 4, first)
        first.send_signal(signal.SIGINT)
        _, error = first.communicate(timeout=300)
    assert first.returncode == 2
    assert "are kept" in error and "same command again" in error
    after_interrupt = _stored(results)
    assert 4 <= after_interrupt < 60

    # kill -9 while another process has held the file for longer than a command waits for it.
    with _started(command + slowly) as second:
        _wait_for(lambda: _stored(results) > after_interrupt, second)
        with held_by_another_process(results):
            since = time.monotonic()
            _wait_for(
                lambda: _journalled(results) >= 4 and time.monotonic() - since > 3 * _PATIENCE,
                second,
            )
            second.kill()
            second.wait()
            finished_while_held = _journalled(results)
    before = _stored(results)
    assert before + finished_while_held < 60

    # What the journal holds moves in, and only the rest is generated.
    third = run_harness(*command)
    assert third.code == 0, third.err
    assert third.json["stored"] == before + finished_while_held
    assert third.json["generated"] == 60 - third.json["stored"] > 0
    assert _stored(results) == 60
    assert not Path(f"{results}.journal").exists()


def test_a_replicate_asks_for_fresh_samples(evaluated: Evaluated, tmp_path: Path) -> None:
    from harness.backends.base import EngineOptions
    from harness.backends.vllm.backend import VllmBackend
    from harness.registry import load_task
    from harness.run.plan import Settings, plan_task

    backend = VllmBackend(EngineOptions())
    checkpoint = backend.open("smollm2-135m", None)
    task = load_task("quick")
    plans = {
        replicate: plan_task(task, checkpoint, backend, Settings(limit=3, replicate=replicate))
        for replicate in (0, 1)
    }
    first, second = ({r.key for r in plan.requests} for plan in plans.values())
    assert not first & second
    assert plans[0].run.protocol == plans[1].run.protocol, "replicates stay comparable"


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _IMPATIENT, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(
    condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 600
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            pytest.fail(f"ended early with {process.returncode}: {process.communicate()[1]}")
        assert time.monotonic() < deadline, "nothing came back in time"
        time.sleep(0.1)


def _stored(results: Path) -> int:
    """Count the generations in the file; 0 while it does not exist or is held."""
    try:
        with duckdb.connect(str(results), read_only=True) as connection:
            row = connection.execute("SELECT count(*) FROM generation").fetchone()
    except duckdb.Error:
        return 0
    return int(row[0]) if row else 0


def _journalled(results: Path) -> int:
    """Count the generations that wait in journals."""
    count = 0
    for file in Path(f"{results}.journal").glob("*/*.jsonl"):
        try:
            count += file.read_bytes().count(b'{"table": "generation"')
        except FileNotFoundError:
            continue  # just moved
    return count

"""What a gate leaves behind when it stops early is taken for a random sample nowhere."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from harness.store import Store, queries
from harness.store.gate_decisions import gate_decisions
from tests.conftest import Finished
from tests.gate.conftest import ITEMS

Call = Callable[..., Finished]


def test_nothing_is_concluded_from_a_stopped_run_until_it_is_completed(
    gate: Call, harness: Call, results: Path, tasks_dir: Path
) -> None:
    stopped = gate("same", margin=10)
    assert stopped.code == 0 and "harness compare" not in stopped.out
    (decision,) = gate_decisions(Store(results))
    (task,) = decision.tasks
    run, baseline = task["candidate_run"], task["baseline_run"]
    stored = ("--results", results)
    (listed,) = (one for one in harness("runs", *stored, "--json").json if one["id"] == run)
    assert (listed["complete"], listed["stopped_by"]) == (False, decision.id)
    assert listed["score"] is None and listed["so_far"]["items"] == listed["graded"] < ITEMS
    printed = harness("runs", *stored).out
    (row,) = (line for line in printed.splitlines() if line.startswith(run))
    assert f"{100 * listed['so_far']['value']:.1f} incomplete" in row and "[" not in row
    assert "1 of these runs is incomplete (1 stopped by a gate)" in printed
    scored = harness("score", run, *stored).out
    said = f"incomplete: {listed['graded']} of 400 samples judged, stopped by gate {decision.id}"
    assert said in scored and "[" not in scored.splitlines()[0]
    score = harness("score", run, *stored, "--json").json
    assert (score["low"], score["high"], score["complete"]) == (None, None, False)
    assert score["value"] == listed["so_far"]["value"]
    assert said in " ".join(harness("show", run, "--limit", 1, *stored).out.split())

    power = harness("power", "--baseline", run, "--drop", 5, *stored)
    assert power.code == 2 and "is incomplete" in power.err and not power.out
    compare = ("compare", baseline, run, "--tasks-dir", tasks_dir, *stored)
    refused = harness(*compare)
    assert refused.code == 2 and not refused.out
    assert f"of 400 samples judged, stopped by gate {decision.id}" in refused.err
    assert "gate_decision" in refused.err and "--allow-incomplete" in refused.err
    command = re.search(r"`(harness eval .*?)` goes on with it", refused.err, re.DOTALL)
    assert command is not None
    completed = harness(*shlex.split(command[1])[1:], "--json").json
    (whole,) = completed["runs"]
    assert (whole["id"], whole["complete"], whole["stopped_by"]) == (run, True, None)
    assert whole["score"]["low"] < whole["score"]["value"] and whole["so_far"] is None
    assert completed["stored"] == listed["generated"]
    assert harness(*compare).code == 0


def test_the_report_of_a_stopped_gate_names_items_and_that_of_a_whole_one_a_comparison(
    gate: Call, harness: Call, results: Path, tmp_path: Path
) -> None:
    file = tmp_path / "gate.md"
    stopped = gate("worse:drop=0.4", "--markdown", file, margin=5)
    assert stopped.code == 1
    assert "harness compare" not in stopped.out + file.read_text()
    command = re.search(r"`(harness show .*?)` shows the item most lost", stopped.out, re.DOTALL)
    assert command is not None and "shows the first" in file.read_text()
    shown = harness(*shlex.split(command[1])[1:], "--results", results, "--json").json
    assert [sample["correct"] for sample in shown] == [False]
    whole = gate("same", "--markdown", file, tasks="hostile", margin=6)
    assert whole.code == 3
    (task,) = gate_decisions(Store(results), limit=1)[0].tasks
    command_line = shlex.join(
        ["harness", "compare", task["baseline_run"], task["candidate_run"]]
        + ["--results", str(results)]
    )
    assert f"`{command_line}` shows what flipped" in " ".join(whole.out.split())
    assert command_line in html.unescape(file.read_text())
    assert all(run.stopped_by is None for run in queries.runs(Store(results)) if run.complete)

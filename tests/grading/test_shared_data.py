"""The labelled and the pathological pairs, where this machine has them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from harness.grading import GraderPool
from harness.types import Status, Verdict

Reader = Callable[[str], list[dict[str, Any]]]


def judge(rows: list[dict[str, Any]], pool: GraderPool) -> list[Verdict]:
    futures = [
        pool.submit(
            gold=row["gold"],
            response=row["pred"],
            truncated=False,
            is_answer=not row.get("pred_is_full_response", False),
        )
        for row in rows
    ]
    return [future.result(120) for future in futures]


def test_strict_agrees_with_the_labels(shared_rows: Reader) -> None:
    rows = [row for row in shared_rows("dev.jsonl") if not row.get("policy")]
    with GraderPool() as pool:
        verdicts = judge(rows, pool)
    core = [
        (verdict.correct, row["label"])
        for row, verdict in zip(rows, verdicts, strict=True)
        if row["source"] != "helper_probes"
    ]
    probes = [
        verdict.correct == row["label"]
        for row, verdict in zip(rows, verdicts, strict=True)
        if row["source"] == "helper_probes"
    ]
    assert sum(correct == label for correct, label in core) >= 0.98 * len(core)
    assert sum(correct and not label for correct, label in core) <= 4
    assert sum(probes) >= 0.97 * len(probes)


def test_pathological_inputs_end_in_time_and_harm_no_other_answer(shared_rows: Reader) -> None:
    rows = shared_rows("pathological.jsonl")
    with GraderPool(workers=2, cpu_seconds=2.0) as pool:
        started = time.monotonic()
        verdicts = judge(rows, pool)
        assert time.monotonic() - started < 30
        after = pool.submit(gold="7", response=r"\boxed{7}", truncated=False)
        assert after.result(5).correct
    assert not {verdict.status for verdict in verdicts} & {Status.MEMORY, Status.CRASH}

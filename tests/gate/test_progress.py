"""The running score of an evaluation is that of each task as it will be printed."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from harness.cli.progress import EvaluationProgress
from harness.registry import TaskRegistry
from harness.run.evaluate import Evaluation, evaluate
from harness.run.plan import Settings
from harness.store import Store, queries


def test_the_running_score_is_that_of_one_task_and_counts_no_answer_twice(
    tmp_path: Path, tasks_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry, results = TaskRegistry(tasks_dir), tmp_path / "results.duckdb"
    tasks = [registry.load(name) for name in ("sums", "more_sums")]
    asked = Evaluation(["base"], tasks, results, Settings(limit=40, samples=2))

    def shown() -> tuple[str, str]:
        """Evaluate; return the task and the score that progress shows at the end."""
        with EvaluationProgress(every_seconds=0) as progress:
            evaluate(asked, progress)
            progress.generated(0, "")  # which draws what was judged last
        printed = capsys.readouterr().err
        assert "[" not in printed, "an interval, of answers that are the short ones"
        return re.findall(r"(more_sums|sums) (\d+\.\d) so far", printed)[-1]

    def stored(task: str) -> str:
        (score,) = (run.score for run in queries.runs(Store(results)) if run.task == task)
        assert score is not None
        return f"{100 * score.value:.1f}"

    first = shown()
    assert first[1] == stored(first[0]) != stored("sums")
    # One answer is missing, and an older grader judged the others, all of them wrongly.
    with duckdb.connect(str(results)) as connection:
        connection.execute("DELETE FROM generation WHERE key = (SELECT max(key) FROM request)")
        connection.execute("DELETE FROM grade WHERE key = (SELECT max(key) FROM request)")
        connection.execute("UPDATE grade SET grader_version = '0', correct = NOT correct")
    again = shown()
    assert again[1] == stored(again[0])

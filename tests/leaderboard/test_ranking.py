"""The order of a task's models, its table and its chart, without a browser."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import leaderboard
from harness.statistics.intervals import Estimate
from harness.store.queries import PublishedScore, RunSummary
from leaderboard.chart import legend, ranking_chart, score_range
from leaderboard.ranking import Row, filtered, highlights, ranked, tasks, unfinished
from leaderboard.table import ranking_table, unfinished_list
from leaderboard.text import escaped, plain, shortened, size

RUN = RunSummary(
    id="made-up-run",
    model="made-up",
    fingerprint="f1",
    parameters=123_000_000,
    task="sums",
    protocol={
        "task_version": "1",
        "data_sha256": "d" * 64,
        "messages_sha256": "m" * 64,
        "sampling": {"temperature": 0.0, "top_p": 1.0, "max_tokens": 512, "stop": []},
    },
    protocol_sha256="p1",
    data_sha256="d" * 64,
    samples=1,
    seed=0,
    replicate=0,
    items=100,
    requests=100,
    engine="made-up-engine 0",
    device="cpu",
    restricted=False,
    created_at=datetime(2030, 1, 1, tzinfo=UTC),
    generated=100,
    graded=100,
    score=Estimate(0.5, 0.4, 0.6, 100),
    bounds=(0.5, 0.5),
    truncated=0.1,
    no_answer=0.0,
    loops=0.0,
    completion_tokens=1000,
    generate_seconds=1.0,
    start_seconds=1.0,
    grade_seconds=0.0,
    session_tokens=1000,
)
PRINTED = PublishedScore("printed", 7.61, "sft", "sums", 0.55, "accuracy %", "A paper", None)


def scored(value: float) -> Estimate:
    """Return an estimate with this value."""
    return Estimate(value, value - 0.1, value + 0.1, 100)


def with_temperature(run: RunSummary, temperature: float) -> RunSummary:
    """Return the run under another protocol."""
    sampling = run.protocol["sampling"] | {"temperature": temperature}
    protocol = run.protocol | {"sampling": sampling}
    return replace(run, protocol=protocol, protocol_sha256=f"p{temperature}", id=f"t{temperature}")


def test_measured_and_published_stand_in_one_order() -> None:
    worse = replace(RUN, fingerprint="f2", model="worse", score=scored(0.2))
    better = replace(PRINTED, model="better", score=0.9)
    rows = ranked("sums", [worse, RUN], [better, PRINTED])
    assert [(row.rank, row.model, row.kind) for row in rows] == [
        (1, "better", "published"),
        (2, "printed", "published"),
        (3, "made-up", "measured"),
        (4, "worse", "measured"),
    ]
    assert rows[2].interval == (0.4, 0.6)
    assert rows[2].parameters_b == pytest.approx(0.123)
    assert rows[0].interval is None
    assert rows[0].items is None


def test_scores_that_print_alike_share_a_rank() -> None:
    alike = [
        replace(PRINTED, model=name, score=score) for name, score in (("a", 0.5501), ("b", 0.55))
    ]
    rows = ranked("sums", [RUN], alike)
    assert [row.rank for row in rows] == [1, 1, 3]


def test_the_newest_complete_run_of_a_model_counts() -> None:
    newer = replace(
        RUN, id="newer", replicate=1, created_at=RUN.created_at + timedelta(1), score=scored(0.6)
    )
    newest = replace(newer, id="newest", graded=40, created_at=RUN.created_at + timedelta(2))
    runs = [newest, newer, RUN]
    assert [row.run_id for row in ranked("sums", runs, [])] == ["newer"]
    assert [run.id for run in unfinished("sums", runs)] == ["newest"]


def test_another_protocol_is_another_row_that_names_the_difference() -> None:
    rows = ranked("sums", [RUN, with_temperature(RUN, 0.7)], [])
    assert sorted(row.differs for row in rows) in (
        ["", "temperature 0.7 instead of 0.0"],
        ["", "temperature 0.0 instead of 0.7"],
    )


def test_a_run_on_fewer_items_neither_hides_nor_equals_the_full_one() -> None:
    few = replace(
        RUN, id="few", items=10, requests=10, graded=10, created_at=RUN.created_at + timedelta(1)
    )
    many_samples = replace(RUN, id="many", samples=4, requests=400, graded=400)
    rows = {row.run_id: row for row in ranked("sums", [few, many_samples, RUN, RUN], [])}
    assert "items 10 instead of 100" in rows["few"].differs
    assert len(rows) == 3


def test_grader_failures_are_told() -> None:
    (row,) = ranked("sums", [replace(RUN, bounds=(0.5, 0.53))], [])
    assert "between 50.0 and 53.0" in row.note


def test_the_most_measured_task_comes_first() -> None:
    runs = [replace(RUN, task="b"), replace(RUN, task="b"), replace(RUN, task="a")]
    assert tasks(runs, [PRINTED, replace(PRINTED, task="z"), PRINTED]) == ["b", "a", "sums", "z"]
    assert tasks([replace(RUN, graded=3)], [PRINTED])[0] == "sums"


def test_methods_filter_published_rows_only() -> None:
    rows = ranked("sums", [RUN], [PRINTED, replace(PRINTED, model="critic", method="cft")])
    assert [row.model for row in filtered(rows, ["cft"])] == ["critic", "made-up"]
    assert filtered(rows, []) == rows
    assert [row.model for row in highlights(rows)] == ["critic", "made-up"]


def test_the_chart_has_error_bars_on_measured_scores_only() -> None:
    rows = ranked("sums", [RUN], [PRINTED, replace(PRINTED, model="critic", method="cft")])
    traces = {trace.name: trace for trace in ranking_chart(rows).data}
    measured = traces.pop("measured here, with 95 % interval")
    assert list(measured.x) == [50.0]
    assert list(measured.error_x.array) == pytest.approx([10.0])
    assert list(measured.error_x.arrayminus) == pytest.approx([10.0])
    assert len(traces) == 2
    for trace in traces.values():
        assert trace.error_x.array is None
        assert trace.marker.symbol.endswith("-open")
        assert trace.marker.symbol != measured.marker.symbol
    assert "published, baseline" not in legend(rows)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], (0, 100)), ([0.0, 1.0], (-1, 101)), ([0.55, 0.58], (50, 70)), ([0.16, 0.22], (10, 30))],
)
def test_the_chart_shows_whole_tens_around_the_scores(
    scores: list[float], expected: tuple[float, float]
) -> None:
    rows = [Row(1, "m", "published", score) for score in scores]
    assert score_range(rows) == expected


def test_names_and_notes_are_escaped_wherever_they_are_shown() -> None:
    name = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"
    run = replace(RUN, model=name, engine=name)
    rows = ranked("sums", [run, with_temperature(run, 1.0)], [replace(PRINTED, source=name)])
    for shown in (
        ranking_table(rows),
        unfinished_list([replace(run, graded=1)]),
        ranking_chart(rows).to_json().replace("\\u003c", "<"),
    ):
        assert "<img" not in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "&lt;img" in shown.replace("\\u0026", "&")


def test_long_lists_of_unfinished_runs_are_cut() -> None:
    shown = unfinished_list([replace(RUN, graded=12)] * 7)
    assert shown.count("12 of 100") == 5
    assert "and 2 more" in shown


def test_text_helpers() -> None:
    assert plain("a\x00b\tc\n") == "a\N{REPLACEMENT CHARACTER}b\tc\n"
    assert plain("x" * 30, longest=10) == "x" * 10 + "\n… and 20 more characters"
    assert escaped("<a href='x'>") == "&lt;a href=&#x27;x&#x27;&gt;"
    assert shortened("abcdefghijkl", 8) == "abcd…jkl"
    assert len(shortened("x" * 99, 20)) == 20
    assert [size(b) for b in (None, 0.135, 7.61, 72.7)] == ["–", "135M", "7.6B", "73B"]


def test_the_leaderboard_imports_only_what_it_may() -> None:
    allowed = ("harness.store", "harness.statistics", "harness.types", "harness.errors")
    for file in Path(leaderboard.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                room = name.split(".")[0]
                assert room not in ("tasks", "train_cft", "bench"), (file.name, name)
                assert room != "harness" or name.startswith(allowed), (file.name, name)

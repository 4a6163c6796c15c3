"""The order of a task's models, its table and its chart, without a browser."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import leaderboard
from harness.statistics.intervals import Estimate
from harness.statistics.ranking import Standing, suite_standings
from harness.store.published import PublishedScore
from harness.store.queries import PartialScore, RunSummary
from harness.store.training import Lineage
from harness.text import abbreviated
from leaderboard.chart import family_chart, legend, ranking_chart, score_range, size_chart
from leaderboard.model_lineage import family_trees
from leaderboard.ranking import (
    Filters,
    Row,
    board,
    common_tasks,
    filtered,
    first_choice,
    highlights,
    ordered,
    protocol_words,
    tasks,
    unfinished,
)
from leaderboard.ranking_table import doubts, ranking_table, unfinished_list
from leaderboard.samples_page import run_facts
from leaderboard.text import escaped, plain, shortened

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
    item_set="i1",
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


def scores(runs: Sequence[RunSummary]) -> dict[str, np.ndarray]:
    """Return made-up scores by item: the first ones right, as many as the run's score says."""
    return {
        run.id: (np.arange(100) < round(100 * run.score.value)).astype(float)
        for run in runs
        if run.score
    }


def standings(columns: Sequence[Sequence[RunSummary]]) -> Sequence[Standing]:
    """Rank by these scores."""
    return suite_standings([[scores(runs)[run.id] for run in runs] for runs in columns])


def ranked(
    runs: Sequence[RunSummary],
    published: Sequence[PublishedScore] = (),
    *,
    every_protocol: bool = False,
) -> list[Row]:
    """Return the rows of the one task, in order."""
    rows = board(["sums"], runs, published, {}, every_protocol=every_protocol)
    return ordered(rows, ["sums"], "sums", standings)


def test_measured_and_published_stand_in_one_order() -> None:
    worse = replace(RUN, id="w", fingerprint="f2", model="worse", score=scored(0.2))
    better = replace(PRINTED, model="better", score=0.9, task="sums")
    rows = ranked([worse, RUN], [better, PRINTED])
    assert [(row.place, row.model, row.kind, row.ranks) for row in rows] == [
        (1, "better", "published", None),
        (2, "printed", "published", None),
        (3, "made-up", "measured", (1, 1)),
        (4, "worse", "measured", (2, 2)),
    ]
    assert rows[2].cells["sums"].score == scored(0.5)
    assert rows[2].parameters_b == pytest.approx(0.123)


def test_models_that_nothing_tells_apart_share_their_ranks() -> None:
    close = replace(RUN, id="c", fingerprint="f2", model="close", score=scored(0.49))
    far = replace(RUN, id="f", fingerprint="f3", model="far", score=scored(0.1))
    elsewhere = replace(far, id="e", fingerprint="f4", model="elsewhere", item_set="i2")
    ranks = {row.model: row.ranks for row in ranked([RUN, close, far, elsewhere])}
    assert ranks == {"made-up": (1, 2), "close": (1, 2), "far": (3, 3), "elsewhere": None}


def test_a_published_score_has_an_interval_that_is_said_to_be_assumed() -> None:
    (row,) = ranked([], [replace(PRINTED, task="sums")])
    assert row.cells["sums"].score is None  # how many items it rests on is not known
    rows = board(["aime24"], [], [replace(PRINTED, task="aime24", score=0.1667)], {})
    found = rows[0].cells["aime24"].score
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.0681, 0.3356), abs=1e-3)  # 5 of 30
    assert "Assumed" in ranking_table(rows, ["aime24"])


def test_scores_that_print_alike_share_a_place() -> None:
    alike = [
        replace(PRINTED, model=name, score=score) for name, score in (("a", 0.5501), ("b", 0.55))
    ]
    assert [row.place for row in ranked([RUN], alike)] == [1, 1, 3]


def test_the_newest_complete_run_of_a_model_counts() -> None:
    newer = replace(
        RUN, id="newer", replicate=1, created_at=RUN.created_at + timedelta(1), score=scored(0.6)
    )
    newest = replace(newer, id="newest", graded=40, created_at=RUN.created_at + timedelta(2))
    runs = [newest, newer, RUN]
    assert [row.cells["sums"].run for row in ranked(runs)] == [newer]
    assert [run.id for run in unfinished(["sums"], runs, {})] == ["newest"]


def test_what_the_gate_has_decided_on_is_not_unfinished_until_more_of_it_comes() -> None:
    stopped = replace(RUN, id="stopped", graded=40, finished_at=RUN.created_at)
    decided = {"stopped": RUN.created_at + timedelta(hours=1)}
    assert unfinished(["sums"], [stopped], decided) == []
    going_on = replace(stopped, finished_at=RUN.created_at + timedelta(hours=2))
    assert unfinished(["sums"], [going_on], decided) == [going_on]


def test_another_protocol_is_left_out_or_marked_with_the_difference() -> None:
    other = replace(RUN, id="o", fingerprint="f2", model="other")
    runs = [RUN, other, with_temperature(RUN, 0.7)]
    assert {row.cells["sums"].differs for row in ranked(runs)} == {""}
    rows = ranked(runs, every_protocol=True)
    assert sorted(row.cells["sums"].differs for row in rows) == [
        "", "", "temperature 0.7 instead of 0.0",
    ]  # fmt: skip
    assert {row.ranks for row in rows if row.differs} == {None}


def test_a_run_on_fewer_items_neither_hides_nor_equals_the_full_one() -> None:
    few = replace(
        RUN, id="few", items=10, requests=10, graded=10, created_at=RUN.created_at + timedelta(1)
    )
    many_samples = replace(RUN, id="many", samples=4, requests=400, graded=400)
    another = replace(RUN, id="another", fingerprint="f2")
    rows = ranked([few, many_samples, RUN, another], every_protocol=True)
    cells = {cell.run.id: cell for row in rows for cell in row.cells.values() if cell.run}
    assert cells["few"].differs == "items 10 instead of 100"
    assert cells["many"].differs == "samples 4 instead of 1"
    assert cells[RUN.id].differs == cells["another"].differs == ""
    assert len(cells) == 4


def imported(run: RunSummary, **sampling: object) -> RunSummary:
    """Return the run as one whose responses came from a log."""
    written = run.protocol["sampling"] | sampling
    protocol = run.protocol | {"imported": "jsonl", "file_sha256": run.id, "sampling": written}
    return replace(run, protocol=protocol, protocol_sha256=f"file {run.id}")


def test_another_version_of_the_grader_is_another_protocol() -> None:
    new = [
        replace(RUN, id=name, fingerprint=name, model=name, grader_versions=("2",))
        for name in ("one", "two")
    ]
    old = replace(RUN, grader_versions=("1",), score=scored(0.9))
    assert [row.model for row in ranked([*new, old])] == ["one", "two"]
    marked = {row.model: row for row in ranked([*new, old], every_protocol=True)}["made-up"]
    assert marked.cells["sums"].differs == "grader version 1 instead of 2"
    assert marked.ranks is None


def test_imported_responses_stand_beside_alike_ones_and_are_not_called_measured() -> None:
    theirs = imported(replace(RUN, id="i", fingerprint="f2", model="theirs"))
    unlike = imported(replace(RUN, id="u", fingerprint="f3", model="unlike"), temperature=None)
    rows = {row.model: row for row in ranked([RUN, theirs, unlike])}
    assert set(rows) == {"made-up", "theirs"}
    assert not rows["theirs"].differs
    assert [rows[name].shown_kind for name in rows] == ["measured", "imported"]
    shown = ranking_table(list(rows.values()), ["sums"])
    assert shown.count(">measured</span>") == shown.count(">imported</span>") == 1
    names = [trace.name for trace in ranking_chart(list(rows.values()), "sums").data]
    assert names == ["measured here, with 95 % interval", "imported, judged here, 95 % interval"]
    left = filtered(rows.values(), ["sums"], Filters(kinds=("measured",)))
    assert [row.model for row in left] == ["made-up"]


def test_what_an_import_does_not_tell_is_called_unknown() -> None:
    written = protocol_words(imported(RUN, temperature=None, max_tokens=None))
    assert written == "imported, temperature unknown, token budget unknown, 100 items"
    assert "None" not in run_facts(imported(RUN, temperature=None, max_tokens=None))
    assert protocol_words(RUN) == "temperature 0.0, 512 tokens, 100 items"


def test_no_gain_is_reported_across_protocols() -> None:
    parent = replace(RUN, fingerprint="f1")
    others = [replace(RUN, id=f"o{n}", fingerprint=f"o{n}", model=f"o{n}") for n in range(2)]
    child = replace(with_temperature(RUN, 0.7), fingerprint="f2", model="trained")
    lineages = {"f2": Lineage("f1", "made-up", "cft", "first try", 200)}
    rows = board(["sums"], [parent, child, *others], [], lineages, every_protocol=True)
    (tree,) = family_trees(ordered(rows, ["sums"], "sums", standings), ["sums"], "sums", scores)
    assert [(step.row.model, step.gain, step.interval) for step in tree] == [
        ("made-up", None, None),
        ("trained", None, None),
    ]
    assert all(not trace.x for trace in family_chart([tree], "sums").data)


def test_the_average_is_over_what_every_row_shown_has() -> None:
    more = [replace(RUN, id=task, task=task, score=scored(0.7)) for task in ("products", "roots")]
    other = replace(RUN, id="o", fingerprint="f2", model="other", score=scored(0.1))
    other_too = replace(other, id="p", task="products", score=scored(0.1))
    chosen = ["sums", "products", "roots"]
    rows = board(chosen, [RUN, *more, other, other_too], [], {})
    common = common_tasks(rows, chosen)
    assert common == ["sums", "products"]
    averages = {row.model: row.average for row in ordered(rows, common, "", standings)}
    assert averages["made-up"] is not None
    assert averages["made-up"].value == pytest.approx(0.6)
    complete = filtered(rows, chosen, Filters(complete=True))
    assert [row.model for row in complete] == ["made-up"]
    assert common_tasks(complete, chosen) == chosen
    alone = board(chosen, [RUN], [replace(PRINTED, task="roots")], {})
    assert common_tasks(alone, chosen) == []
    assert {row.average for row in ordered(alone, [], "sums", standings)} == {None}


def test_a_suite_is_offered_first_if_a_model_has_all_of_it() -> None:
    suites = {"all": ["sums", "products"], "one": ["sums"]}
    assert first_choice(suites, [RUN]) == ""
    assert first_choice(suites, [RUN, replace(RUN, task="products")]) == "all"


def test_checkpoints_trained_here_name_method_and_parent_and_gain_on_the_same_items() -> None:
    trained = replace(RUN, id="t", fingerprint="f2", model="trained", score=scored(0.8))
    lineages = {"f2": Lineage("f1", "made-up", "cft", "first try", 200)}
    printed = [
        replace(PRINTED, model=f"printed {method}", method=method, family="p", score=score)
        for method, score in (("base", 0.4), ("cft", 0.5))
    ]
    rows = ordered(board(["sums"], [RUN, trained], printed, lineages), ["sums"], "sums", standings)
    assert (rows[0].model, rows[0].method, rows[0].parent) == ("trained", "cft", "made-up")
    own, theirs = family_trees(rows, ["sums"], "sums", scores)
    assert [step.row.model for step in own] == ["made-up", "trained"]
    assert own[1].gain == pytest.approx(0.3)
    assert own[1].interval is not None
    assert own[1].interval[0] > 0
    assert [(step.row.method, step.interval) for step in theirs] == [("base", None), ("cft", None)]
    figure = family_chart([own, theirs], "sums")
    assert "percentage points" in figure.layout.xaxis.title.text
    assert {trace.marker.symbol for trace in figure.data} == {"circle", "circle-open"}


def test_doubtful_numbers_carry_what_is_known_of_them() -> None:
    copied = replace(PRINTED, score=0.144, doubt="doubtful: identical to the 8B row")
    rows = board(["sums"], [], [replace(PRINTED, score=0.277, others=(copied,))], {})
    written = doubts(rows, ["sums"])
    assert "14.4" in written
    assert "identical to the 8B row" in written
    assert "identical to the 8B row" in ranking_table(rows, ["sums"])


def test_grader_failures_are_reported() -> None:
    (row,) = ranked([replace(RUN, bounds=(0.5, 0.53))])
    assert "between 50.0 and 53.0" in row.cells["sums"].note
    for shown in (["sums"], ["sums", "products"]):
        assert "See the samples; the grader failed" in ranking_table([row], shown)


def test_the_most_measured_task_comes_first() -> None:
    runs = [replace(RUN, task="b"), replace(RUN, task="b"), replace(RUN, task="a")]
    printed = [PRINTED, replace(PRINTED, task="z"), PRINTED]
    assert tasks(runs, printed, ()) == ["b", "a", "sums", "z"]
    assert tasks(runs, printed, {"b"}) == ["a", "sums", "z", "b"], "chosen on: says less"
    assert tasks([replace(RUN, graded=3)], [PRINTED], ())[0] == "sums"


def test_filters_leave_what_is_not_ruled_out() -> None:
    critic = replace(PRINTED, model="critic", method="cft", parameters_b=72.0)
    rows = ranked([RUN], [PRINTED, critic])

    def left(**chosen: object) -> list[str]:
        return [row.model for row in filtered(rows, ["sums"], Filters(**chosen))]  # type: ignore[arg-type]

    assert left(methods=("cft",)) == ["critic", "made-up"]
    assert left(kinds=("measured",)) == ["made-up"]
    assert left(sizes=("under 1B", "over 40B")) == ["critic", "made-up"]
    assert left(since=date(2031, 1, 1)) == ["critic", "printed"]
    assert len(left()) == 3
    assert [row.model for row in highlights(rows)] == ["critic", "made-up"]


def test_the_chart_has_error_bars_on_measured_scores_only() -> None:
    rows = ranked([RUN], [PRINTED, replace(PRINTED, model="critic", method="cft")])
    traces = {trace.name: trace for trace in ranking_chart(rows, "sums").data}
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


def test_every_chart_names_its_axes_with_units() -> None:
    rows = ranked([RUN], [PRINTED])
    for figure in (ranking_chart(rows, "sums"), size_chart(rows, "sums")):
        titles = figure.layout.xaxis.title.text + figure.layout.yaxis.title.text
        assert "right answers, %" in titles
        assert "Model" in titles or "B = billions" in titles


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (0, 100)), ([0.0, 1.0], (-1, 101)), ([0.55, 0.58], (50, 70)), ([0.16, 0.22], (10, 30))],
)
def test_the_chart_shows_whole_tens_around_the_scores(
    values: list[float], expected: tuple[float, float]
) -> None:
    printed = [replace(PRINTED, model=str(value), score=value) for value in values]
    assert score_range(ranked([], printed), "sums") == expected


def test_names_and_notes_are_escaped_wherever_they_are_shown() -> None:
    name = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"
    run = replace(RUN, model=name, engine=name)
    printed = replace(PRINTED, source=name, note=name, doubt=name)
    rows = ranked([run, with_temperature(run, 1.0)], [printed], every_protocol=True)
    for shown in (
        ranking_table(rows, ["sums"]),
        ranking_table(rows, ["sums", "products"]),
        doubts(rows, ["sums"]),
        unfinished_list([replace(run, graded=1)]),
        ranking_chart(rows, "sums").to_json().replace("\\u003c", "<"),
    ):
        assert "<img" not in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "&lt;img" in shown.replace("\\u0026", "&")


def test_long_lists_of_unfinished_runs_are_cut() -> None:
    shown = unfinished_list(
        [replace(RUN, graded=12, score=None, so_far=PartialScore(0.625, 12))] * 7
    )
    assert shown.count("12 of 100") == 5
    assert shown.count("so far 62.5 %, not ranked: what is missing is what takes longest") == 5
    assert "and 2 more" in shown


def test_text_helpers() -> None:
    assert plain("a\x00b\tc\n") == "a\N{REPLACEMENT CHARACTER}b\tc\n"
    assert plain("x" * 30, longest=10) == "x" * 10 + "\n… and 20 more characters"
    assert escaped("<a href='x'>") == "&lt;a href=&#x27;x&#x27;&gt;"
    assert shortened("abcdefghijkl", 8) == "abcd…jkl"
    assert len(shortened("x" * 99, 20)) == 20
    assert [abbreviated(b and 1e9 * b) for b in (None, 0.135, 7.61, 72.7)] == [
        "–",
        "135M",
        "7.6B",
        "73B",
    ]


def test_the_leaderboard_imports_only_what_it_may() -> None:
    allowed = (
        "harness.store",
        "harness.statistics",
        "harness.types",
        "harness.errors",
        "harness.text",
    )
    compared = (
        "harness.analysis.compare",
        "harness.analysis.protocol",
        "harness.analysis.completeness",
        "harness.registry",
        "harness.analysis.select",
    )
    for file in Path(leaderboard.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                room = name.split(".")[0]
                assert room not in ("tasks", "train_cft", "bench"), (file.name, name)
                assert room != "harness" or name.startswith((*allowed, *compared)), (
                    file.name,
                    name,
                )

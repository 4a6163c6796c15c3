"""Trainings and the review queue as a user meets them, and what is made of their rows."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.statistics.intervals import wilson
from harness.store import Journal, Store, queries
from harness.store.reviews import review_critique, review_summaries
from harness.store.training import (
    critiques_to_review,
    training_checkpoints,
    training_choices,
    training_steps,
    trainings,
)
from leaderboard.review import summary_table
from leaderboard.training import (
    CURVES,
    MOST_POINTS,
    curve_chart,
    differences,
    sweep_chart,
    sweep_table,
    sweeps,
    throughput,
)
from tests.conftest import held_by_another_process
from tests.leaderboard.made_store import HOSTILE_NAME
from tests.leaderboard.made_training import (
    STEPS,
    TASK,
    checkpoint_run,
    critique_row,
    hostile_critique,
    write_trainings,
)
from tests.leaderboard.serving import serving

Visit = Callable[..., Any]

_HOLD = (
    "import duckdb, sys; held = duckdb.connect(sys.argv[1]);"
    "held.execute('CREATE TABLE made_up (x INTEGER); CHECKPOINT');"
    "print('held', flush=True); input()"
)


@pytest.fixture
def store(made_store: Store) -> Store:
    with Journal(made_store) as journal:
        write_trainings(journal)
    return made_store


def write_critiques(path: Path) -> None:
    with Journal(Store(path)) as journal:
        for number in (1, 2, 3):
            journal.append("critique", critique_row(number))
        journal.append("critique", hostile_critique(4))


def say(page: Any, right: str, sound: str) -> None:
    """Answer both questions and save, as a user does."""
    for name in (right, sound):
        choice = page.get_by_role("radio", name=name, exact=True)
        expect(choice).to_have_count(1)  # while the page is drawn again the old ones are there too
        choice.click()
    page.get_by_role("button", name="Save and next").click()


def test_a_training_shows_its_curves_and_the_chosen_checkpoint(served: Path, visit: Visit) -> None:
    page = visit("training")
    expect(page.get_by_role("alert")).to_contain_text("train-cft train")
    with Journal(Store(served)) as journal:
        write_trainings(journal)
    expect(page.locator(".js-plotly-plot")).to_have_count(5, timeout=60_000)
    expect(page).to_have_url(re.compile("training=t-cft"))
    axes = ["loss, nats per token", "learning rate", "gradient norm", "training tokens per second"]
    expect(page.locator(".js-plotly-plot .ytitle")).to_have_text(
        [*axes, re.compile("score: right answers, %.*95 % interval")]
    )
    expect(page.locator(".js-plotly-plot").last).to_contain_text("chosen: earliest")
    expect(page.locator(".legend").last).to_contain_text("the base: 30.0 %")
    rows = page.get_by_role("table", name="Checkpoints").locator("tbody tr")
    expect(rows.locator(".step")).to_have_text(["0", "20", "40", "60"])
    interval = wilson(21, 30)
    expect(rows.nth(2).locator(".interval")).to_have_text(
        f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    )
    expect(rows.nth(2).locator(".state")).to_have_text("★ chosen: earliest")
    expect(page.get_by_label("Warnings")).to_have_text("A made-up warning.")


def test_two_trainings_are_compared_and_hostile_names_stay_text(served: Path, visit: Visit) -> None:
    with Journal(Store(served)) as journal:
        write_trainings(journal)
    page = visit("training?training=t-cft&with=t-sft", width=390)
    expect(page.get_by_role("table", name="What differs")).to_contain_text("learning_rate")
    expect(page.locator(".js-plotly-plot").first.locator(".scatterlayer .trace")).to_have_count(2)
    expect(page.locator(".legend").first).to_contain_text("<img src=x")
    page.get_by_text("Recipe, machine and libraries").first.click()
    expect(page.locator("[data-testid=stCode]").first).to_contain_text("**not bold**")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".st-key-page img, .st-key-page a[href*='hostile.invalid']").count() == 0
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0


def test_a_review_is_written_and_one_made_while_the_store_is_held_waits(
    served: Path, visit: Visit
) -> None:
    page = visit("training?view=Review")
    expect(page.get_by_role("alert")).to_contain_text("train-cft build")
    write_critiques(served)
    expect(page.get_by_text("Critique 1: every step is right.")).to_be_visible()
    expect(page.get_by_text("0 of 4 reviewed")).to_be_visible()
    expect(page.get_by_role("button", name="Save and next")).to_be_disabled()
    page.get_by_label("Note, or how it should be fixed").fill("it is 3")
    page.get_by_label("Your name").fill("a reader")
    say(page, "wrong", "not sound")
    expect(page.get_by_text("Critique 2: every step is right.")).to_be_visible()
    expect(page.get_by_text("1 of 4 reviewed")).to_be_visible()
    (said,), _ = critiques_to_review(Store(served), reviewed=True)
    assert (said.question[:11], said.human_right, said.human_sound) == ("Question 1:", False, False)
    assert (said.human_note, said.reviewed_by) == ("it is 3", "a reader")
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(served)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            say(page, "right", "sound")
            expect(page.get_by_role("alert")).to_contain_text("1 review waits outside the results")
            expect(page.get_by_role("alert")).to_contain_text(f"process {holder.pid}")
        finally:
            holder.kill()
    expect(page.get_by_text("2 of 4 reviewed")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    _, reviewed = critiques_to_review(Store(served), reviewed=True)
    assert reviewed == 2


def test_a_review_that_waits_survives_the_page_and_the_server(
    served: Path, visit: Visit, browser: Any, tmp_path: Path
) -> None:
    write_critiques(served)
    page = visit("training?view=Review")
    expect(page.get_by_text("Critique 1: every step is right.")).to_be_visible()
    with held_by_another_process(served):
        say(page, "wrong", "not sound")
        expect(page.get_by_role("alert")).to_contain_text("1 review waits outside the results")
        # It is not asked for again, though the results file does not know of it.
        expect(page.get_by_text("Critique 2: every step is right.")).to_be_visible()
        page.close()
    assert critiques_to_review(Store(served), reviewed=True) == ([], 0)
    with serving(served, tmp_path / "another server") as address:
        context = browser.new_context()
        other = context.new_page()
        other.goto(f"{address}/training?view=Review")
        expect(other.get_by_text("1 of 4 reviewed")).to_be_visible()
        context.close()
    (said,), _ = critiques_to_review(Store(served), reviewed=True)
    assert (said.question[:11], said.human_right, said.human_sound) == ("Question 1:", False, False)


def test_hostile_critiques_stay_text(served: Path, visit: Visit) -> None:
    write_critiques(served)
    page = visit("training?view=Review&reason=conflict", width=390)
    expect(page.locator("[data-testid=stCode]")).to_have_count(2)
    expect(page.locator("[data-testid=stCode]").last).to_contain_text("**not bold**")
    expect(page.locator(".sample-head")).to_contain_text("<img src=x")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".st-key-page img, .st-key-page a[href*='hostile.invalid']").count() == 0
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0


def test_a_sweep_is_that_of_the_choice_else_of_what_was_measured(store: Store) -> None:
    cft, sft = trainings(store)
    runs = queries.runs(store)
    checkpoints, choices = training_checkpoints(store, cft.id), training_choices(store, cft.id)
    (sweep,) = sweeps(cft, checkpoints, choices, runs)
    assert (sweep.task, sweep.chosen) == (TASK, {40: ["earliest"]})
    assert [point.step for point in sweep.points] == list(STEPS)
    assert sweep.base is not None and sweep.base.id == checkpoint_run(0).id
    (unchosen,) = sweeps(cft, checkpoints, [], runs)
    assert (unchosen.points, unchosen.base, unchosen.chosen) == (sweep.points, sweep.base, {})
    assert sweeps(sft, [], [], runs) == []
    best = replace(choices[0], rule="best", step=60)
    (twice,) = sweeps(cft, checkpoints, [*choices, best], runs)
    assert twice.chosen == {40: ["earliest"], 60: ["best"]}
    plain, chosen = sweep_chart(sweep).data
    assert (list(plain.x), list(chosen.x)) == ([20, 60], [40])
    assert list(chosen.y) == pytest.approx([70.0])
    assert chosen.error_y.array[0] == pytest.approx(100 * wilson(21, 30).high - 70)
    # A newer run of a checkpoint does not count as long as it is incomplete.
    started = [
        replace(run, graded=9, score=None, so_far=queries.PartialScore(1.0, 9)) for run in runs
    ]
    (same,) = sweeps(cft, checkpoints, [], [*started, *runs])
    assert (same.points, same.base) == (sweep.points, sweep.base)


def test_an_incomplete_checkpoint_has_no_interval(store: Store) -> None:
    cft, _ = trainings(store)
    runs = [
        replace(run, graded=9, score=None, so_far=queries.PartialScore(1.0, 9), stopped_by="a gate")
        if run.fingerprint == checkpoint_run(20).fingerprint
        else run
        for run in queries.runs(store)
    ]
    checkpoints = training_checkpoints(store, cft.id)
    (sweep,) = sweeps(cft, checkpoints, [], runs)
    plain, _ = sweep_chart(sweep).data
    assert list(plain.marker.symbol) == ["circle-open", "circle", "circle"]
    assert math.isnan(plain.error_y.array[0]) and plain.error_y.array[1] > 10
    assert "9 of 30 samples judged, stopped by gate a gate" in plain.hovertext[0]
    line = sweep_table(sweep).split("<tr")[3]
    assert "100.0" in line and "incomplete: 9 of 30" in line and "–" in line


def test_curves_leave_out_what_was_not_logged_and_thin_out_what_is_too_much(store: Store) -> None:
    cft, sft = trainings(store)
    logged = [(row, training_steps(store, row.id)) for row in (cft, sft)]
    loss, rate, norm, speed = (curve_chart(curve, logged).data for curve in CURVES)
    assert [len(trace.x) for trace in loss] == [60, 60]
    assert [len(trace.x) for trace in norm] == [60, 0]
    assert loss[0].line.dash != loss[1].line.dash
    assert speed[0].y[-1] == pytest.approx(250.0)
    first = logged[0][1][0]
    many = [
        replace(first, step=step, loss=float("nan") if step == 7 else 1.0) for step in range(5000)
    ]
    (trace,) = curve_chart(CURVES[0], [(cft, many)]).data
    assert len(trace.x) <= MOST_POINTS + 1
    assert trace.x[-1] == 4999
    assert 7 not in trace.x
    assert throughput([replace(first, tokens=None), first, first]) == [(1, 250.0)]
    assert "learning_rate" in differences([cft, sft])
    assert "<img" not in differences([cft, sft])
    assert differences([cft, cft]) == ""
    assert len(rate) == 2


def test_reviews_are_counted_by_critic_and_reason(made_store: Store) -> None:
    assert review_summaries(made_store) == []
    write_critiques(made_store.path)
    (first, second, third), _ = critiques_to_review(made_store, reason="audit")
    for row, right, sound in ((first, True, True), (second, False, False), (third, None, True)):
        review_critique(made_store, row.id, right=right, sound=sound, note="", reviewer="r")
    summaries = {one.critic: one for one in review_summaries(made_store)}
    audit = summaries["made-up-critic"]
    assert (audit.reason, audit.queued, audit.reviewed) == ("audit", 3, 3)
    assert (audit.misjudged, audit.concluded) == (audit.misgraded, audit.graded) == (1, 2)
    assert (audit.unsound, audit.read) == (1, 3)
    assert summaries[HOSTILE_NAME].reviewed == 0
    share = wilson(1, 2)
    table = summary_table(list(summaries.values()))
    assert f"50.0 [{100 * share.low:.1f}, {100 * share.high:.1f}]" in table
    assert "<img" not in table

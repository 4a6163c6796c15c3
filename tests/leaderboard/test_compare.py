"""Runs side by side: the numbers, what speaks against them, and the items behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.analysis.compare import compare_with_baseline
from harness.analysis.protocol import Comparability, Difference
from harness.statistics import paired, ranking
from harness.store import Journal, Store, queries
from harness.store.item_results import ItemResult
from harness.text import points, points_interval
from harness.types import Sampling
from leaderboard import compare_tables
from leaderboard.compare_tables import CELLS, cells, differences_chart, dot, verdict
from tests.leaderboard.made_store import (
    HOSTILE_NAME,
    SECRET,
    MadeRun,
    MadeSample,
    made_runs,
    simple_samples,
    write,
)

Visit = Callable[..., Any]
SMALL, LARGE, WARM = made_runs()[:3]


def add(results: Path | Store, *runs: MadeRun) -> None:
    """Write more runs into a results file."""
    store = results if isinstance(results, Store) else Store(results)
    with Journal(store) as journal:
        for run in runs:
            write(journal, run)


def outcome(item: str, correct: int, samples: int = 1) -> ItemResult:
    """Return what an item came to."""
    return ItemResult(item, "g", "s", "l", samples, correct, 0, 0, 0, 0, 0)


def expected(right_first: int, right_second: int, items: int) -> paired.Comparison:
    """Compare runs that solved the first so many of the same items."""
    one, other = ([float(n < right) for n in range(items)] for right in (right_first, right_second))
    return paired.compare(one, other)


def test_every_item_is_in_one_cell() -> None:
    first = [outcome("a", 1), outcome("b", 1), outcome("c", 0), outcome("d", 0)]
    second = [outcome("a", 1), outcome("b", 0), outcome("c", 1), outcome("d", 0)]
    assert list(cells(first, second).values()) == [["a"], ["b"], ["c"], ["d"]]
    many = cells([outcome("e", 4, 8)], [outcome("e", 3, 8)])
    assert [name for name in CELLS if many[name]] == ["right-wrong"]


def test_runs_are_compared_as_they_are_stored(made_store: Store) -> None:
    ids = [run.id for run in (SMALL, LARGE, WARM)]
    by_id = {run.id: run for run in queries.runs(made_store, ids)}
    before = made_store.path.read_bytes()
    compared = compare_with_baseline(made_store, [by_id[run_id] for run_id in ids])
    assert made_store.path.read_bytes() == before
    effects = [one.paired for one in compared.comparisons]
    assert effects == [expected(15, 57, 60), expected(15, 54, 60)]
    assert [one.p_adjusted for one in compared.comparisons] == ranking.holm(
        [effect.p for effect in effects]
    )
    assert [one.differences.comparable for one in compared.comparisons] == [True, False]
    assert {placed.side.run for placed in compared.standings.placed} == set(ids)
    said = verdict(compared.comparisons[0])
    assert points(effects[0].effect) == "+70.0"
    assert "B is better" in said
    assert f"(80 % power): {100 * effects[0].detectable:.1f} points" in said
    same = compare_with_baseline(made_store, [by_id[LARGE.id], by_id[WARM.id]]).comparisons[0]
    assert "no difference is shown" in verdict(same)


def test_other_versions_of_the_grader_are_told_and_nothing_is_judged_again(
    made_store: Store,
) -> None:
    with made_store.write() as connection:
        connection.execute(
            "UPDATE grade SET grader_version = 'older' WHERE key IN"
            " (SELECT key FROM request WHERE run_id = ?)",
            [SMALL.id],
        )
    found = {run.id: run for run in queries.runs(made_store)}
    (compared,) = compare_with_baseline(made_store, [found[LARGE.id], found[SMALL.id]]).comparisons
    assert [str(one) for one in compared.differences.refused] == ["grader version: 0 against older"]


def test_a_task_under_other_protocols_or_without_shared_items_is_told_apart(
    made_store: Store,
) -> None:
    other = replace(SMALL, model="made-up-large", task="math500", samples=simple_samples(12, 30))
    strange = [replace(sample, gold="-1") for sample in simple_samples(9, 9)]
    nothing = [
        MadeRun("made-up-small", "strange", simple_samples(9, 9)),
        MadeRun("made-up-large", "strange", strange),
    ]
    add(made_store, other, *nothing)
    with made_store.write() as connection:
        connection.execute(
            "UPDATE grade SET grader_version = 'older' WHERE key IN"
            " (SELECT key FROM request WHERE run_id = ?)",
            [other.id],
        )
    found = {run.id: run for run in queries.runs(made_store)}
    small = next(run for run in made_runs() if (run.model, run.task) == (SMALL.model, "math500"))
    pairs: list[Sequence[MadeRun]] = [(SMALL, LARGE), (small, other), nothing]
    lines = [[found[run.id] for run in pair] for pair in pairs]
    of_task, obstacles = compare_tables.task_by_task(
        lines, lambda runs: compare_with_baseline(made_store, runs)
    )
    assert list(of_task) == ["gsm8k", "math500"]
    assert "No item is shared" in obstacles["strange"]
    refused = compare_tables.refusals(of_task)
    assert {task: [one.what for one in why] for task, why in refused.items()} == {
        "math500": ["grader version"]
    }
    comparisons = [one.comparisons[0] for one in of_task.values()]
    shown = compare_tables.tasks_table(comparisons, [0.01, 0.01])
    assert shown.count("≠ grader version") == 1
    assert "mean of 2 (≠ protocols mixed)" in shown
    assert "≠" not in compare_tables.tasks_table(comparisons[:1], [0.01])
    marked = dot("math500", comparisons[1].paired, 0.01, differs=True)
    assert marked.label == "math500 ≠"
    assert "≠</b> not one protocol" in compare_tables.legend([marked])
    assert "≠" not in compare_tables.legend([dot("gsm8k", comparisons[0].paired, 0.01)])


def test_runs_under_another_protocol_are_marked_among_several(made_store: Store) -> None:
    found = {run.id: run for run in queries.runs(made_store)}
    compared = compare_with_baseline(made_store, [found[run.id] for run in (SMALL, LARGE, WARM)])
    shown = compare_tables.against_first_table(compared)
    assert shown.count("≠ temperature") == 1
    assert "Rank (≠ protocols mixed)" in shown
    alone = compare_with_baseline(made_store, [found[run.id] for run in (SMALL, LARGE)])
    assert "≠" not in compare_tables.against_first_table(alone)


def test_the_verdict_goes_by_the_adjusted_p(made_store: Store) -> None:
    found = {run.id: run for run in queries.runs(made_store)}
    (one,) = compare_with_baseline(
        made_store, [found[run.id] for run in (SMALL, LARGE)]
    ).comparisons
    assert "Holm" not in verdict(one)
    assert "60 items both have" in verdict(one)
    doubtful = verdict(replace(one, p_adjusted=0.2), among=3, runs=4)
    assert "no difference is shown" in doubtful
    assert "p = 0.2000 (Holm, 3 comparisons)" in doubtful
    assert "60 items all 4 runs have" in doubtful


def test_what_differs_is_escaped_and_sorted_by_what_it_means() -> None:
    bad = Difference("<img src=x>", "<b>1</b>", "2")
    shown = compare_tables.differing(Comparability((bad,), (bad,), ()))
    assert "<img" not in shown
    assert shown.count("&lt;img") == 2
    assert "NOT ONE PROTOCOL" in shown
    assert "the same" in shown


def test_the_chart_names_its_axes_and_marks_what_is_known() -> None:
    compared = [expected(15, 57, 60), expected(15, 16, 60)]
    dots = [dot(name, one, one.p) for name, one in zip(("<b>x", "y"), compared, strict=True)]
    figure = differences_chart(dots, "Subject")
    assert figure.layout.xaxis.title.text == "B − A, percentage points<br>(95 % interval)"
    assert figure.layout.yaxis.title.text == "Subject"
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "circle-open"]
    assert "&lt;b&gt;x" in figure.layout.yaxis.ticktext
    assert figure.data[0].error_x.array[0] == pytest.approx(100 * (dots[0].high - dots[0].effect))


def test_two_runs_side_by_side(served: Path, visit: Visit) -> None:
    page = visit(f"compare?a={SMALL.id}&b={LARGE.id}")
    left_out = page.get_by_text("Incomplete, so not compared")
    expect(left_out).to_contain_text("made-up-growing")
    expect(left_out).to_contain_text("on gsm8k, 24 of 60 samples judged")
    effect = expected(15, 57, 60)
    said = page.locator(".finding")
    expect(said).to_contain_text(
        f"B − A, points: {points_interval(effect.effect, effect.low, effect.high)} — B is better"
    )
    expect(said).to_contain_text("42 better in B, 0 worse, 18 as before")
    expect(page.get_by_label("What differs")).to_contain_text("Protocol = the same")
    expect(page.get_by_role("button", name="Both right: 15 (25.0 %)")).to_be_visible()
    expect(page.get_by_role("button", name="Only A right: 0")).to_be_disabled()

    page.get_by_role("button", name="Only B right: 42 (70.0 %)").click()
    expect(page).to_have_url(re.compile("cell=wrong-right"))
    expect(page.get_by_text("What is 15 + 15?")).to_be_visible()
    expect(page.get_by_text("The sum is seven.")).to_have_count(5)
    expect(page.get_by_text("The sum is 30.")).to_be_visible()
    expect(page.locator(".pair")).to_have_count(10)
    page.get_by_role("button", name="Page 9", exact=True).click()
    expect(page.locator(".pair")).to_have_count(4)

    page.reload()
    expect(page.get_by_text("What is 15 + 15?")).to_be_visible()
    page.get_by_role("link", name="made-up-large: all of it").first.click()
    expect(page).to_have_url(re.compile(rf"samples\?run={LARGE.id}&item=item-015"))
    expect(page.locator(".sample-head")).to_have_count(1)


def test_other_protocols_are_refused_until_they_are_asked_for(served: Path, visit: Visit) -> None:
    page = visit(f"compare?a={LARGE.id}&b={WARM.id}")
    expect(page.get_by_role("alert")).to_contain_text("temperature: 0.0 against 0.7")
    expect(page.locator(".finding")).to_have_count(0)
    page.get_by_text("Compare anyway, although").click()
    expect(page.locator(".finding")).to_contain_text("no difference is shown")
    expect(page.get_by_role("alert")).to_contain_text("not measured under one protocol")
    expect(page.get_by_label("What differs")).to_contain_text("NOT ONE PROTOCOL")
    expect(page).to_have_url(re.compile("any=true"))


def test_several_runs_against_the_first(served: Path, visit: Visit) -> None:
    third = replace(SMALL, model="made-up-third", samples=simple_samples(20, 60))
    add(served, third)
    page = visit(f"compare?a={SMALL.id}&b={LARGE.id},{third.id}")
    rows = page.get_by_label("Differences from A").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("baseline")
    p = ranking.holm([expected(15, 57, 60).p, expected(15, 20, 60).p])[1]
    expect(rows.nth(2)).to_contain_text(f"{p:.4f}")
    expect(page.locator(".js-plotly-plot .errorbar").first).to_be_visible()
    expect(page.locator(".finding")).to_contain_text("+70.0")


def test_two_models_over_all_their_tasks(served: Path, visit: Visit) -> None:
    add(served, MadeRun("made-up-large", "math500", simple_samples(12, 30)))
    page = visit("compare?a=made-up-small&b=made-up-large")
    rows = page.get_by_label("By benchmark").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("gsm8k")
    expect(rows.nth(1)).to_contain_text("+30.0")
    expect(rows.nth(2)).to_contain_text("mean of 2")
    expect(rows.nth(2)).to_contain_text("+50.0")
    expect(page.get_by_text("only one of the two has a run")).to_contain_text("gpqa_diamond")
    expect(page.locator(".finding")).to_contain_text("60 items")
    page = visit("compare?a=made-up-small&b=made-up-growing")
    expect(page.get_by_role("alert")).to_contain_text("is incomplete: 24 of 60 samples judged")


def test_a_break_down_says_that_it_explores(served: Path, visit: Visit) -> None:
    def sorted_by_subject(run: MadeRun) -> MadeRun:
        samples = [
            replace(sample, subject=f"<b>part</b> {number % 3}")
            for number, sample in enumerate(run.samples)
        ]
        return replace(run, task="parted", samples=samples)

    runs = [sorted_by_subject(run) for run in (SMALL, LARGE)]
    add(served, *runs)
    page = visit(f"compare?a={runs[0].id}&b={runs[1].id}")
    expect(page.get_by_text("3 slices of 60 items: exploratory")).to_be_visible()
    rows = page.get_by_label("By subject").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("<b>part</b> 0")
    effect = expected(5, 19, 20)
    expect(rows.nth(0)).to_contain_text(f"{points(effect.effect)} [{points(effect.low)}")
    expect(page.locator(".js-plotly-plot .errorbar")).to_have_count(3)


@pytest.mark.parametrize("restricted", [True, False])
def test_a_restricted_task_shows_numbers_and_no_texts(
    served: Path, visit: Visit, restricted: bool
) -> None:
    secret = MadeSample(f"{SECRET} question", f"{SECRET} gold", f"{SECRET} other", False)
    other = MadeRun("made-up-small", "gpqa_diamond", [secret], restricted=restricted)
    add(served, other)
    large = next(run for run in made_runs() if run.restricted)
    page = visit(f"compare?a={other.id}&b={large.id}")
    expect(page.locator(".finding")).to_contain_text("1 items")
    page.get_by_role("button", name="Only B right: 1").click()
    expect(page.locator(".pair")).to_have_count(2)
    expect(page.get_by_role("alert")).to_contain_text("restricted")
    assert SECRET not in page.content()


def test_hostile_runs_are_text_here_too_and_fit_a_narrow_screen(served: Path, visit: Visit) -> None:
    hostile = next(run for run in made_runs() if run.model == HOSTILE_NAME)
    name = HOSTILE_NAME + " [again](http://hostile.invalid/)"
    subjects = [replace(sample, correct=not sample.correct) for sample in hostile.samples]
    other = MadeRun(name, "quick", subjects, sampling=Sampling(max_tokens=512))
    add(served, other)
    page = visit(f"compare?a={hostile.id}&b={other.id}", width=390)
    page.get_by_role("button", name="Only A right").click()
    expect(page.locator(".pair").first).to_be_visible()
    page.get_by_text("Thought (").first.click()
    assert page.locator("img[src=x], a[href*=hostile], img[src*=hostile]").count() == 0
    assert page.evaluate("window.hacked") is None
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0


def test_one_run_alone_says_what_to_do(served: Path, visit: Visit) -> None:
    served.unlink()
    add(served, SMALL)
    page = visit("compare")
    expect(page.get_by_role("alert")).to_contain_text("no two complete runs of one task")

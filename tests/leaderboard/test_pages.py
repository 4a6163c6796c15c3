"""The leaderboard as a user meets it: the real server, a real results file, real Chromium."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import expect

from harness.statistics.intervals import wilson
from harness.store import Journal, Store
from tests.leaderboard.made_gate import decision_row, task_row
from tests.leaderboard.made_store import (
    HOSTILE_NAME,
    SECRET,
    MadeRun,
    run_id,
    simple_samples,
    write,
)

Visit = Callable[..., Any]


def row(page: Any, text: str) -> Any:
    """Return the ranking's row of a model."""
    return page.locator("table.ranking tbody tr").filter(has_text=text)


def choose_task(page: Any, task: str) -> None:
    """Use the task filter as a user does."""
    page.get_by_label("Task").click()
    page.get_by_role("option", name=task, exact=True).click()


def test_measured_rows_show_their_interval_and_published_ones_their_source(
    served: Path, visit: Visit
) -> None:
    page = visit("?task=gsm8k")
    measured = row(page, "made-up-small")
    expect(measured).to_be_visible()
    interval = wilson(15, 60)
    expect(measured.locator(".kind")).to_have_text("measured")
    expect(measured.locator(".score .value")).to_have_text("25.0")
    expect(measured.locator(".score .ci")).to_have_text(
        f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    )
    expect(measured.locator(".rank")).to_have_text("2")
    expect(measured.locator(".items")).to_have_text("60")
    expect(measured.locator(".date")).to_have_text("2030-01-02")
    expect(measured.locator(".origin")).to_contain_text("made-up-engine 0.0, cpu, float32")

    published = row(page, "Llama-3.1-70B-Instruct")
    expect(published.locator(".kind")).to_have_text("published")
    expect(published.locator(".score .ci.assumed")).to_contain_text("≈")
    expect(published.locator(".rank span")).to_have_attribute("title", re.compile("no test"))
    expect(published.locator(".model")).to_contain_text("baseline")
    expect(published.locator(".origin")).not_to_have_text("")
    expect(page.get_by_text("from other protocols")).to_be_visible()
    expect(page.locator("p.verdict")).to_contain_text("made-up-large leads the 2 models measured")
    printed = page.locator("td.score .value").all_inner_texts()
    scores = [float(text.split("?")[0]) for text in printed]
    assert len(scores) > 40
    assert scores == sorted(scores, reverse=True)
    # One mark with error bars for each measured row in the chart.
    expect(page.locator(".js-plotly-plot .errorbar")).to_have_count(2)


def test_rows_of_another_protocol_are_shown_when_asked_for_and_marked(
    served: Path, visit: Visit
) -> None:
    page = visit("?task=gsm8k")
    expect(row(page, "made-up-large")).to_have_count(1)
    expect(page.get_by_label("Unfinished runs")).to_contain_text("made-up-growing")
    expect(page.get_by_label("Unfinished runs")).to_contain_text("24 of 60")
    expect(row(page, "made-up-growing")).to_have_count(0)
    page.get_by_text("Other protocols", exact=True).click()
    odd = row(page, "other protocol")
    expect(odd).to_have_count(1)
    expect(odd).to_contain_text("temperature 0.7 instead of 0.0")
    expect(page).to_have_url(re.compile("protocols=true"))


def test_a_suite_has_a_column_a_benchmark_and_its_doubtful_numbers_say_so(
    served: Path, visit: Visit
) -> None:
    page = visit("?task=suite%3A+cft-paper&kind=published&complete=true")
    expect(page.get_by_text("The average is over what every row has")).to_be_visible()
    expect(row(page, "Qwen2.5-Math-7B+WebInstruct-CFT").first.locator("td.score")).to_have_count(7)
    page = visit("?task=suite%3A+cft-paper&kind=published&complete=false")
    expect(page.get_by_text("There is no average")).to_be_visible()
    doubtful = page.locator(".doubts li").filter(has_text="Llama-3.1-70B-Instruct")
    expect(doubtful.filter(has_text="14.4")).to_contain_text("identical to the 8B row")
    for chart, axis in (
        ("Score+against+size", "Parameters"),
        ("Family+trees", "percentage points"),
    ):
        page = visit(f"?task=gsm8k&chart={chart}")
        expect(page.locator(".js-plotly-plot")).to_contain_text(axis)


def test_the_filters_change_table_and_url_and_survive_a_reload(served: Path, visit: Visit) -> None:
    page = visit()
    expect(page).to_have_url(re.compile(r"task=gsm8k"))  # the task with most measured runs
    choose_task(page, "math500")
    expect(page).to_have_url(re.compile(r"task=math500"))
    expect(row(page, "made-up-small").locator(".score .value")).to_have_text("10.0")
    expect(row(page, "made-up-large")).to_have_count(0)

    everything = row(page, "published").count()
    page.get_by_role("button", name="CFT").click()
    expect(page).to_have_url(re.compile(r"method=CFT"))
    expect(row(page, "Llama-3.1-70B-Instruct")).to_have_count(0)
    assert 0 < row(page, "published").count() < everything

    page.reload()
    expect(row(page, "made-up-small").locator(".score .value")).to_have_text("10.0")
    expect(row(page, "Llama-3.1-70B-Instruct")).to_have_count(0)

    page.get_by_role("link", name="Samples").click()
    expect(page.locator(".sample-head").first).to_be_visible()
    page.get_by_role("link", name="Ranking").click()
    expect(page).to_have_url(re.compile(r"task=math500"))
    expect(row(page, "made-up-small").locator(".score .value")).to_have_text("10.0")


def test_the_ranking_has_an_address_that_one_may_type(served: Path, visit: Visit) -> None:
    page = visit("ranking?task=math500&method=CFT&method=SFT")
    expect(row(page, "made-up-small").locator(".score .value")).to_have_text("10.0")
    expect(page).to_have_url(re.compile(r"/\?.*method=CFT&method=SFT"))
    expect(row(page, "Llama-3.1-70B-Instruct")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_candidate_that_the_gate_stopped_is_not_called_unfinished(
    served: Path, visit: Visit
) -> None:
    page = visit("?task=gsm8k")
    expect(page.get_by_label("Unfinished runs")).to_contain_text("made-up-growing")
    of_it = task_row("gsm8k", "fail", candidate_run=run_id("made-up-growing", "gsm8k"))
    with Journal(Store(served)) as journal:
        decision = decision_row(
            "decision", "fail", "made-up-growing", [of_it], decided_at="2031-01-01T00:00:00+00:00"
        )
        journal.append("gate_decision", decision)
    expect(page.get_by_label("Unfinished runs")).to_have_count(0)
    expect(row(page, "made-up-growing")).to_have_count(0)
    expect(page.get_by_text("Not ranked: 1 run that a gate stopped")).to_be_visible()


def test_a_score_leads_to_its_samples(served: Path, visit: Visit) -> None:
    page = visit("?task=math500")
    row(page, "made-up-small").locator(".score a").click()
    expect(page).to_have_url(re.compile(run_id("made-up-small", "math500")))
    expect(page.locator(".sample-head")).to_have_count(5)
    expect(page.get_by_text("What is 3 + 3?")).to_be_visible()
    expect(page.get_by_text("The sum is seven.").first).to_be_visible()
    answers = page.locator(".pair").last
    expect(answers).to_contain_text(re.compile(r"Extracted answer\s*7"))
    expect(answers).to_contain_text(re.compile(r"Gold answer\s*8"))
    expect(page.locator("dl.facts").last).to_contain_text(re.compile(r"Compared by\s*text"))

    page.get_by_role("button", name="Page 2", exact=True).click()
    expect(page.get_by_text("What is 5 + 5?")).to_be_visible()
    page.get_by_role("radio", name="Right").click()
    expect(page.locator(".sample-head")).to_have_count(3)
    page.get_by_role("radio", name="Wrong").click()
    expect(page.get_by_text("What is 3 + 3?")).to_be_visible()
    page.get_by_label("Search").fill("29 + 29")
    page.get_by_label("Search").press("Enter")
    expect(page.locator(".sample-head")).to_have_count(1)
    expect(page.get_by_text("What is 29 + 29?")).to_be_visible()


def test_what_a_model_wrote_is_text_and_nothing_else(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id(HOSTILE_NAME, 'quick')}&view=Source")
    expect(page.locator("[data-testid=stCode]").first).to_contain_text("<script>window.hacked = 1")
    expect(page.locator("[data-testid=stCode]").first).to_contain_text("**not bold** [not a link](")
    page.get_by_text("Thought (").click()
    expect(page.get_by_text("thinking <script>window.hacked = 1")).to_be_visible()
    assert page.locator("img[src=x], a[href*=hostile], img[src*=hostile], .katex").count() == 0
    assert page.evaluate("window.hacked") is None

    page = visit("?task=quick")
    expect(row(page, "hostile <img src=x")).to_be_visible()
    assert page.locator("img[src=x], img[src*=hostile]").count() == 0
    assert page.evaluate("window.hacked") is None


def test_truncated_and_silent_samples_can_be_picked_out(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id(HOSTILE_NAME, 'quick')}&show=Truncated")
    expect(page.locator(".sample-head")).to_have_count(1)
    expect(page.get_by_text("A long one?")).to_be_visible()
    page.get_by_role("radio", name="No answer").click()
    expect(page.get_by_text("A silent one?")).to_be_visible()
    expect(page.locator(".sample-head")).to_have_count(1)


def test_a_restricted_runs_texts_never_reach_the_browser(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id('made-up-large', 'gpqa_diamond')}")
    expect(page.get_by_text("texts are restricted")).to_be_visible()
    expect(page.locator(".sample-head")).to_contain_text("right")
    assert SECRET not in page.content()


def test_a_new_run_appears_by_itself_and_the_filter_stays(served: Path, visit: Visit) -> None:
    page = visit("?task=math500&method=CFT")
    expect(row(page, "made-up-small")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    with Journal(Store(served)) as journal:
        write(journal, MadeRun("made-up-newcomer", "math500", simple_samples(20, 30)))
    expect(row(page, "made-up-newcomer")).to_be_visible()
    expect(page).to_have_url(re.compile(r"method=CFT.*task=math500|task=math500.*method=CFT"))
    assert page.evaluate("window.sameDocument")


def test_a_missing_file_says_what_to_do_and_the_page_recovers(
    served: Path, visit: Visit, made_results: Path
) -> None:
    served.unlink()
    page = visit()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is no results file")
    expect(alert).to_contain_text("harness eval")
    expect(page.locator("table.ranking tr.published").first).to_be_visible()
    served.write_bytes(made_results.read_bytes())
    expect(row(page, "made-up-small")).to_be_visible()


@pytest.mark.parametrize("path", ["", "samples"])
def test_an_empty_store_says_what_to_run(served: Path, visit: Visit, path: str) -> None:
    served.unlink()
    with Store(served).write():
        pass
    page = visit(path)
    expect(page.get_by_role("alert")).to_contain_text("harness eval --model smollm2-135m")
    if not path:
        expect(row(page, "published").first).to_be_visible()


def test_a_newer_schema_says_what_to_do(served: Path, visit: Visit) -> None:
    with duckdb.connect(str(served)) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (1000)")
    page = visit()
    expect(page.get_by_role("alert")).to_contain_text("has schema 1000")
    expect(page.get_by_role("alert")).to_contain_text("Update the harness")


def test_a_file_held_by_another_process_says_who_and_the_page_recovers(
    served: Path, visit: Visit
) -> None:
    of_a_run = f"samples?run={run_id('made-up-small', 'gsm8k')}"
    ranking, samples = visit("?task=gsm8k"), visit(of_a_run)
    expect(row(ranking, "made-up-small")).to_be_visible()
    expect(samples.locator(".sample-head").first).to_be_visible()
    hold = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]);"
        "held.execute('CREATE TABLE made_up (x INTEGER); CHECKPOINT');"
        "print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(served)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            samples.get_by_role("radio", name="Wrong").click()
            late = visit("?task=gsm8k")
            who = f"held open by process {holder.pid}"
            for page in (late, samples):
                expect(page.get_by_role("alert")).to_contain_text(who)
                expect(page.get_by_role("alert")).to_contain_text("tries again by itself")
            # Who was here before goes on with what was there before, and sees a note.
            expect(ranking.get_by_text("Not the newest state")).to_contain_text(who)
            expect(row(ranking, "made-up-small")).to_be_visible()
        finally:
            holder.kill()
    expect(row(late, "made-up-small")).to_be_visible()
    expect(samples.get_by_role("alert")).to_have_count(0)
    expect(ranking.get_by_text("Not the newest state")).to_have_count(0)


def test_a_narrow_screen_needs_no_sideways_scrolling(served: Path, visit: Visit) -> None:
    page = visit("?task=gsm8k", width=390)
    expect(row(page, "made-up-small").locator(".line")).to_be_visible()
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0
    widest = page.locator("table.ranking").evaluate("table => table.getBoundingClientRect().right")
    assert widest <= 390

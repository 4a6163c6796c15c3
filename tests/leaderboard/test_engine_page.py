"""What engines did, as a user meets it, and the questions behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.store import Journal, Store, queries
from harness.store.sessions import session_facets, sessions
from leaderboard.engine import phase_chart, rate_chart, rates, replicas, retries
from tests.leaderboard.made_gate import session_rows
from tests.leaderboard.made_store import HOSTILE, HOSTILE_NAME, run_id

Visit = Callable[..., Any]


def write_sessions(path: Path) -> None:
    both = [run_id("made-up-small", "gsm8k"), run_id("made-up-small", "math500")]
    rows = session_rows("s-two-runs", both, started_at="2030-01-02T00:00:00+00:00")
    rows += session_rows(
        "s-hostile",
        [run_id(HOSTILE_NAME, "quick")],
        started_at="2030-01-03T00:00:00+00:00",
        outcome="interrupted",
        engine_settings={HOSTILE: HOSTILE},
        usage={"replicas": 4, "lost": 1, "requeued": 7, "completions": {}},
        generate_seconds=0.0,
        completion_tokens=0,
        generated=0,
    )
    with Journal(Store(path)) as journal:
        for row in rows:
            journal.append("run_session", row)


def lines(page: Any) -> Any:
    return page.get_by_role("table", name="Sessions").locator("tbody tr")


@pytest.fixture
def store(made_store: Store) -> Store:
    write_sessions(made_store.path)
    return made_store


def test_a_session_of_several_runs_is_one_row_and_the_filters_are_in_the_url(
    served: Path, visit: Visit
) -> None:
    page = visit("engine")
    expect(page.get_by_role("alert")).to_contain_text("harness eval --model smollm2-135m")
    write_sessions(served)
    expect(lines(page)).to_have_count(2)
    both = lines(page).nth(1)
    expect(both.locator(".tasks")).to_have_text("gsm8k, math500")
    expect(both.locator(".speed")).to_have_text("500")
    expect(both.locator(".generated")).to_have_text("90")
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    expect(page.locator(".js-plotly-plot .ytitle")).to_have_text(
        ["new tokens per second", "seconds", "generations of its runs, %"]
    )
    page.get_by_label("Model").click()
    page.get_by_role("option", name="made-up-small").click()
    expect(page).to_have_url(re.compile("served=made-up-small"))
    expect(lines(page)).to_have_count(1)
    page.get_by_role("link", name="2030-01-02 00:00").click()
    expect(page).to_have_url(re.compile("session=s-two-runs"))
    expect(lines(page)).to_have_count(1)
    page.get_by_text("Engine settings").click()
    expect(page.get_by_text('"max_model_len": 1234')).to_be_visible()


def test_hostile_names_and_settings_stay_text_on_a_phone_too(served: Path, visit: Visit) -> None:
    write_sessions(served)
    page = visit("engine?session=s-hostile", width=390)
    expect(lines(page).first.locator(".when")).to_contain_text("interrupted")
    expect(lines(page).first.locator(".retries")).to_have_text("7")
    page.get_by_text("Engine settings").click()
    expect(page.locator("[data-testid=stCode]").first).to_contain_text("**not bold**")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".st-key-page img, .st-key-page a[href*='hostile.invalid']").count() == 0
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0


def test_sessions_are_narrowed_by_engine_device_and_model(store: Store) -> None:
    (hostile, both), total = sessions(store)
    assert total == 2
    assert (both.id, both.tasks, both.generated) == ("s-two-runs", ["gsm8k", "math500"], 90)
    assert both.tokens_per_second == 500
    assert (hostile.outcome, hostile.tokens_per_second) == ("interrupted", None)
    assert sessions(store, model="made-up-small") == ([both], 1)
    assert sessions(store, engine="another") == ([], 0)
    assert sessions(store, device="cpu", limit=1) == ([hostile], 2)
    assert sessions(store, session_id=both.id)[0] == [both]
    facets = session_facets(store)
    assert (facets.engines, facets.devices, facets.total) == (["made-up-engine 0.0"], ["cpu"], 2)
    assert facets.models == sorted(["made-up-small", HOSTILE_NAME])


def test_rates_are_over_all_generations_of_a_sessions_runs(store: Store) -> None:
    runs = {run.id: run for run in queries.runs(store)}
    found, _ = sessions(store)
    assert rates([runs[found[0].runs[0]]]) == (pytest.approx(1 / 12), 0.0)
    assert rates([]) is None
    truncated, loops = rate_chart(found, runs).data
    assert list(truncated.x) == [1, 2]
    assert list(truncated.y) == pytest.approx([0.0, 100 / 12])
    assert list(loops.y) == [0.0, 0.0]
    assert [list(bar.y) for bar in phase_chart(found).data] == [[12, 12], [10, 0], [0.5, 0.5]]


def test_what_backends_count_is_read_with_care() -> None:
    assert retries({"retries": 3}) == 3
    assert retries({"requeued": 7, "retries": "many"}) == 7
    assert retries({"engine_starts": 1}) is None
    assert replicas({"replicas": 4, "lost": 0}) == "4"
    assert replicas({"replicas": 4, "lost": 1}) == "4, 1 lost"
    assert replicas({"replicas": "<img>"}) == ""

"""The gate's decisions as a user meets them, and what is made of a row of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.gate.config import read_config
from harness.store import Journal, Store, queries
from harness.store.gate_decisions import gate_decisions
from leaderboard.gate import (
    command,
    decision_facts,
    gate_toml,
    history,
    saved,
    sequence_chart,
    task_facts,
)
from tests.leaderboard.made_gate import (
    decision_row,
    guard_row,
    made_config,
    task_row,
    write_gate,
)
from tests.leaderboard.made_store import HOSTILE, HOSTILE_NAME

Visit = Callable[..., Any]

BREACHED = [
    guard_row("truncation", candidate=0.4, breached=True, held=False, at_most=0.45),
    guard_row("loop"),
    guard_row("no_answer", held=True, at_most=0.015),
]
DECISIONS = [
    decision_row("d-pass", "pass", "step-1000", [task_row("sums"), task_row("products")]),
    decision_row(
        "d-fail", "fail", HOSTILE_NAME,
        [task_row("sums", "fail", drop=0.4, guards=BREACHED, most_lost=[HOSTILE])],
        decided_at="2030-01-03T03:04:05+00:00", reason=HOSTILE, warnings=[HOSTILE],
        libraries={HOSTILE: HOSTILE},
    ),
    decision_row(
        "d-unread", "undecided", "step-2000",
        [task_row("sums", "undecided"), task_row("products", "undecided") | {
            "read": 0, "low": [], "high": [], "most_lost": []}],
        decided_at="2030-01-01T03:04:05+00:00", tokens_full=None,
    ),
]  # fmt: skip


@pytest.fixture
def gated(served: Path) -> Path:
    with Journal(Store(served)) as journal:
        write_gate(journal, DECISIONS, ["step-1000", "step-2000", HOSTILE_NAME])
    return served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results.duckdb")
    with Journal(made) as journal:
        write_gate(journal, DECISIONS, ["step-1000", "step-2000", HOSTILE_NAME])
    return made


def lines(page: Any) -> Any:
    return page.get_by_role("table", name="Decisions").locator("tbody tr")


def test_the_history_is_filtered_in_the_url_and_leads_to_the_evidence(
    gated: Path, visit: Visit
) -> None:
    page = visit("gate")
    expect(lines(page).locator(".verdict")).to_have_text(["✗ fail", "✓ pass", "? undecided"])
    expect(lines(page).nth(1).locator(".drop")).to_contain_text("sums 1 [")
    expect(lines(page).nth(1).locator(".saved")).to_have_text("75.0")
    expect(lines(page).nth(2).locator(".drop")).to_contain_text("products nothing read")
    page.get_by_role("button", name="pass", exact=True).click()
    expect(page).to_have_url(re.compile("outcome=pass"))
    expect(lines(page)).to_have_count(1)
    page.get_by_role("link", name="2030-01-02 03:04").click()
    expect(page).to_have_url(re.compile("outcome=pass.*decision=d-pass"))
    expect(lines(page)).to_have_count(1)
    expect(page.get_by_text("Made-up reason of d-pass.").first).to_be_visible()
    expect(page.get_by_label("Warnings")).to_contain_text("A made-up warning.")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    chart = page.locator(".js-plotly-plot").first
    expect(chart.locator(".xtitle")).to_have_text("items read")
    expect(chart.locator(".ytitle")).to_contain_text("drop, percentage points")
    expect(chart).to_contain_text("margin 5: passes below")
    expect(chart).to_contain_text("no drop: fails above")
    again = page.locator("[data-testid=stCode]").first
    expect(again).to_contain_text("--candidate /models/step-1000")


def test_hostile_names_and_reasons_stay_text_on_a_phone_too(gated: Path, visit: Visit) -> None:
    page = visit("gate?decision=d-fail", width=390)
    expect(page.locator("p.reason")).to_contain_text("<script>window.hacked = 1</script>")
    guards = page.get_by_role("table", name="Guards").locator("tbody tr")
    expect(guards.locator(".state")).to_have_text(
        ["✗ breached", "? not shown to be breached", "✓ shown to be held"]
    )
    expect(guards.locator(".most")).to_have_text(["45", "–", "1.5"])
    page.get_by_text("Libraries").click()
    expect(page.locator("dl.facts").last).to_contain_text("**not bold**")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".st-key-page img, .st-key-page a[href*='hostile.invalid']").count() == 0
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0
    table = page.get_by_role("table", name="Decisions")
    assert table.evaluate("table => table.getBoundingClientRect().right") <= 390


def test_without_a_decision_the_page_says_what_makes_one_and_then_shows_it(
    served: Path, visit: Visit
) -> None:
    page = visit("gate")
    expect(page.get_by_role("alert")).to_contain_text("harness gate --candidate")
    with Journal(Store(served)) as journal:
        write_gate(journal, DECISIONS[:1], ["step-1000"])
    expect(lines(page)).to_have_count(1)


def test_the_configuration_is_read_back_as_it_was(store: Store, tmp_path: Path) -> None:
    kept = gate_decisions(store, decision_id="d-pass")[0]
    file = tmp_path / "gate.toml"
    file.write_text(gate_toml(kept.config, kept.tasks), encoding="utf-8")
    assert read_config(file) == made_config()


def test_the_command_names_what_was_asked_and_quotes_it(store: Store) -> None:
    (kept,) = gate_decisions(store, decision_id="d-pass")
    runs = {run.id: run for run in queries.runs(store)}
    parts = shlex.split(command(kept, runs, "my results.duckdb").replace("\\\n", " "))
    assert parts[:2] == ["harness", "gate"]
    assert parts[parts.index("--candidate") + 1] == "/models/step-1000"
    assert [parts[n + 1] for n, part in enumerate(parts) if part == "--baseline"] == [
        "base-sums",
        "base-products",
    ]
    assert parts[parts.index("--results") + 1] == "my results.duckdb"
    hub = replace(kept, candidate_source="hub:someone/model@abc")
    assert "--candidate someone/model \\\n    --revision abc" in command(hub, runs, "r")
    hostile = replace(kept, candidate_source="/models/x; echo $HOME `id`")
    assert "/models/x; echo $HOME `id`" in shlex.split(
        command(hostile, runs, "r").replace("\\\n", " ")
    )
    assert "--aa" in command(replace(kept, aa=True), runs, "r")


def test_figures_of_a_decision(store: Store) -> None:
    kept = {one.id: one for one in gate_decisions(store)}
    assert list(kept) == ["d-fail", "d-pass", "d-unread"]
    assert saved(kept["d-pass"]) == 0.75
    assert saved(kept["d-unread"]) is None
    dearer = replace(kept["d-pass"], tokens_spent=10_020)
    assert 'saved num" data-label="Saved, %">−0.2<' in history([dearer], None, {})
    assert "−0.2 %" in decision_facts(dearer)
    assert "attempt" not in history([dearer], None, {})
    assert ", attempt 2" in history([replace(dearer, budget={"attempt": 2})], None, {})
    chart = sequence_chart(kept["d-pass"].tasks[0])
    high, low = chart.data
    assert len(high.x) == len(low.x) == 60
    assert low.y[-1] < 1.0 < high.y[-1] < 6.0
    assert "at least: 98 %, at most: 95 %" in chart.layout.yaxis.title.text
    assert "<img" not in history(list(kept.values()), None, {})


def test_a_decision_on_these_items_counts_rounds(store: Store) -> None:
    task = task_row(
        "contest", read=30, items=30, target="these items", rounds=64, rounds_read=18, decided_at=18
    )
    written = task_facts(task)
    for words in ("these 30 items", "Rounds read", "18 of 64", "18 rounds"):
        assert words in written
    chart = sequence_chart(task)
    assert chart.layout.xaxis.title.text == "rounds read"
    one = replace(gate_decisions(store, decision_id="d-pass")[0], tasks=[task])
    assert "on these 30 items" in history([one], None, {})
    assert "about 10,000" in decision_facts(one)
    assert "new items" in task_facts(task_row("sums")), "what older decisions were about"

"""Every page by keyboard alone: what a mouse reaches Tab reaches, and the focus is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.store import Journal, Store
from harness.store import labels as store_labels
from harness.store.training import critiques_to_review
from tests.leaderboard.made_store import run_id
from tests.leaderboard.made_training import critique_row

Visit = Callable[..., Any]

_MOST_STOPS = 80
# The frame of a field is drawn around it by one of the elements it stands in.
_FOCUS_IS_SEEN = """() => {
  const framed = node => {
    const style = getComputedStyle(node)
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
  }
  let node = document.activeElement
  for (let up = 0; node && node !== document.body && up < 5; up++, node = node.parentElement) {
    if (framed(node)) return ""
  }
  const lost = document.activeElement
  return lost === document.body ? "" : lost.outerHTML.slice(0, 200)
}"""


# Of a group of buttons one is a stop; the arrows lead on from it.
_BESIDE = """node => {
  const group = node.closest("[role=radiogroup], [role=toolbar]")
  return group !== null && group.contains(document.activeElement)
}"""


def tab_to(page: Any, target: Any) -> None:
    """Press Tab, and arrows within a group, until the target has the focus; it is always seen."""
    expect(target).to_have_count(1)
    expect(target).to_be_enabled()
    for _ in range(_MOST_STOPS):
        page.keyboard.press("ArrowRight" if target.evaluate(_BESIDE) else "Tab")
        unseen = page.evaluate(_FOCUS_IS_SEEN)
        assert unseen == "", f"the focus is not seen on {unseen}"
        if target.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError(f"{_MOST_STOPS} times Tab did not reach {target}")


def press(page: Any, target: Any) -> None:
    """Go to a button or link, and press it."""
    tab_to(page, target)
    page.keyboard.press("Enter")


def still(page: Any) -> None:
    """Wait until the page is drawn."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def test_from_the_ranking_to_the_answers_behind_a_score(served: Path, visit: Visit) -> None:
    page = visit("?task=math500")
    expect(page.locator("table.ranking")).to_be_visible()
    still(page)
    tab_to(page, page.get_by_label("Suite or task"))
    page.keyboard.type("gsm8k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("task=gsm8k"))
    still(page)
    method = page.get_by_role("button", name="CFT", exact=True)
    press(page, method)
    expect(page).to_have_url(re.compile("method=CFT"))
    still(page)
    press(page, page.locator("tr.measured td.score a").first)
    expect(page).to_have_url(re.compile(r"samples\?run="))
    expect(page.locator(".sample-head").first).to_be_visible()
    still(page)
    press(page, page.get_by_role("link", name="Compare", exact=True))
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()


def test_the_flips_are_read_side_by_side(served: Path, visit: Visit) -> None:
    small, large = run_id("made-up-small", "gsm8k"), run_id("made-up-large", "gsm8k")
    page = visit(f"compare?a={small}&b={large}")
    cell = page.get_by_role("button", name="Only B right")
    expect(cell).to_be_visible()
    still(page)
    press(page, cell)
    expect(page).to_have_url(re.compile("cell=wrong-right"))
    expect(page.get_by_role("link", name="all of it")).to_have_count(10)
    still(page)
    press(page, page.get_by_role("link", name="all of it").first)
    expect(page).to_have_url(re.compile("samples.*item="))


def test_samples_are_filtered_and_a_grade_is_contradicted(served: Path, visit: Visit) -> None:
    run = run_id("made-up-small", "math500")
    page = visit(f"samples?run={run}")
    expect(page.locator(".sample-head")).to_have_count(5)
    still(page)
    tab_to(page, page.get_by_label("Search"))
    page.keyboard.type("4 + 4")
    page.keyboard.press("Enter")
    expect(page.locator(".sample-head")).to_have_count(1)
    still(page)
    press(page, page.get_by_role("radio", name="Wrong", exact=True))
    expect(page).to_have_url(re.compile("show=Wrong"))
    still(page)
    press(page, page.get_by_role("button", name="Grade is wrong").first)
    tab_to(page, page.get_by_label("Why", exact=True))
    page.keyboard.type("it is eight")
    tab_to(page, page.get_by_label("Your name", exact=True))
    page.keyboard.type("Ada")
    press(page, page.get_by_role("button", name="Store label"))
    expect(page.locator(".said").first).to_contain_text("Ada")
    (said,) = store_labels.labels(Store(served), run)
    assert (said.by, said.note, said.correct) == ("Ada", "it is eight", True)


def test_a_critique_is_reviewed(served: Path, visit: Visit) -> None:
    with Journal(Store(served)) as journal:
        for number in (1, 2):
            journal.append("critique", critique_row(number))
    page = visit("training")
    expect(page.get_by_role("alert")).to_be_visible()
    still(page)
    press(page, page.get_by_role("radio", name="Review"))
    expect(page.get_by_text("Critique 1: every step is right.")).to_be_visible()
    still(page)
    for name in ("wrong", "not sound"):
        choice = page.get_by_role("radio", name=name, exact=True)
        press(page, choice)
        expect(choice).to_be_checked()
        still(page)
    press(page, page.get_by_role("button", name="Save and next"))
    expect(page.get_by_text("Critique 2: every step is right.")).to_be_visible()
    (said,), _ = critiques_to_review(Store(served), reviewed=True)
    assert (said.human_right, said.human_sound) == (False, False)


@pytest.mark.parametrize("path", ["training", "gate", "engine"])
def test_the_navigation_comes_first_on_every_page(served: Path, visit: Visit, path: str) -> None:
    page = visit(path)
    expect(page.get_by_role("alert")).to_be_visible()
    still(page)
    press(page, page.get_by_role("link", name="Ranking", exact=True))
    expect(page.locator("table.ranking")).to_be_visible()

"""Pages of a run: what they hold, how foreign text is drawn, what people say of grades."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harness.store import Journal, Store, queries, samples
from harness.store import labels as store_labels
from harness.store.labels import Label, ProfileGrade, SampleJudgements
from harness.store.samples import Sample
from leaderboard.mathtext import MOST_FORMULAS, fit, split
from leaderboard.samples_page import (
    answer_pair,
    grade_facts,
    run_facts,
    run_label,
    said_list,
    sample_head,
)
from tests.leaderboard.made_store import (
    HOSTILE_NAME,
    SECRET,
    MadeRun,
    MadeSample,
    made_runs,
    run_id,
    write,
)

Visit = Callable[..., Any]

BOMB = r"\def\a{xxxxxxxxxx}\def\b{\a\a\a\a\a\a\a\a\a\a}\def\c{\b\b\b\b\b\b\b\b\b\b}\c\c\c"
BAD_FORMULAS = [
    BOMB,
    r"\newcommand{\x}{\x\x}\x",
    r"\href{http://hostile.invalid/}{press}",
    r"\url{http://hostile.invalid/}",
    r"\includegraphics{http://hostile.invalid/i.png}",
    r"\htmlClass{evil}{x}",
    r"\htmlStyle{position:fixed;inset:0}{x}",
    r"\rule{9999em}{9999em}",
    r"\kern9999em x",
    r"\hspace{9999em}x",
    r"\raisebox{9999em}{x}",
    r"x \\[9999em] y",
    r"\color{red}x",
    r"\text{<img src=x onerror='window.hacked=4'>}",
    r"\text{$x$}",
    r"\text{\href{http://hostile.invalid/}{y}}",
    r"x `code` y",
    "x % comment",
    "x # y",
    '![i](http://hostile.invalid/i.png) "',
    r"\char`\x",
    r"\verb|x|",
    r"\unicode{x263a}",
    r"\begin{tikzpicture}x\end{tikzpicture}",
    r"\begin{cases}x",
    r"\end{cases}",
    r"\left(x",
    "{" * 40 + "x" + "}" * 40,
    "x^{" * 40 + "x" + "}" * 40,
    r"\frac{1}{2}" * 200,
    "}{",
    "\\",
    "x\N{RIGHT-TO-LEFT OVERRIDE}y",
]
GOOD_FORMULAS = [
    r"x",
    r"\frac{-b \pm \sqrt{b^2-4ac}}{2a}",
    r"\boxed{\text{no solution}}",
    r"\left\{ (x, y) \mid x \in \mathbb{R},\ y \geq 0 \right\}",
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
    r"\begin{cases} x & x > 0 \\ -x & x \le 0 \end{cases}",
    r"\sum_{k=0}^{n} \binom{n}{k} = 2^n",
    r"12\% \text{ of } 5",
    r"\lim_{x \to \infty} f'(x)",
    r"\begin{array}{c|c} a & b \\ c & d \end{array}",
]


@pytest.mark.parametrize(
    ("keep", "count"),
    [("all", 12), ("right", 5), ("wrong", 7), ("truncated", 1), ("no_answer", 1), ("loop", 0)],
)
def test_a_page_holds_what_it_is_narrowed_to(made_store: Store, keep: str, count: int) -> None:
    run = run_id(HOSTILE_NAME, "quick")
    page = samples.page(made_store, run, keep=keep)
    assert len(page.samples) == page.counts[keep] == count
    assert sum(page.counts[name] for name in ("right", "wrong")) == page.counts["all"]


def test_samples_are_narrowed_to_an_item_and_to_what_grading_came_to(made_store: Store) -> None:
    run = run_id(HOSTILE_NAME, "quick")
    of_item = samples.page(made_store, run, item_id=" item-001 ")
    assert [sample.item_id for sample in of_item.samples] == ["item-001"]
    silent = samples.page(made_store, run, status="no_answer")
    assert [sample.question for sample in silent.samples] == ["A silent one?"]
    assert samples.page(made_store, run, item_id="item").counts["all"] == 0


def test_samples_that_profiles_judge_differently_are_found(made_store: Store) -> None:
    run = run_id("made-up-small", "math500")
    assert samples.page(made_store, run).counts["disagree"] == 0
    with made_store.write() as connection:
        connection.execute(
            "INSERT INTO grade BY NAME SELECT key, gold_id, 'source' AS profile,"
            " 'theirs' AS grader_version, true AS correct, 'ok' AS status, '' AS extracted,"
            " '' AS extraction, 'jsonl' AS method, 0 AS seconds, graded_at FROM grade"
            " WHERE key IN (SELECT key FROM request WHERE run_id = ? AND item_id IN"
            " ('item-001', 'item-007'))",
            [run],
        )
    page = samples.page(made_store, run, keep="disagree")
    assert [sample.item_id for sample in page.samples] == ["item-007"]
    (item,) = samples.of_items(made_store, run, ["item-007"]).values()
    assert item == page.samples


def test_pages_follow_each_other_in_the_order_of_the_items(made_store: Store) -> None:
    run = run_id("made-up-small", "math500")
    pages = [samples.page(made_store, run, offset=offset, limit=20).samples for offset in (0, 20)]
    assert [len(page) for page in pages] == [20, 10]
    assert [sample.item_id for page in pages for sample in page] == [
        f"item-{number:03d}" for number in range(30)
    ]


@pytest.mark.parametrize(
    ("search", "count"),
    [("29 + 29", 1), ("SUM IS SEVEN", 27), (" item-004 ", 1), ("58", 1), ("100%_'", 0)],
)
def test_search_finds_text_in_any_case(made_store: Store, search: str, count: int) -> None:
    run = run_id("made-up-small", "math500")
    page = samples.page(made_store, run, search=search, limit=30)
    assert page.counts["all"] == len(page.samples) == count


def test_only_what_has_come_back_is_there(made_store: Store) -> None:
    page = samples.page(made_store, run_id("made-up-growing", "gsm8k"), limit=100)
    assert len(page.samples) == 24


def test_a_restricted_runs_texts_do_not_leave_the_database(made_store: Store) -> None:
    run = run_id("made-up-large", "gpqa_diamond")
    page = samples.page(made_store, run)
    (sample,) = page.samples
    assert sample.correct
    assert SECRET not in str(asdict(sample))
    assert samples.page(made_store, run, search=SECRET).counts["all"] == 0
    (summary,) = queries.runs(made_store, [run])
    assert "not shown" in answer_pair(summary, sample)
    assert SECRET not in str(samples.of_items(made_store, run, ["item-000"]))
    leaky = replace(sample, gold=SECRET, extracted=SECRET)
    assert SECRET not in answer_pair(replace(summary, restricted=False), leaky, hidden=True)


def test_of_grades_of_one_moment_the_newest_version_counts_everywhere(made_store: Store) -> None:
    run = run_id("made-up-small", "math500")
    with made_store.write() as connection:
        for profile, version, verdict in (
            ("strict", "1", "NOT correct"),
            ("other", "0", "correct"),
        ):
            connection.execute(
                f"INSERT INTO grade BY NAME SELECT * REPLACE ('{profile}' AS profile,"
                f" '{version}' AS grader_version, {verdict} AS correct) FROM grade"
                " WHERE profile = 'strict' AND grader_version = '0' AND key IN"
                " (SELECT key FROM request WHERE run_id = ? AND item_id = 'item-007')",
                [run],
            )
    (sample,) = samples.page(made_store, run, keep="disagree").samples
    name = store_labels.SampleName(sample.item_id, sample.sample_index)
    opinions = store_labels.judgements(made_store, run, [name])[name].opinions
    assert sample.correct
    assert {one.profile: one.correct for one in opinions} == {"strict": True, "other": False}


def test_headings_escape_what_they_show(made_store: Store) -> None:
    (summary,) = queries.runs(made_store, [run_id(HOSTILE_NAME, "quick")])
    bad = "<img src=x>"
    sample = Sample(
        item_id=bad, sample_index=0, question=bad, gold=bad, answer_type=bad, subject=bad,
        level=bad, thought=bad, answer=bad, finish_reason=bad, truncated=True, loop=True,
        completion_tokens=3, correct=None, status=bad, extracted=bad, extraction=bad, method=bad,
    )  # fmt: skip
    opinions = (
        ProfileGrade(bad, bad, True, bad, bad, bad),
        ProfileGrade("source", "theirs", False, "ok", "", "jsonl"),
    )
    said = SampleJudgements(
        "k", "g", opinions, (Label("k", "g", True, bad, bad, datetime.now(UTC)),)
    )
    for shown in (
        sample_head(summary, sample),
        grade_facts(sample),
        answer_pair(summary, sample),
        run_facts(summary),
        said_list(said),
    ):
        assert "<img" not in shown
    assert "source&#x27;s own" in said_list(said)
    assert "not judged" in sample_head(summary, sample)
    assert "33.3" not in run_label(summary)
    assert "12 of 12" in run_facts(summary)


@pytest.mark.parametrize("body", BAD_FORMULAS)
def test_what_is_more_than_mathematics_stays_text(body: str) -> None:
    assert fit(body) == ""


@pytest.mark.parametrize("body", GOOD_FORMULAS)
def test_mathematics_is_drawn(body: str) -> None:
    assert fit(body) == body
    assert fit(f"\n  {body}\n") == body


def test_no_formula_can_end_the_fence_around_it() -> None:
    for body in (*BAD_FORMULAS, *GOOD_FORMULAS, "a\n$$\nb", "a\n\n# b", "a\n```\nb"):
        assert not re.search(r"[$`\n\r]", fit(body))


def test_a_text_is_split_without_losing_a_character() -> None:
    text = (
        r"Let $x^2$ be \(y\). It costs $5 and $6, or a$b$c. \[ a = b \] $$c$$ "
        r"\begin{align*} q &= 1 \\ r &= 2 \end{align*} $\href{x}{y}$ and \$3 $x$."
    )
    parts = split(text)
    assert "".join(part.source for part in parts) == text
    assert [part.formula for part in parts if part.formula] == [
        "x^2",
        "y",
        "a = b",
        "c",
        r"\begin{aligned} q &= 1 \\ r &= 2 \end{aligned}",
        "x",
    ]
    assert [part.source for part in parts if part.display][0] == r"\[ a = b \]"
    many = split("$x$ " * (MOST_FORMULAS + 7))
    assert sum(bool(part.formula) for part in many) == MOST_FORMULAS


def test_hostile_formulas_reach_the_browser_as_text(served: Path, visit: Visit) -> None:
    everything = "".join(
        f"{before}{body}{after} "
        for body in BAD_FORMULAS
        for before, after in (("$", "$"), ("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"))
    )
    # Allowed ones that other readers of Markdown would take for something else.
    odd = "$a:red[b]$ $:smile:$ $www.hostile.invalid$ $[x](y)$ $<b>z</b>$ $a&lt;b$ $**c**$ "
    hostile = [
        MadeSample(f"{odd} end of odd", "7", everything + "end of bad", False, everything),
        MadeSample("$$x = \\frac{1}{2}$$ follows from $y$.", "1/2", "\\boxed{1}", True),
    ]
    run = MadeRun("made-up-hostile", "quick", hostile)
    with Journal(Store(served)) as journal:
        write(journal, run)
    page = visit(f"samples?run={run.id}")
    expect(page.get_by_text("end of odd")).to_be_visible()
    expect(page.locator(".katex-display .mfrac")).to_have_count(1)
    page.get_by_text("Thought (").click()
    shown = page.locator(".st-key-page")
    expect(shown.get_by_text("end of bad").first).to_be_visible()
    expect(page.locator("[class*=st-key-prose] .katex").first).to_be_visible()
    for selector in (
        "[class*=st-key-prose] a", "[class*=st-key-prose] img", "[class*=hostile]", ".evil",
        "a[href*=hostile]", "img[src*=hostile]", "[class*=st-key-prose] strong",
        "[class*=st-key-prose] .stMarkdownColoredText", "[class*=st-key-prose] b:not(.katex b)",
    ):  # fmt: skip
        assert page.locator(selector).count() == 0, selector
    assert page.evaluate("window.hacked") is None
    tall = "nodes => Math.max(...nodes.map(node => node.getBoundingClientRect().height))"
    assert page.locator(".katex").evaluate_all(tall) < 300
    # The page still answers.
    page.get_by_role("radio", name="Source").click()
    expect(page.locator(".katex")).to_have_count(0)
    expect(page).to_have_url(re.compile("view=Source"))


def test_new_samples_appear_by_themselves(served: Path, visit: Visit) -> None:
    growing = next(run for run in made_runs() if run.model == "made-up-growing")
    page = visit(f"samples?run={growing.id}")
    expect(page.get_by_text("All 24")).to_be_visible()
    expect(page.get_by_text("100.0 % so far")).to_be_visible()
    expect(page.get_by_text("24 of 60 samples judged")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    with Journal(Store(served)) as journal:
        write(journal, replace(growing, finished=30))
    expect(page.get_by_text("All 30")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_all_samples_of_an_item_have_an_address(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id('made-up-small', 'math500')}&item=item-004")
    expect(page.locator(".sample-head")).to_have_count(1)
    expect(page.get_by_text("What is 4 + 4?")).to_be_visible()
    page.get_by_label("Item", exact=True).fill("")
    page.get_by_label("Item", exact=True).press("Enter")
    expect(page.locator(".sample-head")).to_have_count(5)
    page.get_by_role("link", name="item-002").click()
    expect(page).to_have_url(re.compile("item=item-002"))
    expect(page.locator(".sample-head")).to_have_count(1)


def fill_label(page: Any, why: str, name: str) -> None:
    """Say that the first sample's grade is wrong, as a user does, up to the last press."""
    page.get_by_role("button", name="Grade is wrong").first.click()
    page.get_by_label("Why", exact=True).fill(why)
    page.get_by_label("Your name", exact=True).fill(name)


def test_a_person_says_that_a_grade_is_wrong(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id('made-up-small', 'math500')}&show=Wrong")
    expect(page.get_by_text("What is 3 + 3?")).to_be_visible()
    fill_label(page, "six <b>is</b> right", "")
    page.get_by_role("button", name="Store label").click()
    expect(page.get_by_text("say who you are")).to_be_visible()
    page.get_by_label("Your name", exact=True).fill("Ada")
    page.get_by_role("button", name="Store label").click()
    said = page.locator(".said").first
    expect(said).to_contain_text("Ada")
    expect(said).to_contain_text("right")
    expect(said).to_contain_text("“six <b>is</b> right”")
    # The machine's grade stands as it was.
    expect(page.locator(".sample-head").first).to_contain_text("wrong")
    expect(page.get_by_text("Labelled 1")).to_be_visible()
    # The name is kept for the next one.
    page.get_by_role("button", name="Grade is wrong").nth(1).click()
    expect(page.get_by_label("Your name", exact=True)).to_have_value("Ada")
    stored = store_labels.labels(Store(served), run_id("made-up-small", "math500"))
    assert [(label.by, label.correct, label.note) for label in stored] == [
        ("Ada", True, "six <b>is</b> right")
    ]


def test_a_label_waits_for_a_file_that_is_held(served: Path, visit: Visit) -> None:
    run = run_id("made-up-small", "math500")
    page = visit(f"samples?run={run}&show=Wrong")
    expect(page.get_by_text("What is 3 + 3?")).to_be_visible()
    fill_label(page, "", "Ada")
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True);"
    with subprocess.Popen(
        [sys.executable, "-c", hold + "input()", str(served)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            page.get_by_role("button", name="Store label").click()
            expect(page.get_by_role("alert").first).to_contain_text("held open by process")
        finally:
            holder.kill()
    expect(page.locator(".said").first).to_contain_text("Ada")
    assert [label.by for label in store_labels.labels(Store(served), run)] == ["Ada"]


def test_no_text_and_no_label_for_a_restricted_run(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id('made-up-large', 'gpqa_diamond')}")
    expect(page.locator(".pair")).to_contain_text("not shown")
    expect(page.get_by_role("button", name="Grade is wrong")).to_have_count(0)
    assert SECRET not in page.content()


def test_samples_on_a_narrow_screen_need_no_sideways_scrolling(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id(HOSTILE_NAME, 'quick')}", width=390)
    expect(page.locator(".sample-head").first).to_be_visible()
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0


def test_another_task_brings_its_newest_run(served: Path, visit: Visit) -> None:
    page = visit(f"samples?run={run_id('made-up-small', 'gsm8k')}")
    page.get_by_label("Task").click()
    page.get_by_role("option", name="math500", exact=True).click()
    page.wait_for_url(re.compile(f"run={run_id('made-up-small', 'math500')}"))

"""Taking results out: tables, the report, a model card; and what must never get out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from harness.store import Journal, Store
from tests.conftest import Finished
from tests.leaderboard import made_store
from tests.leaderboard.made_store import HOSTILE, HOSTILE_NAME, SECRET, MadeRun, MadeSample

Harness = Callable[..., Finished]


def made_runs() -> list[MadeRun]:
    """Return the leaderboard's runs, and one that wrote something hostile and wrong."""
    hostile = MadeSample(HOSTILE, "7", HOSTILE, False, thought=HOSTILE, extracted=HOSTILE)
    return [*made_store.made_runs(), MadeRun("made-up-hostile", "gsm8k", [hostile])]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with measured, hostile, unfinished and restricted runs."""
    path = tmp_path_factory.mktemp("export") / "results.duckdb"
    with Journal(Store(path)) as journal:
        for run in made_runs():
            made_store.write(journal, run)
    return path


def _export(harness: Harness, results: Path, out: Path, form: str, *more: object) -> Finished:
    return harness("export", "--format", form, "--out", out, "--results", results, *more)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_samples_become_a_table(harness: Harness, results: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"samples.{form}"
    done = _export(harness, results, out, form, "--json")
    assert done.code == 0, done.err
    (count,) = duckdb.sql(f"SELECT count(*) FROM '{out}'").fetchone() or (0,)
    expected = sum(
        len(run.samples) if run.finished is None else run.finished for run in made_runs()
    )
    assert (done.json["rows"], count) == (expected, expected)
    row = duckdb.sql(
        f"SELECT question, gold, correct FROM '{out}' WHERE model = 'made-up-small'"
        " AND task = 'math500' ORDER BY item_id LIMIT 1"
    ).fetchone()
    assert row is not None and row[0] == "What is 0 + 0?" and row[2] is True


@pytest.mark.parametrize("form", ["parquet", "csv", "html", "model-card"])
def test_nothing_of_a_restricted_benchmark_gets_out(
    harness: Harness, results: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "out"
    done = _export(
        harness, results, out, form, "--model", "made-up-large", "--task", "gpqa_diamond"
    )
    assert done.code == 0, done.err
    assert SECRET.encode() not in out.read_bytes() and SECRET not in done.out
    if form == "parquet":
        rows = duckdb.sql(
            f"SELECT item_id, correct, completion_tokens, question, gold, thought, answer,"
            f" extracted FROM read_parquet('{out}')"
        ).fetchall()
        assert rows == [("item-000", True, 22, None, None, None, None, None)]


def test_a_cell_that_a_spreadsheet_would_run_is_made_text(harness: Harness, tmp_path: Path) -> None:
    rows = [
        {"id": number, "question": "?", "gold": "-5", "response": text}
        for number, text in enumerate(["=HYPERLINK(1)", "-5", "@x", "+1", "\tx", "plain\n=1"])
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = tmp_path / "r.duckdb"
    done = harness("import", "jsonl", file, "--model", "m", "--task", "t", "--results", store)
    assert done.code == 0, done.err
    out = tmp_path / "out.csv"
    assert _export(harness, store, out, "csv").code == 0
    with out.open(newline="") as table:
        answers = [row["answer"] for row in csv.DictReader(table)]
    assert answers == ["'=HYPERLINK(1)", "'-5", "'@x", "'+1", "'\tx", "plain\n=1"]
    exact = tmp_path / "out.parquet"
    assert _export(harness, store, exact, "parquet").code == 0
    found = duckdb.sql(f"SELECT answer FROM '{exact}'").fetchall()
    assert [row[0] for row in found] == [row["response"] for row in rows]


def test_the_report_escapes_everything_and_loads_nothing(
    harness: Harness, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    done = _export(harness, results, out, "html")
    assert done.code == 0, done.err
    page = out.read_text()
    assert "<script" not in page and "<img" not in page and "href=" not in page
    assert "http://hostile.invalid" in page, "as text"
    assert "default-src 'none'" in page
    assert "&lt;script&gt;window.hacked" in page
    assert "no test possible" in page and "assumed" in page
    # Two runs of one model under different temperatures.
    assert "different protocols" in page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_report_can_be_read_in_a_browser(
    harness: Harness, results: Path, tmp_path: Path, width: int, scheme: Any
) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("there is no Chromium at /usr/bin/chromium")
    out = tmp_path / "report.html"
    assert _export(harness, results, out, "html").code == 0
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--headless"]
        )
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(out.as_uri())
        assert asked == [out.as_uri()]
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for folded in page.locator("summary").all():
            folded.click()
        assert page.locator("pre").first.is_visible()
        assert SECRET not in page.locator("body").inner_text()
        browser.close()


def test_a_model_card_is_what_the_hub_reads(
    harness: Harness, results: Path, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    out = tmp_path / "card.md"
    done = _export(harness, results, out, "model-card", "--model", "made-up-small")
    assert done.code == 0, done.err
    card = hub.ModelCard.load(out)
    assert card.data.model_name == "made-up-small"
    by_set = {result.dataset_type: result for result in card.data.eval_results}
    gsm8k = by_set["openai/gsm8k"]
    assert (gsm8k.metric_type, gsm8k.metric_value) == ("accuracy", 25.0)
    assert gsm8k.metric_args["interval_95_low"] < 25 < gsm8k.metric_args["interval_95_high"]
    assert "temperature 0.0" in gsm8k.metric_args["protocol"]
    hostile = tmp_path / "hostile.md"
    assert _export(harness, results, hostile, "model-card", "--model", HOSTILE_NAME).code == 0
    metadata = yaml.safe_load(hostile.read_text().split("---")[1])
    assert metadata["model-index"][0]["name"] == HOSTILE_NAME


def test_a_model_card_is_of_one_model(harness: Harness, results: Path, tmp_path: Path) -> None:
    done = _export(harness, results, tmp_path / "card.md", "model-card")
    assert done.code == 2 and "--model" in done.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unless_asked(harness: Harness, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "README.md"
    out.write_text("mine")
    done = _export(harness, results, out, "html")
    assert done.code == 2 and "--force" in done.err and out.read_text() == "mine"
    assert _export(harness, results, out, "html", "--force").code == 0
    assert out.read_text() != "mine"


def test_what_is_not_there_is_named(harness: Harness, results: Path, tmp_path: Path) -> None:
    done = _export(harness, results, tmp_path / "x", "csv", "--task", "gsm8")
    assert done.code == 2 and "gsm8k" in done.err
    done = _export(harness, tmp_path / "none.duckdb", tmp_path / "x", "csv")
    assert done.code == 2 and not (tmp_path / "x").exists()

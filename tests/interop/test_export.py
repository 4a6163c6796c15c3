"""Taking results out: tables, the report, a model card; and what must never get out."""

from __future__ import annotations

import csv
import gzip
import json
import re
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from markdown_it import MarkdownIt

from harness.store import Journal, Store, published
from harness.types import Sampling
from tests.conftest import HARNESS, Finished
from tests.leaderboard import made_store
from tests.leaderboard.made_store import (
    HOSTILE,
    HOSTILE_NAME,
    SECRET,
    MadeRun,
    MadeSample,
    simple_samples,
)

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


def _stored(path: Path, *runs: MadeRun) -> Path:
    with Journal(Store(path)) as journal:
        for run in runs:
            made_store.write(journal, run)
    return path


def _overview(harness: Harness, results: Path, out: Path) -> str:
    done = _export(harness, results, out, "html", "--force")
    assert done.code == 0, done.err
    return out.read_text().partition("<h2>Models</h2>")[2].partition("<h2 id=")[0]


def test_the_report_takes_no_mean_across_protocols(harness: Harness, tmp_path: Path) -> None:
    """The one that was asked easier things must not win by it."""
    warm = Sampling(0.7, 1.0, 512)
    runs = [
        MadeRun("made-up-one", "gsm8k", simple_samples(10, 20)),
        MadeRun("made-up-two", "gsm8k", simple_samples(20, 20), sampling=warm),
        MadeRun("made-up-one", "math500", simple_samples(8, 20)),
        MadeRun("made-up-two", "math500", simple_samples(7, 20)),
    ]
    found = _overview(harness, _stored(tmp_path / "r.duckdb", *runs), tmp_path / "out.html")
    assert "mean of 1" in found and "same protocol: math500." in found
    assert found.index("made-up-one") < found.index("made-up-two")
    assert set(re.findall("<b>(.+?)</b>", found)) == {"A", "B"}
    half = MadeRun("made-up-two", "math500", simple_samples(20, 20), finished=10)
    found = _overview(
        harness, _stored(tmp_path / "half.duckdb", *runs[:3], half), tmp_path / "out.html"
    )
    assert "no mean to rank by" in found and "mean of" not in found


def test_the_report_tells_versions_of_the_grader_apart(harness: Harness, tmp_path: Path) -> None:
    store = _stored(
        tmp_path / "r.duckdb",
        MadeRun("made-up-one", "gsm8k", simple_samples(10, 20)),
        MadeRun("made-up-two", "gsm8k", simple_samples(15, 20)),
    )
    out = tmp_path / "out.html"
    assert "mean of 1" in _overview(harness, store, out) and "1–2 of 2" in out.read_text()
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            "UPDATE grade SET grader_version = '1' WHERE key IN (SELECT key FROM request q"
            " JOIN run r ON r.id = q.run_id JOIN model m ON m.fingerprint = r.model"
            " WHERE m.name = 'made-up-two')"
        )
        connection.execute("DELETE FROM run_tally")
    assert "no mean to rank by" in _overview(harness, store, out)
    page = out.read_text()
    assert "different versions of the grader" in page and "of 2</td>" not in page


def test_published_scores_stand_with_their_doubts_and_on_the_benchmarks_items(
    harness: Harness, tmp_path: Path
) -> None:
    store = _stored(
        tmp_path / "r.duckdb", MadeRun("made-up-one", "olympiadbench", simple_samples(5, 20))
    )
    out = tmp_path / "out.html"
    assert _export(harness, store, out, "html").code == 0
    page = out.read_text()
    printed = [score for score in published.scores(Store(store)) if score.task == "olympiadbench"]
    assert any(published.doubts(score) for score in printed), "the Llama 70B row has one"
    assert page.count("in doubt: ") == sum(bool(published.doubts(score)) for score in printed)
    some = max(printed, key=lambda score: score.score)
    estimate = published.assumed(some)
    assert estimate is not None and estimate.items == 675
    low, high, value = (100 * each for each in (estimate.low, estimate.high, estimate.value))
    assert f"{value:.1f} <small>[{low:.1f}, {high:.1f}]</small><br><small>assumed" in page
    assert high - low < 10, "twenty items would leave far more"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_report_can_be_read_in_a_browser(
    harness: Harness, results: Path, tmp_path: Path, browser: Any, width: int, scheme: Any
) -> None:
    out = tmp_path / "report.html"
    assert _export(harness, results, out, "html").code == 0
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
    page.close()


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


def test_nothing_in_a_model_card_becomes_a_link(harness: Harness, tmp_path: Path) -> None:
    names = [
        "https://hostile.invalid/a", "www.hostile.invalid", "someone@hostile.invalid",
        "a`b|c` [x](https://hostile.invalid)", "\\| `https://hostile.invalid` \\", "plain_name",
    ]  # fmt: skip
    store = _stored(
        tmp_path / "r.duckdb",
        *(MadeRun("made-up-one", name, simple_samples(1, 2)) for name in names),
    )
    out = tmp_path / "card.md"
    assert _export(harness, store, out, "model-card").code == 0
    text = out.read_text().split("---\n", 2)[2]
    tokens = MarkdownIt().enable("table").parse(text)
    cells = [token for token in tokens if token.type == "inline"]
    assert sum(token.type == "tr_open" for token in tokens) == 1 + len(names)
    kinds = {child.type for cell in cells for child in cell.children or []}
    assert kinds <= {"text", "text_special", "code_inline", "softbreak"}
    outside = "".join(
        child.content
        for cell in cells
        for child in cell.children or []
        if child.type != "code_inline"
    )
    assert "hostile" not in outside and "plain_name" in outside


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


@pytest.mark.parametrize("form", ["csv", "parquet", "html"])
def test_an_export_without_room_blames_its_own_file(
    results: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / f"samples.{form}"
    done = subprocess.run(
        [*HARNESS, "export", "--format", form, "--out", str(out), "--results", str(results)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: {out} cannot be written: File too large.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_packed_name_is_packed_or_refused(
    harness: Harness, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "samples.csv.gz"
    assert _export(harness, results, out, "csv").code == 0
    with gzip.open(out, "rt", newline="") as table:
        assert "run_id" in (csv.DictReader(table).fieldnames or [])
    for form, name in (("csv", "x.zip"), ("html", "x.html.gz"), ("parquet", "x.parquet.gz")):
        done = _export(harness, results, tmp_path / name, form)
        assert done.code == 2 and name in done.err
        assert not (tmp_path / name).exists()


def test_what_is_not_there_is_named(harness: Harness, results: Path, tmp_path: Path) -> None:
    done = _export(harness, results, tmp_path / "x", "csv", "--task", "gsm8")
    assert done.code == 2 and "gsm8k" in done.err
    done = _export(harness, tmp_path / "none.duckdb", tmp_path / "x", "csv")
    assert done.code == 2 and not (tmp_path / "x").exists()

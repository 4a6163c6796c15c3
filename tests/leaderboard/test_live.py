"""The ranking while a real evaluation goes on, in a process of its own, and no reload."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from harness.registry import load_task
from harness.store import Store
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion
from tests.conftest import HARNESS

_ITEMS = 24
# The server waits there until the page has shown how far the run is.
_HALF, _LATER = 12, 18
# A busy machine takes its time; a run that never appears is still found.
_RUN_MILLISECONDS = 300_000
_END_SECONDS = 60

# Every problem that the page shows from now on.
_WATCH = """
window.sameDocument = true
window.problems = new Set()
const look = () => {
  for (const alert of document.querySelectorAll("[role=alert] strong")) {
    window.problems.add(alert.textContent)
  }
}
new MutationObserver(look).observe(document.body, {subtree: true, childList: true,
                                                   characterData: true})
look()
"""


def _half_right(allowed: threading.Semaphore) -> Callable[[dict[str, Any], int], Answer]:
    """Return what answers as often as it is allowed to, every second question with its gold."""
    reference = {item.question: item.gold for item in load_task("quick").items()}

    def answer(body: dict[str, Any], number: int) -> Answer:
        allowed.acquire(timeout=_RUN_MILLISECONDS / 1000)
        gold = reference[body["messages"][-1]["content"]]
        return completion(f"The answer is {gold}." if number % 2 else "I do not know.")

    return answer


def test_a_run_is_followed_from_a_missing_file_to_its_score(
    server: tuple[str, Path],
    visit: Callable[..., Any],
    tmp_path: Path,
) -> None:
    results = server[1]
    results.unlink(missing_ok=True)
    page = visit("?task=quick")
    expect(page.get_by_role("alert")).to_contain_text("There is no results file")
    page.evaluate(_WATCH)
    with Store(results).write():
        pass
    expect(page.get_by_role("alert")).to_contain_text("Nothing has been measured yet")

    engine, allowed = FakeServer(), threading.Semaphore(_HALF)
    engine.answer = _half_right(allowed)
    command = [*HARNESS, "eval", "--backend", "openai", "--model", MODEL, "--tasks", "quick"]
    command += ["--limit", str(_ITEMS), "--max-concurrency", "1", "--max-tokens", "48"]
    command += ["--results", str(results), "--json"]
    alone = {"OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1"}
    printed, log = tmp_path / "printed.json", tmp_path / "log.txt"
    with engine.running(), printed.open("wb") as out, log.open("wb") as err:
        run = subprocess.Popen(
            [*command, "--base-url", engine.url],
            cwd=tmp_path,
            env=os.environ | alone,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        try:
            unfinished = page.get_by_label("Unfinished runs")
            half = f"{_HALF} of {_ITEMS}"
            expect(unfinished).to_contain_text(half, timeout=_RUN_MILLISECONDS)
            expect(page.get_by_role("alert")).to_have_count(0)

            # Another reader comes while it is being written.
            late = visit("?task=quick")
            late.evaluate(_WATCH)
            expect(late.get_by_label("Unfinished runs")).to_contain_text(half)

            allowed.release(_LATER - _HALF)
            for reader in (page, late):
                expect(reader.get_by_label("Unfinished runs")).to_contain_text(
                    f"{_LATER} of {_ITEMS}"
                )
            allowed.release(_ITEMS - _LATER)
            for reader in (page, late):
                score = reader.locator("table.ranking tr.measured td.score a")
                expect(score).to_be_visible(timeout=_RUN_MILLISECONDS)
                expect(reader.get_by_label("Unfinished runs")).to_have_count(0)
            assert run.wait(_END_SECONDS) == 0, log.read_text()
        finally:
            run.kill()
            run.wait()

    (finished,) = json.loads(printed.read_text())["runs"]
    assert 0 < finished["score"]["value"] < 1
    for reader in (page, late):
        shown = reader.locator("table.ranking tr.measured")
        expect(shown.locator(".score .value")).to_have_text(
            f"{100 * finished['score']['value']:.1f}"
        )
        expect(shown.locator(".items")).to_have_text(str(_ITEMS))
        assert reader.evaluate("window.sameDocument")
    assert set(page.evaluate("[...window.problems]")) <= {
        f"There is no results file at {results}.",
        "Nothing has been measured yet.",
    }
    assert late.evaluate("[...window.problems]") == []
    results.unlink()

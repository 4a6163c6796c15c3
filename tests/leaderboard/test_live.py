"""The ranking while a real evaluation goes on: a real model, a real engine, and no reload."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from harness.store import Store
from harness.store.sittings import sittings
from leaderboard.source import REFRESH_SECONDS
from tests.conftest import HARNESS

_ITEMS = 24
# An engine on a busy machine takes its time; a run that never appears is still found.
_RUN_MILLISECONDS = 900_000
_END_SECONDS = 60

# Everything the page says of the run's progress, and every problem it shows, from now on.
_WATCH = """
window.sameDocument = true
window.progress = new Set()
window.problems = new Set()
const look = () => {
  for (const item of document.querySelectorAll("ul.unfinished li")) {
    window.progress.add(item.textContent.match(/\\d+ of \\d+/)[0])
  }
  for (const alert of document.querySelectorAll("[role=alert] strong")) {
    window.problems.add(alert.textContent)
  }
}
new MutationObserver(look).observe(document.body, {subtree: true, childList: true,
                                                   characterData: true})
look()
"""


def test_a_run_is_followed_from_a_missing_file_to_its_score(
    server: tuple[str, Path],
    visit: Callable[..., Any],
    tmp_path: Path,
    model_folder: Path,
) -> None:
    results = server[1]
    results.unlink(missing_ok=True)
    page = visit("?task=quick")
    expect(page.get_by_role("alert")).to_contain_text("There is no results file")
    page.evaluate(_WATCH)
    with Store(results).write():
        pass
    expect(page.get_by_role("alert")).to_contain_text("Nothing has been measured yet")

    command = [*HARNESS, "eval", "--model", "smollm2-135m", "--tasks", "quick", "--limit"]
    command += [str(_ITEMS), "--max-tokens", "48", "--results", str(results), "--json"]
    # Four at a time: the run takes long enough to be looked at.
    command += ["--engine-arg", "max_num_seqs=4"]
    printed = tmp_path / "printed.json"
    with printed.open("wb") as out, (tmp_path / "log.txt").open("wb") as log:
        run = subprocess.Popen(
            command, cwd=tmp_path, env=os.environ, stdin=subprocess.DEVNULL, stdout=out, stderr=log
        )
        try:
            unfinished = page.get_by_label("Unfinished runs")
            expect(unfinished).to_contain_text(f"of {_ITEMS}", timeout=_RUN_MILLISECONDS)
            expect(page.get_by_role("alert")).to_have_count(0)

            # Another reader comes while it is being written.
            late = visit("?task=quick")
            late.evaluate(_WATCH)
            expect(late.get_by_label("Unfinished runs")).to_contain_text(f"of {_ITEMS}")

            for reader in (page, late):
                score = reader.locator("table.ranking tr.measured td.score a")
                expect(score).to_be_visible(timeout=_RUN_MILLISECONDS)
                expect(reader.get_by_label("Unfinished runs")).to_have_count(0)
            assert run.wait(_END_SECONDS) == 0, (tmp_path / "log.txt").read_text()
        finally:
            run.kill()
            run.wait()

    (finished,) = json.loads(printed.read_text())["runs"]
    for reader in (page, late):
        shown = reader.locator("table.ranking tr.measured")
        expect(shown.locator(".score .value")).to_have_text(
            f"{100 * finished['score']['value']:.1f}"
        )
        expect(shown.locator(".items")).to_have_text(str(_ITEMS))
        assert reader.evaluate("window.sameDocument")
    progress = page.evaluate("[...window.progress]")
    ((sitting,), _) = sittings(Store(results))
    # What takes several refreshes must be seen to grow; a fast machine may be through before.
    if sitting.generate_seconds > 3 * REFRESH_SECONDS:
        assert len(progress) > 1, f"the progress did not grow before the reader's eyes: {progress}"
    assert set(page.evaluate("[...window.problems]")) <= {
        f"There is no results file at {results}.",
        "Nothing has been measured yet.",
    }
    assert late.evaluate("[...window.problems]") == []
    results.unlink()

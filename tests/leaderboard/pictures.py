"""Pictures of every page: of the tests' own store for CI, of a real one for docs/.

python -m tests.leaderboard.pictures RESULTS FOLDER [page?query …]
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from tests.leaderboard.serving import serving

# The first page has no address of its own.
PAGES = ("", "compare", "samples", "training", "gate", "engine")
WIDTHS = (1280, 390)
_TALLEST = 6000
_STILL_MILLISECONDS = 300
_PATIENCE_MILLISECONDS = 90_000
# Resolves once nothing in the page, nor the fonts it is written in, has changed for a while; a page
# that keeps changing is taken as it is.
_STILL = """
([still, longest]) => new Promise(resolve => {
  const finished = () => { observer.disconnect(); clearTimeout(end); resolve() }
  let quiet = setTimeout(finished, still)
  const end = setTimeout(() => { clearTimeout(quiet); finished() }, longest)
  const observer = new MutationObserver(() => {
    clearTimeout(quiet)
    quiet = setTimeout(finished, still)
  })
  observer.observe(document, {subtree: true, childList: true, attributes: true,
                              characterData: true})
}).then(() => document.fonts.ready).then(() => null)
"""
_LONGEST_MILLISECONDS = 3000


def take(page: Any, file: Path) -> None:
    """Take a picture of a whole page once it has stopped changing."""
    page.locator(".st-key-page h1").wait_for(timeout=_PATIENCE_MILLISECONDS)
    finished = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    finished.wait_for(timeout=_PATIENCE_MILLISECONDS)
    page.evaluate(_STILL, [_STILL_MILLISECONDS, _LONGEST_MILLISECONDS])
    width = page.viewport_size["width"]
    # Streamlit scrolls within the page, so that a whole page must fit the window; what comes into
    # sight is drawn only then, and makes it longer.
    for _ in range(2):
        height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(_TALLEST, max(900, height))})
        page.evaluate(_STILL, [_STILL_MILLISECONDS, _LONGEST_MILLISECONDS])
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(file))


def name_of(path: str) -> str:
    """Return what a picture of the page at this address is called."""
    return path.partition("?")[0] or "ranking"


def executable(playwright: Any) -> str | None:
    """Return a Chromium, playwright's own or the system's."""
    own = Path(playwright.chromium.executable_path)
    return str(own) if own.exists() else shutil.which("chromium") or shutil.which("chrome")


def main() -> None:
    """Serve a results file, and take a picture of each page at both widths."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", nargs="*", default=list(PAGES), help="addresses of pages")
    arguments = parser.parse_args()
    with serving(arguments.results.resolve(), arguments.folder) as address, sync_playwright() as of:
        browser = of.chromium.launch(executable_path=executable(of), args=["--no-sandbox"])
        for width in WIDTHS:
            context = browser.new_context(viewport={"width": width, "height": 900})
            for path in arguments.pages:
                page = context.new_page()
                page.goto(f"{address}/{path}")
                take(page, arguments.folder / f"{name_of(path)}-{width}.png")
                page.close()
        browser.close()


if __name__ == "__main__":
    main()

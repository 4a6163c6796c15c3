"""Streamlit's command line, with what the first visitor needs imported and read beforehand."""

from __future__ import annotations

import contextlib
import gc
import importlib
import pkgutil
import sys

from streamlit.web.cli import main

import leaderboard
from leaderboard import ranking_page

# Pages are drawn by threads; the one that serves the browser's many small files has to get a word
# in between.
_SWITCH_SECONDS = 0.0005

for _found in pkgutil.iter_modules(leaderboard.__path__):
    if _found.name not in ("app", "__main__"):  # these do something when they are imported
        importlib.import_module(f"leaderboard.{_found.name}")
with contextlib.suppress(Exception):  # only a head start: whatever is wrong, the pages tell
    ranking_page.prepare()
gc.freeze()  # what is here now stays
sys.setswitchinterval(_SWITCH_SECONDS)
main(prog_name="streamlit")

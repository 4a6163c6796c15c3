"""Entry of ``streamlit run``: the pages and their navigation."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from harness.errors import HarnessError
from leaderboard import error_card, source

_HERE = Path(__file__).parent

# Title, address and module of each page; its ``draw(snapshot)`` is imported when it is asked for.
PAGES = (
    ("Ranking", "", "ranking_page"),
    ("Compare", "compare", "compare_page"),
    ("Samples", "samples", "samples_page"),
    ("Training", "training", "training_page"),
    ("Gate", "gate", "gate_page"),
    ("Engine", "engine", "engine_page"),
)
# What others printed can be shown without a results file.
_WITHOUT_A_FILE = "ranking_page"
_TITLES = {"Ranking": "Leaderboard"}


def _draw(title: str, module: str) -> None:
    with st.container(key="page"):
        st.title(_TITLES.get(title, title), anchor=False)
        try:
            snapshot = source.snapshot()
            if snapshot.missing is not None and module != _WITHOUT_A_FILE:
                raise snapshot.missing
            importlib.import_module(f"leaderboard.{module}").draw(snapshot)
        except HarnessError as error:
            error_card.show(error)


def _page(title: str, module: str) -> Callable[[], None]:
    page = partial(_draw, title, module)
    page.__name__ = module  # type: ignore[attr-defined]
    return page


def _to(page: st.Page) -> None:
    address = st.query_params
    st.switch_page(page, query_params={name: address.get_all(name) for name in address})


def main() -> None:
    """Draw the page that is asked for."""
    st.set_page_config(page_title="Leaderboard", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.html(_HERE / "style.css")
    pages = [
        st.Page(_page(title, module), title=title, url_path=path or None, default=not path)
        for title, path, module in PAGES
    ]
    # The first page stands at the root; who types an address of its own comes there all the same.
    first = st.Page(
        partial(_to, pages[0]), title="Ranking", url_path="ranking", visibility="hidden"
    )
    st.navigation([*pages, first], position="top").run()


main()

"""Entry of ``streamlit run``: the pages and their navigation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from harness.errors import HarnessError
from leaderboard import problem, ranking_page, samples_page, source
from leaderboard.source import Snapshot

_HERE = Path(__file__).parent


def _ranking() -> None:
    _draw("Leaderboard", ranking_page.draw)


def _samples() -> None:
    _draw("Samples", samples_page.draw)


def _draw(title: str, page: Callable[[Snapshot], None]) -> None:
    with st.container(key="page"):
        st.title(title, anchor=False)
        try:
            page(source.snapshot())
        except HarnessError as error:
            problem.show(error)


def main() -> None:
    """Draw the page that is asked for."""
    st.set_page_config(page_title="Leaderboard", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.html(_HERE / "style.css")
    pages = [
        st.Page(_ranking, title="Ranking", url_path="ranking", default=True),
        st.Page(_samples, title="Samples", url_path="samples"),
    ]
    st.navigation(pages, position="top").run()


main()

"""An error and its remedy as a card on the page; retries until it has gone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import streamlit as st

from harness.errors import HarnessError, StoreLocked
from leaderboard import source
from leaderboard.text import escaped


def problem_card(message: str, remedy: str) -> str:
    """Return a sentence and its remedy as HTML; what stands between backticks is set as code."""
    advice = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(remedy))
    return (
        f'<div class="problem" role="alert"><strong>{escaped(message)}</strong>'
        f"<div>{advice}</div></div>"
    )


def show(error: HarnessError) -> None:
    """Show an error, and try again until it has gone."""
    remedy = error.remedy
    if isinstance(error, StoreLocked):
        # The command line's advice is to run a command again; here nothing has to be done.
        remedy = "Close it there, or wait: nothing that was finished is lost."
    st.html(problem_card(error.message, f"{remedy} This page tries again by itself.".strip()))
    st.fragment(_retry_from_now_on(), run_every=source.REFRESH_SECONDS)()


def _retry_from_now_on() -> Callable[[], None]:
    """Return what draws the page again once the file can be read, from its second call on.

    The first call comes at once, together with the error, and a rerun then would never settle.
    """
    calls = itertools.count()

    def retry() -> None:
        if next(calls) > 0 and source.readable():
            st.rerun(scope="app")

    return retry

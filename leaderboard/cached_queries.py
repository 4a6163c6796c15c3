"""Store queries of the pages, cached until the results file changes; page parts that refresh."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

from harness.errors import HarnessError, StoreLocked
from leaderboard import source
from leaderboard.error_card import problem_card

T = TypeVar("T")
P = ParamSpec("P")
_MOST_REMEMBERED = 12


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the store answered.

    Attributes:
        value: The answer.
        stale: Why it is not the newest, empty if it is.
    """

    value: T
    stale: str = ""


def ask(question: Callable[..., T], *arguments: Any) -> Answer[T]:
    """Ask the store a question, unless this state of the file has answered it already.

    While somebody else holds the file, this session goes on with the answer it had last.

    Args:
        question: A function of the store and of the arguments, found by its name.
        arguments: Plain values.

    Raises:
        HarnessError: There is no answer, and why.
    """
    path = source.results_path()
    asked = f"{question.__module__}.{question.__name__}"
    last: dict[str, Any] = st.session_state.setdefault("last_answers", {})
    remembered = f"{asked} {arguments!r}"
    try:
        # Who has something to go on with does not wait: the waits of all sessions add up.
        patient = remembered not in last
        value: T = _cached(str(path), source.file_state(path), asked, arguments, question, patient)
    except StoreLocked as error:
        if remembered not in last:
            raise
        return Answer(last[remembered], error.message)
    last.pop(remembered, None)
    last[remembered] = value
    while len(last) > _MOST_REMEMBERED:
        del last[next(iter(last))]
    return Answer(value)


def kept_fresh(body: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Draw part of a page, and draw it again as often as the pages refresh.

    An error within it is shown in its place; the next refresh tries again.
    """

    @functools.wraps(body)  # Streamlit knows a fragment by its name
    def guarded() -> None:
        try:
            body(*args, **kwargs)
        except HarnessError as error:
            st.html(problem_card(error.message, _advice(error)))

    st.fragment(guarded, run_every=source.REFRESH_SECONDS)()


def watch(seen: source.Snapshot) -> None:
    """Draw the page again once the results file has changed, and can be read.

    While somebody else holds it the page stays as it is, with whatever is being written on it.
    """
    st.fragment(_rerun_if_changed, run_every=source.REFRESH_SECONDS)(seen)


def _rerun_if_changed(seen: source.Snapshot) -> None:
    if source.changed(seen) and source.readable():
        st.rerun(scope="app")


def _advice(error: HarnessError) -> str:
    # The command line's advice is to run a command again; here nothing has to be done.
    remedy = "Close it there, or wait." if isinstance(error, StoreLocked) else error.remedy
    return f"{remedy} This page tries again by itself.".strip()


def _answer(
    path: str,
    state: tuple[int, ...],
    asked: str,
    arguments: tuple[Any, ...],
    _question: Callable[..., Any],
    _patient: bool,
) -> Any:
    # Streamlit leaves arguments with a leading underscore out of the key it caches under.
    return _question(source.store(patient=_patient), *arguments)


_cached = st.cache_resource(_answer, max_entries=16, show_spinner=False)

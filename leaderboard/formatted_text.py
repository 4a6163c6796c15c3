"""Draw untrusted text: as its source, or with its formulas typeset.

Text goes through ``st.code`` or, escaped, through ``st.html``; a formula goes to KaTeX only where
``mathtext`` lets it. ``style_samples.css`` lets the two flow in one line.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from leaderboard.mathtext import Part, split
from leaderboard.text import escaped, plain

_TALL_LINES = 16
_TALL_PIXELS = 360
_LINE = 110
_STYLE = Path(__file__).parent / "style_samples.css"


def style() -> None:
    """Bring what the samples need of style; once a page."""
    st.html(_STYLE)


def source(text: str) -> None:
    """Draw a text character by character as it was written."""
    shown = plain(text)
    lines = sum(1 + len(line) // _LINE for line in shown.splitlines())
    st.code(
        shown or "(empty)",
        language=None,
        wrap_lines=True,
        height=_TALL_PIXELS if lines > _TALL_LINES else "content",
    )


def draw(text: str, key: str, *, rendered: bool) -> None:
    """Draw a text.

    Args:
        text: What somebody else wrote.
        key: A name for it that nothing else on the page has, of letters, digits and hyphens.
        rendered: With its formulas as formulas.
    """
    if not rendered:
        source(text)
        return
    with st.container(key=f"prose-{key}", gap=None):
        _flow(split(plain(text) or "(empty)"), key)


def _flow(parts: list[Part], key: str) -> None:
    after_display = False
    for number, part in enumerate(parts):
        if part.display:
            with st.container(key=f"formula-{key}-{number}", gap=None):
                st.latex(part.formula)
        elif part.formula:
            st.latex(rf"\textstyle {part.formula}", width="content")
        else:
            # A displayed formula already stands on a line of its own.
            before_display = number + 1 < len(parts) and parts[number + 1].display
            text = part.source.lstrip("\n") if after_display else part.source
            text = text.rstrip("\n") if before_display else text
            if text:
                st.html(f'<span class="prose-text">{escaped(text)}</span>', width="content")
        after_display = part.display

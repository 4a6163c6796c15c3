"""Untrusted text for pages: control characters replaced, HTML escaped, long text cut."""

from __future__ import annotations

import html

from harness.text import replace_controls

_LONGEST = 20_000


def plain(text: str, *, longest: int = _LONGEST) -> str:
    """Return text somebody else wrote, fit to be shown as plain text.

    Characters that steer a display become replacement marks; what is beyond ``longest``
    characters is left out, and said to be.
    """
    shown = replace_controls(text[:longest])
    left_out = len(text) - longest
    return f"{shown}\n… and {left_out:,} more characters" if left_out > 0 else shown


def escaped(text: str) -> str:
    """Return foreign text for the inside of an HTML element or a quoted attribute."""
    return html.escape(plain(text), quote=True)


def shortened(text: str, longest: int) -> str:
    """Return text cut in the middle, where the names of sibling models are most alike."""
    if len(text) <= longest:
        return text
    tail = longest // 2 - 1
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"

"""What makes foreign text safe to show, and numbers readable."""

from __future__ import annotations

import html
import re

# Control characters, and those that reorder the text around them.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LONGEST = 20_000


def plain(text: str, *, longest: int = _LONGEST) -> str:
    """Return text somebody else wrote, fit to be shown as plain text.

    Characters that steer a display become replacement marks; what is beyond ``longest``
    characters is left out, and said to be.
    """
    shown = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text[:longest])
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


def percent(share: float, *, signed: bool = False) -> str:
    """Return a share of 1 in percent, or a difference of shares in percentage points.

    Args:
        share: The share.
        signed: A plus is written, too; a minus always is, as the true sign.
    """
    # Adding 0 takes the sign off a zero.
    rounded = round(100 * share, 1) + 0.0
    return f"{rounded:{'+' if signed else ''}.1f}".replace("-", "\N{MINUS SIGN}")


def size(parameters_b: float | None) -> str:
    """Return a number of parameters, given in billions, as people say it."""
    if parameters_b is None:
        return "–"
    if parameters_b < 1:
        return f"{1000 * parameters_b:.0f}M"
    return f"{parameters_b:.1f}B" if parameters_b < 10 else f"{parameters_b:.0f}B"

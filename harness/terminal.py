"""Text of others, made safe to print."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Replace control characters, and with them every terminal escape."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)

"""Format numbers, commands and untrusted text for people, the same on every surface.

Shares in [0, 1] are written in percent and differences of shares in percentage points, both with
one decimal. The unit stands in the column's heading, or after a space.
"""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import Protocol, TypeGuard

DEFAULT_RESULTS = Path("results.duckdb")
NONE = "\N{EN DASH}"

# Control characters, and those that reorder the text around them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# CI servers take `::name::` at the start of a printed line, and `##[name]` anywhere, for commands.
_LINE_COMMAND = re.compile(r"((?:^|\r)[^\S\r\n]*:)(?=:)", re.MULTILINE)
_HASH_COMMAND = re.compile(r"##(?=\w*\[)")
_LEVEL = 0.05
_SMALLEST_P = 0.0001


class Scored(Protocol):
    """A share with its interval, such as :class:`harness.statistics.intervals.Estimate`."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def percent(share: float | None) -> str:
    """Return a share in percent, without the sign: ``85.1``."""
    return _rounded(share) if _known(share) else NONE


def interval(low: float, high: float) -> str:
    """Return an interval of shares in percent: ``[80.0, 89.0]``."""
    return f"[{percent(low)}, {percent(high)}]"


def percent_interval(score: Scored) -> str:
    """Return a score and its interval in percent: ``85.1 [80.0, 89.0]``."""
    return f"{percent(score.value)} {interval(score.low, score.high)}"


def points(difference: float | None) -> str:
    """Return a difference of shares in points, with its sign; what rounds to 0 has none."""
    if not _known(difference):
        return NONE
    text = _rounded(difference)
    return text if difference < 0 or text == "0.0" else f"+{text}"


def points_interval(value: float, low: float, high: float) -> str:
    """Return a difference and its interval in points: ``+2.1 [+0.3, +3.9]``.

    The bracket is round where an end is written as 0.0 and 0 is outside all the same.
    """
    left = "(" if low > 0 and points(low) == "0.0" else "["
    right = ")" if high < 0 and points(high) == "0.0" else "]"
    return f"{points(value)} {left}{points(low)}, {points(high)}{right}"


def drop_size(share: float | None) -> str:
    """Return the size of a drop in points; ``none`` where there is none of the kind."""
    return percent(share) if _known(share) else "none"


def trimmed(share: float, digits: int = 2) -> str:
    """Return percent or points as somebody would type them: ``3``, ``0.25``."""
    text = f"{100 * share:.{digits}f}"
    return _minus(text.rstrip("0").rstrip(".") if digits else text)


def rough_percent(probability: float) -> str:
    """Return a simulated probability, which is known no better than to a point or two."""
    if not 0.005 <= probability <= 0.995:
        return "under 1 %" if probability < 0.5 else "over 99 %"
    return f"{100 * probability:.0f} %"


def p_value(p: float) -> str:
    """Return a p-value; very small ones as a bound, and none above .05 as 0.0500."""
    if p < _SMALLEST_P:
        return f"< {_SMALLEST_P}"
    return f"> {_LEVEL}" if p > _LEVEL and f"{p:.4f}" == f"{_LEVEL:.4f}" else f"{p:.4f}"


def p_is(p: float) -> str:
    """Return a p-value as an equation: ``p = 0.0312``, ``p < 0.0001``."""
    text = p_value(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def whole(number: float | None) -> str:
    """Return a count with separators of thousands."""
    return f"{number:,.0f}" if _known(number) else NONE


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: ``1 sample``, ``2 samples``, ``0 samples``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def abbreviated(number: float | None) -> str:
    """Return a large number in three digits or so: ``820``, ``1.5k``, ``135M``, ``7.6B``."""
    if not _known(number):
        return NONE
    for unit, size in (("", 1.0), ("k", 1e3), ("M", 1e6), ("B", 1e9)):
        part = number / size
        text = f"{part:.1f}" if unit and round(part, 1) < 10 else f"{part:.0f}"
        if float(text) < 1000 or unit == "B":
            return text + unit
    raise AssertionError("the last unit takes everything")


def duration(seconds: float | None) -> str:
    """Return a wall-clock time: ``4.2 s``, ``75 s``, ``12 min``, ``3.5 h``."""
    if not _known(seconds):
        return NONE
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if round(seconds / 60) < 90 else f"{seconds / 3600:.1f} h"


def rank_range(best: int, worst: int) -> str:
    """Return the ranks that a model may have: ``2`` or ``1–3``."""
    return f"{best}" if best == worst else f"{best}\N{EN DASH}{worst}"


def harness_command(*words: str, results: Path | str = DEFAULT_RESULTS) -> str:
    """Return a ``harness`` command to be copied into a shell.

    Args:
        words: What follows ``harness``.
        results: The results file it is about; named unless it is the default one.
    """
    named = [] if str(results) == str(DEFAULT_RESULTS) else ["--results", str(results)]
    return shlex.join(["harness", *words, *named])


def replace_controls(text: str) -> str:
    """Replace control characters, and with them every terminal escape and reordering mark."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def clean(text: str) -> str:
    """Return untrusted text that steers neither a terminal nor a CI server."""
    return without_commands(replace_controls(text))


def without_commands(text: str) -> str:
    """Put a space into whatever a CI server that reads the text would take for a command."""
    return _HASH_COMMAND.sub("# #", _LINE_COMMAND.sub(r"\1 ", text))


def _known(number: float | None) -> TypeGuard[float]:
    return number is not None and not math.isnan(number)


def _rounded(share: float) -> str:
    return _minus(f"{100 * share:.1f}")


def _minus(text: str) -> str:
    """Write a true minus sign, and none before a zero."""
    if not text.strip("-0."):
        text = text.removeprefix("-") or "0"
    return text.replace("-", "\N{MINUS SIGN}")

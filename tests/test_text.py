"""Numbers, commands and untrusted text as every surface writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import text


class Score(NamedTuple):
    value: float
    low: float
    high: float


CONVENTIONS: list[tuple[Callable[[], str], str]] = [
    (lambda: text.percent(0.0), "0.0"),
    (lambda: text.percent(1.0), "100.0"),
    (lambda: text.percent(0.85149), "85.1"),
    (lambda: text.percent(0.9996), "100.0"),
    (lambda: text.percent(None), "–"),
    (lambda: text.percent(math.nan), "–"),
    (lambda: text.interval(0.0, 1.0), "[0.0, 100.0]"),
    (lambda: text.percent_interval(Score(0.5, 0.4, 0.61)), "50.0 [40.0, 61.0]"),
    (lambda: text.points(0.012), "+1.2"),
    (lambda: text.points(-0.012), "−1.2"),
    (lambda: text.points(0.0), "0.0"),
    (lambda: text.points(-0.0), "0.0"),
    (lambda: text.points(0.0004), "0.0"),
    (lambda: text.points(-0.0004), "0.0"),
    (lambda: text.points(-1.0), "−100.0"),
    (lambda: text.points(None), "–"),
    (lambda: text.points_interval(0.021, 0.003, 0.039), "+2.1 [+0.3, +3.9]"),
    (lambda: text.points_interval(0.0, -0.02, 0.02), "0.0 [−2.0, +2.0]"),
    (lambda: text.points_interval(0.03, 1e-9, 0.06), "+3.0 (0.0, +6.0]"),
    (lambda: text.points_interval(-0.03, -0.06, -1e-9), "−3.0 [−6.0, 0.0)"),
    (lambda: text.points_interval(0.03, 0.0, 0.06), "+3.0 [0.0, +6.0]"),
    (lambda: text.drop_size(0.031), "3.1"),
    (lambda: text.drop_size(None), "none"),
    (lambda: text.trimmed(0.03), "3"),
    (lambda: text.trimmed(0.0025), "0.25"),
    (lambda: text.trimmed(1.0), "100"),
    (lambda: text.trimmed(1.0, 0), "100"),
    (lambda: text.trimmed(-0.00001), "0"),
    (lambda: text.trimmed(-0.125), "−12.5"),
    (lambda: text.rough_percent(0.0), "under 1 %"),
    (lambda: text.rough_percent(0.994), "99 %"),
    (lambda: text.rough_percent(1.0), "over 99 %"),
    (lambda: text.p_value(0.00001), "< 0.0001"),
    (lambda: text.p_value(0.0001), "0.0001"),
    (lambda: text.p_value(0.05), "0.0500"),
    (lambda: text.p_value(0.04996), "0.0500"),
    (lambda: text.p_value(0.050001), "> 0.05"),
    (lambda: text.p_value(1.0), "1.0000"),
    (lambda: text.p_is(0.0312), "p = 0.0312"),
    (lambda: text.p_is(0.0), "p < 0.0001"),
    (lambda: text.whole(1234567), "1,234,567"),
    (lambda: text.whole(None), "–"),
    (lambda: text.counted(1, "sample"), "1 sample"),
    (lambda: text.counted(0, "sample"), "0 samples"),
    (lambda: text.counted(1319, "item"), "1,319 items"),
    (lambda: text.counted(2, "reply", "replies"), "2 replies"),
    (lambda: text.abbreviated(0), "0"),
    (lambda: text.abbreviated(999), "999"),
    (lambda: text.abbreviated(1000), "1.0k"),
    (lambda: text.abbreviated(999_999), "1.0M"),
    (lambda: text.abbreviated(134_515_008), "135M"),
    (lambda: text.abbreviated(7_600_000_000), "7.6B"),
    (lambda: text.abbreviated(2_000_000_000_000), "2000B"),
    (lambda: text.abbreviated(None), "–"),
    (lambda: text.duration(0.0), "0.0 s"),
    (lambda: text.duration(9.94), "9.9 s"),
    (lambda: text.duration(9.96), "10 s"),
    (lambda: text.duration(89.6), "1 min"),
    (lambda: text.duration(75.0), "75 s"),
    (lambda: text.duration(720.0), "12 min"),
    (lambda: text.duration(12_600.0), "3.5 h"),
    (lambda: text.duration(None), "–"),
    (lambda: text.rank_range(2, 2), "2"),
    (lambda: text.rank_range(1, 3), "1–3"),
    (lambda: text.harness_command("runs"), "harness runs"),
    (lambda: text.harness_command("runs", results="results.duckdb"), "harness runs"),
    (
        lambda: text.harness_command("show", "a b", results=Path("my runs.duckdb")),
        "harness show 'a b' --results 'my runs.duckdb'",
    ),
    (lambda: text.clean("a\x1b[31mb\u202ec"), "a\N{REPLACEMENT CHARACTER}[31mb"
     "\N{REPLACEMENT CHARACTER}c"),
    (lambda: text.clean("::add-mask::x"), ": :add-mask::x"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), CONVENTIONS, ids=[e for _, e in CONVENTIONS])
def test_the_convention(written: Callable[[], str], expected: str) -> None:
    assert written() == expected


@given(st.floats(-1, 1))
def test_points_read_back_within_half_a_digit_and_signed_unless_0(share: float) -> None:
    written = text.points(share)
    assert abs(float(written.replace("−", "-")) - 100 * share) <= 0.05 + 1e-9
    assert (written[0] in "+−") is (written != "0.0")


@given(st.floats(0, 1))
def test_a_written_p_is_on_the_side_of_05_that_the_verdict_is_on(p: float) -> None:
    written = text.p_value(p)
    shown = written.startswith("<") or not written.startswith(">") and float(written) <= 0.05
    assert shown is (p <= 0.05)

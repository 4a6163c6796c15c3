"""Properties that hold for whatever a model writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.grading import GraderPool, extract, grade
from harness.types import Status

SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
PIECES = st.sampled_from(
    ["\\frac", "{", "}", "(", ")", "[", "]", "1", "2", "x", "\\pi", "^", "_", "+", "-", "=", ","]
    + ["\\boxed{", "$", "|", "\\sqrt", "\\text{", "and", "\\le", "<", "%", "!", " ", ".", "\n", ":"]
    + ["\\infty", "\\cup", "\\{", "\\}", "answer is", "A", "9999999", "\\begin{pmatrix}", "\\\\"]
)
JUNK = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=40)
ATOMS = st.integers(1, 30).map(str) | st.sampled_from(["x", "y", "\\pi", "\\sqrt{2}", "0.5"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(st.sampled_from("+*-"), inner, inner).map(
            lambda parts: f"({parts[1]}{parts[0]}{parts[2]})".replace("*", "\\cdot ")
        )
        | st.tuples(inner, inner).map(lambda parts: f"\\frac{{{parts[0]}}}{{{parts[1]}^2+1}}")
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def pool() -> Iterator[GraderPool]:
    with GraderPool(workers=1, cpu_seconds=3.0) as running:
        yield running


@SETTINGS
@given(gold=JUNK, response=JUNK)
def test_junk_never_crashes_the_grader_and_ends_in_time(
    pool: GraderPool, gold: str, response: str
) -> None:
    first = pool.submit(gold=gold, response=response, truncated=False).result(30)
    assert first.status is not Status.CRASH
    again = pool.submit(gold=gold, response=response, truncated=False).result(30)
    assert (first.correct, first.status) == (again.correct, again.status)


@SETTINGS
@given(text=JUNK)
def test_extraction_is_deterministic_and_names_its_rule(text: str) -> None:
    found = extract(text, gold="x+1")
    assert found == extract(text, gold="x+1")
    assert found.rule
    assert bool(found.answer) == (found.rule != "none")


@SETTINGS
@given(expression=EXPRESSIONS)
def test_an_expression_equals_itself_and_not_itself_plus_one(expression: str) -> None:
    assert grade(gold=expression, answer=expression).correct
    assert grade(gold=expression, answer=f"({expression})").correct
    assert not grade(gold=expression, answer=f"{expression}+1").correct


@SETTINGS
@given(left=EXPRESSIONS, right=EXPRESSIONS)
def test_order_does_not_matter_where_operations_commute(left: str, right: str) -> None:
    assert grade(gold=f"{left}+{right}", answer=f"{right}+{left}").correct
    assert grade(gold=f"({left})({right})", answer=f"({right})\\cdot ({left})").correct
    assert grade(gold=f"\\{{{left}, {right}\\}}", answer=f"\\{{{right}, {left}\\}}").correct

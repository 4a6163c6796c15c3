"""Pairs written by hand, with the verdict a mathematician would sign."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.grading import grade, grade_response
from harness.types import AnswerType, Status, Tolerance

EQUAL = [
    ("1/2", "0.5"),
    (r"\frac{1}{2}", r"\dfrac12"),
    ("1000", "1,000"),
    ("1234", r"1\,234"),
    (r"10\%", "0.1"),
    (r"\$18.90", "18.9"),
    ("6.626\\times 10^{-34}", "6.626e-34"),
    ("2^{10}", "1024"),
    ("(x+1)^2", "x^2+2x+1"),
    (r"\frac{1}{\sqrt2}", r"\frac{\sqrt{2}}{2}"),
    ("1,2", "2,1"),
    (r"\{1,2,3\}", r"\{3,2,1\}"),
    ("C", "(C)"),
    ("True", r"\text{True}"),
]
DIFFERENT = [
    ("2^{-99}", "2^{-98}"),
    ("6.626\\times 10^{-34}", "6.626\\times 10^{-33}"),
    ("1000000", "1000000.4"),
    (r"\pi", r"\frac{22}{7}"),
    ("x+1", "x-1"),
    ("(1,2)", "(2,1)"),
    ("B", "D"),
    ("3.15", "3.14159"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_accepts_what_is_equal(gold: str, answer: str) -> None:
    assert grade(gold=gold, answer=answer).correct


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_rejects_what_differs(gold: str, answer: str) -> None:
    verdict = grade(gold=gold, answer=answer)
    assert not verdict.correct
    assert verdict.status is Status.OK


def test_tolerance_is_the_tasks_own() -> None:
    assert not grade(gold="100", answer="101").correct
    assert grade(gold="100", answer="101", tolerance=Tolerance(relative=0.02)).correct
    assert not grade(gold="100", answer="103", tolerance=Tolerance(relative=0.02)).correct
    assert grade(gold="100", answer="101", tolerance=Tolerance(absolute=1)).correct


def test_an_unfinished_response_is_truncated_unless_it_states_its_answer() -> None:
    def judge(response: str) -> Status:
        return grade_response(gold="3", response=response, truncated=True).status

    assert judge("so we have 3 and then 3") is Status.TRUNCATED
    assert judge("") is Status.TRUNCATED
    assert judge("the answer is 3") is Status.TRUNCATED  # may have become 35
    assert judge("the final answer is $3$. To check") is Status.OK
    assert judge(r"$\boxed{3}$. To check") is Status.OK
    assert grade_response(gold="3", response="", truncated=False).status is Status.NO_ANSWER


def test_payloads_are_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for payload in (
        f"__import__('os').system('touch {trace}')",
        f"x.__class__.__base__.__subclasses__() or open('{trace}','w')",
        f"\\text{{__import__('os').system('touch {trace}')}}",
    ):
        for profile in ("strict", "math-verify"):
            for answer in (payload, f"\\boxed{{{payload}}}", f"1+{payload}"):
                grade(gold="42", answer=answer, profile=profile)
                grade(gold=answer, answer="x+1", profile=profile)
    assert not trace.exists()


def test_an_unknown_profile_is_refused_with_a_suggestion() -> None:
    with pytest.raises(HarnessError, match="strict"):
        grade(gold="1", answer="1", profile="strickt")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, harness.grading;"
        "print([m for m in ('sympy', 'math_verify', 'mpmath') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_declared_types_decide_the_comparison() -> None:
    assert grade(gold="A", answer="a", answer_type=AnswerType.CHOICE).correct
    assert grade(gold="white", answer="White", answer_type=AnswerType.TEXT).correct
    assert grade(gold="True", answer="yes", answer_type=AnswerType.BOOLEAN).correct
    assert not grade(gold="True", answer="no", answer_type=AnswerType.BOOLEAN).correct
    assert grade(gold="1,2", answer="2,1", answer_type=AnswerType.SET).correct
    assert grade(gold="(1,2)", answer="2,1", answer_type=AnswerType.SET).correct
    assert not grade(gold="1,2", answer="2,1", answer_type=AnswerType.TUPLE).correct
    assert grade(gold="1,2", answer="(1,2)", answer_type=AnswerType.TUPLE).correct
    assert grade(gold="(b)", answer="b").correct
    for gold, answer in (
        ("1.5 hours", "15 hours"),
        ("x^2", "x2"),
        ("50%", "50"),
        ("3! ways", "3 ways"),
    ):
        assert not grade(gold=gold, answer=answer, answer_type=AnswerType.TEXT).correct

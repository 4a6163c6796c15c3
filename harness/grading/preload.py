"""Preloaded by the fork server, so that every worker starts with all modules imported."""

from __future__ import annotations

from harness.grading import grade_answer


def warm_up() -> None:
    """Load the heavy modules and fill the parser's caches."""
    for profile in ("strict", "math-verify"):
        grade_answer.grade(gold="\\frac{x}{2}+\\sqrt{2}", answer="x/2 + 2^{1/2}", profile=profile)
        grade_answer.grade(gold="(1, 2]", answer="1<x\\le 2", profile=profile)


warm_up()

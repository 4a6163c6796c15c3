"""Grading many made-up answers at once."""

from __future__ import annotations

from harness.grading import GraderPool
from harness.types import INFRASTRUCTURE_FAILURES, Verdict
from tests.grading.mutations.kinds import Case


def judge(cases: list[Case]) -> list[tuple[Case, Verdict]]:
    """Grade answers and responses in worker processes.

    Raises:
        AssertionError: The grader itself failed on more than one of 2,000 answers.
    """
    with GraderPool() as pool:
        futures = [
            pool.submit(
                gold=case.gold.text,
                response=case.text,
                truncated=False,
                answer_type=case.gold.answer_type,
                tolerance=case.gold.tolerance,
                is_answer=case.is_answer,
            )
            for case in cases
        ]
        judged = [(c, future.result(600)) for c, future in zip(cases, futures, strict=True)]
    failed = [pair for pair in judged if pair[1].status in INFRASTRUCTURE_FAILURES]
    # A grader that crashes accepts nothing, and proves nothing.
    assert len(failed) <= len(judged) // 2000, [described(*pair) for pair in failed[:20]]
    return judged


def shown(case: Case) -> str:
    """Return what was graded; a question is not shown, for some may not be printed."""
    return "(the question)" if "question" in case.kind else case.text


def described(case: Case, verdict: Verdict) -> str:
    """Say in one line what was graded, and how."""
    return (
        f"{case.kind} | {case.gold.source} {case.gold.text[:80]!r} ({case.gold.answer_type}) | "
        f"{shown(case)[:120]!r} | {verdict.extraction} {verdict.method} {verdict.status}"
    )

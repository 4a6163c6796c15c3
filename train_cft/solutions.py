"""Scorer of solutions to questions without a reference answer.

Grader workers call it by name, and stored runs are identified by that name: the module stays here.
"""

from __future__ import annotations

from harness.types import Status, Verdict


def score(reference: str, response: str, truncated: bool = False) -> Verdict:
    """Let every solution count that says something: there is nothing to judge it by.

    Args:
        reference: Nothing.
        response: The solution.
        truncated: Its budget ran out.
    """
    if not response.strip():
        return Verdict(False, Status.TRUNCATED if truncated else Status.NO_ANSWER)
    return Verdict(True, Status.OK, extraction="solution", method="unchecked")

"""Grading: find the answer in a response, and decide whether it equals the reference answer.

Here are the profiles (sets of grading rules), the pool of worker processes that keeps a hostile
answer from hanging a run, and three sub-packages: ``extraction`` and ``equivalence`` above
``parsing``. It may import ``harness.environment``, ``harness.types`` and ``harness.errors`` only,
so that a trainer can use it alone as a reward. SymPy and math-verify are imported by the functions
that need them, never with this package.
"""

from __future__ import annotations

from harness.grading.extraction.extract import extract
from harness.grading.extraction.result import EXPLICIT_RULES, Extraction
from harness.grading.grade_answer import grade, grade_response
from harness.grading.parsing.normalize import infer_type
from harness.grading.pool import GraderPool
from harness.grading.profiles import PROFILES
from harness.grading.version import GRADER_VERSION
from harness.grading.worker import crash_verdict, start_server

__all__ = [
    "EXPLICIT_RULES",
    "Extraction",
    "GRADER_VERSION",
    "GraderPool",
    "PROFILES",
    "crash_verdict",
    "extract",
    "grade",
    "grade_response",
    "infer_type",
    "profiles",
    "start_server",
]

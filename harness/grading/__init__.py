"""Judging answers: extraction, comparison, and the pool that keeps a grader from hanging a run.

Importing this package imports neither SymPy nor math-verify; each is imported by the
function that needs it.
"""

from __future__ import annotations

from harness.grading.equivalence import grade, grade_response
from harness.grading.extract import extract
from harness.grading.extraction import Extraction
from harness.grading.pool import GraderPool
from harness.grading.profiles import PROFILES
from harness.grading.version import GRADER_VERSION
from harness.grading.worker import start_server

__all__ = [
    "GRADER_VERSION",
    "PROFILES",
    "Extraction",
    "GraderPool",
    "extract",
    "grade",
    "grade_response",
    "start_server",
]

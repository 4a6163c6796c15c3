"""Analysis of stored runs: select, align, compare and rank them, score them, plan with their power.

Reads the store and never writes to it: grades that are to match are made by ``run.regrade`` first.
May import ``run`` (plans and commands), the store, grading and the statistics.
"""

__all__ = [
    "align",
    "assumptions",
    "compare",
    "completeness",
    "flips",
    "power",
    "protocol",
    "score",
    "select",
]

"""The regression gate: pass, fail or undecided, paired item by item with a stored baseline.

A gate takes a baseline and a candidate, asks the engine for evidence in a fixed order, and stops as
soon as the verdict is certain at its error rates. May import ``run``, ``analysis``, ``statistics``,
the store and backends.
"""

__all__ = [
    "config",
    "junit",
    "markdown",
    "plan",
    "report",
    "run",
]

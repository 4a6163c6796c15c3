"""Pure functions on arrays: reducers, intervals, paired tests, ranks, the sequential test, power.

Every formula names its source (see ``docs/statistics.md``). Imports NumPy and SciPy alone; nothing
here knows a store, a model or a task.
"""

__all__ = [
    "betting",
    "feasibility",
    "intervals",
    "noise",
    "ordering",
    "paired",
    "planning",
    "ranking",
    "reducers",
    "rounds",
    "sequential",
    "simulation",
]

"""One evaluation: from a model and its tasks to graded, stored generations.

The journey is ``evaluate`` → ``plan`` → ``session`` → a backend → ``completion`` → ``grader`` → the
journal; ``regrade`` grades again what is stored. May import backends, grading, models, the store
and the registry; knows nothing of comparisons or gates.
"""

__all__ = [
    "callbacks",
    "check_task",
    "command",
    "completion",
    "evaluate",
    "grader",
    "plan",
    "regrade",
    "restricted",
    "session",
]

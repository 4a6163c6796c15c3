"""Who writes critiques and solutions, and how both are checked against our grader.

A critic is a model (``teacher``) or the reference critic, which needs none. May import
``decontamination`` and ``data``.
"""

__all__ = [
    "conclusions",
    "critique_check",
    "reference_critic",
    "review_stats",
    "solutions",
    "teacher",
]

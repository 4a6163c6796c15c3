"""Whether two answers mean the same.

A module belongs here if it interprets expression trees (labels, units, conditions), evaluates them
or compares two of them. It builds on ``harness.grading.parsing`` and knows no responses, so it does
not import ``harness.grading.extraction``.
"""

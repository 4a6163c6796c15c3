"""Evaluate a checkpoint, and learn whether the number may be believed.

The command line is ``harness --help``; this package holds the evaluation engine and imports
nothing of ``tasks``, ``leaderboard`` or ``train_cft``.
"""

"""Evaluate a checkpoint, and learn whether the number may be believed.

The command line is ``harness --help``. From Python:

    import harness

    results = harness.evaluate("path/to/checkpoint", "gsm8k")
    print(results.score())

``docs/python.md`` has more. Importing this package imports nothing else; it imports nothing of
``tasks``, ``leaderboard`` or ``train_cft``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Results, compare, evaluate, grade, open, rank
    from harness.backends.base import EngineOptions
    from harness.errors import HarnessError
    from harness.run.callbacks import Callbacks

__all__ = [
    "Callbacks",
    "EngineOptions",
    "HarnessError",
    "Results",
    "compare",
    "evaluate",
    "grade",
    "open",
    "rank",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("harness.api"), name)

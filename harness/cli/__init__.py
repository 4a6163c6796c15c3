"""The command line: one file a command, and how each prints.

A command parses its options, calls what is below, and prints; nothing is decided here. It may
import everything, inside functions, so that ``--help`` loads no engine and no numeric library. Only
``train_cft`` uses it from outside, for its own command line.
"""

__all__ = [
    "app",
    "exits",
    "options",
    "progress",
    "render",
    "signals",
]

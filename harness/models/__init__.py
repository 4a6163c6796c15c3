"""Checkpoints: name to folder, validation, fingerprint, and prompts by the chat template.

Nothing here starts an engine or knows of runs. May import types and errors only.
"""

__all__ = [
    "checkpoint",
    "prompts",
    "resolve",
    "weight_files",
]

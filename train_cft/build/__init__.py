"""``train-cft build``: from noisy responses to checked, decontaminated critique data.

The pipeline loads sources, grades, decontaminates, has critiques and solutions written, and writes
a folder with a data card. May import ``critic``, ``decontamination`` and ``data``; training never
imports it, only the folder connects them.
"""

__all__ = [
    "pipeline",
]

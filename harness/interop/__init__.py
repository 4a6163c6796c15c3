"""Import of responses generated elsewhere, and export of ours.

One file per foreign format in ``importers``, one per output format in ``export``; no text of a
restricted benchmark leaves in any of them. May import ``analysis``, ``run`` and what is below.
"""

__all__ = [
    "export",
    "formats",
    "grade_file",
    "import_run",
]

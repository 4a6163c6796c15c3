"""Choosing among checkpoints (``select``) and comparing trained models (``report``).

Works on stored runs and on the folders that trainings leave; every comparison is paired by item.
May import ``train`` (what a training left), ``decontamination`` (which items it has seen) and
``data``.
"""

__all__ = [
    "plot",
    "render",
    "report",
    "select",
    "statements",
]

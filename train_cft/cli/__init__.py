"""The ``train-cft`` command line: one file for each command.

Commands parse options, call one function of a package below and print its result. May import every
other package of ``train_cft``, inside functions where the import is slow.
"""

__all__ = [
    "main",
]

"""The commands of ``train-cft``: parse, call, print."""

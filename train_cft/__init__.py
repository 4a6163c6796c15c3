"""Critique Fine-Tuning: from a model's own mistakes to a better checkpoint (arXiv 2501.17703).

Training on critiques of noisy solutions instead of on the solutions themselves. This package will
hold the making of critique data, the training on it and the choice of a checkpoint.
"""

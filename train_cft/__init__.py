"""Critique Fine-Tuning: from a model's own mistakes to a better checkpoint (arXiv 2501.17703).

Training on critiques of noisy solutions instead of on the solutions themselves; see
``docs/train_cft.md``.
"""

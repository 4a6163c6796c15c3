"""Scorer of critiques.

Grader workers call it by name, and stored runs are identified by that name: the module stays here.
"""

from train_cft.critic.conclusions import score

__all__ = ["score"]

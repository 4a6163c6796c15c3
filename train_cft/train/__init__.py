"""``train-cft train``: a recipe and a build become checkpoints, with TRL's ``SFTTrainer``.

From the recipe (``recipe``) and the samples (``objectives``, ``encoding``, ``batch_plan``) to the
trainer (``trl_setup``, ``trainer``) and what it leaves (``manifest``, ``checkpoint_files``). May
import ``data`` alone.
"""

__all__ = [
    "launch",
    "manifest",
    "objectives",
    "progress",
    "recipe",
    "run",
]

"""Replicas of the vLLM engine on a Ray cluster.

``backend`` is the driver: it hands out requests and restarts lost replicas. ``replica`` runs in the
actors, ``cluster`` connects and plans how many replicas fit.
"""

from harness.backends.ray.backend import BACKEND

__all__ = ["BACKEND"]

"""Which examples repeat benchmark items, or each other, by n-gram overlap.

Used twice: to remove examples before training, and to leave items that a model has seen out of
reports. May import ``data``.
"""

__all__ = [
    "filter",
    "overlap",
    "seen_items",
]

"""Examples of critique data: what one is, where they come from, how they are chosen and stored.

Also the fixed split of ``math500_validation`` into items to build from and items to select on. May
import nothing else of ``train_cft``.
"""

__all__ = [
    "dataset_folder",
    "example_selection",
    "examples",
    "lengths",
    "sources",
    "splits",
]

r"""Graduate-level science, four options, the main set (GPQA main, 448 items).

Source, licence, order of the options, prompt and protocol: see `_gpqa.py`. The diamond set is a
subset of it; equal Record IDs have equal options in equal order. Several GPQA numbers of arXiv
2501.17703 fit 448 items and not 198, so a comparison must say which set was asked.
"""

from tasks._gpqa import gpqa

# data_sha256 is unknown: no copy was at hand. The first machine that has the data can record it.
TASK = gpqa("main", data_sha256=None)

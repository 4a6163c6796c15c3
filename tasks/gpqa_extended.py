r"""Graduate-level science, four options, all questions that were written (GPQA extended, 546).

Source, licence, order of the options, prompt and protocol: see `_gpqa.py`. The main and the diamond
set are subsets of it; it also holds questions that experts could not agree on.
"""

from tasks._gpqa import gpqa

# data_sha256 is unknown: no copy was at hand. The first machine that has the data can record it.
TASK = gpqa("extended", data_sha256=None)

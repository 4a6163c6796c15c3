r"""Graduate-level science, four options, the subset that experts agree on (GPQA diamond, 198).

Source, licence, order of the options, prompt and protocol: see `_gpqa.py`. Chemistry 93, Physics
86, Biology 19. Oddities: rows 89 and 126 (0-based) have two identical wrong options; both are
shown, since the right letter is found by place. Spaces around texts are dropped (47 rows).
"""

from tasks._gpqa import gpqa

TASK = gpqa(
    "diamond", data_sha256="e2a73ebe885534a22520e762c55a0b091fd85b6ead3255c8450ad8498b2fb423"
)

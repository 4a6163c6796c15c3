"""vLLM settings on a CPU: size of the KV cache, and whether torch.compile pays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from harness.environment import usable_cores
from harness.models.checkpoint import Checkpoint
from harness.types import Request

SEQUENCES = 256
"""Most sequences at once."""
# Seen on two cores: compiling takes 50 to 56 s and makes generation 6 % faster, so that it is worth
# it from a quarter of an hour of generation on.
_COMPILE_SECONDS = 900.0
# Speed times size of a 135M-parameter model in bfloat16, a core.
_PARAMETERS_PER_SECOND = 6e10
_SHARE_OF_BUDGET = 0.5
_GIB = 1 << 30


def worth_compiling(checkpoint: Checkpoint, requests: Sequence[Request]) -> bool:
    """Say whether torch.compile on the CPU is likely to save more time than it takes."""
    tokens = _SHARE_OF_BUDGET * sum(request.sampling.max_tokens for request in requests)
    speed = _PARAMETERS_PER_SECOND * usable_cores() / max(1, checkpoint.parameters or 0)
    return tokens / speed > _COMPILE_SECONDS


def cache_bytes(checkpoint: Checkpoint, requests: int, longest: int, dtype: str) -> int:
    """Return the room for keys and values: what all sequences need at their longest, if it fits.

    Args:
        checkpoint: What is served.
        requests: How many requests there are.
        longest: The longest prompt with its budget, in tokens.
        dtype: What it is computed in.
    """
    a_token = (4 if dtype == "float32" else 2) * _kv_values_per_token(checkpoint.config)
    needed = min(requests, SEQUENCES) * longest * a_token
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(_GIB, min(needed, int(0.4 * available)))


def _kv_values_per_token(config: Mapping[str, Any]) -> int:
    heads = int(config.get("num_attention_heads") or 32)
    size = int(config.get("head_dim") or int(config.get("hidden_size") or 4096) // heads)
    kv_heads = int(config.get("num_key_value_heads") or heads)
    keys_and_values = 2
    layers = int(config.get("num_hidden_layers") or 32)
    return keys_and_values * layers * kv_heads * size

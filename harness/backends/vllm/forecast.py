"""Estimate how long generation will take on a CPU, before it starts."""

from __future__ import annotations

from collections.abc import Sequence

from harness.environment import multiplication_speed, usable_cores
from harness.types import Request

# Each weight is multiplied and added once for each token.
_FLOPS_A_WEIGHT = 2.0
# Share of the speed of plain multiplication that an engine reaches, and share of their budgets
# that answers take: from what SmolLM2-135M was seen to do on two cores (docs/backends.md).
_REACHED = (0.35, 0.75)
_OF_BUDGET = (0.4, 1.0)
# No CPU core is faster than this; what takes a moment even so is not worth measuring.
_FASTEST_CORE = 2e11
_WORTH_SAYING_SECONDS = 20.0
_MINUTE = 60.0


def cpu_forecast(parameters: int, requests: Sequence[Request], dtype: str) -> str:
    """Say in a sentence how long these requests will take; empty where that is a moment.

    Measures the speed of multiplication for half a second.

    Args:
        parameters: Weights of the model.
        requests: What is to be generated.
        dtype: What it is computed in.
    """
    # The samples of one item share its prompt's cache.
    prompts = {id(request.prompt): len(request.prompt.token_ids) for request in requests}
    prompt_tokens = sum(prompts.values())
    new_tokens = sum(request.sampling.max_tokens for request in requests)
    least = prompt_tokens + _OF_BUDGET[0] * new_tokens
    flops = _FLOPS_A_WEIGHT * parameters
    if flops * least / (_FASTEST_CORE * usable_cores()) < _WORTH_SAYING_SECONDS:
        return ""
    speed = multiplication_speed(dtype)
    low = flops * least / (speed * _REACHED[1])
    high = flops * (prompt_tokens + _OF_BUDGET[1] * new_tokens) / (speed * _REACHED[0])
    return (
        f"Generating will take about {_span(low, high)} on this CPU: {prompt_tokens:,} tokens of "
        f"prompts and at most {new_tokens:,} new ones, at {speed / 1e9:,.0f} GFLOP/s in {dtype}."
    )


def _span(low: float, high: float) -> str:
    for size, name in ((24 * 60 * _MINUTE, "days"), (60 * _MINUTE, "hours"), (_MINUTE, "minutes")):
        if high >= 2 * size:
            return f"{max(1, round(low / size))} to {round(high / size)} {name}"
    return f"{max(1, round(low))} to {round(high)} seconds"

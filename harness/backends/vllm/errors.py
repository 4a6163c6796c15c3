"""Translate vLLM's startup errors into a cause and a remedy."""

from __future__ import annotations

import textwrap

from harness.errors import EngineError

_LONGEST_REASON = 200
# Part of vLLM's own text: what it means, what to do.
_KNOWN = (
    (
        "are not supported for now",
        "this vLLM does not know its architecture",
        "Update vLLM, or evaluate it on a server that does: --backend openai.",
    ),
    (
        "does not recognize this architecture",
        "this vLLM and its Transformers do not know its model_type",
        "Update vLLM, or evaluate it on a server that does: --backend openai.",
    ),
    (
        "trust_remote_code",
        "it brings code of its own, which is not run unless you say so",
        "If you trust it, add --trust-remote-code.",
    ),
    (
        "There is no module or parameter named",
        "it has weights that its architecture does not know",
        "Save it again with model.save_pretrained(folder), without adapters or value heads.",
    ),
    (
        "weights were not initialized",
        "it lacks weights that its architecture needs",
        "Save it again with model.save_pretrained(folder), or copy it again.",
    ),
    (
        "quantization is currently not supported",
        "its quantisation does not run on this device",
        "Use another device, or weights that are not quantised.",
    ),
    (
        "Unknown quantization method",
        "this vLLM does not know its quantisation",
        "Update vLLM, or use weights that are not quantised.",
    ),
    (
        "is less than desired GPU memory utilization",
        "other processes hold the GPU's memory",
        "End them, or ask for less: --engine-arg gpu_memory_utilization=0.5.",
    ),
    (
        "No available memory for the cache blocks",
        "its weights leave no memory for keys and values",
        "Spread it over more GPUs with --tensor-parallel, or give more of one: --engine-arg "
        "gpu_memory_utilization=0.95.",
    ),
    (
        "is larger than the available KV cache",
        "keys and values of the longest prompt with its budget take more memory than is left",
        "Lower --max-tokens, or give more memory: --engine-arg gpu_memory_utilization=0.95.",
    ),
    (
        "out of memory",
        "the GPU's memory does not hold it",
        "Spread it over more GPUs with --tensor-parallel, or lower --max-tokens.",
    ),
)


def startup_error(name: str, error: Exception) -> EngineError:
    """Return the error that says why vLLM does not start with a checkpoint.

    Args:
        name: The checkpoint.
        error: What vLLM raised.
    """
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 10:
        chain.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    for text, meaning, remedy in _KNOWN:
        if any(text in said for said in chain):
            return EngineError(f"vLLM cannot start with {name}: {meaning}.", remedy)
    return EngineError(
        f"vLLM cannot start with {name}: {reason(error)}.",
        "Run again with --debug to see its own messages.",
    )


def reason(error: Exception) -> str:
    """Return the sentence of an error that says something, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # pydantic counts its errors in the first line and explains them in the next.
    sentence = lines[1] if len(lines) > 1 and "validation error" in lines[0] else lines[0]
    sentence = sentence.removeprefix("Value error, ").partition(" [type=")[0].rstrip(".")
    return textwrap.shorten(sentence, _LONGEST_REASON, placeholder=" …")

"""Choose the dtype that vLLM computes a checkpoint in.

It is chosen here, not by vLLM, so that it is known before an engine starts and stands in request
keys: the same checkpoint is served with different dtypes on different machines, and scores differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.environment import compute_capability, has_bfloat16_units
from harness.models.checkpoint import Checkpoint
from harness.models.weight_files import read_header

AUTO = "auto"
"""The dtype that a checkpoint itself names, as vLLM spells it."""
_SHORT_NAMES = {"half": "float16", "float": "float32"}
_IN_SAFETENSORS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float32"}
_AMPERE = 8.0  # the first compute capability with bfloat16
# vLLM refuses float16 for these: their activations overflow (vllm/config/model.py).
_NO_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})


def resolved_dtype(checkpoint: Checkpoint, given: object, *, on_cpu: bool) -> tuple[str, str]:
    """Return the dtype a checkpoint is computed in, and how request keys spell it.

    A CPU without bfloat16 units computes in float32, and so does any CPU where the checkpoint is in
    float16, of which CPUs have few units and float32 holds every value. Quantised checkpoints keep
    the dtype that their kernels were made for. A GPU older than Ampere has no bfloat16 and computes
    in float16, or in float32 where a model's activations overflow that.

    Args:
        checkpoint: What is to be served.
        given: What the user asks for: ``auto`` is the checkpoint's own, ``None`` the best choice.
        on_cpu: Whether the engine is one for CPUs.
    """
    if given is not None and given != AUTO:
        return _SHORT_NAMES.get(str(given), str(given)), str(given)
    own = own_dtype(checkpoint)
    if not on_cpu and own == "bfloat16" and (compute_capability() or _AMPERE) < _AMPERE:
        other = "float32" if checkpoint.config.get("model_type") in _NO_FLOAT16 else "float16"
        return other, other
    if given == AUTO:
        return own, AUTO
    slow = own == "float16" or not has_bfloat16_units()
    if on_cpu and slow and not checkpoint.is_quantised:
        return "float32", "float32"
    return own, AUTO


def own_dtype(checkpoint: Checkpoint) -> str:
    """Return what a checkpoint asks for, as vLLM reads it: float32 weights run in bfloat16."""
    config = checkpoint.config
    nested = [config.get(name) for name in ("text_config", "vision_config", "encoder_config")]
    configs = [config, *(part for part in nested if isinstance(part, Mapping))]
    named = (part.get("dtype") or part.get("torch_dtype") for part in configs)
    dtype = next((str(name) for name in named if name), None) or _stored_dtype(checkpoint)
    dtype = dtype.removeprefix("torch.")
    if dtype == "float16" and config.get("model_type") not in _NO_FLOAT16:
        return dtype
    return "bfloat16"


def _stored_dtype(checkpoint: Checkpoint) -> str:
    """Return the dtype of the stored weights; float32 where they are mixed."""
    found = {
        _IN_SAFETENSORS.get(tensor.dtype)
        for file in checkpoint.weights
        for tensor in read_header(file)
    }
    known = {dtype for dtype in found if dtype is not None}
    return known.pop() if len(known) == 1 else "float32"

"""vLLM in this process, on CUDA or on the CPU.

``backend`` is the engine; the other modules choose its dtype and CPU settings, exchange its weights
between the checkpoints of a sweep, and explain its startup errors.
"""

from harness.backends.vllm.backend import BACKEND, installed

__all__ = ["BACKEND", "installed"]

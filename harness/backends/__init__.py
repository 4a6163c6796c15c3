"""Engines that turn prompts into completions.

One package per backend (``vllm``, ``openai``, ``ray``), which defines ``BACKEND``, a class like
``base.Backend``, and is found by its name. A backend may import ``base``, models and types, never
the store or a run; of another backend only what is listed here.
"""

__all__ = [
    "base",
    "vllm",
]

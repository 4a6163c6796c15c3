"""Progress of a running vLLM engine in tokens, unfinished requests included."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_EVERY_SECONDS = 0.5


class TokenCount:
    """Counts the tokens that an engine has processed, those of unfinished requests included.

    Args:
        engine: Generates.
        on_progress: Called with prompt tokens and new tokens, at most twice a second.
    """

    def __init__(self, engine: Any, on_progress: Callable[[int, int], None]) -> None:
        self._states = engine.output_processor.request_states
        self._on_progress = on_progress
        self._prompt_tokens = 0
        self._new_tokens = 0
        self._reported = 0.0

    def add(self, output: Any) -> None:
        """Count a request that has finished."""
        self._prompt_tokens += len(output.prompt_token_ids)
        self._new_tokens += len(output.outputs[0].token_ids)

    def report(self) -> None:
        """Report the counts, unless that was done within the last half second."""
        now = time.monotonic()
        if now - self._reported < _EVERY_SECONDS:
            return
        self._reported = now
        generating = [state for state in self._states.values() if not state.is_prefilling]
        self._on_progress(
            self._prompt_tokens + sum(state.prompt_len for state in generating),
            self._new_tokens + sum(state.detokenizer.num_output_tokens() for state in generating),
        )

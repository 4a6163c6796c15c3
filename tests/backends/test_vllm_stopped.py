"""What a step of vLLM's engine has finished is handed over when a signal comes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.backends.base import EngineOptions
from harness.backends.vllm.backend import VllmBackend
from harness.types import Prompt, Request, Sampling


class Engine:
    """Finishes two of three requests in its first step."""

    vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=4))
    output_processor = SimpleNamespace(request_states={})

    def __init__(self) -> None:
        self.aborted: list[str] = []

    def add_request(self, key: str, prompt: object, params: object) -> None:
        pass

    def step(self) -> list[Any]:
        sample = SimpleNamespace(text="4", token_ids=[1], finish_reason="stop", stop_reason=None)
        return [
            SimpleNamespace(
                request_id=key, finished=done, outputs=[sample], prompt_token_ids=[1, 2]
            )
            for key, done in (("a", True), ("b", False), ("c", True))
        ]

    def abort_request(self, keys: list[str]) -> None:
        self.aborted += keys


def test_a_signal_loses_nothing_that_a_step_has_finished() -> None:
    backend = VllmBackend(EngineOptions())
    engine = backend._engine = Engine()
    requests = [Request(key, key, 0, Prompt(token_ids=(1, 2)), Sampling(), 0) for key in "abc"]
    completions = backend.generate(requests)
    assert next(completions).key == "a"
    assert completions.throw(KeyboardInterrupt()).key == "c"
    with pytest.raises(KeyboardInterrupt):
        next(completions)
    assert engine.aborted == ["b"]

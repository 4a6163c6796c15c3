"""What generates: one file per backend, which defines ``BACKEND``, a class like :class:`Backend`.

A backend is told about a model without starting anything, renders prompts, and says which engine
it is: that is enough to know what the store already holds. Only then, and only if something is
missing, is it started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from harness.models.checkpoint import Checkpoint
from harness.models.prompts import RenderedPrompt
from harness.types import Completion, EngineIdentity, Message, Request


class Backend(Protocol):
    """Turns requests into completions, streaming each as it finishes."""

    def __init__(
        self, checkpoint: Checkpoint, engine_args: Mapping[str, Any], *, trust_remote_code: bool
    ) -> None:
        """Take note of what is to be run; start nothing.

        Raises:
            HarnessError: No engine is installed.
        """

    def identity(self) -> EngineIdentity:
        """Say which engine this is, without starting it."""

    def render(self, messages: Sequence[Message]) -> RenderedPrompt:
        """Render one conversation into the tokens that the engine will get."""

    def start(self, requests: Sequence[Request], *, longest: int) -> Mapping[str, Any]:
        """Start the engine; return the settings in force.

        Args:
            requests: What is to be generated now.
            longest: The longest prompt with its budget, in tokens, over the whole evaluation, so
                that the engine is the same when only a part is left to generate.

        Raises:
            EngineError: It cannot start.
        """

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield the completion of each request as it finishes, in any order.

        Raises:
            EngineError: The engine died.
        """

    def close(self) -> None:
        """Stop the engine and free what it holds."""

"""The interface of a backend: one package each, whose ``BACKEND`` is a class like :class:`Backend`.

A backend opens a model without starting anything, renders prompts, and says which engine it is:
that is enough to look results up in the store. Only if some are missing is the engine started.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.errors import HarnessError, nearest
from harness.types import Chat, Completion, EngineIdentity, Message, Model, Prompt, Request

# vLLM's repetition detection for `--stop-loops`: four exact copies of at least 16 tokens, which no
# list or table of an answer was seen to have. A shorter period is caught as a multiple of itself;
# the engine compares every period at every token, which is why the longest is not longer.
LOOP_DETECTION = {"min_pattern_size": 16, "max_pattern_size": 64, "min_count": 4}
RESUME_REMEDY = "What was finished is kept: run the same command again to go on."

Notify = Callable[[str], None]
"""Called with one sentence that a user should read meanwhile, such as that an engine restarted."""

OnProgress = Callable[[int, int], None]
"""Called a few times a second with how many prompt tokens and how many new tokens the engine has
processed since it was last asked to generate, unfinished requests included. Backends that cannot
know never call it."""


def ignore(*_: object) -> None:
    """Do nothing: the default callback."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Which engine generates, and its options, as a command line names them.

    Attributes:
        backend: Name of the backend.
        engine_args: Passed through to the engine as they are.
        backend_options: The backend's own options, for instance ``base_url`` of a server.
        trust_remote_code: Whether a checkpoint's own Python may run.
    """

    backend: str = "vllm"
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False

    def refuse_unknown(self, backend: str, known: Iterable[str]) -> None:
        """Refuse an option that this backend does not have.

        Raises:
            HarnessError: With the nearest name it has.
        """
        known = list(known)
        for name in self.backend_options:
            if name not in known:
                flag = name.replace("_", "-")
                raise HarnessError(
                    f"The backend {backend} has no option --{flag}. {nearest(name, known)}",
                    "`harness eval --help` says which backend an option belongs to.",
                )


class Backend(Protocol):
    """Turns requests into completions, streaming each as it finishes.

    One that starts no engine has an attribute ``start_label``, what the progress line shows in
    place of "starting the engine for" before a model's name.
    """

    def __init__(
        self, options: EngineOptions, *, notify: Notify = ignore, on_progress: OnProgress = ignore
    ) -> None:
        """Check the options; start nothing.

        Raises:
            HarnessError: No engine is installed, or an option makes no sense.
        """

    def open(self, name: str, revision: str | None) -> Model:
        """Find the model that ``name`` means, and check that it can be used.

        Raises:
            HarnessError: There is no such model, or it is unusable.
        """

    def identity(self, model: Model) -> EngineIdentity:
        """Return which engine would serve a model, and in which dtype, without starting it."""

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        """Render one conversation as the prompt that the engine takes.

        Raises:
            HarnessError: The model's template refuses it.
        """

    def count_tokens(self, model: Model, text: str) -> int | None:
        """Return the number of tokens of a text; ``None`` where the backend cannot count them."""

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        """Serve a model, starting the engine if need be; return the settings in force.

        Args:
            model: What is to generate.
            requests: What is to be generated now.
            longest: The longest prompt with its budget, in tokens, over the whole evaluation, so
                that the engine is the same when only a part is left to generate.

        Raises:
            EngineError: It cannot start.
        """

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        """Yield the completion of each request as it finishes, in any order.

        Requests are taken from the iterable as the engine has room for them. ``None`` among them
        says that there is nothing more for the moment: the next one is asked for once a completion
        has been yielded, and the iterable is over if nothing is in flight. Closing the generator
        aborts what is in flight; tokens discarded so are ``aborted_tokens`` of :meth:`usage`, where
        the backend counts them.

        Raises:
            EngineError: The engine died.
        """

    def status(self) -> str:
        """Return a short status for the progress line, for instance how many replicas serve.

        Empty where there is nothing to show. May be called from any thread.
        """

    def usage(self) -> Mapping[str, Any]:
        """Return counters since the backend was made, for the record of a session."""

    def close(self) -> None:
        """Stop the engine and free what it holds."""


def start_label(backend: Backend, model: Model) -> str:
    """Describe what :meth:`Backend.start` does, for the progress line."""
    return f"{getattr(backend, 'start_label', 'starting the engine for')} {model.name}"

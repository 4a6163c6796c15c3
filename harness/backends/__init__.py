"""What generates: one file per backend, which defines ``BACKEND``, a class like :class:`Backend`.

A backend opens a model without starting anything, puts prompts into the form its engine takes, and
says which engine it is: that is enough to know what the store already holds. Only then, and only
if something is missing, is it started.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.errors import HarnessError, nearest
from harness.types import Chat, Completion, EngineIdentity, Message, Model, Prompt, Request


def _say_nothing(_: str) -> None:
    pass


def _count_nothing(_prompt_tokens: int, _new_tokens: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a user may tell a backend.

    Attributes:
        engine_args: Passed through to the engine as they are.
        named: The backend's own options, for instance ``base_url`` of a server.
        trust_remote_code: Whether a checkpoint's own Python may run.
        tell: Is told in one sentence what a user should know while it goes on, for instance that
            an engine had to be started anew.
        progress: Is told a few times a second how many tokens of prompts and how many new tokens
            the engine has done since it was last asked to generate, those of unfinished requests
            included. Backends that cannot know leave it alone.
    """

    engine_args: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False
    tell: Callable[[str], None] = _say_nothing
    progress: Callable[[int, int], None] = _count_nothing

    def refuse_unknown(self, backend: str, known: Iterable[str]) -> None:
        """Refuse an option that this backend does not have.

        Raises:
            HarnessError: With the nearest name it has.
        """
        known = list(known)
        for name in self.named:
            if name not in known:
                flag = name.replace("_", "-")
                raise HarnessError(
                    f"The backend {backend} has no option --{flag}. {nearest(name, known)}",
                    "`harness eval --help` says which backend an option belongs to.",
                )


class Backend(Protocol):
    """Turns requests into completions, streaming each as it finishes.

    One that starts no engine says what it does instead as ``beginning``, in words that a model's
    name follows.
    """

    def __init__(self, options: BackendOptions) -> None:
        """Take note of what is wanted; start nothing.

        Raises:
            HarnessError: No engine is installed, or an option makes no sense.
        """

    def open(self, name: str, revision: str | None) -> Model:
        """Find the model that ``name`` means, and check that it can be used.

        Raises:
            HarnessError: There is no such model, or it is unusable.
        """

    def identity(self, model: Model) -> EngineIdentity:
        """Say which engine would serve a model, and with which dtype, without starting it."""

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        """Put one conversation into the form that the engine takes.

        Raises:
            HarnessError: The model's template refuses it.
        """

    def count_tokens(self, model: Model, text: str) -> int | None:
        """Return how many tokens a text is to a model; ``None`` where that is not known."""

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        """Make the engine serve a model, starting it if need be; return the settings in force.

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
        has been yielded, and the iterable is over if nothing is under way. Closing the generator
        aborts what is; the tokens made in vain are ``aborted_tokens`` of :meth:`usage`, where that
        is known.

        Raises:
            EngineError: The engine died.
        """

    def status(self) -> str:
        """Say in a few words how it stands, for the progress line; empty where that goes without.

        For instance how many replicas serve. May be called from any thread.
        """

    def usage(self) -> Mapping[str, Any]:
        """Return what the backend itself counted since it was made, for the record of a sitting."""

    def close(self) -> None:
        """Stop the engine and free what it holds."""


def beginning(backend: Backend, model: Model) -> str:
    """Say what :meth:`Backend.start` is about to do, for the progress line."""
    return f"{getattr(backend, 'beginning', 'starting the engine for')} {model.name}"

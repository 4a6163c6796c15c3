"""What an evaluation calls as it goes on, for progress bars and logs."""

from __future__ import annotations

from collections.abc import Mapping


class Callbacks:
    """Receives the progress of an evaluation; subclass it and override what you want to see.

    Every method does nothing here. They are called from several threads: the one that evaluates,
    the grader pool's, and the engine's.
    """

    def phase(self, text: str) -> None:
        """Something that takes a while begins, for instance ``rendering prompts``."""

    def notice(self, text: str) -> None:
        """Something that a user should know, in one sentence."""

    def planned(self, *, requests: int, stored: int, runs: Mapping[str, str]) -> None:
        """The plan is made: how many requests there are, and how many are already stored.

        Args:
            requests: Distinct requests of all runs.
            stored: How many of them need not be generated.
            runs: What to call each run, by its id.
        """

    def progressed(self, prompt_tokens: int, new_tokens: int, /) -> None:
        """The engine has processed so many tokens since the last call, a few times a second."""

    def generated(self, completion_tokens: int, status: str) -> None:
        """A generation has come back; ``status`` is the backend's, for instance how many serve."""

    def graded(self, run_id: str, item_id: str, correct: bool, /) -> None:
        """A sample has been graded, or was graded before and is already stored."""

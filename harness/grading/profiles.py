"""Named sets of grading rules.

``strict`` judges mathematics and is the default, ``cft-paper`` follows the paper's evaluator, and
``math-verify`` is the bare library. A profile brings its own extraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from harness.errors import HarnessError, nearest
from harness.grading.extraction.result import Extraction
from harness.types import AnswerType, Tolerance, Verdict

Find = Callable[[str, AnswerType, str], Extraction]
Compare = Callable[[str, str, AnswerType, Tolerance | None], Verdict]


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of grading.

    Attributes:
        name: As given on the command line.
        module: Where its ``find`` and ``compare`` live, imported at first use.
        summary: One line for ``--help``.
        extracts: ``find`` returns the answer itself; otherwise it returns the whole response, and
            the verdict of ``compare`` says what was read in it.
    """

    name: str
    module: str
    summary: str
    extracts: bool = True

    @property
    def find(self) -> Find:
        """The extraction: (response, answer type, gold) to an extraction."""
        finder: Find = import_module(self.module).find
        return finder

    @property
    def compare(self) -> Compare:
        """The comparison: (gold, answer, answer type, tolerance) to a verdict."""
        comparison: Compare = import_module(self.module).compare
        return comparison


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("strict", "harness.grading.strict", "mathematically right (default)"),
        Profile("cft-paper", "harness.grading.cft_paper", "the CFT paper's lenient evaluator"),
        Profile(
            "math-verify",
            "harness.grading.math_verify",
            "the bare math-verify library",
            extracts=False,
        ),
    )
}


def get(name: str) -> Profile:
    """Return a profile by name.

    Raises:
        HarnessError: There is no profile of that name.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise HarnessError(
            f"No grading profile is called {name!r}.", nearest(name, PROFILES)
        ) from None

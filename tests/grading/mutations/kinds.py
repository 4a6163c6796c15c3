"""What a made-up answer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.grading.references import Gold

#: Says whether a mutation's value surely differs; ``None`` where that is certain by construction.
Proof = Callable[[], bool] | None
#: The kind of a mutation, its text, and its proof.
Made = tuple[str, str, Proof]


@dataclass(frozen=True)
class Case:
    """A text to be graded, and how it was made: an answer, or a whole response."""

    gold: Gold
    kind: str
    text: str
    is_answer: bool = True

"""One number per item out of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb


def mean(correct: Sequence[bool]) -> float:
    """Return the share of right samples (avg@k).

    Raises:
        ValueError: There are none.
    """
    if not correct:
        raise ValueError("an item without samples has no mean")
    return sum(correct) / len(correct)


def pass_at(correct: Sequence[bool], k: int) -> float:
    """Return the chance that at least one of ``k`` samples is right, without bias.

    ``1 - C(n - c, k) / C(n, k)`` for ``c`` right ones of ``n`` (Chen et al. 2021, arXiv 2107.03374,
    equation 1).

    Raises:
        ValueError: ``k`` is not within the number of samples.
    """
    if not 1 <= k <= len(correct):
        raise ValueError(f"pass@{k} of {len(correct)} samples")
    wrong = len(correct) - sum(correct)
    return 1 - comb(wrong, k) / comb(len(correct), k)


def all_of(correct: Sequence[bool], k: int) -> float:
    """Return the chance that all of ``k`` samples are right, without bias (all-k).

    ``C(c, k) / C(n, k)`` for ``c`` right ones of ``n``: the share of choices of ``k`` samples that
    hold no wrong one (pass^k in Yao et al. 2024, arXiv 2406.12045).

    Raises:
        ValueError: ``k`` is not within the number of samples.
    """
    if not 1 <= k <= len(correct):
        raise ValueError(f"all-{k} of {len(correct)} samples")
    return comb(sum(correct), k) / comb(len(correct), k)


def majority(correct: Sequence[bool], classes: Sequence[int | None], k: int) -> float:
    """Return whether the answer that most of the first ``k`` samples gave is right (maj@k).

    Args:
        correct: Whether each sample is right.
        classes: The equivalence class of each sample's answer; ``None`` has no vote.
        k: How many samples vote; of two answers with as many votes, the earlier one wins.

    Raises:
        ValueError: ``k`` is not within the number of samples.
    """
    if not 1 <= k <= len(correct) == len(classes):
        raise ValueError(f"maj@{k} of {len(correct)} samples")
    votes: dict[int, int] = {}
    for name in classes[:k]:
        if name is not None:
            votes[name] = votes.get(name, 0) + 1
    if not votes:
        return 0.0
    winner = max(votes, key=votes.__getitem__)  # the first of equals, in order of appearance
    # The grader may have failed on one sample of an answer that is right in the others.
    chosen = [right for right, name in zip(correct, classes, strict=True) if name == winner]
    return float(any(chosen))

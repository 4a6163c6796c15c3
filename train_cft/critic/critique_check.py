"""Check critiques against our grader: error rate, and what becomes of conflicts.

The paper found errors in about a fifth of its critiques, by hand, and trained on them all. Here
each conclusion is compared with our grader's verdict on the response, where there is one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from harness.errors import HarnessError
from harness.grading import GRADER_VERSION
from harness.statistics import intervals
from harness.statistics.intervals import Estimate
from harness.store.rows import now
from harness.types import digest
from train_cft.critic import conclusions
from train_cft.critic.teacher import Answer
from train_cft.data.examples import Example

Ask = Callable[[Sequence[Example], int], Mapping[str, Answer]]


class Finding(StrEnum):
    """What a check of one critique found."""

    AGREES = "agrees"
    CONFLICT = "conflict"
    UNREADABLE = "unreadable"
    BARE = "bare"
    UNCHECKED = "unchecked"


class OnConflict(StrEnum):
    """What becomes of a critique whose conclusion is not our grader's."""

    DROP = "drop"
    FLAG = "flag"
    RETRY = "retry"


@dataclass(slots=True)
class Checked:
    """Critiques that were kept, and what the check found.

    Attributes:
        kept: Examples with their critiques; flagged ones among them.
        left_out: How many were left out, by reason.
        findings: Of the first attempt at each example.
        error: Share of first critiques that conclude other than our grader; ``None`` where none
            could be compared.
        replaced: How many critiques were replaced by a later attempt.
        queue: Rows for the review queue.
    """

    kept: list[Example] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    error: Estimate | None = None
    replaced: int = 0
    queue: list[dict[str, Any]] = field(default_factory=list)


def examine(example: Example, answer: Answer) -> Finding:
    """Compare one critique's conclusion with our grader's verdict."""
    if answer.conclusion is None:
        return Finding.UNREADABLE
    if not answer.conclusion.reasons.strip():
        return Finding.BARE
    if example.right is None:
        return Finding.UNCHECKED
    agrees = answer.conclusion.right == example.right
    return Finding.AGREES if agrees else Finding.CONFLICT


def check(
    examples: Sequence[Example],
    ask: Ask,
    *,
    critic: str,
    on_conflict: OnConflict,
    retries: int,
    audit: int,
    seed: int,
) -> Checked:
    """Have examples criticised, and check each conclusion against our grader's verdict.

    Args:
        examples: What is criticised.
        ask: Returns the critiques of examples, by their ids; takes the attempt, from 0.
        critic: What to call who wrote them.
        on_conflict: What becomes of those that disagree.
        retries: How often to ask again.
        audit: How many of the others go to the review queue.
        seed: Chooses those.

    Raises:
        HarnessError: Most critiques have no conclusion that can be read.
    """
    checked = Checked()
    first = ask(examples, 0)
    found = {example.id: examine(example, first[example.id]) for example in examples}
    checked.findings.update(found.values())
    _refuse_nonsense(checked.findings, critic)
    checked.error = _error_rate(examples, found)
    final = dict(first)
    if on_conflict is OnConflict.RETRY:
        for attempt in range(1, retries + 1):
            again = [example for example in examples if _is_open(found[example.id])]
            if again:
                answers = ask(again, attempt)
                final |= answers
                found |= {one.id: examine(one, answers[one.id]) for one in again}
    for example in examples:
        answer, finding = final[example.id], found[example.id]
        initial = examine(example, first[example.id])
        outcome = _outcome(initial, finding, on_conflict)
        if outcome == "dropped":
            checked.left_out[f"critique: {finding}"] += 1
        else:
            checked.kept.append(_criticised(example, answer, critic, outcome == "flagged"))
        checked.replaced += outcome == "replaced"
        if _is_open(initial):
            checked.queue.append(review_row(example, first[example.id], critic, initial, outcome))
    for example in audited(examples, found, audit, seed):
        checked.queue.append(review_row(example, final[example.id], critic, "audit", "kept"))
    return checked


def audited(
    examples: Sequence[Example], found: Mapping[str, Finding], count: int, seed: int
) -> list[Example]:
    """Draw examples with critiques that passed, for a human to review."""
    sound = [one for one in examples if not _is_open(found[one.id])]
    return sorted(sound, key=lambda one: _rank(f"audit {seed} {one.id}"))[:count]


def _is_open(finding: Finding) -> bool:
    return finding in (Finding.CONFLICT, Finding.UNREADABLE, Finding.BARE)


def _outcome(initial: Finding, finding: Finding, on_conflict: OnConflict) -> str:
    if not _is_open(finding):
        return "replaced" if _is_open(initial) else "kept"
    flagged = finding is Finding.CONFLICT and on_conflict is OnConflict.FLAG
    return "flagged" if flagged else "dropped"


def _criticised(example: Example, answer: Answer, critic: str, flagged: bool) -> Example:
    """Return an example with its critique; one that came with the data stays to the letter."""
    if example.critique:
        return replace(example, flagged=flagged)
    assert answer.conclusion is not None, "what cannot be read has been dropped"
    text = conclusions.write(answer.conclusion.reasons, answer.conclusion.right)
    return replace(example, critique=text, critic=critic, flagged=flagged)


def _refuse_nonsense(findings: Counter[str], critic: str) -> None:
    nonsense = findings[Finding.UNREADABLE] + findings[Finding.BARE]
    total = sum(findings.values())
    if 2 * nonsense > total:
        raise HarnessError(
            f"{nonsense} of {total} critiques by {critic} have no reasons, or no conclusion that "
            "can be read.",
            "`harness runs` lists the run and `harness show` shows them; a stronger teacher or "
            "more --max-tokens may help. Nothing was written.",
        )


def _error_rate(examples: Sequence[Example], found: Mapping[str, Finding]) -> Estimate | None:
    """Return the share of conflicts; the responses to one question are a cluster."""
    by_question: dict[str, list[bool]] = {}
    for example in examples:
        finding = found[example.id]
        if finding in (Finding.AGREES, Finding.CONFLICT):
            conflicts = by_question.setdefault(example.question, [])
            conflicts.append(finding is Finding.CONFLICT)
    groups = list(by_question.values())
    if not groups:
        return None
    means = [sum(group) / len(group) for group in groups]
    mean = sum(means) / len(means)
    variance = sum((value - mean) ** 2 for value in means) / max(1, len(means) - 1)
    return intervals.score(
        mean=mean,
        variance=variance,
        items=len(groups),
        samples_per_item=max(map(len, groups)),
        correct=sum(map(sum, groups)),
    )


def review_row(
    example: Example, answer: Answer, critic: str, reason: str, outcome: str
) -> dict[str, Any]:
    """Return what the store keeps about a critique to be reviewed."""
    return {
        "id": digest([example.question, example.response, critic, answer.text])[:32],
        "queued_at": now(),
        "reason": reason,
        "outcome": outcome,
        "source": example.source,
        "critic": critic,
        "run_id": answer.run_id or None,
        "question": example.question,
        "response": example.response,
        "critique": answer.text,
        "concludes_right": answer.conclusion and answer.conclusion.right,
        "graded_right": example.right,
        "gold": example.gold or None,
        "extracted": example.extracted or None,
        "grader_version": GRADER_VERSION,
    }


def _rank(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

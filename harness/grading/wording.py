"""Answers in words."""

from __future__ import annotations

import re

from harness.grading.syntax import Node


def same_wording(gold: str, answer: str) -> bool:
    """Compare two answers in words: case, articles, punctuation and spacing do not count."""
    return _words(gold) == _words(answer) != ""


def _words(text: str) -> str:
    text = re.sub(r"\\(?:text|mathrm|textbf|mbox|mathbf|textit)\b", " ", text)
    text = re.sub(r"\b(?:the|a|an)\b", " ", text.lower())
    return re.sub(r"[^\w+\-/]+|_", "", re.sub(r"\band\b|\A\s*(?:yes|no),", " ", text))


_NO_BOUND = frozenset(("infinitelymany", "infinite", "infinity"))
_NOTHING = frozenset(("nosolution", "nosolutions", "norealsolution", "norealsolutions", "none"))


def same_words(gold: Node, answer: Node) -> bool | None:
    infinite = [
        (n.kind == "words" and _words(n.value) in _NO_BOUND)
        or (n.kind == "const" and n.value == "inf")
        for n in (gold, answer)
    ]
    if all(infinite):
        return True
    nothing = [
        (n.kind == "words" and _words(n.value) in _NOTHING)
        or (n.kind == "realset" and n.value == "empty")
        for n in (gold, answer)
    ]
    if all(nothing):
        return True
    if gold.kind == answer.kind == "words":
        return same_wording(gold.value, answer.value)
    return False

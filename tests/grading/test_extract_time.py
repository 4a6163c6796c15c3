"""Extraction takes time in proportion to a response's length, whatever a looping model writes."""

from __future__ import annotations

import gc
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

from harness.grading import extract, profiles
from harness.grading.extraction import (
    answer_phrases,
    boxes,
    chat_template,
    choices,
    claimed_number,
    context,
    letter_claims,
    result,
    retractions,
    yes_no,
)
from harness.types import AnswerType

extract_module = import_module("harness.grading.extraction.extract")

_LOOPS = (
    [
        "\\boxed{",
        "$",
        "\\",
        "the answer is ",
        "(",
        "blah blah 3 x = 4. ",
        "<answer>",
        "1,",
        "A ",
        "\n",
    ]
    + ["123,", "\\( ", "the answer is option" + " " * 180, "final answer is $ ", "####", "#### 1\n"]
    + [
        "<|im_end|>",
        "<|im_start|>assistant\n",
        "<think>",
        "<s>",
        "[INST]",
        "A: ",
        "\\boxed{5} and ",
    ]
    + [
        "box ",
        "{",
        "\\{",
        "answer\n",
        "**",
        "answer is **5** ",
        "Answer: $5$ and ",
        "not 5 ",
        "or 5 ",
    ]
    + [
        "$5 ",
        "\u00bd",
        "\u4e09",
        "1",
        " 1",
        "-",
        "a=1, b=2 ",
        "(A) ",
        "A is correct ",
        "option A or ",
    ]
    + [
        "answer is not 5. ",
        "the answer is 5, which is ",
        "\\frac{1}{2} ",
        "\\text{",
        "true or false ",
    ]
    + [
        "The answer is 5. Wait, 6. ",
        "5 but it is 6 ",
        "\nQ: 5\nA: 5\n",
        "$2\\boxed{5} + ",
        "~~5~~",
        "5 if 6 ",
    ]
)
_LONG = [("", piece, "") for piece in _LOOPS] + [
    ("The list: ", "123,", "12"),
    ("The answer is $1$ ", "\\( ", ""),
    ("", "\n", "x"),
    ("\\boxed{A", " ", "x}"),
    ("\\boxed{" * 20, "{}", ""),
    ("answer: x", ".,", ""),
    ("the answer is ", "{", ""),
]


def _linear(work: Callable[[int], None], length: int) -> bool:
    """Say whether four times the length costs no more than eight times as much, nor seconds."""

    def seconds(size: int) -> float:
        # Neither what other threads of this process do counts, nor a collection of what the tests
        # before have left.
        gc.disable()
        try:
            started = time.thread_time()
            work(size)
            return time.thread_time() - started
        finally:
            gc.enable()

    # Other work on the machine makes single measurements too long.
    for _ in range(3):
        longer = seconds(length)
        if longer < 0.2 or (longer < 3 and longer < 8 * seconds(length // 4)):
            return True
    return False


@pytest.mark.parametrize(("head", "piece", "tail"), _LONG)
def test_extraction_is_linear_in_the_length(head: str, piece: str, tail: str) -> None:
    def read(length: int) -> None:
        text = head + piece * (length // len(piece)) + tail
        for gold in ("5", "x, y", "True"):
            extract(text, gold=gold)
        extract(text, answer_type=AnswerType.CHOICE)
        profiles.get("cft-paper").find(text, AnswerType.AUTO, "5")

    assert _linear(read, 200_000)


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield each compiled pattern of the modules that read responses, once."""
    seen: set[re.Pattern[str]] = set()
    modules = (
        boxes,
        choices,
        claimed_number,
        result,
        extract_module,
        letter_claims,
        answer_phrases,
    )
    for module in (*modules, retractions, context, yes_no, chat_template):
        for name, value in vars(module).items():
            several = value.values() if isinstance(value, dict) else (value,)
            for pattern in several:
                if isinstance(pattern, re.Pattern) and pattern not in seen:
                    seen.add(pattern)
                    yield f"{module.__name__}.{name}", pattern


def _pieces(pattern: re.Pattern[str]) -> list[str]:
    """List what a pattern is written of: its words and marks, without its operators."""
    plain = re.sub(r"\(\?[a-zA-Z<:!=]*(?:P<\w+>)?|\\[bAZsSdDwW]|\{\d*,?\d*\}", " ", pattern.pattern)
    found = re.findall(r"[^\W\d_]{2,}|[^\s()|\[\]+?^]", plain)
    return list(dict.fromkeys(found))[:16]


@pytest.mark.parametrize(("name", "pattern"), list(_patterns()), ids=lambda value: str(value)[:40])
def test_every_pattern_is_linear_in_the_length(name: str, pattern: re.Pattern[str]) -> None:
    pieces = _pieces(pattern)
    units = [*pieces, *(piece + " " for piece in pieces[:8]), "".join(pieces)]
    units += [" ", "\n", "1", "a", "\\", "{", "$", "*", "#", ".,", "1,"]
    units += [piece + mark * 180 for piece in pieces[:4] for mark in " 1"]

    def search(size: int) -> None:
        texts = [(unit * size)[:size] for unit in units]
        texts += [(piece + mark * size)[:size] for piece in pieces[:4] for mark in " \n1a"]
        for text in texts:
            deque(pattern.finditer(text), 0)

    assert _linear(search, 8_000), name

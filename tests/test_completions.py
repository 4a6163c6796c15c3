"""What is read into a completion: thought, answer, truncation, loops."""

from __future__ import annotations

import random

import pytest

from harness.completions import ends_in_loop, read_completion, split_thought
from harness.types import Completion, Request, Sampling

REQUEST = Request("k", "item", 0, (1, 2, 3), Sampling(), seed=1)


@pytest.mark.parametrize(
    ("text", "opened", "thought", "answer"),
    [
        ("plain answer", False, "", "plain answer"),
        ("<think>a</think>b", False, "a", "b"),
        ("a</think>b", True, "a", "b"),
        (r"maybe \boxed{7} </think> \boxed{8}", False, r"maybe \boxed{7}", r"\boxed{8}"),
        ("<think>never ends \\boxed{7}", False, "never ends \\boxed{7}", None),
        ("never ends", True, "never ends", None),
        ("<think>a</think>b</think>c", False, "a</think>b", "c"),
        ("<think></think>b", False, "", "b"),
    ],
)
def test_the_thought_is_cut_off(text: str, opened: bool, thought: str, answer: str | None) -> None:
    assert split_thought(text, starts_in_thought=opened) == (thought, answer)


@pytest.mark.parametrize(
    ("text", "reason", "truncated"),
    [
        ("done", "stop", False),
        ("cut", "length", True),
        ("<think>cut", "length", True),
        ("<think>stopped by itself", "stop", True),
        ("<think>a</think>b", "stop", False),
    ],
)
def test_truncation_is_a_budget_spent_or_a_thought_unfinished(
    text: str, reason: str, truncated: bool
) -> None:
    generation = read_completion(REQUEST, Completion("k", text, (5,), reason, 0.1))
    assert generation.truncated == truncated


def test_nothing_of_an_unfinished_thought_is_an_answer() -> None:
    generation = read_completion(REQUEST, Completion("k", r"<think>\boxed{7}", (5,), "stop", 0.1))
    assert (generation.answer, generation.thought) == ("", r"\boxed{7}")


@pytest.mark.parametrize("period", [1, 2, 7, 64, 128])
def test_a_repeated_pattern_is_a_loop_also_when_cut_within_a_copy(period: int) -> None:
    pattern = random.Random(period).sample(range(10_000), period)
    start = list(range(20_000, 20_100))
    copies = max(4, 64 // period + 1)
    tokens = start + pattern * copies
    assert ends_in_loop(tokens)
    assert ends_in_loop(tokens[: -(period // 2) or None])


def test_ordinary_text_and_short_or_past_repetitions_are_no_loops() -> None:
    ordinary = random.Random(0).choices(range(500), k=4000)
    assert not ends_in_loop(ordinary)
    assert not ends_in_loop([7] * 40)
    assert not ends_in_loop([7] * 400 + ordinary[:200])
    assert not ends_in_loop([])

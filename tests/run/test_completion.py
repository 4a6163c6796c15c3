"""What is read into a completion: thought, answer, truncation, loops."""

from __future__ import annotations

import random

import pytest

from harness.run.completion import ends_in_loop, read_completion, split_thought
from harness.types import Completion, Prompt, Request, Sampling, ThoughtTags

REQUEST = Request("k", "item", 0, Prompt((1, 2, 3)), Sampling(), seed=1)


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
    assert split_thought(text, ThoughtTags(), starts_in_thought=opened) == (thought, answer)


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
    generation = read_completion(REQUEST, Completion("k", text, (5,), reason, 0.1), len)
    assert generation.truncated == truncated


def test_nothing_of_an_unfinished_thought_is_an_answer() -> None:
    generation = read_completion(
        REQUEST, Completion("k", r"<think>\boxed{7}", (5,), "stop", 0.1), len
    )
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


def _count(text: str) -> int:
    return len(text.split())


def test_the_thoughts_tokens_are_counted_apart_by_the_tag_s_own_token() -> None:
    prompt = Prompt((1,), tags=ThoughtTags("[THINK]", "[/THINK]", (9,)))
    request = Request("k", "item", 0, prompt, Sampling(), seed=1)
    completion = Completion("k", "[THINK]a b[/THINK]c", (8, 2, 3, 9, 4), "stop", 0.1)
    generation = read_completion(request, completion, _count)
    assert (generation.thought, generation.answer) == ("a b", "c")
    assert (generation.thought_tokens, generation.completion_tokens) == (4, 5)


@pytest.mark.parametrize(
    ("text", "expected"), [("<think> a b </think> c", 4), ("<think> a b", 9), ("a b", 0)]
)
def test_a_tag_in_plain_text_is_counted_by_the_tokenizer(text: str, expected: int) -> None:
    completion = Completion("k", text, tuple(range(9)), "stop", 0.1)
    assert read_completion(REQUEST, completion, _count).thought_tokens == expected


def test_a_stop_string_ends_the_answer_and_never_the_thought() -> None:
    request = Request("k", "item", 0, Prompt((1,)), Sampling(stop=("Q:", "\n\n")), seed=1)
    text = "<think>Q: what?\n\nfirst</think>it is 7\n\nQ: next Q: and on"
    generation = read_completion(request, Completion("k", text, (1,) * 60, "length", 0.1), len)
    assert (generation.answer, generation.finish_reason) == ("it is 7", "stop")
    assert not generation.truncated and not generation.loop


def test_a_loop_that_the_engine_ended_was_cut_off() -> None:
    generation = read_completion(REQUEST, Completion("k", "a a a", (1, 1), "repetition", 0.1), len)
    assert generation.loop and generation.truncated


@pytest.mark.parametrize(
    ("thought", "text", "truncated"), [("so", "7", False), ("so", "", True), ("", "7", False)]
)
def test_a_thought_that_a_server_tells_apart_stays_apart(
    thought: str, text: str, truncated: bool
) -> None:
    completion = Completion(
        "k", text, (), "length" if truncated else "stop", 0.1, thought, 11, 30, 20
    )
    request = Request("k", "item", 0, Prompt(messages=()), Sampling(), seed=1)
    generation = read_completion(request, completion, len)
    assert (generation.thought, generation.answer) == (thought, text)
    assert generation.truncated == truncated
    assert (generation.prompt_tokens, generation.completion_tokens) == (11, 30)
    assert generation.thought_tokens == 20


def test_a_loop_is_seen_in_the_words_where_a_server_tells_no_tokens() -> None:
    completion = Completion("k", "so it goes, " * 20, (), "length", 0.1, None, 3, 100)
    assert read_completion(REQUEST, completion, len).loop

"""What repeats a benchmark, and what repeats itself."""

from __future__ import annotations

from harness.types import Item
from train_cft.decontamination.overlap import (
    MAX_QUESTIONS,
    NGRAM,
    BenchmarkIndex,
    near_duplicates,
    normalised,
)

LONG = "a farmer has seven red hens and eight blue geese in nine small green barns today"


def _index(*questions: str, exact_only: bool = False) -> BenchmarkIndex:
    index = BenchmarkIndex()
    items = [Item(str(number), question, "1") for number, question in enumerate(questions)]
    index.add("bench", items, exact_only=exact_only)
    return index


def test_layout_does_not_hide_a_question() -> None:
    assert normalised(r"Find  $\dfrac{1}{2} \times 3{,}000$!") == normalised("find 1/2 * 3000")
    assert normalised("1,000 hens") == normalised("1000 HENS") != normalised("100 hens")
    assert normalised("6 * 2") != normalised("6 + 2")
    (hit,) = _index("What is $2 \\times 3$?").hits("what is 2 × 3", [])
    assert hit.exact and hit.task == "bench"


def test_options_do_not_hide_a_question() -> None:
    index = _index("Which one?\n\nAnswer Choices:\n(A) this\n(B) that")
    assert index.hits("Which one?", [])


def test_an_n_gram_of_thirteen_words_is_enough_and_twelve_are_not() -> None:
    index = _index(LONG)
    words = LONG.split()
    assert len(words) > NGRAM
    (hit,) = index.hits("Other.", ["He said: " + " ".join(words[1 : 1 + NGRAM])])
    assert not hit.exact
    assert not index.hits("Other.", [" ".join(words[1:NGRAM]) + " nothing"])
    # A word of another question in between breaks the n-gram.
    assert not index.hits("Other.", [" ".join([*words[:7], "unheard", *words[7:]])])


def test_a_formula_is_no_n_gram() -> None:
    index = _index("Find all real solutions of x^2 + y^2 + z^2 + w^2 = 1 in the plane")
    assert not index.hits("Other.", ["x^2 + y^2 + z^2 + w^2 = 1"])


def test_a_phrase_of_many_questions_is_no_trace_of_one() -> None:
    phrase = "where m and n are relatively prime positive integers find the sum m + n"
    questions = [f"Number {number}: {phrase}" for number in range(MAX_QUESTIONS + 1)]
    assert not _index(*questions).hits("Other.", [phrase])
    assert _index(*questions).phrases
    assert _index(*questions[1:]).hits("Other.", [phrase])
    # The same question in many benchmarks is one question.
    index = BenchmarkIndex()
    for number in range(MAX_QUESTIONS + 1):
        index.add(f"bench{number}", [Item("0", phrase, "1")], exact_only=False)
    assert index.hits("Other.", [phrase])


def test_generated_questions_count_as_a_whole_only() -> None:
    index = _index(LONG, exact_only=True)
    assert index.hits(LONG, [])
    assert not index.hits("Other.", [LONG])


def test_near_duplicates_need_a_like_question_and_a_like_response() -> None:
    steps = "first we take the hens then we take the geese and then we add them all up to get"
    pairs = [
        (LONG, steps + " fifteen birds in all"),
        (LONG, steps + " fifteen birds in all!"),
        ("another question about something that is else", steps + " fifteen birds in all"),
        (LONG, "an altogether other way to see that there are so many birds in the barns"),
        (LONG, steps + " fifteen birds in all."),
    ]
    right = [True, True, True, True, False]
    assert near_duplicates(pairs, right, 0.8) == {1}
    assert near_duplicates(pairs, [True] * 5, 0.8) == {1, 4}


def test_near_duplicates_find_what_comparing_all_would() -> None:
    import random

    words = random.Random(7).choices(["one", "two", "three", "four"], k=40)
    pairs = []
    for number in range(60):
        changed = list(words)
        changed[number % 40] = f"other{number}"
        if number % 2:
            changed[(number * 7) % 40] = "more"
        pairs.append(("q", " ".join(changed)))
    found = near_duplicates(pairs, [None] * len(pairs), 0.6)
    kept = [pair for number, pair in enumerate(pairs) if number not in found]
    assert not near_duplicates(kept, [None] * len(kept), 0.6)
    assert 0 < len(kept) < len(pairs)


def test_short_responses_differ_by_their_number() -> None:
    pairs = [("q", "It is 5"), ("q", "It is 7"), ("q", "it is 5.")]
    assert near_duplicates(pairs, [None] * 3, 0.8) == {2}

"""Which responses are taken."""

from __future__ import annotations

from collections import Counter

import pytest

from train_cft.data.example_selection import choose
from train_cft.data.examples import Example


def _examples(right: int, wrong: int, questions: int = 1000) -> list[Example]:
    total = right + wrong
    return [
        Example(f"q{number % questions}", f"r{number}", "s", right=number < right)
        for number in range(total)
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "share", "limit", "expected"),
    [
        (30, 70, 0.5, None, (30, 30)),
        (30, 70, 0.25, None, (23, 70)),
        (30, 70, 0.0, None, (0, 70)),
        (30, 70, 1.0, None, (30, 0)),
        (30, 70, 0.5, 10, (5, 5)),
        (0, 70, 0.5, None, (0, 0)),
        (30, 70, 0.56, 50, (28, 22)),
    ],
)
def test_the_share_of_right_responses(
    right: int, wrong: int, share: float, limit: int | None, expected: tuple[int, int]
) -> None:
    chosen = choose(
        _examples(right, wrong), right_share=share, per_question=None, limit=limit, seed=0
    )
    rights = sum(example.right is True for example in chosen)
    assert abs(rights - expected[0]) <= 1 and abs(len(chosen) - sum(expected)) <= 1


def test_a_question_gives_right_and_wrong_ones_in_turn() -> None:
    examples = _examples(40, 40, questions=10)
    chosen = choose(examples, right_share=None, per_question=2, limit=None, seed=0)
    assert len(chosen) == 20
    by_question = Counter((example.question, example.right) for example in chosen)
    assert set(by_question.values()) == {1}


def test_every_question_comes_before_a_second_response() -> None:
    examples = _examples(40, 40, questions=10)
    chosen = choose(examples, right_share=None, per_question=None, limit=10, seed=0)
    assert len({example.question for example in chosen}) == 10


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    examples = _examples(40, 40)

    def ids(given: list[Example], seed: int) -> set[str]:
        chosen = choose(given, right_share=0.5, per_question=None, limit=20, seed=seed)
        return {example.id for example in chosen}

    assert ids(examples, 1) == ids(examples[::-1], 1) != ids(examples, 2)

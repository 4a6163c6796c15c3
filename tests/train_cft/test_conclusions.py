"""What a critique concludes."""

from __future__ import annotations

from importlib import import_module

import pytest

from harness.types import Status
from tests.train_cft.tiny_training import examples
from train_cft.critic import conclusions, solutions, teacher


@pytest.mark.parametrize(
    ("critique", "right"),
    [
        ("Because. Conclusion: right [END]", True),
        ("Because.\n\nConclusion: wrong [END]", False),
        ("Because.\n**Conclusion:** Wrong", False),
        ("Because.\n### Conclusion: **right** [END]", True),
        ("Because.\nConclusion: the solution is incorrect. [END]\n", False),
        ("Conclusion: right\nOn second thought, no.\nConclusion: right [END]", True),
    ],
)
def test_a_conclusion_is_read(critique: str, right: bool) -> None:
    found = conclusions.read(critique)
    assert found is not None and found.right is right
    assert "Because" not in critique or found.reasons.startswith("Because.")


@pytest.mark.parametrize(
    "critique",
    [
        "",
        "It is right.",
        "Conclusion: right/wrong [END]",
        "Conclusion: right or wrong [END]",
        "Conclusion: not right [END]",
        "Conclusion: right. But the second step is false.",
        "Conclusion: right\nConclusion: wrong [END]",
        "Conclusion: rightly so",
    ],
)
def test_what_does_not_conclude_is_not_guessed(critique: str) -> None:
    assert conclusions.read(critique) is None


def test_what_is_written_is_read_back() -> None:
    for right in (True, False):
        found = conclusions.read(conclusions.write("Reasons.", right))
        assert found == conclusions.Conclusion(right, "Reasons.")


def test_the_score_of_a_critique_is_whether_it_agrees() -> None:
    said_right = "So.\nConclusion: right [END]"
    assert conclusions.score("right", said_right).correct
    assert not conclusions.score("wrong", said_right).correct
    assert conclusions.score("", said_right).correct
    assert conclusions.score("right", "So").status is Status.NO_ANSWER
    assert conclusions.score("right", "So", truncated=True).status is Status.TRUNCATED


def test_scorers_keep_the_names_that_stored_runs_are_identified_by() -> None:
    (item,) = teacher.critique_task(examples(1)).items()
    assert item.scorer == "train_cft.conclusions:score"
    assert solutions.WITHOUT_GOLD == "train_cft.solutions:score"
    for scorer in (item.scorer, solutions.WITHOUT_GOLD):
        module, function = scorer.split(":")
        assert callable(getattr(import_module(module), function))

"""Extraction finds the answer a reader would call the answer, and says by which rule."""

from __future__ import annotations

import time

import pytest

from harness.grading import extract, profiles
from harness.types import AnswerType


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        (r"So $\boxed{5}$. Wait, no: $\boxed{6}$.", "6", "boxed"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", "boxed"),
        (r"\boxed 5$", "5", "boxed"),
        (r"\fbox{7}", "7", "boxed"),
        (r"\boxed{3} and then \boxed{unfinished", "3", "boxed"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}", "boxed"),
        ("Thus the final answer is $12$. I hope it is correct.", "12", "phrase"),
        ("so\n#### 1,234", "1,234", "phrase"),
        ("Answer: 17", "17", "phrase"),
        ("**Answer:** 17 apples", "17 apples", "phrase"),
        ("<answer>3</answer>", "3", "answer_tag"),
        (r"<answer>\boxed{100}</answer>", "100", "answer_tag"),
        ("First 3 birds.\nThen there are 13 birds in all, I believe", "13", "last_number"),
        ("", "", "none"),
    ],
)
def test_finds_the_answer_and_names_the_rule(text: str, answer: str, rule: str) -> None:
    found = extract(text, gold="5")
    assert (found.answer, found.rule) == (answer, rule)


def test_takes_no_last_number_when_the_gold_is_no_number() -> None:
    text = "We used 3 steps and a lemma to get there.\nHence f is the identity on 2 sets, as shown."
    assert extract(text, gold="x+1").rule != "last_number"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B).", "B"),
        ("The answer: D, it doesn't make sense for it to be A or B", "D"),
        (r"\boxed{\text{(C)}}", "C"),
        (r"\boxed{C. 42}", "C"),
        ("It takes a car an hour. So I pick option B", "B"),
        ("D", "D"),
        ("Answer: A", "A"),
        ("The answer is a matter of taste, hence (C)", "C"),
        ("A dog has four legs, so (D)", "D"),
    ],
)
def test_finds_choice_letters_without_mistaking_the_article(text: str, letter: str) -> None:
    assert extract(text, answer_type=AnswerType.CHOICE).answer == letter


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is True.", "True"),
        ("So $f(x)=2$ is bounded, hence the statement is false", "false"),
        ("Yes, it converges.", "Yes"),
        (r"\boxed{\text{No}}", "No"),
    ],
)
def test_finds_a_yes_or_no(text: str, answer: str) -> None:
    assert extract(text, gold="True").answer == answer


def test_praise_of_an_answer_is_no_answer() -> None:
    assert extract("The answer is 59. This answer is correct.", gold="59").answer == "59"


def test_two_boxes_become_a_list_only_for_a_gold_with_as_many_parts() -> None:
    text = r"$\boxed{1} \quad \text{and} \quad \boxed{2}$"
    assert extract(text, gold="1, 2").answer == "1, 2"
    assert extract(text, gold="2").answer == "2"


@pytest.mark.parametrize(
    "text",
    ["\\boxed{" * 100_000, "$" * 500_000, "\\" * 500_000, "the answer is " * 50_000, "(" * 300_000]
    + ["blah blah 3 x = 4. " * 50_000, "<answer>" * 50_000, "1," * 300_000, "A " * 200_000]
    + ["The list: " + "123," * 50_000 + "12", "The answer is $1$ " + "\\( " * 66_000]
    + ["\n" * 200_000 + "x", "\\boxed{A" + " " * 200_000 + "x}", "answer: x" + ".," * 100_000]
    + [("the answer is option" + " " * 180) * 1_000, "final answer is $ " * 11_000],
)
def test_extraction_is_linear_in_the_length(text: str) -> None:
    started = time.process_time()
    for gold in ("5", "x+1", "1,2", "True"):
        extract(text, gold=gold)
    extract(text, answer_type=AnswerType.CHOICE)
    profiles.get("cft-paper").find(text, AnswerType.AUTO, "5")
    assert time.process_time() - started < 2

"""Extraction finds the answer a reader would call the answer, and says by which rule."""

from __future__ import annotations

import pytest

from harness.grading import extract, grade_response
from harness.grading.extraction.choices import choice_letter
from harness.types import AnswerType

# ``harness.grading.extraction.extract`` is the function as well.


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
        ("**Answer:** 17 apples", "17", "phrase"),
        ("<answer>3</answer>", "3", "answer_tag"),
        (r"<answer>\boxed{100}</answer>", "100", "answer_tag"),
        ("First 3 birds.\nThen there are 13 birds in all, I believe", "13", "last_number"),
        ("", "", "none"),
    ],
)
def test_finds_the_answer_and_names_the_rule(text: str, answer: str, rule: str) -> None:
    found = extract(text, gold="5")
    assert (found.answer, found.rule) == (answer, rule)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # Markdown around the mark and around the answer
        ("The answer is **73**.", "73"),
        ("**Answer:** 4.", "4"),
        ("\u2705 Final Answer: **73**", "73"),
        ("__Answer__: 73", "73"),
        ("`Answer`: `73`", "73"),
        ("**Answer: 73** apples", "73"),
        ("**Answer**: *73*", "73"),
        ("*The answer is 73*", "73"),
        ("### Final Answer\n\n**73** apples", "73"),
        ("## Answer\n> 73", "73"),
        ("Answer:\n- 73", "73"),
        ("#### **260**", "260"),
        ("#### 17 ####", "17"),
        ("#### <48>", "48"),
        # prose behind the number
        ("Answer: 72, in total, so we are done.", "72"),
        ("Answer: 72, which is the total of 8 and 9", "72"),
        ("Answer: 72 (8 rows of 9)", "72"),
        ("Answer: 72, not 70", "72"),
        ("Answer is $72$, not $70$.", "72"),
        ("The answer is 42!", "42"),
        ("The answer is 42?", "42"),
        ("#### 3 bolts in total.", "3"),
        ("Answer: 16 + 16 * 3 = 64 tablespoons of flour.", "64"),
        ("The answer is 1 1/4 cups of flour", "1 1/4"),
        ("The answer is 6 x 10^5 people", "6 x 10^5"),
        ("So the answer is $\\$10$", "\\$10"),
        # an option's letter before it, the mark behind it, other languages, other digits
        ("Answer: (d) 3", "3"),
        ("Therefore 50 is the answer.", "50"),
        ("#### 10\nmore\n#### 20", "20"),
        ("Therefore the answer is +7", "+7"),
        ("La r\u00e9ponse est **42**.", "42"),
        ("Die Antwort ist 42.", "42"),
        ("\u7b54\u6848\uff1a\uff14\uff12", "\uff14\uff12"),
        ("I got -\u00bd as the result", "-\u00bd"),
        ("result: \u4e09", "\u4e09"),
        ("total = 100 meters", "100"),
        ("The answer is 50 percent of them", "50%"),
        # more than the number belongs to the claim
        ("The answer is $5$ million.", "5 million"),
        (r"$\boxed{5}$ million", "5 million"),
        (r"\boxed{125} miles.", "125"),
        ("Answer: 2, 3", "2, 3"),
        ("The answer is 5 or 6.", "5 or 6"),
        ("The answer is $3$ or $4$.", "3 or 4"),
        ("I think it is 3 or 4", ""),
        ("The answer is 5 feet 3 inches", "5 feet 3 inches"),
        ("The answer is 5 million people", "5 million people"),
        ("The answer is 24500 cents", "24500 cents"),
        ("The answer is 1 - sin(1).", "1 - sin(1)"),
        ("The answer is 5 x where x is real", "5 x"),
        ("The answer is 1000\u03c0Hz", "1000\u03c0Hz"),
        ("The answer is 81 of 12345", "81 of 12345"),
        ("The answer is P = 5, Q = 6", "P = 5, Q = 6"),
        ("3 * 4 = 13", "3 * 4 = 13"),
        # what is denied is not claimed
        ("The answer is not 5.", ""),
        ("The answer is 5. Wait, the answer is not 5.", ""),
        ("5 is not the answer.", ""),
        ("So it isn't 5, it is 6", "6"),
        (r"Not \boxed{5}, but 6.", "6"),
        (r"\boxed{5} is wrong.", ""),
        # boxes
        (r"\boxed{\sqrt2} which is approximately \boxed{1.414}", r"\sqrt2"),
        (r"\boxed{\frac13} \approx \boxed{0.33}", r"\frac13"),
        (r"$\boxed{3}$ or $\boxed{4}$", "3, 4"),
        (r"so \boxed{840}, as said.\n\n**Final Answer**\n\boxed{840}", "840"),
        (r"\boxed{0.5}, \boxed{1/2}", "1/2"),
        (r"\boxed{42}. Write your final answer in \boxed{}.", "42"),
        (r"Put it into \boxed{\text{your answer}}.", ""),
        (r"I was told to use \boxed and so \boxed{12}.", "12"),  # codespell:ignore told
        (r"\boxed{\text{Answer: 42}}", "42"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\framebox[2cm][c]{7}", "7"),
        (r"\boxed{255}. Final Answer: The final answer is $10$.", "10"),
    ],
)
def test_reads_the_number_that_a_response_claims(text: str, answer: str) -> None:
    assert extract(text, gold="5").answer == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<|begin_of_thought|>\boxed{1}<|end_of_thought|> <|begin_of_solution|>\boxed{27}", "27"),
        (r"<|im_start|>think\n\boxed{1}<|im_start|>answer\n\boxed{27}<|im_end|>", "27"),
        (
            "<|channel|>analysis<|message|>The answer is 1.<|end|><|start|>assistant"
            "<|channel|>final<|message|>The answer is 27.<|return|>",
            "27",
        ),
        ("<|channel|>analysis<|message|>The answer is 1.", ""),
        ("<think>The answer is 1.</think>The answer is 27.", "27"),
        ("The <think> tag opens a thought. The answer is 27.", "27"),
        ("It is <|begin_of_box|>27<|end_of_box|>.", "27"),
        (r"abs <|x|> value \boxed{27}", "27"),
        ("<|begin_of_text|>The answer is 27.<|eot_id|>", "27"),
        (
            "<\uff5cbegin\u2581of\u2581sentence\uff5c>27<\uff5cend\u2581of\u2581sentence\uff5c>1",
            "27",
        ),
        ("<s>[INST] What is 1? [/INST] The answer is 27.</s> The answer is 1.", "27"),
        ("27<|im_end|>\n<|im_start|>user\nAnd 1?", "27"),
        ("27<end_of_turn>\n<start_of_turn>user\n1", "27"),
        ("Let me see.<|im_end|>\n<|im_start|>assistant\nThe answer is 27.<|im_end|>", "27"),
        ("<|user|>Is it 1?<|assistant|>The answer is 27.<|user|>The answer is 1.", "27"),
        ("The answer is 27.<|endoftext|>The answer is 1.", "27"),
    ],
)
def test_reads_the_turn_of_the_answer_only(text: str, answer: str) -> None:
    assert extract(text, gold="5").answer == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is **x+6**.", "x+6"),
        ("### Answer\n\n$$x+6$$", "x+6"),
        ("The answer is x**2.", "x**2"),
        ("Answer: (2n)!", "(2n)!"),
        ("The answer is $5$ km.", "5 km"),
        ("The answer $x+6$ is wrong.", ""),
        ("Answer: $z^*$", "z^*"),
        ("The answer is definitely not $x+6$.", ""),
        ("It is not $x+6$.", ""),
        ("The roots are \\boxed{1} and \\boxed{2}.", "1, 2"),
        ("(a) \\boxed{1}\n(b) \\boxed{2}", "1, 2"),
        ("\\boxed{1} goats and the number of toys is \\boxed{2}", "1, 2"),
        ("\\boxed{1} and then \\boxed{2}", "2"),
        ("First \\boxed{1}. On reflection, \\boxed{2}.", "2"),
        ("So \\boxed{1} and \\boxed{2}.\n\n**Final Answer**\n\\boxed{1}, \\boxed{2}", "1, 2"),
    ],
)
def test_reads_formulas_and_lists(text: str, answer: str) -> None:
    assert extract(text, gold="x, y").answer == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # a box or an answer that is taken back
        (r"So \boxed{30}. Wait, I counted one twice. The answer is 29.", "29"),
        ("\\boxed{30}\n\nHold on, I forgot the last row. The right value is 29.", "29"),
        (r"\boxed{30} is a tempting choice, but the true answer is 29.", "29"),
        (r"A frequent mistake gives \boxed{30}. The answer is 29.", "29"),
        (r"\boxed{30}, so the final result is 29.", "29"),
        ("The answer is 30. Oops, it should be 29.", "29"),
        ("The answer is ~30... no, 29.", "29"),
        ("The answer is ~~30~~ 29.", "29"),
        (r"\boxed{30}. Wait, let me check: 5 times 6 is 30. So the answer is 30.", "30"),
        ("\\boxed{30}\n\nWait, let me verify it for n = 2: we have 6.", "30"),
        # an answer that is not the response's own
        ("The naive answer is 30, but there are 29 posts.", "29"),
        ("The previous answer is 30. Adding 1 we get 31.", "31"),
        ("The answer is 30. If the answer is 31, then 31 is even.", "30"),
        ("The only possible answer is 30.", "30"),
        # words before and behind the number
        ("The answer is that he needs at least 30 tiles.", "30"),
        ("The answer is found by adding 10 and 20 to get 30.", "30"),
        ("The answer is the sum of both, i.e. 30.", "30"),
        ("The answer is 30, but not 31.", "30"),
        ("The answer is 30 if we count the host.", "30"),
        ("The answer is a total of 30 chairs.", "30"),
        (r"She must score at least $\boxed{30}$ points.", "30"),
        (r"He paid an average of $\boxed{30}$ dollars.", "30"),
        # what stands beside a box
        (r"$-\boxed{7}$", "-(7)"),
        (r"so $x = -\boxed{7}$.", "-(7)"),
        (r"$\boxed{7}^2$", "(7)^2"),
        (r"$\boxed{7}\pi$", r"(7)\pi"),
        (r"$\boxed{101}_2$", "101_2"),
        (r"\boxed{7}\%", r"7\%"),
        (r"$7^{-1} \equiv \boxed{3} \pmod{20}$", "3"),
        (r"- \boxed{7}", "7"),
        (r"Answer - $\boxed{7}$ - as said", "7"),
        (r"**\boxed{7}**", "7"),
        (r"**Answer:** > \boxed{7}", "7"),
        (r"$2 + 5 = \boxed{7} = 3 + 4$", "7"),
        (r"It is \boxed{7}!", "7"),
        (r"$\boxed{7}^\circ$", "7"),
        (r"$\boxed{7} \quad \text{(seven)}$", "7"),
        # the next question of a base model
        ("\\boxed{7}\n\nUser: And 4 + 4?\nAssistant: \\boxed{8}", "7"),
        ("The answer is 7.\n\nQ: What is 4 + 4?\nA: The answer is 8.", "7"),
        ("#### 7\n\nQuestion: Ann has 8 nuts.\nAnswer: #### 8", "7"),
        ("#### 7\n\nProblem 2: Ann has 8 nuts.\n#### 8", "7"),
        ("\\boxed{7}\n\n### Problem 2\n\\boxed{8}", "7"),
        ("We restate it.\nQuestion: what is 3 + 4?\nThe answer is 7.", "7"),
        ("Question: how many at first? Answer: 3\nQuestion: and now? Answer: 7", "7"),
        # a sentence that states a number as its result
        ("Step 1\nShe sells 9 eggs at $2, so she makes 9*2=$<<9*2=18>>18 a day.", "18"),
        ("First we add.\n16 people think that horse 12 wins.", "16"),
        ("We add up.\nHe walked 7 miles", "7"),
        ("If all come, we need more.\nThen it is 7 chairs.", "7"),
        ("I add.\nTherefore, her earnings are $460.", "460"),
    ],
)
def test_reads_what_an_answer_stands_beside(text: str, answer: str) -> None:
    assert extract(text, gold="5").answer == answer


@pytest.mark.parametrize(
    ("gold", "texts"),
    [
        # words that change the value before or behind them
        ("30", ["The answer is negative 30.", "The answer is twice 30", "It is one more than 30."]),
        (
            "30",
            ["The answer is the square root of 30.", "The answer is the number of divisors of 30"],
        ),
        (
            "30",
            [
                "The answer is almost 30.",
                "The answer is no more than 30.",
                "It lies between 20 and 30.",
            ],
        ),
        ("30", ["The answer is n, where n + 2 = 30.", "The answer is found by solving 3n = 30."]),
        ("30", ["The answer is 30 and a half.", "Answer: 30 (perhaps 31)", "Answer: 30 (base 7)"]),
        ("30", ["The answer is anything except 30.", "Answer: 30\n31", "Answer: ~~30~~"]),
        ("30", ["Thus the answer is said to be 30, but it is 29."]),
        # one value for each case
        (
            "30",
            ["The answer is 30 if k is odd and 29 if k is even.", "Answer: 30 for k > 0, else 29."],
        ),
        (
            "30",
            [
                "The answer is 30 only if k = 1.",
                "The answer would be 30 if flat, but it is 29 here.",
            ],
        ),
        ("30", [r"The answer is $30$ if $k>0$ and $29$ otherwise."]),
        # an answer that is none
        ("30", ["The wrong answer is 30.", "An expected answer is 30 but I got 29."]),
        # numbers that no sentence states as a result
        (
            "30",
            ["It can't be 30.", "Suppose it were 30. Contradiction.", "We need n > 30.", "Step 30"],
        ),
        ("30", ["Between 20 and 30", "From 20 to 30", "20 and 30", "I guess 30?", "Equation (30)"]),
        ("30", ["I cannot say. The text mentions 30.", "I thought it was 30 but it is not."]),
        (r"\frac{2}{3}", [r"The answer is minus $\frac23$.", r"The answer is $\frac23$ squared"]),
        (r"\frac{2}{3}", [r"We compare it with $\frac23$", r"The answer is half of $\frac{2}{3}$"]),
        ("x^2+1", [r"We reject $x^2+1$.", r"Consider $x^2+1$", r"The inverse of $x^2+1$ is odd"]),
        ("x^2+1", ["\\boxed{x^2+1}\nWait, we need its derivative. The answer is $2x$."]),
        ("(1,2)", [r"all real x not in $(1,2)$"]),
        # what stands beside a box
        (
            "7",
            [r"-\boxed{7}", r"2\boxed{7}", r"1\boxed{7}", r"\boxed{7}^2", r"\boxed{7}\times 10^3"],
        ),
        ("7", [r"\boxed{7}{,}000", r"\boxed{7}.3", r"\boxed{7}x", r"\boxed{7}i", r"$\boxed{7}!$"]),
        ("7", [r"\frac{1}{\boxed{7}}", r"\sqrt{\boxed{7}}", r"$x > \boxed{7}$", r"\boxed{7} < x"]),
        ("7", [r"minus \boxed{7}", r"fewer than \boxed{7}", r"It is at least \boxed{7}."]),
        ("7", [r"\boxed{7} or more", r"\boxed{7} and a half", r"I doubt that it is \boxed{7}"]),
        (
            "7",
            [
                r"$\left(\boxed{7}\right)^2$",
                r"$f(\boxed{7})$",
                r"$e^{\boxed{7}}$",
                r"$\log_2 \boxed{7}$",
            ],
        ),
        ("7", ["There might be 7.", "The sum must exceed 7.", "The lower bound is 7", "Hint: 7"]),
        ("7", ["The answer is 7 in the first case and 8 in the second."]),
        # several boxes that are no list
        (
            "3, 4",
            [r"\boxed{3} + \boxed{4}", r"\boxed{3}/\boxed{4}", r"\boxed{3} or maybe \boxed{4}"],
        ),
        ("3, 4", [r"First root \boxed{3}, extraneous \boxed{4}", "The answer is 3, 4, ..."]),
        (
            "3, 4",
            [r"The sum of \boxed{3} and \boxed{4} is 7.", r"\boxed{3} & \boxed{4} are both wrong"],
        ),
        # a box that never closes
        ("15", [r"We find that it is \boxed{\frac{15}{", r"So there are 15: \boxed{15"]),
    ],
)
def test_takes_no_part_of_a_statement_for_the_answer(gold: str, texts: list[str]) -> None:
    for text in texts:
        verdict = grade_response(gold=gold, response=text, truncated=False)
        assert not verdict.correct, (text, verdict.extracted)


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("-7", r"The answer is negative 7."),
        ("-7", r"minus $\boxed{7}$"),
        ("49", r"$\boxed{7}^2$"),
        ("7.5", "The answer is 7 and a half."),
        ("1/2", r"\boxed{50}\%"),
    ],
)
def test_what_stands_beside_a_value_counts(gold: str, text: str) -> None:
    assert grade_response(gold=gold, response=text, truncated=False).correct


def test_an_answer_before_the_next_question_is_complete() -> None:
    text = "The answer is 7.\n\nQuestion: Ann has 8 nuts and"
    assert grade_response(gold="7", response=text, truncated=True).correct


def test_takes_no_last_number_when_the_gold_is_no_number() -> None:
    text = "We used 3 steps and a lemma to get there.\nHence f is the identity on 2 sets, as shown."
    assert extract(text, gold="x+1").rule != "last_number"


@pytest.mark.parametrize(
    ("letter", "texts"),
    [
        ("A", ["Answer: A", "A", "a", "(a)", "A is correct here", "__Answer__: A", "Answer: a"]),
        ("A", ["The answer is A because it rains", "**Correct Answer:**\n(A) CH3C(H)(C2H5)"]),
        ("A", ["Choose (A)", "The answer is A, not B", "So, (A) is the answer."]),
        ("B", ["The answer is (B).", "It takes a car an hour. So I pick option B", "B. Monday"]),
        ("B", ["B/B", "ANSWER IS b", "Final answer - B", "Selected: B", "Option Selected: B"]),
        (
            "B",
            ["La r\u00e9ponse est B", "I would pick B \u2014 a safe choice", "\u7b54\u6848\u662fB"],
        ),
        (
            "B",
            [r"\boxed{B} \boxed{B}", "The answer is not A, so it must be B.", "It's not A but B"],
        ),
        ("B", ["B\n\nExplanation: A is wrong.", "B\u4e0d\u662f A", "<answer>(B) Monday</answer>"]),
        (
            "C",
            [r"\boxed{\text{(C)}}", r"\boxed{C. 42}", "answer: c", "Final Choice: c", "[C]", '"C"'],
        ),
        ("C", ["The answer is a matter of taste, hence (C)", r"\boxed{B}. No. Final answer: C"]),
        ("C", ["Antwort: C", "Therefore A is wrong and the answer is C", "- A is wrong.\nSo C."]),
        (
            "C",
            ['{"answer": "C"}', r"$\boxed{\textbf{(C)}\ 42}$", "The answer is `C`", r"\boxed{*C*}"],
        ),
        ("C", ["Is our answer: A. x, B. y\nSo our selection is option C. #### C"]),
        ("C", [r"8 = \boxed{?}\nSo our selection is option C. #### C "]),
        ("D", ["The answer: D, it doesn't make sense for it to be A or B", "A dog barks, so (D)"]),
        ("D", ["### Final Answer\n\n**D) Intubate**", "D: it is big", "The answer is for sure D"]),
        ("F", ["Some reasoning. [answer: F]"]),
        ("G", [r"\boxed{\text{Answer: G}}"]),
        ("L", ["The answer is (L)."]),
        # several letters, none, words and formulas
        ("", ["A/B/C", "A, B", "The answer is A or B", "Answer: A and B", r"\boxed{A, B}"]),
        ("", [r"\boxed{B} or \boxed{C}", "A and C are correct", "Both A and C", "#### A,B"]),
        ("", ["I don't know", "Answer: I don't know", "I am sure", "I, too, think so"]),
        ("", ["The answer is a", "The answer is a dog", "A dog", "Answer: Let me think"]),
        ("", ["A: Let's think step by step.", "The answer is V = IR", "Made of C(H)(CH3)."]),
        (
            "",
            [
                "The answer is (A) (B) (C) (D).",
                r"\boxed{\text{\neg C}}",
                "The answer is all except C.",
            ],
        ),
        ("", [r"It is $\boxed{C}$. No, wait: $\boxed{98765}$.", r"$\boxed{(C)}$ or $\boxed{7}$"]),
        ("", ["neither A nor B", "C is incorrect.", "The answer is C is wrong.", r"Answer: \ne C"]),
        (
            "",
            [r"The answer is either (E) or 98765.", "The answer is (E). No: the answer is 98765."],
        ),
    ],
)
def test_finds_choice_letters_and_takes_no_word_for_one(letter: str, texts: list[str]) -> None:
    for text in texts:
        found = extract(text, answer_type=AnswerType.CHOICE).answer
        assert choice_letter(found) == letter, text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is True.", "True"),
        ("So $f(x)=2$ is bounded, hence the statement is false", "false"),
        ("Yes, it converges.", "Yes"),
        (r"\boxed{\text{No}}", "No"),
        ("True, although it looks false.", "True"),
        ("The answer is true and false.", ""),
        ("The answer is neither true nor false.", ""),
        (r"\boxed{false, true}", ""),
    ],
)
def test_finds_a_yes_or_no(text: str, answer: str) -> None:
    assert extract(text, gold="True").answer == answer


def test_praise_of_an_answer_is_no_answer() -> None:
    assert extract("The answer is 59. This answer is correct.", gold="59").answer == "59"


def test_boxes_joined_in_one_sentence_are_all_claimed() -> None:
    text = r"$\boxed{1} \quad \text{and} \quad \boxed{2}$"
    assert extract(text, gold="1, 2").answer == "1, 2"
    assert extract(text, gold="2").answer == "1, 2"

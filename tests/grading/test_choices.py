"""A letter, or a yes or no, is the answer only where the response claims it."""

from __future__ import annotations

import pytest

from harness.grading import extract
from harness.grading.extraction.choices import choice_letter
from harness.grading.parsing.normalize import truth
from harness.types import AnswerType

#: What a response says, by the letter that it claims; empty where it claims none.
LETTERS: dict[str, dict[str, list[str]]] = {
    "taken back": {
        "D": ["Answer: A. Wait, no: D.", "The answer is A... hmm, actually D."]
        + ["A. Sorry, I mean D."]
        + ["Answer: A - no, D", "Final answer: A. Correction: D", "A\n\nHold on, it is D."]
        + ["Answer: A. On second thought, the right option is D.", r"\boxed{A}. No, D."]
        + ["**A**. Scratch that, it must be (D).", "Answer: ~~A~~ D", "Answer: <del>A</del> D"]
        + ["Answer: B. Wait, that is C. Actually, D.", "Answer: A, or rather D"]
        + ["Answer: D. Wait, A? No, A has the wrong sign."]
        + ["Answer: D. Wait, let me check A: it is negative. Fine.", "D. Actually, A is wrong."],
        "": ["Answer: D, maybe A", "Answer: D? A?", "Answer: D \u2192 A", "D -> A"]
        + ["D or perhaps A"]
        + ["Answer: D. Wait, that is wrong.", "D. Actually, this is incorrect."],
    },
    "under a condition": {
        "": ["The answer is D if the gas is ideal, otherwise A.", "D if x > 0, A if x < 0"]
        + ["D is correct only if n is even.", "D would be right if we neglected drag."]
        + ["The answer is D unless x is zero.", "D seems correct but is not."]
        + ["Option D is correct if we ignore air; else it is A."],
        "D": ["The answer is D, if I am not mistaken.", "D. If prices rise, demand falls"]
        + ["A would be right if g were 10. Since it is not, D."]
        + ["Thus D would be the right answer."]
        + ["The answer is (D) only if the plan is fair", "So D seems to be the best option."],
    },
    "another option's mark": {
        "": ["Wrong: D", "Incorrect answer: D", "The wrong option is D", "The incorrect choice: D"]
        + ["Second choice: D", "The answer is the opposite of D", "I choose the option before D."]
        + ["Everything here, D included", "Unsure, D or none", "The worst option is D."],
        "A": ["Right: A; wrong: D", "My choice is A, my second choice is D"]
        + ["Answer: A\nRunner-up: D"]
        + ["Correct answer: A. Incorrect answers: D", "The answer is A. The next best choice: D"],
    },
    "names and lists": {
        "": ["vitamin D", "hepatitis A", "Point D", "The answer depends on D"]
        + ["The pupil answered D."]
        + ["The answer is vitamin D.", "The answer is A Tale of Two Cities", "The answer is A.D."]
        + ["Option A: red\nOption B: blue\nOption C: green", "Option A is big.\n#### None"]
        + ["We are given the options: A. 2, B. 3. Neither is prime."]
        + ["1. A 2. D", "D)A", "A > D", "(D)\n(A)", "60% A, 40% D", "D (70%), A (30%)"]
        + ["The answer is B cells.", "The answer is D-dimer", "A. red\nB. blue\nC. green\nD. none"],
        "C": [
            "Option A: too big\nOption B: too small\nOption C: too old\nSo option C is right.",
            "Going through them.\n**Option C**: fits.",
        ],
        "B": ["The answer is B (hepatitis B)", "B. Vitamin D", "The answer is Paris (B)"]
        + ["B) B cells"],
    },
    "supposed, or another's choice": {
        "": ["If the answer is D, then 1 = 2.", "Suppose option D is correct. Then 1 = 2."]
        + ["I considered option D.", "Avoid option D.", "Do not choose D.", "I would not pick D."]
        + ["Pupils often choose option D, said many students.", "It is tempting to choose D."]
        + ["One might think the answer is D.", "The user selected D.", "Your answer is D."]
        + ["The key says the answer is D, but it is wrong.", "The answer is D, which is wrong."]
        + ["Option D fails.", "Option D has the wrong unit.", "D: incorrect", "D - wrong"]
        + ["All but D", "The answer starts with D", "The word has the letter D", "A D"],
        "D": ["Option D best fits.", "Option D is the only one left.", "This matches option D."]
        + ["I think the answer is D.\n\nDo you agree?", "So it is option D.\n\nHope it helps!"]
        + ["Answer: D\n\nOption A is too big. Option B is a distractor."]
        + ["If g is 10, the answer is D.", "Many disagree, but I choose D.", "B. False\n\nWait, D."]
        + ["Answer: A. However, D is the better answer.", "Answer: A\nEdit: D"]
        + ["Answer: A. Let me reconsider. It should be D.", "Answer: A (changed to D)"],
    },
}  # fmt: skip
_CLAIMS = [
    (letter, text)
    for kinds in LETTERS.values()
    for letter, texts in kinds.items()
    for text in texts
]


@pytest.mark.parametrize(("letter", "text"), _CLAIMS)
def test_a_letter_counts_only_where_it_is_claimed(letter: str, text: str) -> None:
    found = extract(text, answer_type=AnswerType.CHOICE).answer
    assert choice_letter(found) == letter


@pytest.mark.parametrize(
    ("verdict", "texts"),
    [
        ("", ["The claim is not always true.", "That can never be true.", "It cannot be true."]),
        ("", ["I do not believe that it is true.", "We cannot call it true."]),
        ("", ["It is hardly true."]),
        ("", ["In no way is it true.", "It fails to be true.", "Nothing here is true."]),
        ("", ["It is far from true.", "I doubt that it is true.", "The inverse is true."]),
        ("", ["The negation of it is true.", "The opposite is true.", "Were it true, 1 = 2."]),
        ("", ["It is true only for n = 1.", "It is true if n > 2.", "This is sometimes true."]),
        ("", ["The answer is half true.", "True for even n; false for odd n."]),
        ("", ["True if n is even."]),
        ("", ["Yes, but only for even n; in general no", "The answer cannot be yes.", "yes/no"]),
        ("", ["No, wait: yes", "Yes. Hmm, actually no.", "It may be true."]),
        ("", ["Is it true? Unclear."]),
        ("", ["True or false?", "The answer is neither true nor false.", r"\boxed{false, true}"]),
        ("", ["There is no reason to think so.", "It is true that many think so."]),
        ("", ["Yes.\n\nAfter more thought, the statement is false."]),
        ("false", ["The statement is not true.", "It isn't true."]),
        ("false", ["So it is not valid: not true."]),
        ("false", ["False. It would be true if n were odd.", "Hence the statement is false."]),
        ("false", ["False, because it is true only for n = 1."]),
        ("false", ["**False.** It is true for n = 1."]),
        ("false", ["Answer: False", r"The answer is \text{False}.", "The answer is not true."]),
        ("false", ["Many say it is true, but the statement is false.", r"\boxed{\textbf{False}}"]),
        ("true", ["True, although it looks false.", "The statement is therefore **true**."]),
        ("true", ["The claim is true for all n.", "It is not false.", "<answer>True</answer>"]),
        ("true", ["So the assertion must be true.", "Therefore, true.", "The answer is: True."]),
        ("true", ["By the lemma, f is bounded. Thus the given statement is indeed true."]),
        ("yes", ["Yes, it converges.", "So the answer is yes.", "Answer: Yes, since 3 > 2."]),
        ("yes", ["Yes! It is.", "The answer is **Yes** \u2014 it converges."]),
        ("yes", ["Yes\nIt is finite."]),
        ("", ["We want to show that it is true.", "It is as true as 1 = 2.", "It is true love."]),
        ("", ["At most one is true.", "Quite the opposite: true", "The premise is true."]),
        ("", ["To say it is true is wrong.", "The chance that it is true is 0."]),
        ("", ["It was thought to be true."]),
        ("false", ["True. But wait: n = 2 fails, so false."]),
        ("true", ["As f is not bounded, the statement is true.", "True is the answer."]),
        ("true", ["Because P is false, the implication is true.", "True\n\nf is continuous."]),
        ("true", ["Thus the statement is true. Take n = 2.", "We can conclude that it is true."]),
        ("true", ["Therefore the given statement is correct.", "The claim is valid."]),
        ("false", ["So the statement is incorrect.", "The claim is not valid."]),
        ("false", ["Although it is true for n = 1, the statement is false."]),
        ("", ["My reasoning is correct.", "The argument is not correct."]),
        ("", ["No. 5", "There are no others."]),
        ("no", ["No\nIt diverges."]),
        ("no", ["No.", "No, it diverges.", "The answer is no.", "So, no.", "**Answer:** No"]),
    ],
)  # fmt: skip
def test_a_yes_or_no_counts_only_where_it_is_claimed(verdict: str, texts: list[str]) -> None:
    for text in texts:
        found = extract(text, gold="True").answer.lower()
        assert (found if truth(found) is not None else "") == verdict, text

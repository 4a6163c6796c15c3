"""What stands beside a value: names, nouns, remarks; what of it leaves the value as it is."""

from __future__ import annotations

import pytest

from harness.grading import grade, grade_response

Pairs = list[tuple[str, str]]

EQUAL: dict[str, Pairs] = {
    "names of parts": [("(a,b)=(2,-7)", text) for text in ("a=2, b=-7", "b=-7, a=2", "2, -7")]
    + [("(a,b)=(2,-7)", "(b,a)=(-7,2)"), ("x=2, y=-7", "(y,x)=(-7,2)"), ("(2,-7)", "x=2, y=-7")]
    + [("Lena: 6", "6"), ("6", "Total cost: 6"), ("6", "Area of the roof = 6"), ("x=6", "Value: 6")]
    + [("6,8", "Lena: 8, Omar: 6"), ("6", r"\text{Area}: 6"), ("V=6", "Volume: 6")]
    + [
        ("6", "Least value: 6"),
        ("y=6x", "Equation: y=6x"),
        ("6", "6 inches long"),
        ("6", "Roots: 6"),
    ],
    "labels of anything": [("x>7", "Answer: x>7"), ("3:7", "Ratio: 3:7"), ("7, 8", "Roots: 7, 8")],
    "nouns": [("7 treeks", "7"), ("7 baths", "7"), ("7", "7 paths"), ("7", "7 ordered pairs")],
    "reasons": [
        ("40", f"40{text}")
        for text in (", because 5 times 8 is 40", " (5 boxes of 8)", ", as required", ", not 41")
    ]
    + [("40", "40 in total, so Mia has 40 books"), ("40", "40, which is the answer")],
    "nouns of parts": [
        ("6 plums, 8 figs", "8 figs, 6 plums"),
        *(("6 plums, 8 pears", text) for text in ("6, 8", "8 pears, 6 plums")),
        ("6 plums and 8 pears", "6 and 8"),
    ],
    "percent on all parts": [
        ("20%, 40%", "20, 40"),
        ("20, 40", r"20\%, 40\%"),
        ("0, 40%", "0, 40"),
    ],
    "conditions": [("x+6", r"x+6, x\ne0")],
    "units": [
        *(("7 kΩ", text) for text in (r"7\,\mathrm{k}\Omega", r"7k\Omega", r"7000\,\Omega")),
        *(("2.6 eV", "2.6 electron volts"), (r"\$6.20", "USD 6.20")),
        *(("2.5 hours", "two and a half hours"), ("2.5", "two and a half")),
    ],
    "articles": [("the sum is a prime number", "sum is prime number")],
}
DIFFERENT: dict[str, Pairs] = {
    "names of parts": [("(a,b)=(2,-7)", text) for text in ("b=2, a=-7", "y=2, x=-7", "a=-7, b=2")]
    + [
        ("(2,-7)", "y=2, x=-7"),
        ("6,8", "Rejected: 6, Accepted: 8"),
        (r"\text{Part 1}=6", "Part 2=6"),
    ]
    + [
        ("V=6", "Variance: 6"),
        ("A=6", "Apples: 6"),
        ("x=6", "Guess: x=6"),
        ("Total: 6", "Guess: 6"),
    ]
    + [
        ("6", f"{text}: 6")
        for text in ("Rejected", "Ruled out", "thousand", "Inverse", "Numerator")
    ]
    + [
        ("6", f"{text} = 6")
        for text in ("Total minus one", r"\text{Upper bound}", r"\mathrm{Guess}")
    ],
    "numbers beside numbers": [
        ("6", f"6 {text}")
        for text in ("thirteenths", "quintillions", "logs", "ppm", "tangents", "trios", "multiples")
    ],
    "numbers in the gold": [("7 thirteenths", "7"), ("7 quintillion", "7"), ("7 dozen", "7")]
    + [("7 plums", f"7 {text} plums") for text in ("ninth", "billion", "fewer", "tenfold")],
    "labels of anything": [
        *(("x>7", "Guess: x>7"), ("[1,7]", "Rejected = [1,7]"), ("3:7", "Wrong: 3:7")),
        *((r"\frac{1}{7}", r"\text{Odds: } \frac17"), ("7, 8", "7, Guess: 8")),
    ],
    "reasons": [
        ("40", f"40{text}")
        for text in (
            *(", because the answer is 42", ", as 41 is right", ", since 30+9 = 39", ", so 41"),
            *(" (tripled)", " (out of 90)", " (discarded)", ", as an upper bound", ", so far"),
            *(", since x < 40", ", because 40 is not it", ", since the answer is 41 and 5*8 = 40"),
        )
    ],
    "letters of both cases": [
        *(("Ω", "ω"), ("Γ+1", "γ+1"), ("3 Ω", "3 ω"), ("ΔDEF", "δDEF"), ("IN", "in")),
    ],
    "nouns of parts": [
        *((f"6 plums{and_} 8 pears", f"8{and_} 6") for and_ in (",", " and")),
        ("6 m, 8 s", "8, 6"),
        ("6 plums", "6x plums"),
        ("6 y plums", "6"),
    ],
    "percent on one part": [("-7, 6", "-7%, 6"), ("20%, 40", "20, 40")],
    "units": [
        *(("7 kΩ", r"7\,\mathrm{M}\Omega"), ("2.6 eV", "2.6 volts"), (r"\$6.20", "EUR 6.20")),
        ("2.5 hours", "two and a half minutes"),
    ],
    "conditions without a name": [("x+6", r"x+6, 7\ne0")],
    "letters before words": [(r"-6A \text{ or }7", r"-6 \text{ or }7"), ("A or x > 7", "or x > 7")],
    "commas": [("12,345", "345,12"), ("1,234", "1, 234"), ("345, 12", "12,345")],
}


def flat(table: dict[str, Pairs]) -> Pairs:
    return [pair for pairs in table.values() for pair in pairs]


@pytest.mark.parametrize(("gold", "answer"), flat(EQUAL))
def test_takes_it_off(gold: str, answer: str) -> None:
    assert grade(gold=gold, answer=answer).correct


@pytest.mark.parametrize(("gold", "answer"), flat(DIFFERENT))
def test_keeps_it(gold: str, answer: str) -> None:
    assert not grade(gold=gold, answer=answer).correct


@pytest.mark.parametrize(
    ("response", "correct"),
    [
        ("The answer is 6 months.", True),
        ("The answer is 6, because 2+4 = 6 is the correct answer.", True),
        ("The answer is 6, since the correct number is 6.", True),
        *(
            (f"The answer is 6 {word}.", False)
            for word in ("twelfths", "ten-thousandths", "tenfold")
        ),
        *((f"So the total is 6 {word}.", False) for word in ("elevenths", "quintillion")),
        ("The answer is 6, because the correct value is 7.", False),
        ("Rejected: 6", False),
    ],
)
def test_what_stands_beside_a_claimed_number(response: str, correct: bool) -> None:
    assert grade_response(gold="6", response=response, truncated=False).correct == correct

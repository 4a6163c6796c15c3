"""The rules of docs/grading.md, each with pairs it makes equal and pairs it keeps apart."""

from __future__ import annotations

import pytest

from harness.grading import grade
from harness.types import Status

Pairs = list[tuple[str, str]]

EQUAL: dict[str, Pairs] = {
    "numbers": [("7", "7.0"), ("07", "7"), (".5", "0.50"), ("-1/2", r"\frac{-1}{2}")]
    + [(r"\frac{10!}{8!}", "90"), ("3^{2025}", r"3^{2024}\cdot 3"), ("2", "1+1")],
    "series": [("6", r"\sum_{i=1}^{3} i"), ("14", r"\sum_{k=1}^3 k^2"), ("24", r"\prod_{i=1}^4 i")]
    + [("-3", r"\sum_{k=1}^{3} i^2"), ("18", r"\sum_{i=1}^{2}\sum_{j=1}^{3} ij")],
    "thousands": [("1250", "1,250"), ("1000000", r"1\,000\,000"), ("12 345", "12345")]
    + [("16386.20", r"\$16,\!386.20"), ("23000", r"\$23{,}000")],
    "decimal comma": [("3,5", "3.5"), ("0,111", "0.111"), ("1000.99", "1000,99")],
    "scientific notation": [("6.02e23", r"6.02 \times 10^{23}"), ("0.0015", r"1.5\cdot10^{-3}")]
    + [("3 x 10^8", "300000000"), ("3.54*10^{-7}", "3.54e-07")],
    "percent": [(r"50\%", "0.5"), ("0.25", "25%"), ("50", r"50\%"), (r"12.5\%", "12.5 percent")],
    "currency": [(r"\$12.50", "12.5"), (r"\$1,250", "1250"), ("12", "12 dollars")],
    "mixed numbers": [(r"2\frac{1}{2}", "2.5"), ("2 1/2", r"\frac52"), (r"-1\frac{3}{4}", "-1.75")],
    "degrees": [(r"45^\circ", "45"), (r"\frac{\pi}{4}", r"45^\circ"), ("30 degree", "30°")],
    "units": [("3 cm", "0.03 m"), (r"90\text{ km/h}", r"25\text{ m/s}"), ("5", "5 apples")]
    + [(r"0.4\text{ l}", r"400\text{ cm^3}"), (r"20\text{ C}", r"293.15\text{ K}")]
    + [("1.5 hours", "90 minutes"), (r"72\text{ cm}^2", "72"), ("10 ohm", "10 Ω")],
    "calculator digits": [(r"\frac13", "0.3333333333"), (r"\sqrt{2}", "1.41421356")],
    "rounded gold": [("0.458", r"\frac{27}{59}"), ("6.67", "20:3"), ("33.3", r"\frac{100}{3}")],
    "plus-minus": [(r"3\pm\sqrt2", r"3-\sqrt2, 3+\sqrt2"), (r"x=\pm3", r"x=3 \text{ or } x=-3")]
    + [(r"(\pm1,2)", "(1,2),(-1,2)"), (r"(1,1),(1,-1),(-1,1),(-1,-1)", r"(\pm1,\pm1)")],
    "labels": [("5", "x = 5"), ("f(x)=x^2", "x^2"), (r"V_{\text{max}}=4", "4"), ("N=n", "n")]
    + [("3, 4", "a=3, b=4"), ("(3,4)", "(x,y)=(3,4)"), ("(3, 4)", "x=3, y=4"), ("AB=5", "5")]
    + [("7,14,18", "Paolo: 18, Qing: 14, Rayna: 7"), ("1/3", r"x=1/3\approx0.333")],
    "dummy names": [("f(z)=z", "f(x)=x"), (r"x=k\pi, k\in\mathbb{Z}", r"n\pi, n\in\mathbb{Z}")]
    + [("(2+3x, 4-x)", r"(2+3t, 4-t) \text{ for some integer } t"), ("x^2+C", "x^2+c")],
    "equations": [("3x+4y=12", "4y=12-3x"), ("y=2x-5", "(y+5)/x=2"), ("xy=6", r"\frac6x")]
    + [("3x+6=12", "x=2"), ("2x+4y=6", "x+2y=3"), ("x^2+y^2=4", "y^2=4-x^2")],
    "inequalities and intervals": [("(1,4]", r"1<x\leq 4"), ("x>2", "2<x"), ("x>1", "2x>2")]
    + [(r"(-\infty,1)\cup(2,\infty)", r"x<1 \text{ or } x>2"), (r"-2<x<2", "|x|<2")]
    + [(r"\mathbb{R}\setminus\{2\}", r"x\ne 2"), (r"\{x\mid x>3\}", r"(3,\infty)")]
    + [(r"a\le-2 \text{ or } a=1", r"(-\infty,-2]\cup\{1\}"), (r"x^{2}-3a<0", r"3x^{2}<9a")]
    + [("x>y", "y<x"), ("0<f(x)<1", "(0,1)")],
    "order": [("1,2,3", "3, 2 and 1"), (r"\{1,2\}", r"\{2,1,1\}"), ("(2,3),(4,5)", "(4,5),(2,3)")]
    + [("p=5,q=2;p=7,q=2", "(5,2),(7,2)")],
    "vectors and matrices": [(r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)")]
    + [(r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}")]
    + [(r"\begin{pmatrix}2\\4\end{pmatrix}", r"2\begin{pmatrix}1\\2\end{pmatrix}")],
    "bases": [("11_{10}", "1011_2"), ("2516_8", "2516_{8}")],
    "ratios and times": [("3:4", r"\frac34"), ("1:2:3", "2:4:6"), ("2:1", "2 to 1")]
    + [("12:30", r"12\text{:}30")],
    "text": [("Monday", r"\text{monday}"), ("line segment, circle", "line segment and circle")]
    + [(r"\text{infinitely many}", r"\infty"), (r"\emptyset", "no solution"), ("five", "5")],
    "booleans and letters": [("True", "yes"), (r"\text{No}", "false"), ("B", r"\textbf{(B)}")],
    "identities": [(r"\sin^2\theta", r"1-\cos^2\theta"), (r"\ln(a^2b)", r"2\ln a+\ln b")]
    + [(r"\frac{\tanh x}{2}+\frac12", r"\frac{1}{1+\exp(-2x)}"), (r"e^{i\pi}", "-1")]
    + [(r"\binom{n}{2}", r"\frac{n(n-1)}2"), (r"(-\cos x)^n", r"(-1)^n\cos^n x")]
    + [("|x|", r"\sqrt{x^2}"), (r"\log 100", "2"), (r"\sqrt[3]{-8}", "-2"), ("pi/2", r"\frac\pi2")]
    + [("factorial2(n+1)", "(n+1)!!"), ("2*asin(1)", "pi"), (r"\frac2\pi", r"\frac{2}{\pi}")],
}
DIFFERENT: dict[str, Pairs] = {
    "numbers": [
        ("2^{-99}", "2^{-98}"),
        ("10^{-10}", "0"),
        ("0", "10^{-20}"),
        ("1000000", "1000000.4"),
    ]
    + [
        ("2025!", "2024!"),
        (r"\infty", "x+1"),
        ("12", "1, 2"),
        ("10^{10^{10}}", "42"),
        ("x+1", "x+1+10^{-9}"),
    ],
    "thousands": [("1250", "1.250"), ("1,250", "1.25"), ("123", "1,2,3"), ("6984", "69,84")],
    "percent": [(r"50\%", "5"), ("50%", "0.05"), ("0.5", "50"), (r"10\%", r"20\%")],
    "mixed numbers": [(r"2\frac{1}{2}", "1")],
    "degrees": [("30", r"\frac{\pi}{6}"), (r"45^\circ", r"\frac{\pi}{3}")],
    "units": [
        ("3 cm", "3 m"),
        (r"5\text{ m}", r"5\text{ kg}"),
        ("3 cm", "3 cm^2"),
        ("1 h", "1 min"),
    ]
    + [(r"-9.81\text{ m/s^2}", r"-9.81\text{ m/s}"), (r"7\text{ goats}", r"8\text{ goats}")],
    "rounding": [(r"\frac13", "0.33"), (r"\pi", "3.14159"), ("0.5", "0.50001"), ("3.142", "3.15")],
    "plus-minus": [(r"3\pm\sqrt2", r"3+\sqrt2"), ("3", r"\pm3"), (r"x=\pm3", "3")],
    "labels": [("x=5", "y=5"), ("a=3,b=4", "a=4,b=3"), ("f(2)=3", "f(5)=3"), ("f(x)=x^2", "x^3")],
    "dummy names": [("x^2+2x+1", "y^2+2y+1"), ("n", "m"), (r"k\pi", "k"), ("aB", "Ab")],
    "equations": [("y=2x+1", "y=x+2"), ("x=y", r"\sqrt{x}=\sqrt{y}"), ("x^2=a", r"x=\sqrt{a}")]
    + [("f(2)=f(3)+4", "f(5)=f(7)+4"), ("x^2+y^2=25", "x^2+y^2=5")],
    "inequalities and intervals": [("[1,2)", "(1,2]"), ("x<3", r"x\le3"), (r"(-\infty,-5]", "x<-5")]
    + [("(1,2)", "[1,2]"), ("x>1", "x>1 or x<0"), (r"\mathbb{R}", r"(0,\infty)")],
    "order": [("(3,4)", "(4,3)"), ("(3,1)", r"\{1,3\}"), ("1,2,3", "1,2"), ("[1,2,3]", "[3,2,1]")],
    "bases": [("101_2", "101"), ("101_2", "101_3")],
    "ratios and times": [("3:4", "4:3"), ("12:00", "1:00"), (r"10:30\text{ AM}", "10:30 PM")],
    "text": [("Monday", "Tuesday"), (r"\emptyset", r"\{0\}"), ("five", "6"), ("even", "odd")],
    "identities": [(r"\sqrt{x^2}", "x"), (r"\sin x", r"\cos x"), (r"\ln 2", r"\log_{10}2")]
    + [("(x-a)^{5999}", "(x-a)^{6000}"), ("n!", "(n-1)!"), ("x", "X"), ("x_1", "x_2")],
}


def flat(table: dict[str, Pairs]) -> list[tuple[str, str]]:
    return [pair for pairs in table.values() for pair in pairs]


@pytest.mark.parametrize(("gold", "answer"), flat(EQUAL))
def test_makes_equal(gold: str, answer: str) -> None:
    assert grade(gold=gold, answer=answer).correct


@pytest.mark.parametrize(("gold", "answer"), flat(DIFFERENT))
def test_keeps_apart(gold: str, answer: str) -> None:
    verdict = grade(gold=gold, answer=answer)
    assert not verdict.correct
    assert verdict.status is Status.OK


@pytest.mark.parametrize("text", [side for pair in flat(EQUAL) + flat(DIFFERENT) for side in pair])
def test_every_gold_equals_itself(text: str) -> None:
    assert grade(gold=text, answer=text).correct
    assert grade(gold=text, answer=f" {text} ").correct


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        # What the evaluator calls equal though it is not …
        ("0", "1e-8", True),
        ("0.04", "0.01", True),
        ("2.04", "1.96", True),
        ("1.0e-19", "2.88e-19", True),
        ("5000", "50", True),
        ("6984", "69,84", True),
        # … and unequal though it is.
        ("69,84", "84, 69", False),
        ("[0, 5]", "0,5", False),
        ("1/3", "0.333", False),
        ("True", "yes", False),
        ("(c)", "C", False),
        ("3", "4", False),
        ("x+1", "x-1", False),
        (r"\frac12", "0.5", True),
        ("5", "five", True),
    ],
)
def test_the_papers_evaluator_is_followed_into_its_quirks(
    gold: str, answer: str, correct: bool
) -> None:
    assert grade(gold=gold, answer=answer, profile="cft-paper").correct is correct

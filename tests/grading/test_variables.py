"""What an answer's letters stand for: families, constants, conditions, the imaginary unit."""

from __future__ import annotations

import pytest

from harness.grading import grade

INTEGERS = r"6k\pi, k\in\mathbb{Z}"

SAME = [
    # A family counted by another letter.
    (r"6k\pi", r"6n\pi"),
    (r"\frac{(4k+1)\pi}{8}", r"\frac{\pi(4m+1)}{8}"),
    (r"\arctan5+k\pi", r"n\pi+\arctan5"),
    (r"20^\circ+180^\circ k", r"180^\circ n+20^\circ"),
    (INTEGERS, r"6k\pi"),
    (INTEGERS, r"6n\pi \text{ for any integer } n"),
    (INTEGERS, r"6n\pi \, (n \in \mathbb{Z})"),
    (r"x=6k\pi(k\in\mathbf{Z})", r"x=6k\pi"),
    (INTEGERS, r"x=6m\pi, where m is an integer"),
    (r"6k\pi, k\in\mathbb{N}", r"6k\pi \text{ where } k \text{ is a positive integer}"),
    (r"x\equiv2\pmod9", r"9k+2, k\in\mathbb{Z}"),
    ("(1+5s, 2-s)", r"(1+5t, 2-t) \text{ for some integer } t"),
    (r"ax \text{ for any real } a", "bx, where b is a real constant"),
    # Constants of integration.
    ("x^3+C", "x^3+K"),
    ("y=Ce^{2x}", "y=C_1e^{2x}"),
    ("y=Ce^{2x}", "y=Ae^{2x}, where A is a constant"),
    (r"c_1\cos x+c_2\sin x", r"A\cos x+B\sin x"),
    (r"\ln x+c", r"\ln x+C"),
    (r"c x^{-3}-\frac{\sin x}{x^3}", r"-\frac{\sin x}{x^3}+\frac{C}{x^3}"),
    # A derivative is an unknown like another.
    (r"L \frac{dq}{dt}+R q=u", r"\frac{d q}{d t} = \frac{u}{L} - \frac{R}{L} q"),
    # What such formulas are usually for.
    (r"\frac{1}{2n}", r"\frac{1}{2n} \text{ for } n \ge 1"),
    (r"\frac{1}{2x}", r"\frac{1}{2x}, x \ne 0"),
    (r"f(x)=\sqrt{3x}", r"f(x)=\sqrt{3x}, x \ge 0"),
    ("2^k for any k>3", "2^n for any n>3"),
    # The imaginary unit.
    ("4-3i", "4-3*I"),
    ("4+3i", "4+3j"),
    (r"e^{i\pi/5}", "exp(I*pi/5)"),
    ("m+i n", "m + I*n"),
    ("V=IR", "V = I R"),
    # Operations with a letter.
    *[(r"n \bmod 5", "n mod 5"), (r"n^2 \bmod 5", r"n^2 \text{ mod } 5")],
    *[(r"\binom{n}{3}", "C(n,3)"), (r"\binom{2n}{n}", "C(2n, n)"), ("n(n+1)/2", "C(n+1,2)")],
    # Products of letters; a change is one name.
    *[("wx", "xw"), ("pqr", "rqp"), ("pqr", "qpr"), ("V=IR", "V=RI")],
    *[(r"\{THT, TTH\}", r"\{TTH, THT\}"), ("pi", "Pi")],
    *[(r"m\Delta v\,q", "qmΔv"), (r"\Delta \vec{v}", r"\Delta{v}"), ("Delta x", r"\Delta x")],
    *[(r"\frac{\Delta y}{\Delta x}", "Δy/Δx"), (r"p\sqrt{\Delta}", r"\sqrt\Delta p")],
    *[(r"\Delta p\Delta x", r"\Delta x\Delta p"), (r"\Delta = p^2-8q", "p^2-8q")],
    (r"13", r"\left\|\begin{pmatrix}5\\12\end{pmatrix}\right\|"),
    # Arguments and running letters.
    ("f(x)=x^2", "f(y)=y^2"),
    ("f(x,y)=x+2y", "f(a,b)=a+2b"),
    (r"\{2k: k\in\mathbb{Z}\}", r"\{2n: n\in\mathbb{Z}\}"),
    (r"\{ak: k\in\mathbb{Z}\}", r"ak, k\in\mathbb{Z}"),
    ("3", r"\log(8,2)"),
]
DIFFERENT = [
    ("x-ct", "x-Ct"),
    ("mc^2", "mC^2"),
    (r"L \frac{dq}{dt}+R q=u", r"\frac{dq}{dt} = \frac{u}{L} + \frac{R}{L} q"),
    # Letters of physics beside pi.
    (r"2\pi\sqrt{l/g}", r"2\pi\sqrt{n/g}"),
    (r"3\pi n^2", r"3\pi k^2"),
    (r"\pi m v", r"\pi n v"),
    (r"\sin(k\pi x)", r"\sin(n\pi x)"),
    # Other members of the family.
    *[
        (INTEGERS, rf"6k\pi, {said}")
        for said in (
            r"k\in\mathbb{N}", r"k\in\mathbb{R}", r"k\in\mathbb{Z}^+", "k is a negative integer",
            r"k\in\mathbb{Z}, k\ne0", "k>0", r"k\in\mathbb{Z}_{\ge 0}",
        )
    ],
    (INTEGERS, r"6n\pi, n\in\mathbb{N}"),
    (r"6k\pi", r"6n\pi, n\in\mathbb{N}"),
    (r"x=6k\pi \text{ or } x=1+6k\pi", r"x=6k\pi, x=1+6k\pi, k\in\mathbb{N}"),
    ("y=Ce^{2x}", "y=Ae^{2x} where A is a positive constant"),
    (r"\{6k\pi : k\in\mathbb{Z}\}", r"6k\pi, k\in\mathbb{N}"),
    (r"6k\pi", r"6k\pi for some positive integer k"),
    ("y=Ce^{2x}", "y=Ce^{2x}, C>0"),
    (r"x\equiv2\pmod9", r"9n+2, n\in\mathbb{R}"),
    (r"x\equiv2\pmod9", "9k+2, k>0"),
    # Quantities, whatever is said of them.
    ("3a^2", "3b^2, where b is real"),
    (r"\pi R^2 H", r"\pi r^2 H, where r is a constant"),
    ("x^2", "n^2, where n is an integer"),
    ("ax^2", "bx^2 for some $b>0$"),
    ("mc^2", "mC^2"),
    ("mc^2", "m c_1^2"),
    ("c_1x", "c_2x"),
    ("Q=CU", "Q=KU"),
    (r"\frac12 CV^2", r"\frac12 AV^2"),
    # Conditions that choose.
    ("n+4", "n+4 for n<0"),
    ("n+4", r"n+4 for n \ge 50"),
    ("x^3", "x^3 for x>7"),
    ("8", "8 for n>3"),
    ("x=8", r"x=8, y \ne 3"),
    ("n^2+4 for n>1", "n^2+4 where m>1"),
    # Currents and unit vectors.
    ("i", "j"),
    ("7i", "7j"),
    ("IR", "iR"),
    ("I^2R", "-R"),
    ("V=IR", "V=jR"),
    (r"\frac12I\omega^2", r"\frac12i\omega^2"),
    *[(text, f"{text} mod 5") for text in ("n", "3", "e", "x+3", r"18+2\pi")],
    *[(r"n \bmod 5", "n mod 6"), (r"\binom{n}{3}", "C(n,2)")],
    # Letters in another order are another word; a change belongs to its letter.
    *[("XI", "IX"), ("THT", "TTH"), ("HT", "TH"), ("THT, HHT", "TTH, HTH"), ("tip", "pit")],
    *[(r"\mathrm{LX}", "XL"), (r"\{THT\}", r"\{TTH\}")],
    *[(r"p\Delta V", r"V\Delta p"), (r"\Delta v", r"v\Delta")],
    (r"\Delta\lambda", r"\lambda\Delta"),
    # Degrees within a function, periods of real letters.
    (r"\sin20^\circ", r"\sin20"),
    (r"\cos60^\circ+4", r"\cos60+4"),
    (r"\cos(2\pi m)", r"\cos(6\pi m)"),
    # Signs that are free of each other; norms; vectors.
    (r"\pm2\pm\sqrt3", r"2+\sqrt3, -2-\sqrt3"),
    (r"\pm3\pm4", "7,-7"),
    ("-5", r"\|\begin{pmatrix}1&3\\2&1\end{pmatrix}\|"),
    ("[4,5]", r"\begin{pmatrix}4\\5\end{pmatrix}"),
    # Noise of doubles beside whole numbers and decimals.
    ("1000000000000003", "1000000000000003.5"),
    ("123456789012345", "123456789012345.6"),
    ("200000000000000", "200000000000001.0"),
    # Ends that 60 digits do not tell apart.
    (r"[e^{200},\infty)", r"[e^{200}+1,\infty)"),
    ("[1,2]", r"[1+e^{-300},2]"),
    # Arguments and running letters.
    ("f(x)=x^2", "f(y)=x^2"),
    ("f(x)=ax", "f(a)=ax"),
    (r"\{ak: k\in\mathbb{Z}\}", r"\{ak: a\in\mathbb{Z}\}"),
    (r"\{ak: k\in\mathbb{Z}\}", r"ak, a\in\mathbb{Z}"),
    (r"ak, k\in\mathbb{Z}", r"ak, a\in\mathbb{Z}"),
    ("3", r"\log(8,2,5)"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_the_same_whatever_its_letters(gold: str, answer: str) -> None:
    assert grade(gold=gold, answer=answer).correct


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_not_the_same_for_its_letters(gold: str, answer: str) -> None:
    assert not grade(gold=gold, answer=answer).correct

"""What a text is read as, and that whatever prints an expression is read back as the same one."""

from __future__ import annotations

import contextlib
import random
import time
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.grading import grade
from harness.grading.equivalence.answer import Answer
from harness.grading.equivalence.compare import same
from harness.grading.parsing.normalize import normalise, rational, same_text
from harness.grading.parsing.parser import parse
from harness.grading.parsing.tree import Node, ParseError, number

PIECES = st.sampled_from(
    ["\\frac", "{", "}", "(", ")", "[", "]", "1", "23", "x", "\\pi", "^", "_", "+", "-", "=", ","]
    + [
        "\\sqrt",
        "\\text{",
        " and ",
        "\\le",
        "<",
        "%",
        "!",
        " ",
        ".",
        "\n",
        ":",
        "|",
        "'",
        "&",
        "\\",
    ]
    + ["\\infty", "\\cup", "\\{", "\\}", "\\begin{cases}", "\\end{cases}", "\\\\", "\\overline"]
    + ["\\log", "log2", "\\pmod", "\\equiv", "\\mathbb{Z}", "...", "0.3", "½", "√", "³", "₁", "三"]
    + [
        "\\",
        "dy/dx",
        "\\binom",
        "C",
        "\\sin",
        "mod",
        "base ",
        "0x",
        "E",
        "e",
        "\\int",
        "\\hat",
        "$",
        "~",
    ]
)
JUNK = st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=30)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=JUNK)
def test_a_text_is_read_or_refused(text: str) -> None:
    for thousands in (True, False):
        with contextlib.suppress(ParseError):
            parse(text, thousands=thousands)
    assert same_text(normalise(text), normalise(text))


ENDLESS = (
    "1+", "-", "(", "x^", "{", "\\sqrt", "\\frac", "2^{", "1 ", "123,", "\\text{", "|", "x_", "!",
    "\\left[", "0.", "d", "\\frac{d", "_{", "{}^", "(mod ", "1.2.3", "\\\\", "\\begin{matrix}", "'",
    "2\\frac{", "2\\frac2{", "\\sin ",
    "\\overline{", "a,", "[1,", "]1,", "+-", "E", "base ", "log2", "\\mathbb{", "1_", "½", "x²",
)  # fmt: skip


@pytest.mark.parametrize("piece", ENDLESS)
def test_ten_thousand_characters_are_read_or_refused_at_once(piece: str) -> None:
    started = time.process_time()
    for text in (piece * (10_000 // len(piece)), piece * 300, "x = " + piece * 40 + "x"):
        with contextlib.suppress(ParseError):
            parse(text)
    assert time.process_time() - started < 1


# -- round trip --------------------------------------------------------------------------------

LEAVES = (
    st.integers(0, 30).map(number)
    | st.sampled_from(["x", "y", "a_1", "alpha"]).map(lambda name: Node("sym", value=name))
    | st.sampled_from(["pi", "e"]).map(lambda name: Node("const", value=name))
)


def _grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    pairs = st.tuples(inner, inner)
    functions = st.sampled_from(["sin", "cos", "ln", "sqrt", "abs", "exp", "arctan", "cosh"])
    return (
        pairs.map(lambda args: Node("add", args))
        | pairs.map(lambda args: Node("mul", args))
        | pairs.map(lambda args: Node("div", args))
        | inner.map(lambda arg: Node("neg", (arg,)))
        | st.tuples(inner, st.integers(2, 3)).map(lambda p: Node("pow", (p[0], number(p[1]))))
        | st.tuples(functions, inner).map(lambda p: Node("fn", (p[1],), p[0]))
    )


TREES = st.recursive(LEAVES, _grown, max_leaves=7)


class Printer:
    """Writes a tree as some person, model or program might."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._style = self._random.choice(["latex", "plain", "unicode"])

    def _one_of(self, *ways: str) -> str:
        return self._random.choice(ways)

    def _space(self) -> str:
        return self._one_of("", "", " ", "\\, " if self._style == "latex" else "  ")

    def enclosed(self, text: str) -> str:
        if self._style != "latex":
            return self._one_of(f"({text})", f"({text})", f"[{text}]")
        return self._one_of(f"({text})", f"\\left({text}\\right)", f"\\left[{text}\\right]")

    def write(self, node: Node, level: int = 0) -> str:
        """Write a node; ``level`` is 1 inside a product, 2 below a power."""
        text, own = self._written(node)
        return self.enclosed(text) if own < level else text

    def _written(self, node: Node) -> tuple[str, int]:
        args = node.args
        match node.kind:
            case "num":
                return str(node.value), 3
            case "sym" | "const":
                return self._name(str(node.value)), 3
            case "add":
                left = self.write(args[0])
                if args[1].kind == "neg":
                    right = self.write(args[1].args[0], 1)
                    return f"{left}{self._space()}{self._one_of('-', '−')}{self._space()}{right}", 0
                return f"{left}{self._space()}+{self._space()}{self.write(args[1], 1)}", 0
            case "neg":
                return f"-{self.write(args[0], 2)}", 0
            case "mul":
                return self._product(args), 1
            case "div":
                return self._quotient(args)
            case "pow":
                return self._power(args), 2
        return self._function(str(node.value), args[0])

    def _name(self, name: str) -> str:
        ways: dict[str, dict[str, tuple[str, ...]]] = {
            "a_1": {"latex": ("a_1", "a_{1}", "{a}_{1}"), "unicode": ("a₁",)},
            "alpha": {"latex": ("\\alpha ",), "unicode": ("α",)},
            "pi": {"latex": ("\\pi ", "{\\pi}"), "unicode": ("π",)},
            "e": {"latex": ("e", "\\mathrm{e}")},
            "x": {"latex": ("x", "{x}"), "unicode": ("x", "𝑥")},
        }
        return self._one_of(*ways.get(name, {}).get(self._style, (name,)))

    def _product(self, args: tuple[Node, ...]) -> str:
        left, right = self.write(args[0], 1), self.write(args[1], 2)
        signs = {"latex": ("\\cdot ", "\\times ", "\\cdot{}"), "unicode": ("·", "×", "∙", "⋅")}
        joined = self._one_of("*", *signs.get(self._style, ("*",)))
        # Side by side only where no digit, letter or function name meets another.
        if right.startswith(("(", "\\left")) and args[0].kind == "num" and "\\cdot{}" not in joined:
            joined = self._one_of(joined, "", " ")
        if args[0].kind == "num" and args[1].kind == "sym":
            joined = self._one_of(joined, "", " ")
        return f"{left}{self._space()}{joined.replace('{}', ' ')}{self._space()}{right}"

    def _quotient(self, args: tuple[Node, ...]) -> tuple[str, int]:
        if self._style == "latex" and self._random.random() < 0.7:
            command = self._one_of("\\frac", "\\dfrac", "\\tfrac", "\\cfrac")
            # Behind a whole number a bare proper fraction would make a mixed number.
            return f"{{{command}{{{self.write(args[0])}}}{{{self.write(args[1])}}}}}", 3
        return f"{self.write(args[0], 1)}{self._one_of('/', ' / ')}{self.write(args[1], 2)}", 1

    def _power(self, args: tuple[Node, ...]) -> str:
        base, exponent = self.write(args[0], 3), str(args[1].value)
        if self._style == "latex":
            return base + self._one_of(f"^{exponent}", f"^{{{exponent}}}", f" ^ {{ {exponent} }}")
        if self._style == "unicode":
            return base + "⁰¹²³⁴"[int(exponent)]
        return base + self._one_of("^", "**") + self._one_of(exponent, f"({exponent})")

    def _function(self, name: str, arg: Node) -> tuple[str, int]:
        inner = self.write(arg)
        if name == "abs":
            if self._style == "plain":
                return f"abs({inner})", 3
            return (f"\\left|{inner}\\right|", 3) if "|" not in inner else (f"abs({inner})", 3)
        if name == "sqrt":
            if self._style == "latex":
                return self._one_of(f"\\sqrt{{{inner}}}", f"\\sqrt[2]{{{inner}}}"), 3
            return (f"√({inner})" if self._style == "unicode" else f"sqrt({inner})"), 3
        if self._style != "latex":
            return f"{name}({inner})", 2
        command = self._one_of(f"\\{name}", f"\\operatorname{{{name}}}", f"\\mathrm{{{name}}}")
        return command + self._one_of(f"({inner})", f"\\left({inner}\\right)", f"{{{inner}}}"), 2


@settings(
    max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(tree=TREES, seed=st.integers(0, 10**6))
def test_a_printed_expression_is_read_back(tree: Node, seed: int) -> None:
    text = Printer(seed).write(tree)
    read = parse(text)
    assert read == tree or same(Answer(tree), Answer(read)) is not False, (text, read)


# -- notations ---------------------------------------------------------------------------------

MATRIX = r"\begin{pmatrix} 1&2 \\ 3&4 \end{pmatrix}"
SWAP = r"\begin{pmatrix} 0&1 \\ 1&0 \end{pmatrix}"
#: Notations of the same thing, by kind.
ALIKE = [
    # numerals
    ("101_2", "5"), ("2516_{eight}", "1358"), ("(101)_2", "5"), ("1A_{16}", "26"), ("0x1A", "26"),
    (r"212\text{ (base 3)}", "23"), ("1_000", "1000"), ("三", "3"), ("负三", "-3"),
    ("一百零五", "105"), ("٣٤", "34"), ("１２", "12"), (r"0.1\overline{6}", "1/6"), 
    ("0.333...", "1/3"),
    (r"0.\dot{1}4285\dot{7}", "1/7"), ("0.(3)", "1/3"), ("3{,}14", "3.14"), ("2½", "5/2"),
    ("1.5*^3", "1500"), ("1.5 × 10³", "1500"), ("5×10⁻³", "0.005"), ("1.5E+3", "1500"),
    # brackets, braces, signs
    (r"2\left[x+1\right]", "2x+2"), (r"8[2\cos t]^2", r"32\cos^2 t"), ("{g}_{k}", "g_k"),
    ("1/[[n+1]*n]", r"\frac{1}{n(n+1)}"), (r"{13 \over 200}", "0.065"), ("x++--y", "x+y"),
    (r"\left|\left|x\right|-1\right|", "|1-|x||"), (r"\lVert x \rVert", "|x|"),
    (r"\boxed{y + 1 = x^2.}", "y+1=x^2"), ("**(-1)**(1/2)**", "i"), ("]0,1]", "(0,1]"),
    ("[m, 2] U (m + 2, 4]", r"[m,2] \cup (m+2,4]"), ("{1,2}∪{3}", r"\{1,2,3\}"),
    # functions
    ("log_10(100)", "2"), ("log2(8)", "3"), (r"\log_28", "3"), (r"\log_10 5", r"\log_{10}5"),
    ("nCr(8,3)", "56"), ("8C3", "56"), ("{}_8C_3", "56"), ("^8P_3", "336"), ("C(8,3)", "56"),
    (r"\Re(3+4i)", "3"), ("im(2-5i)", "-5"), (r"\arg(1+i)", r"\pi/4"), ("√12", r"2\sqrt3"),
    (r"\coth^{-1}(2)", r"\frac12\ln 3"), (r"2\operatorname{cis}(\pi/3)", r"1+i\sqrt3"),
    ("∛8", "2"), ("⌊7/2⌋", "3"), (r"\sin \pi/6", "1/2"), (r"\ln 2/2", r"\frac{\ln 2}{2}"),
    ("1/2x", r"\frac{x}{2}"), ("sqrt3/2", r"\frac{\sqrt3}{2}"), ("round(-17.8)", "-18"),
    # names
    (r"\frac{dy}{dx}", "y'"), ("f(x)'", r"f^{\prime}(x)"), (r"\dot x", r"\frac{dx}{dt}"),
    (r"\overline{AB}", "AB"), (r"\overline{2+3i}", "2-3i"), (r"\vec{v}", r"\mathbf{v}"),
    ("φ", r"\varphi"), ("∠CBA", r"\angle ABC"), (r"M_{\odot}^6", r"M_\odot^{6}"), ("a₁₂", "a_{12}"),
    (r"\int_0^1 (x+1)^2 dx", r"∫_0^1 (t^2+2t+1) \mathrm{d}t"), (r"\Gamma(n+1)", r"\Gamma(1+n)"),
    (r"\operatorname{erf}(x+1)", r"\text{erf}(1+x)"),
    (r"f{\left(x + 1 \right)}", "f(1+x)"), (r"\max{\left(a,b \right)}", "max(b,a)"),
    # programs, HTML
    ("E**2", "e^2"), ("Rational(1,2)", "1/2"), ("(1+2j)", "1+2i"),
    ("14.0 + -1.0i", "14-i"),
    ("Matrix([[1,2],[3,4]])", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"), ("-oo", r"-\infty"),
    ("Max(m, n)", r"\max\{n,m\}"), ("Sqrt[2]/2", r"\frac{\sqrt2}{2}"),
    ("x &lt; 3", "x<3"), ("x<sup>2</sup>", "x^2"),
    # layout
    (r"\displaylines{x=1 \\ y=2}", "x=1, y=2"), (r"\begin{aligned} x &= 5 \end{aligned}", "x=5"),
    (r"\begin{cases} x & x<0 \\ 2x & x\ge 0\end{cases}",
     r"\begin{cases} 2x, & \text{if } x \ge 0 \\ x, & \text{if } x<0 \end{cases}"),
    (r"5\phantom{0}", "5"), (r"\textcolor{red}{5}", "5"), (r"\textnormal{42}", "42"),
    (r"\begin{cases} x=1 \\ y=2 \end{cases}", "x=1, y=2"),
    (r"\begin{array}{c} 1 \\ 2 \end{array}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    # arithmetic of matrices
    (MATRIX + SWAP, r"\begin{pmatrix} 2&1 \\ 4&3 \end{pmatrix}"),
    (f"{MATRIX} + {SWAP}", r"\begin{pmatrix} 1&3 \\ 4&4 \end{pmatrix}"),
    (f"{MATRIX}^2", r"\begin{pmatrix} 7&10 \\ 15&22 \end{pmatrix}"),
    (f"-{MATRIX}", r"\begin{pmatrix} -1&-2 \\ -3&-4 \end{pmatrix}"),
    (rf"\frac{{{MATRIX}}}{{2}} \cdot 4", r"\begin{pmatrix} 2&4 \\ 6&8 \end{pmatrix}"),
    # numerals and signs again
    ("三万", "30000"), ("十二万五千", "125000"), ("four and two thirds", "14/3"), ("half", "0.5"),
    ("Α+Β", "A+B"), (r"3\cdot -2", "-6"), (r"3\cdot +2", "6"), ("2^-1", "1/2"), ("8^{2/3}", "4"),
    (r"5\mp\sqrt2", r"5\pm\sqrt2"), (r"\{\}", r"\emptyset"), ("(-8)^{1/3}", "-2"),
    # functions again
    (r"\pi \bmod 2", r"\pi-2"), (r"x \bmod 3", r"x-3\lfloor x/3\rfloor"), ("gcd(12,18)", "6"),
    ("lcm(4,6)", "12"), ("nPr(8,3)", "336"), (r"\operatorname{sgn}(\pi-4)", "-1"),
    (r"\coth 1", r"\frac{1}{\tanh 1}"), (r"\operatorname{arcsec} 2", r"\frac{\pi}{3}"),
    (r"\operatorname{arccot} 1", r"\frac{\pi}{4}"), (r"\sqrt[3]-8", "-2"),
    (r"\sin -x", r"-\sin x"), (r"\int x^2 dx", r"\int t^2 dt"), (r"\operatorname{tg} x", r"\tan x"),
    (r"\int_{-\infty}^{\infty} e^{-x^2} dx",
                               r"\int_{-\infty}^{\infty} e^{-t^2} dt"),
    # relations
    (r"x^2 \equiv 1 \pmod 8", r"x^2 \equiv 9 \pmod 8"), (r"1<x<\infty", "x>1"),
    (r"\max(x,1)<2", "x<2"), ("x^{-1}>2", "(0,1/2)"), (r"(0,\pi)\cap\mathbb{Z}", r"\{1,2,3\}"),
    (r"\{(x,y) : x+y=1\}", r"\{(x,y) : y=1-x\}"), (r"x\cdot\text{cost}=5", r"\text{cost}\cdot x=5"),
    ("x+1 = 2+3 = 5", "x+1 = 5"), ("f(n)=n, g(n)=1", "(f(n), g(n)) = (n, 1)"),
]  # fmt: skip

#: Texts of which the one must not be taken for the other.
APART = [
    ("23/4", "2 3/4"), ("31/2", "3 1/2"), ("112", "11 2"), ("1 234", "1, 234"), ("12 10", "1210"),
    ("4 10/3", "10/3"), ("4 10/3", "40/3"), ("x and y", "xandy"),
    ("101_2", "101"), ("2516_{eight}", "2516"), (r"212\text{ (base 3)}", "212"), ("10_2", "10_3"),
    (r"x_{\frac12}", "x_{12}"), ("x_1", "x"), ("x₁₂", "12x"),
    (r"0.\overline{3}", "0.3"), (r"1\,2", "12"), (r"x^2\,345", "x^{2345}"),
    ("0{,}125", "125"), ("0,125", "125"), ("(1,234)", "1234"), (r"\[1,2\)", "1,2"), ("3–5", "-2"),
    ("5!", "5"), ("5!!", "(5!)!"), (r"\displaystyle.5", "5"), (r"\phantom{5}3", "53"),
    (r"\overline{z}", "z"), (r"\hat{x}", "x"), (r"\dot x", "x"), ("y'", "y"), ("x^*", "x"),
    (r"\frac{dy}{dx}", r"\frac{y}{x}"), ("dy/dx", "y/x"), (r"\frac{d}{dx}(x^2)", "x"),
    ("f^{-1}(x)", "x/f"), ("f(x)", "|f(x)|"),
    ("f(x^2+1)", r"\sqrt{f(x^2+1)^2}"), (r"\Re(z)", "z"),
    (r"\frac{\vec{r}}{r^3}", r"\frac{1}{r^2}"),
    (r"2+\dots+n+4", r"1+5+\dots+n"), (r"\log_10(100)", "20"), ("acosx", r"a\cos x"),
    ("+-2", "-2"), ("1/2x", r"\frac{1}{2x}"), ("√2x", r"\sqrt{2x}"),
    (r"\begin{cases} x & x<0 \\ 2x & x\ge 0\end{cases}",
     r"\begin{cases} 2x & x<0 \\ x & x \ge 0\end{cases}"),
    (r"\mathbb{Z}^+", r"\mathbb{Z}"), (r"x \equiv 2 \pmod 7", r"x \equiv 3 \pmod 7"),
    ("P(A|B)", "P(B|A)"), 
    (r"\int_0^1 xy dx", r"\int_0^1 xy dy"), (r"\Gamma(2n)", r"2\Gamma(n)"),
    ("C(2,5)", "10"), (r"\angle ABC", r"\angle BAC"), ("]0,1[", "[0,1]"),
    (MATRIX + SWAP, SWAP + MATRIX), (f"{MATRIX}^2", r"\begin{pmatrix} 1&4 \\ 9&16 \end{pmatrix}"),
    (r"x^2 \equiv 1 \pmod 8", r"x^2 \equiv 2 \pmod 8"), ("一百五", "150"), ("一百五", "105"),
    (r"x^2 \equiv 1 \pmod 8", r"y^2 \equiv 1 \pmod 8"), (r"x \bmod 3", "x"), ("19_8", "17"),
    (r"\int_0^{\infty} f(x) dx", r"\int_{-\infty}^0 f(x) dx"), ("2 3/4!", "2.75"),
    (r"x<2^{10^9}", r"x<3^{10^9}"), ("x+1 = 2+3 = 6", "x+1 = 6"), ("twenty fifth", "20/5"),
    (r"\{1,2,4,\dots\}", r"\{1,2,3,\dots\}"), (r"\frac{x}{x} \ge 1", r"\mathbb{R}"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_notations_of_the_same_thing(one: str, other: str) -> None:
    assert grade(gold=one, answer=other).correct
    assert grade(gold=other, answer=one).correct


@pytest.mark.parametrize(("one", "other"), APART)
def test_nothing_is_read_as_something_else(one: str, other: str) -> None:
    assert not grade(gold=one, answer=other).correct
    assert not grade(gold=other, answer=one).correct


def _value(text: str) -> Fraction:
    node = parse(text)
    assert node.kind == "num", text
    return Fraction(node.value)


def test_a_mixed_number_needs_a_proper_fraction_of_whole_numbers() -> None:
    assert _value("2 3/4") == _value(r"2\frac34") == _value("2¾") == Fraction(11, 4)
    assert grade(gold="7.5", answer=r"3\cdot 2\frac12").correct  # not 3 times 2 times a half
    assert grade(gold="5", answer=r"2\frac52").correct
    assert grade(gold="5", answer=r"10/5\frac52").correct
    for text in ("4 10/3", "2 3/4^2", "2.5 1/2", "1 2", "1 2 3/4"):
        with pytest.raises(ParseError):
            parse(text)
    assert rational("4 100/3") is None


UNREADABLE = [
    r"\not 5", r"\cancel{5}", r"\underset{x}{y}", r"\frac{d}{dx}(x^2)", "3–5", "acosx", "x!=0",
    "2+-3", "3.14...", "0.1(6)", "1+2+...+n", "9_8", "5 % 3", "sin 1/2", "log2x", "2³√5",
    r"\overline{12}", r"\int x", "x=1=", "()", r"\left.x\right|_0^1", "102_2",
    r"\begin{foo} 1 \end{foo}", r"\begin{pmatrix} 1&2 \\ 3 \end{pmatrix}", "(1]", r"\angle 1",
    r"\begin{pmatrix} 1 2 \end{pmatrix}", r"\sum_{k}^3 k", r"\sin_2 x", "x_{1", "1e99999", "(19)_8",
    r"\overline{\sin x}", r"{a=b \over c}", r"x \equiv 2 \equiv 3 \pmod 5", r"x<3 \in A",
    "sin(1,2)",
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_ambiguous_or_unknown_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_congruences_and_sets_of_numbers_have_trees_of_their_own() -> None:
    x, seven = Node("sym", value="x"), number(7)
    one = Node("congruent", (x, number(3), seven))
    for text in (r"x \equiv 3 \pmod 7", "x ≡ 3 (mod 7)", r"x \equiv 3 \mod{7}", "x ≡ 3 mod 7"):
        assert parse(text) == one
    both = Node("or", (one, Node("congruent", (x, number(4), seven))))
    assert parse(r"x \equiv 3, 4 \pmod{7}") == parse(r"x ≡ 3 \text{ or } 4 (mod 7)") == both
    for text in (r"\mathbb{Z}^+", r"\mathbb Z_{>0}", r"\mathbb{N}^{*}", "ℤ⁺"):
        assert parse(text) == Node("realset", value="Z+")
    assert parse(r"x \in R") == parse("x ∈ ℝ")

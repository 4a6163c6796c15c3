r"""Notations that are rewritten as text before an answer is cut into tokens.

What is here has no place in a grammar: numerals of other bases, repeating decimals, derivatives,
binomial coefficients as calculators show them. Each becomes plain LaTeX, or the command
``\unclear``, which the tokenizer refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from harness.grading.parsing.characters import latex
from harness.grading.parsing.normalize import join_latex_thousands, normalise

_SPACED_THOUSANDS = re.compile(r"\A\s*[-+]?[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?\s*\Z")
_PLAIN_THOUSANDS = re.compile(r"(?<![\d.,_^])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")


def join_thousands(text: str) -> str:
    """Take out thousands separators; a plain comma counts only outside brackets."""
    text = join_latex_thousands(text)
    if _SPACED_THOUSANDS.match(text):
        return text.replace(" ", "")
    if not re.search(r"\d,\d{3}", text):
        return text
    out, depth, start = [], 0, 0
    for i, char in enumerate(text):
        # Grouping braces of LaTeX ("\frac{1,000}{3}") do not make a list of their content.
        if char in "([" or text[i - 1 : i + 1] == "\\{":
            if depth == 0:
                out.append(_plain_commas(text[start:i]))
                start = i
            depth += 1
        elif (char in ")]" or text[i - 1 : i + 1] == "\\}") and depth:
            depth -= 1
            if depth == 0:
                out.append(text[start : i + 1])
                start = i + 1
    out.append(_plain_commas(text[start:]) if depth == 0 else text[start:])
    return "".join(out)


def _plain_commas(text: str) -> str:
    return _PLAIN_THOUSANDS.sub(lambda m: m[0].replace(",", ""), text)


def prepare(text: str, *, thousands: bool = True) -> str:
    """Bring a text into the one spelling the tokenizer knows."""
    text = normalise(latex(text))
    if thousands:
        text = join_thousands(text)
    for mark, pattern, replacement in _REWRITINGS:
        if mark in text:
            text = pattern.sub(replacement, text)
    return text.strip()


_BASE_WORDS = {
    "two": 2, "binary": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "octal": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16, "hex": 16,
}  # fmt: skip
_BASE = rf"(?:\d{{1,2}}|{'|'.join(_BASE_WORDS)})"
_WRAP = r"(?:\\(?:text|mathrm|textbf|mbox|rm|operatorname)\s*)?"


def _named_base(match: re.Match[str]) -> str:
    """Write a numeral of another base as a decimal one; its base is never dropped."""
    digits = match["digits"]
    name = next(group for key, group in match.groupdict().items() if key[0] == "b" and group)
    base = _BASE_WORDS.get(name) or int(name)
    lettered = not digits.isdigit()
    valid = 2 <= base <= 36 and all(int(digit, 16) < base for digit in digits)
    if lettered and not (valid and base > 10):
        return match[0]  # a number times a letter with an index
    return str(int(digits, base)) if valid and len(digits) < 1000 else r"\unclear "


def _literal(match: re.Match[str]) -> str:
    """Write out the hexadecimal, octal and binary numerals of programs."""
    return str(int(match[0], 0))


def _repeating(match: re.Match[str]) -> str:
    """Write a repeating decimal as the fraction it is."""
    whole, fixed, block = match["whole"] or "0", match["fixed"] or "", match["block"]
    if len(whole + fixed + block) > 100:
        return r"\unclear "
    shift = 10 ** len(fixed)
    value = Fraction(int(whole + fixed), shift)
    value += Fraction(int(block), (10 ** len(block) - 1) * shift)
    return f"{{\\frac{{{value.numerator}}}{{{value.denominator}}}}}"


def _going_on(match: re.Match[str]) -> str:
    """Read the dots behind a decimal where its block stands there at least twice."""
    digits = match["digits"]
    for length in range(1, len(digits) // 2 + 1):
        block = digits[-length:]
        kept = digits
        while kept.endswith(block):
            kept = kept[:-length]
        # One digit must stand there three times: nobody knows how "1.41212..." with two goes on.
        if len(digits) - len(kept) >= max(2 * length, 3):
            inner = re.match(
                r"(?P<whole>\d*)\.(?P<fixed>\d*)\|(?P<block>\d+)",
                f"{match['whole']}.{kept}|{block}",
            )
            assert inner is not None
            return _repeating(inner)
    return r"\unclear "


_D = r"(?:d|\\partial\s*|\\(?:mathrm|text)\s*\{\s*d\s*\}|\\rm\s+d)\s*"
_NAME = r"(?:[A-Za-z]|\\[a-zA-Z]+)"


def _times(name: str) -> str:
    return rf"(?:\^\s*(?:\{{\s*(?P<{name}1>\d)\s*\}}|(?P<{name}2>\d)))?\s*"


_DERIVATIVE = (
    r"(?P<d>" + _D + ")" + _times("n") + rf"(?P<of>{_NAME}(?:\s*_\s*(?:\{{\w+\}}|\w))?)\s*"
    r"(?:\(\s*[a-z]\s*\)\s*)?",
    _D + rf"(?P<by>{_NAME})\s*" + _times("m"),
)


def _derivative(match: re.Match[str]) -> str:
    above = match["n1"] or match["n2"] or "1"
    below = match["m1"] or match["m2"] or "1"
    if above != below:
        return r"\unclear "
    sign = "partial" if "partial" in match["d"] else "d"
    return f"\\derivative{{{sign}|{match['of']}|{match['by']}|{above}}}"


def _chosen(match: re.Match[str]) -> str:
    """Write ``8C3`` and ``8P3``, in any of their shapes, as formulas."""
    groups = match.groupdict()
    n, k = ((groups[name] or groups.get("m") or "").strip("{} ") for name in "nk")
    if match["kind"] == "C":
        return f"\\binom{{{n}}}{{{k}}}"
    return f"\\frac{{({n})!}}{{({n}-{k})!}}"


def _called(match: re.Match[str]) -> str:
    n, k = int(match["n"]), int(match["k"])
    # C(2, 5) is a point, and so is everything that stands beside other points.
    beside = re.search(r"[A-Z]\s*\(", match.string[: match.start()] + match.string[match.end() :])
    return match[0] if k > n or beside or n > 10_000 else _chosen(match)


def _congruence(match: re.Match[str]) -> str:
    return f"\\pmod{{{match['m'] or match['n']}}}"


def _printed_matrix(match: re.Match[str]) -> str:
    """Write the matrix of a program as LaTeX does."""
    rows = [row[1] for row in re.finditer(r"\[([^\[\]]*)\]", match[1])]
    if any(re.search(r"\([^()]*,", row) for row in rows):
        return r"\unclear "
    cells = " \\\\ ".join(row.replace(",", "&") for row in rows)
    return f"\\begin{{pmatrix}}{cells}\\end{{pmatrix}}"


def _differential(match: re.Match[str]) -> str:
    """Mark the variable of an integral, whose letters might be a product or a unit."""
    name = match["of1"] or match["of2"]
    return f" \\differential{{{name}}} " if name else match[0]


def _french_interval(match: re.Match[str]) -> str:
    """Write ``]0, 1[`` with the round brackets of an open end."""
    left = "[" if match[1] == "[" else "("
    right = "]" if match[3] == "]" else ")"
    return left + match[2] + right


_NUMERAL = r"[0-9][0-9A-F]*"
_PRE = r"(?<![\w)}\]'!])(?:\{\s*\}\s*)?"
_SCRIPT = r"(?:\{\s*\w+\s*\}|\d+|[a-z])"
_MOD = r"(?:\\[bp]?mod(?![a-z])|\\(?:text|mathrm|operatorname)\s*\{\s*mod\s*\}|\bmod\b)\s*"
_Replacement = str | Callable[[re.Match[str]], str]
_REWRITINGS: list[tuple[str, re.Pattern[str], _Replacement]] = [
    ("", re.compile(r"[£€¥]|(?<=[\w})])\.(?=\s*[)\]}])"), " "),
    ("10", re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))"), r"\\cdot "),
    ("*^", re.compile(r"(?<=\d)\*\^\s*(-?\d+)"), r"\\cdot 10^{\1}"),
    ("E", re.compile(r"(?<=\d)\s*\\(?:text|mathrm)\s*\{\s*E\s*\}\s*\{?([-+]?\d+)\}?"), r"E\1"),
    ("e{", re.compile(r"(?<=\d)e\{\s*([-+]?\d+)\s*\}"), r"e\1"),
    ("\\not", re.compile(r"\\not\s*(?:=|\{\s*=\s*\})"), r"\\ne "),
    ("\\not", re.compile(r"\\not\s*\\(in|ni)(?![a-z])"), r"\\not\1 "),
    ("\\not", re.compile(r"\\not\s*\\(su[bp]set(?:eq)?)(?![a-z])"), r"\\n\1 "),
    ("+/-", re.compile(r"\+/-"), r"\\pm "),
    ("+-", re.compile(r"(\A|[=(,{\[])\s*\+-(?![+\-])"), r"\1\\pm "),
    ("+-", re.compile(r"(?<![+\-])\+-(?![+\-\s])"), r"\\unclear "),
    ("\\displaylines", re.compile(r"\A\s*\\displaylines\s*\{(.*)\}\s*\Z", re.S), r"\1"),
    ("\\angle", re.compile(r"(?<![A-Za-z\\])m\s*(?=\\angle)"), ""),
    ("", re.compile(r"([\[\]])([^\[\]]{1,200}[,;][^\[\]]{1,200})([\[\]])"), _french_interval),
    ("{\\", re.compile(r"\{\s*\\(?:rm|bf|it|tt|sf)\s+([^{}\\]*)\}"), r"\\text{\1}"),
    ("operatorname*", re.compile(r"\\operatorname\*"), r"\\operatorname"),
    ("\\Delta", re.compile(r"\\Delta\s*\{\s*([A-Za-z])\s*\}"), r"\\Delta \1"),
    ("\\dot", re.compile(r"\\dot\s*(\d)"), r"\\dot{\1}"),
    ("dot{", re.compile(
        r"(?P<whole>\d*)\.(?P<fixed>\d*)\s*\\dot\s*\{\s*(?P<block>\d)\s*\}(?!\s*[\d\\])"
    ), _repeating),
    ("dot{", re.compile(
        r"(?P<whole>\d*)\.(?P<fixed>\d*)\s*\\dot\{(\d)\}\s*(\d*)\s*\\dot\{(\d)\}(?!\s*\d)"
    ), lambda m: f"{m['whole']}.{m['fixed']}\\overline{{{m[3]}{m[4]}{m[5]}}}"),
    (".", re.compile(
        r"(?P<whole>\d*)\.(?P<fixed>\d*)\s*\\(?:overline|bar)\s*\{?\s*(?P<block>\d+)\s*\}(?!\s*\d)"
        r"(?:\s*(?:\\[lc]?dots|\.\.\.))?"
    ), _repeating),
    (".(", re.compile(r"(?P<whole>\d+)\.(?P<fixed>)\((?P<block>\d+)\)(?!\s*[\d.])"), _repeating),
    (".", re.compile(r"\d\.\d+\(\d+\)"), r"\\unclear "),
    (".", re.compile(
        r"(?<![\d.])(?P<whole>\d*)\.(?P<digits>\d+)\s*(?:\.\.\.+|\\[lc]?dots(?![a-z]))"
    ), _going_on),
    ("..", re.compile(r"\.\.\.+"), r"\\dots "),
    ("0x", re.compile(r"(?<![\w.])0x[0-9a-fA-F]{1,60}(?!\w)"), _literal),
    ("0b", re.compile(r"(?<![\w.])0b[01]{1,200}(?!\w)"), _literal),
    ("0o", re.compile(r"(?<![\w.])0o[0-7]{1,80}(?!\w)"), _literal),
    ("base", re.compile(
        rf"(?<![\w.^])(?P<digits>{_NUMERAL})\s*{_WRAP}\{{?\s*\(?\s*(?:in\s+)?base[\s-]*\}}?\s*\{{?"
        rf"(?P<base>{_BASE})\}}?\s*\)?\s*\}}?\s*\Z"
    ), _named_base),
    ("_", re.compile(
        rf"(?<![\w.^])(?P<digits>{_NUMERAL})\s*_\s*(?:(?P<b1>\d{{1,2}})(?!\w)"
        rf"|{_WRAP}\{{\s*{_WRAP}\{{?\s*\(?\s*(?:base[\s-]*\}}?\s*)?(?P<b2>{_BASE})\s*\)?\s*\}}?\s*\}})"
    ), _named_base),
    ("_", re.compile(r"(?<![\w.])([1-9]\d{0,2}(?:_\d{3})+)(?![\w.])"),
     lambda m: m[1].replace("_", "")),
    ("\\frac", re.compile(
        r"\\frac\s*\{\s*" + _DERIVATIVE[0] + r"\}\s*\{\s*" + _DERIVATIVE[1] + r"\}"
    ), _derivative),
    ("/", re.compile(r"(?<![A-Za-z\\])" + _DERIVATIVE[0] + "/" + r"\s*" + _DERIVATIVE[1]
                     + r"(?![A-Za-z])"), _derivative),
    ("\\frac", re.compile(
        rf"\\frac\s*\{{\s*{_D}(?:[^{{}}]|\{{[^{{}}]*\}})*\}}\s*\{{\s*{_D}{_NAME}\s*(?:\^\s*\S+\s*)?\}}"
    ), r"\\unclear "),
    ("/d", re.compile(r"(?<![A-Za-z\\])d(?:\([^()]*\))?/d(?=[a-z](?![A-Za-z]))"), r"\\unclear "),
    ("\\int", re.compile(
        rf"\\(?:mathrm|text)\s*\{{\s*d\s*\}}\s*(?P<of1>{_NAME})|\\[a-zA-Z]+|d\s*(?P<of2>{_NAME})(?![a-zA-Z])"
    ), _differential),
    ("_", re.compile(
        rf"{_PRE}(?:\^\s*(?P<n>{_SCRIPT})|_\s*(?P<m>{_SCRIPT}))\s*{_WRAP}\{{?\s*(?P<kind>[CP])"
        rf"\s*\}}?\s*_\s*(?P<k>{_SCRIPT})"
    ), _chosen),
    ("C", re.compile(r"(?<![\w.\\])(?P<n>\d+)\s*(?P<kind>C)\s*(?P<k>\d+)(?![\w.])"), _chosen),
    ("P", re.compile(r"(?<![\w.\\])(?P<n>\d+)(?P<kind>P)(?P<k>\d+)(?![\w.])"), _chosen),
    ("n", re.compile(r"(?<![\w.\\])(?P<n>\d+)\s*n(?P<kind>[CP])r\s*(?P<k>\d+)(?![\w.])"), _chosen),
    ("choose", re.compile(r"(?<![\w.\\])(?P<n>\d+|[a-z])\s*\\?\s*choose\s+(?P<k>\d+|[a-z])(?!\w)"),
     r"\\binom{\g<n>}{\g<k>}"),
    ("(", re.compile(
        r"(?<![\w\\}])(?P<kind>[CP])\s*\(\s*(?P<n>\d{1,6})\s*,\s*(?P<k>\d{1,6})\s*\)(?!\s*=)"
    ), _called),
    ("mod", re.compile(rf"\(\s*{_MOD}(?:\{{\s*(?P<m>[^{{}}]*)\s*\}}|(?P<n>[^()]*?))\s*\)"),
     _congruence),
    ("\\equiv", re.compile(
        r"(?:\\b?mod(?![a-z])|\\(?:text|mathrm|operatorname)\s*\{\s*mod\s*\}|(?<!\\)\bmod\b)"
    ), r"\\pmod "),
    ("mod", re.compile(  # "x + n mod 7" has two readings, and "18 mod 7" may be a residue class
        r"\A(\s*\d{0,9}[a-df-hj-z](?:\^\w|\^\{\w+\})?\s*)"
        r"(?:\\(?:text|mathrm|operatorname)\s*\{\s*mod\s*\}|\bmod\b)\s*(?=\w+\s*\Z)"
    ), r"\1\\bmod "),
    ("C", re.compile(
        r"(?<![\w\\}])C\s*\(\s*(\d{0,3}n(?:\s*[-+]\s*\d{1,3})?)\s*,"
        r"\s*(\d{1,3}|[kn](?:\s*[-+]\s*\d)?)\s*\)(?!\s*=)"
    ), r"\\binom{\1}{\2}"),
    ("[[", re.compile(
        r"\b(?:Matrix|np\.array|array|matrix)\s*\(\s*\[((?:\s*\[[^\[\]]*\]\s*,?)+)\]\s*\)"
    ), _printed_matrix),
    ("Tuple", re.compile(r"\bTuple\s*(?=\()"), ""),
    ("j", re.compile(r"\A\s*\(\s*([-+]?[\d.]+(?:e[-+]?\d+)?\s*[-+]\s*[\d.]+)j\s*\)\s*\Z"), r"\1i"),
    ("j", re.compile(r"\A\s*(-?\d*\.\d+\s*[-+]\s*\d*\.?\d+|-?\d+\s*[-+]\s*\d*\.\d+)j\s*\Z"),
     r"\1i"),
]  # fmt: skip

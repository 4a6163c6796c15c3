"""Every reference answer at hand, and its anatomy: what a mutation or a rewriting may change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from harness.errors import HarnessError
from harness.registry import load_task
from harness.types import AnswerType, Tolerance

BENCHMARKS = (
    "gsm8k", "math500", "math500_validation", "minerva_math", "olympiadbench", "aime24", "aime25",
    "amc23", "theoremqa", "gpqa_diamond",
)  # fmt: skip
PAIRS = ("dev.jsonl", "reports.jsonl")


@dataclass(frozen=True)
class Gold:
    """A reference answer, how it is to be compared, and the question it belongs to."""

    source: str
    text: str
    answer_type: AnswerType = AnswerType.AUTO
    tolerance: Tolerance | None = None
    question: str = ""


def benchmark_golds() -> Iterator[Gold]:
    """Yield the reference answers of all benchmarks whose files are here (``HARNESS_DATA_DIR``)."""
    for name in BENCHMARKS:
        try:
            items = load_task(name).items()
        except HarnessError:
            continue
        for item in items:
            yield Gold(name, item.gold, item.answer_type, item.tolerance, item.question)


def labelled_golds(folder: Path) -> Iterator[Gold]:
    """Yield the distinct reference answers of the labelled pairs in a folder."""
    seen: set[str] = set()
    for name in PAIRS:
        if not (folder / name).is_file():
            continue
        with open(folder / name, encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line)["gold"]
                if text not in seen:
                    seen.add(text)
                    yield Gold(name.removesuffix(".jsonl"), text)


#: One of every kind, for machines without the files.
OWN = (
    "72", "-15", "1234", "5,280", "0", "1", "2.5", "0.125", "3.14159", "1.5 \\text{ hours}",
    "5.4 \\text{ cents}", "10^{3}\\text{ m}", "12 \\text{ cm}^2", "9.8 \\text{ m/s^2}", "\\$18.90",
    "45\\%", "12.5%", "60^\\circ", "\\frac{3}{4}", "-\\frac{7}{12}", "23/4", "2\\frac{1}{2}",
    "2\\sqrt{3}", "\\frac{1+\\sqrt{5}}{2}", "\\frac{\\pi}{6}", "2^{10}", "e^{2}-1", "7!",
    "\\binom{9}{4}",
    "3 - 2i", "x^2-5x+6", "(x-2)(x-3)", "|x-5|", "\\frac{x+1}{x^2+4}", "\\sqrt{x^2+9}", "\\sin^2 x",
    "\\lfloor\\frac{n}{10}\\rfloor", "(-1)^n n", "2n(n+1)", "x^3 e^{-2x}", "\\ln(x+3)", "f(x)=3x-7",
    "x=4", "y=2x-3", "x^2+y^2=25", "3x-2y+7=0", "x>3", "-2\\le x<5", "x^2<2500", "(2,5]",
    "[-1,\\frac{3}{2})", "(1,2)", "(3,-4,12)", "\\left(2,\\frac{\\pi}{3}\\right)", "\\{1,2,3\\}",
    "2, 3, 7",
    "-1, \\frac{1}{2}", "1 \\pm \\sqrt{2}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
    "Alice: 5, Bob: 7",
    "Friday", "\\text{even}", "B", "(D)", "True", "no", "(-\\infty,1)\\cup(4,\\infty)", "3:2",
    "1011_2",
)  # fmt: skip


def own_golds() -> Iterator[Gold]:
    """Yield reference answers of every kind that are part of the project."""
    for text in OWN:
        yield Gold("own", text)


def all_golds(benchmarks: Path | None) -> list[Gold]:
    """Return all distinct reference answers at hand.

    Args:
        benchmarks: The folder that ``HARNESS_DATA_DIR`` names; the labelled pairs lie beside it.
    """
    references = [*own_golds()]
    if benchmarks is not None:
        references += [*benchmark_golds(), *labelled_golds(benchmarks.parent / "grading")]
    return list(
        {(gold.text, gold.answer_type, gold.tolerance): gold for gold in references}.values()
    )


def bare(gold: Gold) -> str:
    """Return the text of a reference without the dollar signs around it."""
    text = gold.text.strip()
    whole = re.fullmatch(r"\$([^$]*)\$\.?", text)
    return whole[1].strip() if whole else text


@dataclass(frozen=True)
class Anatomy:
    r"""A reference taken apart.

    Attributes:
        kind: ``number``, ``formula``, ``items``, ``inequality``, ``equation``, ``letter``,
            ``boolean`` or ``other``.
        before: What stands before the first part: a label such as ``x =``, a bracket, a sign of
            currency.
        parts: The parts: one, or several with commas between them.
        after: What stands behind the last part: a bracket, a unit.
        unit: The unit in ``after``, bare.
        value: The exact value of a number.
    """

    kind: str
    before: str = ""
    parts: tuple[str, ...] = ()
    after: str = ""
    unit: str = ""
    value: Fraction | None = None
    signs: tuple[str, ...] = ()

    def text(self, *parts: str, before: str | None = None, after: str | None = None) -> str:
        """Put the reference together again, with other parts."""
        inner = (
            "".join(
                part + sign
                for part, sign in zip(parts or self.parts, (*self.signs, ""), strict=False)
            )
            if self.signs
            else ", ".join(parts or self.parts)
        )
        before = self.before if before is None else before
        return before + inner + (self.after if after is None else after)


BARE_UNITS = frozenset((
    "cm", "km", "mm", "kg", "mg", "ms", "min", "hours", "hour", "days", "minutes", "seconds",
    "km/h", "m/s", "m/s^2", "cm^2", "ft", "inches", "miles", "dollars", "cents", "degrees",
    "percent", "ohm", "mol", "kJ", "amu", "mph",
))  # fmt: skip
_SCIENTIFIC = re.compile(r"-?\d+(?:\.\d+)?[eE][-+]?\d{1,2}")
_POWER_OF_TEN = re.compile(
    r"(-?\d+\.\d+)\s*(?:\\cdot|\\times|\*)\s*10\s*\^\s*(?:\{(-?\d{1,2})\}|(\d))"
)

_DECIMAL = re.compile(r"(?P<sign>-?)\s*(?P<whole>[1-9]\d{0,2}(?:,\d{3})+|\d*)(?P<rest>\.\d+)?\Z")
_QUOTIENT = re.compile(
    r"(?P<sign>-?)\s*(?:\\[dt]?frac\s*\{\s*(?P<top>-?\d+)\s*\}\s*\{\s*(?P<bottom>\d+)\s*\}"
    r"|(?P<plain>\d+)\s*/\s*(?P<under>\d+))\Z"
)
_LABEL = re.compile(r"((?:[A-Za-z]|[A-Za-z]\([A-Za-z]\)|[A-Za-z]_\{?\w\}?)\s*=\s*)(?=[^=]+\Z)")
_UNIT = re.compile(
    r"(?P<core>.*?[\d})])(?P<unit>(?:\s|\\,|\\;|\\ |~)*(?:\\(?:text|mathrm|textbf|mbox)\s*"
    r"\{(?P<wrapped>[^{}]*)\}(?P<power>\s*\^\s*\{?-?\d\}?)?"
    r"|(?P<bare>\\?%|\^\s*\{?\s*\\circ\s*\}?|°|(?<=[\d\s}])[A-Za-zµ]{1,9}(?:[/^]+[A-Za-z0-9]+)*)))\Z",
    re.S,
)
_BRACKETS = re.compile(
    r"(?P<open>\\left\s*\\\{|\\left\s*[(\[]|\\\{|[(\[])(?P<inner>.*?)"
    r"(?P<close>\\right\s*\\\}|\\right\s*[)\]]|\\\}|[)\]])\Z",
    re.S,
)
_SIGNS = re.compile(
    r"(\s*(?:<=|>=|≤|≥|<|>|\\(?:leqslant|geqslant|leq?|geq?|lt|gt)(?![A-Za-z]))\s*)"
)


def number(text: str) -> Fraction | None:
    """Read a plain number: whole, decimal, with thousands' commas, or a quotient of such."""
    text = re.sub(r"(?<=\d)(?:\{,\}|,?\\[!,]) ?(?=\d{3})", ",", text.strip())
    match = _QUOTIENT.match(text)
    if match:
        top, bottom = match["top"] or match["plain"], match["bottom"] or match["under"]
        if int(bottom) == 0:
            return None
        return Fraction(int(top), int(bottom)) * (-1 if match["sign"] else 1)
    power = _POWER_OF_TEN.fullmatch(text)
    if power:
        text = f"{power[1]}e{power[2] or power[3]}"
    if _SCIENTIFIC.fullmatch(text):
        return Fraction(text)
    match = _DECIMAL.match(text)
    if match is None or not (match["whole"] or match["rest"]):
        return None
    found = Fraction((match["whole"].replace(",", "") or "0") + (match["rest"] or ""))
    return -found if match["sign"] else found


def anatomy(gold: Gold) -> Anatomy:
    """Take a reference apart."""
    text = bare(gold)
    if gold.answer_type is AnswerType.CHOICE or re.fullmatch(
        r"(?:\\text\{)?\(?[A-J]\)?\}?", text
    ):  # fmt: skip
        return Anatomy("letter", parts=(text,))
    if text.lower() in ("true", "false", "yes", "no") or gold.answer_type is AnswerType.BOOLEAN:
        return Anatomy("boolean", parts=(text,))
    if gold.answer_type is AnswerType.TEXT:
        return Anatomy("other", parts=(text,))
    before = ""
    label = _LABEL.match(text)
    if label:
        before, text = label[1], text[label.end() :]
    currency = re.match(r"\\?\$\s*", text)
    if currency and number(text[currency.end() :]) is not None:
        before, text = before + currency.group(), text[currency.end() :]
    if number(text) is not None:
        return Anatomy("number", before, (text,), value=number(text))
    found = _UNIT.match(text)
    if found and not re.search(r"[,=<>]", text.replace("{,}", "")):
        unit = found["wrapped"] or found["bare"]
        value = number(found["core"])
        known = found["wrapped"] or unit in BARE_UNITS or not unit[0].isalpha()
        if known and (value is not None or not re.search("[a-zA-Z]", _bare(found["core"]))):
            return Anatomy(
                "number" if value is not None else "formula", before, (found["core"],),
                found["unit"], (unit + (found["power"] or "")).strip(), value,
            )  # fmt: skip
    signs = _SIGNS.split(text)
    if len(signs) in (3, 5) and not before and "," not in text:
        return Anatomy("inequality", parts=tuple(signs[::2]), signs=tuple(signs[1::2]))
    bracket = _BRACKETS.match(text)
    if bracket and _balanced(bracket["inner"]) and not re.search(r"[|:=<>]", bracket["inner"]):
        parts = split(bracket["inner"])
        if len(parts) > 1:
            return Anatomy("items", before + bracket["open"], tuple(parts), bracket["close"])
    parts = [] if re.search(r"\\int|\\sum|\\prod|\\lim", text) else split(text)
    if len(parts) > 1 and not re.search(
        r"[=<>|:]|\\text|\\in(?![a-z])|\band\b|[A-Za-z]{4}", re.sub(r"\\[a-z]+", "", text)
    ):
        return Anatomy("items", before, tuple(parts))
    if (
        text.count("=") == 1
        and not re.search(r"!=|\\ne|[<>]", text)
        and not before
        and len(parts) == 1
    ):
        return Anatomy("equation", parts=tuple(p.strip() for p in text.split("=")), signs=(" = ",))
    if len(parts) < 2 and not re.search(r"[=<>:]|\\ne(?![a-z])", text):
        return Anatomy("formula", before, (text,))
    return Anatomy("other", parts=(bare(gold),))


def _bare(text: str) -> str:
    return re.sub(r"\\[A-Za-z]+", "", text)


def _balanced(text: str) -> bool:
    depth = 0
    for mark in text:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(mark, 0)
        if depth < 0:
            return False
    return depth == 0


def split(text: str) -> list[str]:
    """Split at the commas outside all brackets."""
    parts, depth, start = [], 0, 0
    for place, mark in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(mark, 0)
        if mark == "," and depth == 0 and text[place - 1 : place] != "\\":
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]

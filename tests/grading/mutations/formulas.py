"""Formulas, equations and inequalities that are not those of the reference."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import mpmath

from tests.grading import oracle
from tests.grading.mutations.kinds import Made, Proof
from tests.grading.mutations.numbers import units
from tests.grading.references import Anatomy, Gold, bare

_SWAPPED = {
    "\\sin": "\\cos", "\\cos": "\\sin", "\\tan": "\\cot", "\\ln": "\\exp", "\\pi": "e",
    "sin": "cos", "cos": "sin", "\\sqrt": "", "sqrt": "", "\\cdot": "+", "\\times": "+",
    "\\arctan": "\\arcsin", "\\lfloor": "\\lceil", "\\theta": "\\alpha",
}  # fmt: skip


def textual(text: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Change one mark of a formula; whether its value changes is for the oracle to say."""
    for match in re.finditer(r"\d+", text):
        before, digits, after = text[: match.start()], match.group(), text[match.end() :]
        other = str(int(digits) + chance.choice((1, 2, 10)))
        yield "coefficient changed", before + other + after
        yield "coefficient changed", before + digits + "0" + after
        if len(digits) > 1:
            yield "digit dropped", before + digits[1:] + after
            yield "digits swapped", before + digits[1] + digits[0] + digits[2:] + after
            yield "decimal point added", before + digits[0] + "." + digits[1:] + after
        if after[:1] == "." and after[1:2].isdigit():
            yield "decimal point dropped", before + digits + after[1:]
    for match in re.finditer(r"[-+]", text):
        other = "-" if match.group() == "+" else "+"
        yield "sign changed", text[: match.start()] + other + text[match.end() :]
        if match.start() and text[match.start() - 1] not in "{([^":
            yield "sign to product", text[: match.start()] + r" \cdot " + text[match.end() :]
    if not text.startswith("-"):
        yield "sign changed", "-" + text
    for match in re.finditer(r"\^\s*\{([^{}]*)\}|\^\s*(\w)", text):
        before, after = text[: match.start()], text[match.end() :]
        inner = match[1] or match[2]
        yield "exponent dropped", before + after
        yield "caret dropped", before + text[match.start() + 1 : match.end()] + after
        yield "caret and braces dropped", before + inner + after
        yield "exponent changed", before + f"^{{{inner}+1}}" + after
        yield "exponent changed", before + f"^{{-({inner})}}" + after
        yield "caret to index", before + f"_{{{inner}}}" + after
    for match in re.finditer(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", text):
        before, after = text[: match.start()], text[match.end() :]
        yield "fraction inverted", before + rf"\frac{{{match[2]}}}{{{match[1]}}}" + after
        yield "half a fraction", before + f"({match[1]})" + after
        yield "braces dropped", before + rf"({match[1]})({match[2]})" + after
        yield "braces dropped", before + match[1] + match[2] + after
    for match in re.finditer(r"\\sqrt\s*\{([^{}]*)\}", text):
        before, after = text[: match.start()], text[match.end() :]
        yield "root changed", before + rf"\sqrt[3]{{{match[1]}}}" + after
        yield "root dropped", before + f"({match[1]})" + after
    for match in re.finditer(r"\\?[A-Za-z]+", text):
        before, after = text[: match.start()], text[match.end() :]
        found = match.group()
        if found in _SWAPPED:
            yield "function changed", before + _SWAPPED[found] + " " + after
        elif len(found) == 1 and found in "xyzabrtuvw":
            yield "name changed", before + chance.choice("xyzab".replace(found, "")) + after
            yield "name changed", re.sub(rf"(?<![A-Za-z\\]){found}(?![A-Za-z])", "w", text)
    for match in re.finditer(r"\(([^()]*[-+][^()]*)\)", text):
        inside = text[: match.start()] + match[1] + text[match.end() :]
        yield "brackets dropped", re.sub(r"\\left(?![A-Za-z])|\\right(?![A-Za-z])", "", inside)
    if "!" in text:
        yield "factorial dropped", text.replace("!", "")


def around(core: str) -> Iterator[tuple[str, str]]:
    """Change the value of a formula as a whole."""
    for kind, shape in (
        ("add one", "%s + 1"), ("subtract one", "%s - 1"), ("times two", "2 (%s)"),
        ("times ten", r"10 \cdot \left(%s\right)"), ("sign changed", "-(%s)"),
        ("fraction inverted", r"\frac{1}{%s}"), ("squared", r"\left(%s\right)^2"),
        ("wrapped", r"\sqrt{%s}"), ("half", r"\frac{%s}{2}"), ("near miss", "%s + 10^{-9}"),
        ("near miss", r"%s + \frac{1}{1000}"), ("near miss", r"\frac{1001}{1000} (%s)"),
        ("wrapped", "x (%s)"), ("wrapped", "%s + x"), ("wrapped", r"%s + \pi"),
        ("wrapped", r"\left|%s\right|"), ("near miss", "%s - 10^{-20}"),
    ):  # fmt: skip
        yield kind, shape % core


#: Rule "families": a name for an arbitrary constant or whole number makes many formulas one set.
def is_family(text: str) -> bool:
    rest = re.sub(r"\\[A-Za-z]+", " ", text)
    return bool(re.search(r"C|(?<![A-Za-z])c(?![A-Za-z])|K|[cA]_", rest)) or (
        bool(re.search(r"(?<![A-Za-z])[knmlt](?![A-Za-z])", rest))
        and bool(re.search(r"\\pi|π|\bpi\b|circ|integer|mathbb", text))
    )


def formulas(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    core = body.parts[0]
    if is_family(gold.text) or gold.tolerance is not None:
        return

    def case(kind: str, changed: str) -> tuple[str, str, Proof]:
        return kind, body.text(changed), lambda: oracle.differ(core, changed)

    for kind, changed in (*textual(core, chance), *around(core)):
        # Rule "whole letters": of a whole number a, |⌊log₂ a⌋ + 1| is ⌊log₂ a⌋ + 1.
        if not (r"\left|" in changed and "floor" in core):
            yield case(kind, changed)
    value = oracle.constant(core)
    if value is not None and not mpmath.im(value) and abs(value) < 1e9:
        for digits in (1, 2, 3):
            # A rounded value is no exact one, unless the reference is a whole number.
            rounded = mpmath.nstr(value, digits + 2, strip_zeros=False)
            if "e" not in rounded and "." not in core:
                yield "rounded", body.text(rounded), lambda c=rounded: oracle.differ(core, c)
    if body.unit:
        yield from units(gold, body)


_FLIPPED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\leq": "\\geq", "\\geq": "\\leq",
            "\\leqslant": "\\geqslant", "\\geqslant": "\\leqslant", "≤": "≥", "≥": "≤",
            "<=": ">=", ">=": "<="}  # fmt: skip
_LOOSENED = {"<": "\\le", ">": "\\ge", "\\le": "<", "\\ge": ">", "\\leq": "<", "\\geq": ">",
             "\\leqslant": "<", "\\geqslant": ">", "≤": "<", "≥": ">", "<=": "<",
             ">=": ">"}  # fmt: skip


def inequalities(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    def spelt(parts: tuple[str, ...], signs: tuple[str, ...]) -> str:
        return "".join(p + s for p, s in zip(parts, (*signs, ""), strict=True))

    for place, sign in enumerate(body.signs):
        mark = sign.strip()
        for kind, table in (("relation flipped", _FLIPPED), ("relation strictness", _LOOSENED)):
            if mark not in table:
                continue
            signs = (*body.signs[:place], f" {table[mark]} ", *body.signs[place + 1 :])
            changed = spelt(body.parts, signs)
            if kind == "relation flipped":
                yield kind, changed, lambda c=changed: oracle.truths_differ(bare(gold), c)
                equal = (*body.signs[:place], " = ", *body.signs[place + 1 :])
                if len(body.signs) == 1:
                    yield "relation to equation", spelt(body.parts, equal), _single(body)
            else:
                yield kind, changed, _single(body)
    for place, part in enumerate(body.parts):
        for kind, new in (*textual(part, chance), *around(part)):
            changed = spelt((*body.parts[:place], new, *body.parts[place + 1 :]), body.signs)
            yield kind, changed, lambda c=changed: oracle.truths_differ(bare(gold), c)


def _single(body: Anatomy) -> Callable[[], bool]:
    """Say whether an inequality bounds one bare letter by constants that are in order."""

    def proof() -> bool:
        letters = [p for p in body.parts if re.fullmatch(r"\s*[a-zA-Z]\s*", p)]
        numbers = [oracle.constant(p) for p in body.parts if p not in letters]
        if len(letters) != 1 or None in numbers:
            return False
        return len(numbers) == 1 or numbers[0] != numbers[1]

    return proof


def equations(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    left, right = body.parts
    if is_family(gold.text):
        return
    for place, part in enumerate(body.parts):
        for kind, new in (*textual(part, chance), *around(part)):
            sides = (new, right) if place == 0 else (left, new)
            yield (
                f"equation: {kind}", " = ".join(sides),
                lambda s=sides: oracle.equations_differ((left, right), s),
            )  # fmt: skip

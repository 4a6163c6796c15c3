r"""Right answers written in another way: each surely has the value of the reference.

Formulas are compared with ``oracle`` wherever it can read them; the other rewritings change only
the typing (``\frac`` into ``\dfrac``, Markdown or a sentence around the reference).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

import mpmath

from harness.types import AnswerType
from tests.grading import oracle
from tests.grading.formula_reader import Unread, read
from tests.grading.mutations.kinds import Case
from tests.grading.mutations.lists import nested_parts
from tests.grading.mutations.numbers import UNITS, decimal, plain
from tests.grading.mutations.words import letter_of
from tests.grading.references import Anatomy, Gold, anatomy, bare, number
from tests.grading.retyping import retyped

#: The kind of a rewriting, its text, and, where only the oracle can say that it is right, the two
#: formulas to compare.
Made = Iterator[tuple[str, str] | tuple[str, str, tuple[str, str]]]

RESPONSES = (
    ("sentence", "The answer is ${}$."),
    ("sentence", "Adding up, we get the result. So the answer is ${}$"),
    ("sentence", "Therefore, the answer is \\({}\\)."),
    ("boxed", "Therefore, the final answer is $\\boxed{{{}}}$."),
    ("boxed", "So we get\n\n$$\\boxed{{{}}}$$"),
    ("boxed", "\\[\n\\boxed{{{}}}\n\\]"),
    ("boxed", "We find that the answer is\n\\[ \\boxed{{ {} }}. \\]"),
    ("boxed", "The final answer is: $\\boxed{{{}}}$. I hope it is correct."),
    ("boxed", "**Final Answer**\n\\boxed{{{}}}"),
    ("minerva", "Final Answer: The final answer is ${}$. I hope it is correct."),
    ("markdown", "**Answer:** ${}$"),
    ("markdown", "**Answer: ${}$**"),
    ("markdown", "The answer is **${}$**."),
    ("markdown", "### Final answer\n\nThe answer is: **${}$**"),
    ("tags", "<answer>{}</answer>"),
    ("tags", "<answer>\n${}$\n</answer>"),
    ("tags", "That is all.\n<answer>\\boxed{{{}}}</answer>"),
    ("label", "Answer: ${}$"),
    ("label", "Answer: {}"),
    ("label", "Some steps first.\n\nFinal answer: ${}$."),
)
BARE = (
    ("dollars", "${}$"), ("dollars", "\\({}\\)"), ("dollars", "\\[{}\\]"), ("dollars", "$${}$$"),
    ("spacing", "  {} "), ("spacing", "{}\n"), ("full stop", "{}."), ("dollars", "${}$."),
    ("boxed", "\\boxed{{{}}}"), ("markdown", "**{}**"), ("markdown", "**${}$**"),
    ("label", "\\text{{Answer: }} {}"), ("style", "\\displaystyle {}"), ("label", "Answer: {}"),
    ("spacing", "\\, {} \\,"), ("boxed", "$\\boxed{{{}}}$"), ("spacing", "{}\\quad"),
)  # fmt: skip


def cases(gold: Gold, seed: int, count: int = 40) -> list[Case]:
    """Return right answers to a reference: a seeded choice where there are more than asked for.

    The choice is made before anything is verified, for verifying is what takes time.
    """
    chance = random.Random(f"{gold.source} {gold.text} {seed}")
    body = anatomy(gold)
    text = bare(gold)
    if text.endswith("\\"):
        return []  # broken; it would swallow the brace behind it
    mathematical = text.replace("\\$", "").count("$") == 0
    made: list[tuple[Case, tuple[str, str] | None]] = []
    for kind, changed, *formulas in _MAKERS[body.kind](gold, body, chance):
        proof = formulas[0] if formulas else None
        made.append((Case(gold, kind, changed, not kind.startswith("response")), proof))
        if not kind.startswith("response") and changed.count("$") == 0:
            shape = chance.choice(RESPONSES)
            whole = Case(gold, f"response: {shape[0]}, {kind}", shape[1].format(changed), False)
            made.append((whole, proof))
    if mathematical:
        starred = "**" in text
        made += [
            (Case(gold, kind, shape.format(text)), None)
            for kind, shape in BARE if not (starred and "**" in shape)
        ]  # fmt: skip
        made += [
            (Case(gold, f"response: {kind}", shape.format(text), False), None)
            for kind, shape in RESPONSES if not (starred and "**" in shape)
        ]  # fmt: skip
    chance.shuffle(made)
    kept: dict[tuple[str, bool], Case] = {}
    for case, proof in made:
        if len(kept) >= count:
            break
        if proof is None or oracle.agree(*proof):
            kept.setdefault((case.text, case.is_answer), case)
    return list(kept.values())


# Numbers

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SIGNS_OF_FRACTIONS = {
    Fraction(1, 2): "½", Fraction(1, 3): "⅓", Fraction(2, 3): "⅔", Fraction(1, 4): "¼",
    Fraction(3, 4): "¾", Fraction(1, 5): "⅕", Fraction(1, 8): "⅛",
}  # fmt: skip


def written(value: Fraction, chance: random.Random) -> Made:
    """Write an exact value in other ways."""
    top, bottom = abs(value.numerator), value.denominator
    sign = "-" if value < 0 else ""
    factor = chance.choice((2, 3, 7))
    exact = decimal(value)
    if bottom == 1:
        yield "decimal", f"{sign}{top}.0"
        yield "decimal", f"{sign}{top}.00"
        yield "unreduced", f"\\frac{{{sign}{top * factor}}}{{{factor}}}"
        yield "unreduced", f"{sign}{top * factor}/{factor}"
        yield "unreduced", f"\\dfrac{{{sign}{top}}}{{1}}"
        yield "sum", f"{value - factor} + {factor}"
        yield "product", f"{value} \\cdot 1"
        if top >= 1000:
            grouped = f"{top:,}"
            yield "thousands", sign + grouped
            yield "thousands", sign + grouped.replace(",", "{,}")
            yield "thousands", sign + grouped.replace(",", "\\,")
            yield "thousands", sign + grouped.replace(",", ",\\!")
        if 0 <= value < 100:
            word = _ONES[top] if top < 20 else _TENS[top // 10 - 2] + (
                "-" + _ONES[top % 10] if top % 10 else ""
            )  # fmt: skip
            yield "words", word
            yield "words", f"\\text{{{word}}}"
        if 0 < top < 10**6:
            yield "root", f"{sign}\\sqrt{{{top * top}}}"
    else:
        for shape in ("\\frac{{{}}}{{{}}}", "\\dfrac{{{}}}{{{}}}", "\\tfrac{{{}}}{{{}}}", "{}/{}",
                      "\\frac {{{}}} {{{}}}", "\\left({}/{}\\right)", "{{{} \\over {}}}",
                      "{} \\div {}", "{} / {}", "({})/({})"):  # fmt: skip
            yield "fraction style", sign + shape.format(top, bottom)
        yield "fraction style", f"\\frac{{{sign}{top}}}{{{bottom}}}"
        yield "unreduced", f"{sign}\\frac{{{top * factor}}}{{{bottom * factor}}}"
        yield "unreduced", f"{sign}{top * factor}/{bottom * factor}"
        if bottom < 10 and top < 10:
            yield "fraction style", f"{sign}\\frac{top}{bottom}"
        if top > bottom:
            whole, rest = divmod(top, bottom)
            yield "mixed number", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"
            yield "mixed number", f"{sign}{whole} {rest}/{bottom}"
        if value in _SIGNS_OF_FRACTIONS:
            yield "Unicode", _SIGNS_OF_FRACTIONS[value]
    if exact is not None and bottom > 1:
        yield "decimal", exact
        yield "decimal", exact + "0"
        if abs(value) < 1:
            yield "decimal", exact.replace("0.", ".", 1)
    if exact is not None and value:
        power = len(str(top // bottom)) - 1 if top >= bottom else -1
        mantissa = decimal(value / Fraction(10) ** power)
        if mantissa is not None:
            yield "scientific", f"{mantissa} \\times 10^{{{power}}}"
            yield "scientific", f"{mantissa}e{power}"
            yield "scientific", f"{mantissa} \\cdot 10^{{{power}}}"
    if value < 0:
        yield "Unicode", "−" + plain(-value).replace("\\frac", "\\tfrac")
        yield "spacing", "- " + plain(-value)
    elif exact is not None:
        yield "Unicode", "".join(chr(ord(m) + 0xFEE0) if m.isdigit() else m for m in exact)


def _numbers(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    value, core = body.value, body.parts[0]
    assert value is not None
    for kind, text in written(value, chance):
        if body.after and kind not in ("decimal", "thousands"):
            continue
        if kind == "words" and body.before:
            continue
        yield kind, body.text(text)
        if not body.before and not body.after and kind not in ("words", "sum", "product"):
            yield "label", f"{chance.choice(('x', 'n', 'S', 'f(2)', 'P'))} = {text}"
    if not body.after:
        yield "style", f"\\mathbf{{{core}}}" if core.isdigit() else core
        yield "style", f"\\text{{{core}}}" if core.isdigit() else core
        if "," not in core:  # (900,000) may be a point
            yield "brackets", body.before + f"\\left({core}\\right)"
            yield "brackets", body.before + f"({core})"
        yield "chain", body.before + f"{value - 1} + 1 = {core}" if value.denominator == 1 else core
    if body.unit:
        yield from _units(body, value, core)


def _units(body: Anatomy, value: Fraction, core: str) -> Made:
    unit = re.sub(r"\s+|[{}~]|\\[,;]", "", body.unit)
    if "%" in unit or unit == "percent":
        for after in ("%", "\\%", " \\%", " percent", "\\text{ percent}", "\\,\\%", " %"):
            yield "percent", body.text(core, after=after)
        yield "percent", plain(value / 100)
        yield "percent", f"\\frac{{{plain(value)}}}{{100}}" if value.denominator == 1 else core
        return
    if "circ" in unit or unit in ("°", "degrees", "degree"):
        for after in ("^\\circ", "^{\\circ}", "°", " degrees", "\\text{ degrees}", "^ \\circ", ""):
            yield "degrees", body.text(core, after=after)
        return
    name = unit if unit in UNITS else body.unit
    for after in (f" \\text{{ {name}}}", f"\\,\\mathrm{{{name}}}", f"~\\text{{{name}}}",
                  f"\\ \\text{{{name}}}", f" \\mathrm{{~{name}}}"):  # fmt: skip
        if "^" not in name and "\\" not in name:
            yield "unit style", body.text(core, after=after)
    if unit in UNITS:
        dimension, factor = UNITS[unit]
        for other, (its, its_factor) in UNITS.items():
            converted = decimal(value * factor / its_factor)
            if its == dimension and converted and other != unit and "^" not in other:
                yield "unit converted", f"{converted} \\text{{ {other}}}"
                if len(other) > 1:
                    yield "unit converted", f"{converted} {other}"


# Formulas


def valued(core: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Rewrite a formula as another one; whether the values agree is for the oracle to say."""
    for kind, shape in (
        ("around", "(%s)"), ("around", r"\left(%s\right)"), ("around", "1 \\cdot (%s)"),
        ("around", r"\frac{2(%s)}{2}"), ("around", "-(-(%s))"), ("around", "%s + 0"),
        ("around", "%s + 3 - 3"), ("around", r"\frac{%s}{1}"), ("around", "0 + %s"),
    ):  # fmt: skip
        yield kind, shape.replace("%s", core)
    terms = _terms(core)
    if len(terms) > 1:
        for _ in range(2):
            turned = terms[1:] + terms[:1] if _ == 0 else terms[::-1]
            joined = "".join(sign + term for sign, term in turned)
            yield "commuted", joined.removeprefix("+")
    for match in re.finditer(r"(?<![\d.{^_])\d+(?![\d.}])", core):
        value = int(match.group())
        if 1 < value < 1000:
            extra = chance.choice((1, 2))
            changed = f"({value + extra} - {extra})"
            yield "coefficient", core[: match.start()] + changed + core[match.end() :]
    for match in re.finditer(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", core):
        top, bottom = match[1], match[2]
        for changed in (rf"\frac{{2({top})}}{{2({bottom})}}", rf"\frac{{-({top})}}{{-({bottom})}}"):
            yield "unreduced", core[: match.start()] + changed + core[match.end() :]
    if "(" in core and "[" not in core and "\\left(" in core:
        yield "square brackets", core.replace("(", "[").replace(")", "]")
    if len(terms) > 1:
        yield "square brackets", rf"2 \left[\frac{{{core}}}{{2}}\right]"
    if "(" in core and "\\left" not in core:
        yield "square brackets", core.replace("(", "[").replace(")", "]")


def _terms(text: str) -> list[tuple[str, str]]:
    """Split a sum into its signed terms at the signs outside all brackets."""
    terms: list[tuple[str, str]] = []
    depth, start, sign = 0, 0, "+"
    for place, mark in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(mark, 0)
        if (
            mark in "+-"
            and depth == 0
            and not re.search(r"[\^_*/]\s*\Z|\\[a-z]+\s*\Z", text[:place])
        ):
            if text[start:place].strip():
                terms.append((sign, text[start:place].strip()))
            start, sign = place + 1, mark
    terms.append((sign, text[start:].strip()))
    return terms if all(term for _, term in terms) and "|" not in text else []


def _formulas(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    core = body.parts[0]
    for kind, text in retyped(core):
        yield kind, body.text(text)
    if not body.after:
        for kind, text in valued(core, chance):
            yield kind, body.text(text), (core, text)
    value = oracle.constant(core)
    if value is not None and not mpmath.im(value) and "." not in core and not body.after:
        digits = mpmath.nstr(value, 15, min_fixed=-5, max_fixed=15)
        if "e" not in digits and not digits.endswith(".0") and len(digits.split(".")[-1]) >= 8:
            yield "calculator", body.before + digits
    if value is not None and not body.before and not body.after:
        yield "label", f"x = {core}"
        yield "label", f"A = {core}"


# Lists, tuples, sets, intervals


def _items(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    parts = body.parts
    nested = nested_parts(parts)
    yield "spacing", body.text().replace(", ", ",")
    yield "spacing", body.text().replace(", ", " , ")
    yield "spacing", body.text().replace(", ", ",\\ ")
    yield "spacing", body.text().replace(", ", ",\\; ")
    for kind, text in retyped(body.text()):
        yield kind, text
    for place, part in enumerate(parts[:4]):
        if nested:
            break
        for kind, changed in valued(part, chance):
            if kind != "square brackets":
                new = (*parts[:place], changed, *parts[place + 1 :])
                yield f"item: {kind}", body.text(*new), (part, changed)
        value = number(part)
        if value is not None and "," not in part:
            for kind, changed in written(value, chance):
                if kind in ("unreduced", "fraction style", "sum", "root") or kind == "decimal":
                    new = (*parts[:place], changed, *parts[place + 1 :])
                    yield f"item: {kind}", body.text(*new)
    open_list = not body.before and not body.after
    unordered = gold.answer_type in (AnswerType.SET, AnswerType.AUTO) and (
        open_list or "\\{" in body.before
    )  # fmt: skip
    if unordered:
        yield "order", body.text(*reversed(parts))
        yield "order", body.text(*parts[1:], parts[0])
    if open_list and not nested:
        yield "joined by and", ", ".join(parts[:-1]) + r" \text{ and } " + parts[-1]
        yield "joined by and", ", ".join(parts[:-1]) + " and " + parts[-1]
        if len(set(parts)) == len(parts):
            yield "set", r"\{" + ", ".join(parts) + r"\}"
            yield "set", r"\left\{" + ", ".join(parts) + r"\right\}"
            if all(oracle.constant(part) is not None for part in parts):
                yield "labels", ", ".join(f"x = {part}" for part in parts)
                yield "labels", r" \text{ or } ".join(f"x = {part}" for part in parts)
    mixed = body.before[-1:] + body.after[-1:] in ("(]", "[)")
    if len(parts) == 2 and (mixed or gold.answer_type is AnswerType.INTERVAL):
        low, high = map(oracle.constant, parts)
        if low is not None and high is not None and low < high:
            left = "<" if body.before[-1] == "(" else "\\le"
            right = "<" if body.after[-1] == ")" else "\\le"
            yield "as inequality", f"{parts[0]} {left} x {right} {parts[1]}"
            yield "as inequality", f"x \\in {body.text()}"


# Inequalities and equations

_SPELT = (("<=", "≤", "\\leq", "\\le", "\\leqslant"), (">=", "≥", "\\geq", "\\ge", "\\geqslant"))
_MIRRORED = {"<": ">", ">": "<"}


def _inequalities(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    signs = [sign.strip() for sign in body.signs]

    def spelt(parts: list[str], chosen: list[str]) -> str:
        return parts[0].strip() + "".join(
            f" {sign} {part.strip()}" for sign, part in zip(chosen, parts[1:], strict=True)
        )

    parts = list(body.parts)
    for place, sign in enumerate(signs):
        for group in _SPELT:
            if sign in group:
                for other in group:
                    yield "sign style", spelt(parts, [*signs[:place], other, *signs[place + 1 :]])
    yield from retyped(bare(gold))
    if re.search(r"\\text|\$|\\\{|or|and", gold.text):
        return
    turned = []
    for sign in reversed(signs):
        less = sign in ("<", "\\lt", *_SPELT[0])
        strict = sign in ("<", ">", "\\lt", "\\gt")
        turned.append((">" if less else "<") if strict else ("\\ge" if less else "\\le"))
    yield "mirrored", spelt(parts[::-1], turned)
    if all(oracle_reads(part) for part in parts):
        yield "scaled", spelt([f"2({part.strip()})" for part in parts], signs)
        yield "scaled", spelt([f"{part.strip()} + 1" for part in parts], signs)


def oracle_reads(text: str) -> bool:
    try:
        read(text)
    except Unread:
        return False
    return True


def _equations(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    left, right = body.parts
    yield from retyped(bare(gold))
    if not (oracle_reads(left) and oracle_reads(right)):
        return
    if not read(left).names | read(right).names:
        return
    yield "sides exchanged", f"{right} = {left}"
    yield "scaled", f"2({left}) = 2({right})"
    yield "one side", f"{left} - ({right}) = 0"
    yield "one side", f"{right} - ({left}) = 0"
    for kind, changed in valued(right, chance):
        yield f"side: {kind}", f"{left} = {changed}", (right, changed)


# Words and letters


def _letters(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    letter = letter_of(body)
    for shape in (
        "%s", "(%s)", "%s.", r"\text{%s}", r"\text{(%s)}", r"\mathrm{%s}", r"\textbf{%s}", "**%s**",
        "Option %s", "option (%s)", "[%s]", "%s)", r"\mathbf{%s}", r"(\text{%s})", "Choice %s",
        r"\text{Answer: %s}", r"\text{Option %s}", "*%s*", "**(%s)**", "`%s`", "{%s}",
    ):  # fmt: skip
        yield "letter style", shape.replace("%s", letter)
    for shape in (
        "The correct option is **%s**.", "So the correct choice is %s.", "The answer is (%s).",
        "Answer: %s", "**Answer: %s**", "The correct answer is option %s.",
        "Thus, option %s is correct.",
        "Therefore the best answer is\n\n**%s**", "ANSWER: %s", "I choose (%s).",
        "Final answer: (%s)",
        r"The answer is \boxed{\text{%s}}", r"$\boxed{%s}$", r"\boxed{(%s)}",
        r"\boxed{\textbf{%s}}",
        "The answer is (%s), because the others fail.", "answer is %s", "**%s**", "%s", "(%s)",
    ):  # fmt: skip
        yield "response: letter", shape.replace("%s", letter)


def _booleans(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    right = body.parts[0].lower() in ("true", "yes")
    for word in ("true", "yes") if right else ("false", "no"):
        for spelt in (word, word.title(), word.upper()):
            for shape in ("%s", r"\text{%s}", "%s.", "**%s**", r"\boxed{%s}", r"\mathrm{%s}"):
                yield "word style", shape.replace("%s", spelt)


def _others(gold: Gold, body: Anatomy, chance: random.Random) -> Made:
    text = bare(gold)
    if "\\" in text and "$" not in text:
        for kind, changed in retyped(text):
            yield f"typing: {kind}", changed
    elif not re.search(r"[$=<>\d]", text):
        yield "words", f"\\text{{{text}}}"


_MAKERS: dict[str, Callable[[Gold, Anatomy, random.Random], Made]] = {
    "number": _numbers,
    "formula": _formulas,
    "items": _items,
    "inequality": _inequalities,
    "equation": _equations,
    "letter": _letters,
    "boolean": _booleans,
    "other": _others,
}

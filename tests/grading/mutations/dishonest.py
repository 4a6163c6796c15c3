"""Answers of somebody who does not know, or says everything at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import mpmath

from tests.grading import oracle
from tests.grading.mutations.formulas import is_family
from tests.grading.mutations.kinds import Made
from tests.grading.mutations.numbers import outside
from tests.grading.references import Anatomy, Gold, bare, number


def dishonest(gold: Gold, body: Anatomy) -> Iterator[Made]:
    text = bare(gold)
    # x^2 >= 0 is every number
    everything = body.kind == "inequality" or re.search(r"mathbb|infty|ℝ|∞", text)
    for wrong in (
        "", " ", "?", "...", "\\boxed{}", "\\boxed{x}", "x=x", "x = x", r"\mathbb{R}", "ℝ",
        "0 or 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10", "any number", "I don't know",
        "unknown", "the correct answer", "G", "answer", "N/A", "nan", "None of these, sorry",
        r"x \in \mathbb{R}", "A/B/C/D", "-10^9 \\le x \\le 10^9", "{0,1,2,3,4,5,6,7,8,9,10}",
        "either 3 or 4", r"\text{The answer}", "gold", "f(x)", "see above", "as required",
    ):  # fmt: skip
        if everything and wrong in (
            r"\mathbb{R}",
            r"x \in \mathbb{R}",
            "ℝ",
            "any number",
            "x=x",
            "x = x",
        ):
            continue
        if wrong.strip("\\boxed{}").lower() not in text.lower() or not wrong.strip():
            yield "dishonest", wrong, None
    for wrong in (
        "",
        "I cannot solve this.",
        "The answer is left to the reader.",
        "\\boxed{}",
        "\\boxed{?}",
        "Therefore, the answer is \\boxed{\\text{unknown}}.",
        "The answer is x.",
    ):
        if "x." not in wrong or "x" not in text:
            yield "response: dishonest", wrong, None
    if gold.question and not _says(gold.question, gold, body):
        yield "question", gold.question, None
        yield "response: question", gold.question, None
    if body.kind in ("letter", "boolean"):
        return
    for kind, shape in (
        ("negated", r"\ne %s"), ("negated", r"\neq %s"), ("negated", "not %s"),
        ("negated", r"\text{not } %s"), ("negated", r"%s \text{ is wrong}"),
        ("negated", "%s is wrong"), ("negated", "anything but %s"), ("negated", r"x \ne %s"),
        ("negated", "%s is not the answer"), ("negated", r"\neg %s"), ("negated", "all except %s"),
        ("negated", r"\not= %s"), ("negated", "%s is incorrect"), ("negated", "certainly not %s"),
        ("hedged", "%s or something else"), ("hedged", "%s or not %s"),
        ("hedged", "maybe %s, maybe 12345"),
        ("hedged", "either %s or 98765"), ("hedged", r"%s \text{ or } 98765"),
        ("hedged", "98765 or %s"), ("hedged", "%s, 98765"), ("hedged", "98765, %s"),
        ("hedged", r"\{%s, 98765\}"), ("hedged", "%s and 98765"), ("hedged", "%s / 98765 / 12"),
    ):  # fmt: skip
        if re.search(r"\bor\b|\band\b|\{%s", shape) and (
            body.kind in ("inequality", "equation", "other")
            or re.search(r"\\cup|∪|mathbb|infty|∞", text)
        ):  # fmt: skip
            continue  # 98765 may be in the set, and "x > 3 or 98765" is x > 3
        if "/" in shape and (body.kind != "number" or body.value == 0):
            continue
        if "not" in text or r"\ne" in text:
            continue
        yield kind, shape.replace("%s", text), None
    yield "response: negated", f"The answer is not {text}.", None
    yield "response: negated", f"The answer is definitely not ${text}$.", None
    if body.kind in ("inequality", "equation", "other"):
        return
    yield "response: hedged", f"The answer is either ${text}$ or $98765$.", None
    yield "response: hedged", rf"The answer is $\boxed{{98765}}$ or $\boxed{{{text}}}$.", None
    yield "response: hedged", rf"The answer is $\boxed{{{text}}}$ or $\boxed{{98765}}$.", None
    yield "response: changed mind", rf"It is $\boxed{{{text}}}$. No, wait: $\boxed{{98765}}$.", None
    yield "response: changed mind", f"The answer is {text}. I was wrong: the answer is 98765.", None
    if body.kind not in ("number", "formula") or body.unit or is_family(text):
        return
    core = body.parts[0]
    value = oracle.constant(core) if body.value is None else body.value
    if value is None or (not isinstance(value, Fraction) and mpmath.im(value)):
        return
    if abs(value) < 1e-30:
        value = 0  # sin(500 pi)
    tolerant = gold.tolerance is not None
    for kind, shape in (
        ("compared", "> %s"), ("compared", "< %s"), ("compared", r"\ge %s"), ("compared", "x > %s"),
        ("compared", r"\leq %s"), ("compared", "at least %s"), ("compared", "more than %s"),
        ("compared", "less than %s"), ("compared", r"x \le %s"), ("compared", "%s or more"),
        ("compared", "at most %s"), ("compared", "between %s and 98765"),
        ("compared", "%s to 98765"),
        ("prose", "%s of 12345"), ("prose", "%s out of 98765"), ("prose", "half of %s"),
        ("prose", "twice %s"), ("prose", "one more than %s"), ("prose", "%s plus one"),
        ("prose", "%s squared"), ("prose", "the square root of %s"), ("prose", "%s less one"),
        ("prose", "%s hundred"), ("prose", "%s dozen"), ("prose", "%s mod 7"),
        ("prose", "minus %s"),
        ("scaled by a word", r"%s \text{ million}"), ("scaled by a word", "%s million"),
        ("scaled by a word", "%s thousand"), ("scaled by a word", "%s billion"),
        ("scaled by a word", r"%s \text{ thousand}"),
        ("chain", "%s = 98765"), ("chain", "98765 = %s = 98765"), ("chain", "%s = %s + 1"),
        ("plus-minus", r"%s \pm 10^6"), ("plus-minus", r"%s \pm 1"), ("plus-minus", r"\pm %s"),
        ("plus-minus", "%s ± 1000000"),
        ("tuple", "(%s, %s)"), ("tuple", "(%s, 98765)"), ("tuple", "[%s, 98765]"),
    ):  # fmt: skip
        if value == 0 and ("million" in shape or shape in (
            "half of %s", "twice %s", "%s squared", "the square root of %s", "%s hundred",
            "%s dozen",
            "%s thousand", "%s billion", r"%s \text{ thousand}", "minus %s", "%s mod 7", r"\pm %s",
        )):  # fmt: skip
            continue
        if value == 1 and shape in ("%s squared", "the square root of %s"):
            continue
        if shape == "%s mod 7" and 0 <= value < 7:
            continue
        if tolerant and ("one" in shape or "+ 1" in shape or shape == r"%s \pm 1"):
            continue
        yield kind, body.before + shape.replace("%s", core), None


def _says(question: str, gold: Gold, body: Anatomy) -> bool:
    """Say whether a question holds its answer: then it is found there, by accident."""
    if body.kind in ("letter", "boolean", "other") or any(part in question for part in body.parts):
        return True
    if body.value is not None:
        numbers = re.findall(r"\d+(?:\.\d+)?(?:/\d+)?|\\frac\{\d+\}\{\d+\}", question)
        near = any(
            not outside(gold, body, value * scale)
            for value in map(number, numbers) if value is not None
            for scale in (1, 100, Fraction(1, 100))
        )  # fmt: skip
        return near or re.search(r"\\|\^", question) is not None
    return re.search(r"[\\$^]", question) is not None

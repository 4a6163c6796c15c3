"""Lists, tuples, sets, intervals and matrices that are not those of the reference."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from harness.types import AnswerType
from tests.grading import oracle
from tests.grading.mutations.formulas import around, is_family, textual
from tests.grading.mutations.kinds import Made
from tests.grading.references import Anatomy, Gold, bare, number, split


def _is_ordered(gold: Gold, body: Anatomy) -> bool:
    if gold.answer_type in (AnswerType.TUPLE, AnswerType.LIST):
        return True
    return gold.answer_type is AnswerType.AUTO and body.before.endswith("(") and body.after == ")"


def items(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    parts = body.parts
    if is_family(gold.text):
        return
    for place, part in enumerate(parts[:4]):
        nested = re.fullmatch(r"\((.*)\)", part)
        for kind, changed in (*textual(part, chance), *around(part)):
            if nested:
                continue
            new = (*parts[:place], changed, *parts[place + 1 :])
            yield f"item: {kind}", body.text(*new), _item_proof(gold, part, changed)
        if nested:
            for match in re.finditer(r"(?<![\d^_{.])\d+(?![\d.}])", part):
                other = str(int(match.group()) + chance.choice((1, 2, 10)))
                changed = part[: match.start()] + other + part[match.end() :]
                new = (*parts[:place], changed, *parts[place + 1 :])
                yield "item: coefficient changed", body.text(*new), _plain_tuple(part)
        if nested and len(inner := split(nested[1])) > 1:
            yield (
                "item: order",
                body.text(
                    *parts[:place], "(" + ", ".join(reversed(inner)) + ")", *parts[place + 1 :]
                ),
                lambda i=inner: len(i) == 2 and oracle.differ(i[0], i[1]),
            )
        if len(parts) > 2 or not body.after:
            rest = (*parts[:place], *parts[place + 1 :])
            if gold.answer_type is not AnswerType.SET or parts.count(part) == 1:
                yield "item dropped", body.text(*rest), None
    for other in ("17", r"\frac{1}{7}", "-1234"):
        if not any(oracle.agree(part, other) for part in parts) and not nested_parts(parts):
            yield "item added", body.text(*parts, other), None
            yield "item added", body.text(other, *parts), None
            if not body.after:
                yield "item replaced", body.text(*parts[:-1], other), None
    if _is_ordered(gold, body):
        for first in range(min(4, len(parts) - 1)):
            new = list(parts)
            new[first], new[first + 1] = new[first + 1], new[first]
            yield "order", body.text(*new), lambda f=first: oracle.differ(parts[f], parts[f + 1])
        if len(parts) == 2 or gold.answer_type is not AnswerType.AUTO:
            yield (
                "order",
                body.text(*reversed(parts)),
                lambda: any(
                    oracle.differ(a, b) for a, b in zip(parts, reversed(parts), strict=True)
                ),
            )
    if gold.answer_type is not AnswerType.SET and not body.after:
        yield "item doubled", body.text(*parts, parts[-1]), None
    if len(parts) == 2 and body.after and gold.answer_type in (
        AnswerType.AUTO, AnswerType.INTERVAL,
    ):  # fmt: skip
        opening, closing = body.before[-1], body.after[-1]
        turned = {"(": "[", "[": "(", ")": "]", "]": ")"}
        ends = [re.search(r"\\infty|∞|infinity|inf\b", part) is None for part in parts]
        mixed = (opening, closing) in (("(", "]"), ("[", ")"))
        if mixed or gold.answer_type is AnswerType.INTERVAL:
            if ends[0]:
                yield "bracket type", body.text(before=body.before[:-1] + turned[opening]), None
            if ends[1]:
                yield "bracket type", body.text(after=body.after[:-1] + turned[closing]), None


def nested_parts(parts: tuple[str, ...]) -> bool:
    return any(part[:1] in "([{" for part in parts)


def _plain_tuple(part: str) -> Callable[[], bool]:
    """Say whether a tuple holds plain numbers, so that another digit is another tuple."""
    return lambda: all(number(item) is not None for item in split(part[1:-1]))


def _item_proof(gold: Gold, part: str, changed: str) -> Callable[[], bool]:
    def proof() -> bool:
        if gold.tolerance is not None or "." in part:
            # Rounded, or with a tolerance: only what is far away.
            value, expected = oracle.constant(changed), oracle.constant(part)
            if value is None or expected is None or abs(value - expected) < abs(expected) / 10:
                return False
            if abs(value - expected) < 0.06:
                return False
        # {1, 2} with 1 changed into 2 is another set too: only this part need be looked at.
        return oracle.differ(part, changed)

    return proof


def structures(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    """Change matrices, unions of intervals, two-signed values and ratios of plain numbers."""
    text = bare(gold)
    matrix = re.fullmatch(r"\\begin\{(\w+)\}([-\d&\\\s]+)\\end\{\w+\}", text)
    if matrix:
        rows = [
            [cell.strip() for cell in row.split("&")]
            for row in re.split(r"\\\\", matrix[2]) if row.strip()
        ]  # fmt: skip

        def typed(table: list[list[str]]) -> str:
            inner = r" \\ ".join(" & ".join(row) for row in table)
            return rf"\begin{{{matrix[1]}}} {inner} \end{{{matrix[1]}}}"

        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                for other in (str(int(cell) + 1), cell + "0" if cell != "0" else "7", f"{cell}.5"):
                    table = [list(line) for line in rows]
                    table[r][c] = other
                    yield "entry changed", typed(table), None
        turned = [list(column) for column in zip(*rows, strict=True)]
        if len(rows) > 1 and len(rows[0]) > 1 and turned != rows:
            yield "transposed", typed(turned), None
        if rows[0] != rows[-1]:
            yield "rows exchanged", typed(rows[::-1]), None
    bounds = r"(?:-?\d+|[-+]?\\infty)"
    piece = rf"[(\[]\s*{bounds}\s*,\s*{bounds}\s*[)\]]"
    if re.fullmatch(rf"{piece}(?:\s*\\cup\s*{piece})+", text):
        for match in re.finditer(r"(?<![\d])-?\d+", text):
            for step in (100000, -100000):
                # So far that no neighbour's end is met by accident.
                other = str(int(match.group()) + step)
                yield "endpoint changed", text[: match.start()] + other + text[match.end() :], None
        for match in re.finditer(r"(?<=\d)[)\]]|[(\[](?=-?\d)", text):
            other = {"(": "[", "[": "(", ")": "]", "]": ")"}[match.group()]
            changed = text[: match.start()] + other + text[match.end() :]
            yield (
                "bracket type",
                changed,
                lambda: len(set(re.findall(r"-?\d+", text))) == len(re.findall(r"-?\d+", text)),
            )
        yield "piece dropped", text.split("\\cup")[0].strip(), None
        yield "relation flipped", text.replace("\\cup", "\\cap"), None
    signed = re.fullmatch(r"(.*?)\s*\\pm\s*([^,]*)", text)
    if signed and oracle.constant(signed[2]) not in (None, 0):
        first, second = signed[1] or "0", signed[2]
        if oracle.constant(first) is not None:
            yield "one sign only", f"{signed[1]} + {second}", None
            yield "one sign only", f"{signed[1]} - {second}", None
            for kind, changed in textual(first, chance):
                yield kind, rf"{changed} \pm {second}", lambda c=changed: oracle.differ(first, c)
            for kind, changed in textual(second, chance):
                if not changed.startswith("-"):
                    yield (
                        kind,
                        f"{signed[1]} \\pm {changed}",
                        lambda c=changed: (
                            oracle.differ(second, c) and oracle.differ(f"-({second})", c)
                        ),
                    )
    ratio = re.fullmatch(r"(\d+)\s*:\s*(\d+)", text)
    if ratio and int(ratio[1]) != int(ratio[2]):
        top, bottom = int(ratio[1]), int(ratio[2])
        for one, other in ((bottom, top), (top + 1, bottom), (top, bottom + 1), (top * 10, bottom)):
            if one * bottom != other * top:
                yield "ratio changed", f"{one}:{other}", None
                yield "ratio changed", rf"{one} \text{{ to }} {other}", None
    based = re.fullmatch(r"(\d+)_\{?(\d+)\}?", text)
    if based and len(based[1]) > 1 and int(based[2]) < 10:
        yield "base dropped", based[1], None
        yield "base changed", f"{based[1]}_{{{int(based[2]) + 1}}}", None
        yield "digit dropped", f"{based[1][:-1]}_{{{based[2]}}}", None

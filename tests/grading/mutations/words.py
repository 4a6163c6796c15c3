"""Other letters, other words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from tests.grading.mutations.kinds import Made
from tests.grading.references import Anatomy, Gold, bare


def letter_of(body: Anatomy) -> str:
    """Return the bare letter of a choice."""
    return re.sub(r"\\text|[^A-J]", "", body.parts[0])


def letters(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    letter = letter_of(body)
    others = [other for other in "ABCDEFGHIJ" if other != letter]
    for other in others[:5]:
        for shape in ("%s", "(%s)", r"\text{%s}", "%s.", r"\textbf{%s}", "Option %s", "(%s) 3"):
            yield "letter changed", shape % other, None
        for shape in (
            "{0}/{1}", "{0}, {1}", "{0} or {1}", "{0} and {1}", "({0}) or ({1})", "{0}{1}",
            "either {0} or {1}", "{0} (or {1})", r"{0} \text{{ or }} {1}", "{0} & {1}",
        ):  # fmt: skip
            yield "several letters", shape.format(letter, other), None
            yield "several letters", shape.format(other, letter), None
        yield "response: letter changed", f"The answer is not {letter} but {other}.", None
        yield (
            "response: letter changed",
            f"\\boxed{{{letter}}} is wrong; so \\boxed{{{other}}}",
            None,
        )
        yield "response: several letters", f"The answer is {letter} or {other}.", None
        yield "response: several letters", f"The answer is either {other} or {letter}.", None
    for text in (
        "A/B/C", "A, B, C, D", "ABCD", "A or B or C or D", "I don't know", "all of the above",
        "none of the above", "None", "A B C D E F G H I J", "any of them",
        "A, B, C, D, E, F, G, H, I, J",
        "(A) (B) (C) (D)", f"not {letter}", f"anything but {letter}", f"all except {letter}",
        f"{letter} is wrong", f"{letter} is incorrect", rf"\ne {letter}", rf"\neg {letter}",
    ):  # fmt: skip
        yield "dishonest", text, None
        yield "response: dishonest", f"The answer is {text}.", None
        yield "response: dishonest", rf"$\boxed{{\text{{{text}}}}}$", None


def booleans(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    right = body.parts[0].lower() in ("true", "yes")
    word, wrong = ("true", "false") if right else ("false", "true")
    yes, no = ("yes", "no") if right else ("no", "yes")
    for text in (
        wrong, no, wrong.title(), no.title(), f"not {word}", f"{word} or {wrong}",
        f"{word}, {wrong}", f"{word}/{wrong}", f"{yes} and {no}", "both", "neither",
        "maybe", f"{wrong} and {word}",
        f"either {word} or {wrong}", rf"\text{{{wrong}}}", rf"\textbf{{{no}}}",
        "cannot be determined", "unknown", "depends", f"{word} and {wrong}", "0.5",
        f"neither {word} nor {wrong}", f"un{word}",
    ):  # fmt: skip
        yield "dishonest", text, None
        yield "response: dishonest", f"The answer is {text}.", None
        yield "response: dishonest", rf"\boxed{{{text}}}", None


def others(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    text = bare(gold)
    names = re.findall(r"([A-Z][a-z]+)\s*:\s*(-?\d+)", text)
    if len(names) > 1 and len({value for _, value in names}) > 1:
        values = [value for _, value in names]
        moved = values[1:] + values[:1]
        if moved != values:
            yield (
                "names exchanged",
                ", ".join(
                    f"{name}: {value}" for (name, _), value in zip(names, moved, strict=True)
                ),
                None,
            )
    pieces = re.split(r"\s*(?:[,;]|\\text\{ *(?:or|and) *\}|\bor\b)\s*", text)
    if all(
        re.fullmatch(r"(?:[A-Z][a-z]+:|[a-z](?:_\{?\d\}?)? *=) *-?\d+", piece) for piece in pieces
    ):
        for match in re.finditer(r"(?<=[=: ])-?\d+", text):
            other = str(int(match.group()) + chance.choice((1, 10, 100)))
            yield "value changed", text[: match.start()] + other + text[match.end() :], None
            if len(match.group()) > 1 and match.group().lstrip("-") != "0":
                moved_point = match.group()[:-1] + "." + match.group()[-1]
                changed = text[: match.start()] + moved_point + text[match.end() :]
                yield "decimal point added", changed, None

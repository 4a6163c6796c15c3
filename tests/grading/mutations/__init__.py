"""Answers that are surely wrong, made from right ones.

A mutation is kept only where exact arithmetic or ``oracle`` shows that its value differs from the
reference's, or where that is certain by construction (``G + 1`` of a number). Not made, because a
mathematician would not call them wrong:

- *percent*: 50 % is 1/2, and 50 where the question asked for percent;
- *rounded*: a reference with a decimal point may be a rounded value, so nothing closer than half
  a unit in its last place; nor anything within the tolerance of the task;
- *calculator*: a number that agrees to 12 digits;
- *units*: a unit may be left out, for the question may have named it; of 0 it does not matter;
- *families*: with an arbitrary constant or whole number (+ C, k pi) other formulas are the
  same set;
- *sets*: "x > 3 or 98765" is x > 3, and x = x is every number where the reference is;
- *whole letters*: a letter in a floor stands for a whole number, so no absolute value around it;
- *question*: a question that holds its own answer.
"""

from __future__ import annotations

import random

from tests.grading.mutations.dishonest import dishonest
from tests.grading.mutations.formulas import equations, formulas, inequalities
from tests.grading.mutations.kinds import Case, Made
from tests.grading.mutations.lists import items, structures
from tests.grading.mutations.numbers import numbers
from tests.grading.mutations.words import booleans, letters, others
from tests.grading.references import Gold, anatomy, bare

__all__ = ["Case", "cases"]

_MAKERS = {
    "number": (numbers, structures),
    "formula": (formulas, structures),
    "items": (items, structures),
    "other": (others, structures),
    "inequality": (inequalities,),
    "equation": (equations,),
    "letter": (letters,),
    "boolean": (booleans,),
}


def cases(gold: Gold, seed: int, count: int = 70) -> list[Case]:
    """Return wrong answers to a reference: a seeded choice where there are more than asked for.

    The choice is made before anything is verified, for verifying is what takes time.
    """
    chance = random.Random(f"{gold.source} {gold.text} {seed}")
    body = anatomy(gold)
    made: list[Made] = [*dishonest(gold, body)]
    for maker in _MAKERS[body.kind]:
        made += maker(gold, body, chance)
    chance.shuffle(made)
    kept: list[Case] = []
    seen = {gold.text.strip(), bare(gold)}
    for kind, text, proof in made:
        if len(kept) >= count:
            break
        if text not in seen and (proof is None or proof()):
            seen.add(text)
            kept.append(Case(gold, kind, text, not kind.startswith("response:")))
    return kept

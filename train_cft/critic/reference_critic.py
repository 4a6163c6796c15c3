"""The reference critic: critiques without a model, from reference solutions and arithmetic.

It writes from the data set's own reference solution and from steps that arithmetic alone can check.
Where there is neither it writes nothing: a bare verdict is no critique. It takes our grader's
verdict for granted, so that its own conclusions say nothing about how often critiques are wrong.
"""

from __future__ import annotations

import re

from train_cft.critic import arithmetic, conclusions
from train_cft.data.examples import Example

CRITIC = "reference"

NO_VERDICT = "no verdict to start from"
NO_MATERIAL = "neither a reference solution nor a step that can be checked"
LUCKY = "right answer through a wrong step"
_QUOTED_STEPS = 3
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_WORDS_OF_A_SENTENCE = 4
# Where the grader takes whatever stands last: the response need not offer it as its answer.
_GUESSED = ("last_number", "last_word")


def criticise(example: Example) -> tuple[str, str]:
    """Return a critique, or an empty text and the reason why there is none."""
    if example.right is None:
        return "", NO_VERDICT
    found = arithmetic.steps(example.response)
    wrong = next((step for step in found if step.wrong), None)
    if example.right:
        if wrong is not None:
            return "", LUCKY
        reasons = _praise(example, [step for step in found if step.holds])
    else:
        reasons = _blame(example, wrong)
    if not reasons:
        return "", NO_MATERIAL
    return conclusions.write(reasons, example.right), ""


def _praise(example: Example, holding: list[arithmetic.Step]) -> str:
    if not holding and not example.solution:
        return ""
    parts = []
    if holding:
        quoted = ", ".join(f"`{step.text}`" for step in _distinct(holding)[:_QUOTED_STEPS])
        parts.append(f"The steps that can be checked by arithmetic hold: {quoted}.")
    if example.solution:
        parts.append(f"The question can be solved like this:\n{example.solution}")
    parts.append(f"The answer {_answer(example.extracted or example.gold)} is right.")
    return "\n\n".join(parts)


def _blame(example: Example, wrong: arithmetic.Step | None) -> str:
    if wrong is None and not example.solution:
        return ""
    parts = []
    if wrong is not None:
        value = arithmetic.shown(wrong.value)
        parts.append(f"The step `{wrong.text}` is wrong: `{wrong.left}` is {value}.")
    if example.solution:
        parts.append(f"The question can be solved like this:\n{example.solution}")
    parts.append(_difference(example))
    return "\n\n".join(part for part in parts if part)


def _difference(example: Example) -> str:
    if not example.gold:
        return "So the answer is not right."
    should = _answer(example.gold)
    if not example.extracted:
        return f"The answer should be {should}, and the solution does not give one."
    in_words = len(_WORD.findall(example.extracted)) >= _WORDS_OF_A_SENTENCE
    if in_words or example.extraction in _GUESSED:
        # What stood where an answer should: repeating it would teach nothing.
        return f"The answer should be {should}, and the solution does not arrive at it."
    return f"The answer should be {should}, but the solution gives {_answer(example.extracted)}."


def _answer(text: str) -> str:
    """Set an answer off from the sentence around it, as mathematics where it is TeX."""
    stripped = text.strip()
    return f"${stripped}$" if "\\" in stripped and "$" not in stripped else f"`{stripped}`"


def _distinct(steps: list[arithmetic.Step]) -> list[arithmetic.Step]:
    return list({step.text: step for step in steps}.values())

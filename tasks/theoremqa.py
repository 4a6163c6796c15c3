r"""University questions that need a theorem: mathematics, physics, EE&CS, finance (800 items).

A row: ``{"Question": "How many ways are there to divide a set of 8 elements into 5 non-empty
ordered subsets?", "Answer": 11760, "Answer_type": "integer", "Picture": null, "id":
"jianyu_xu/Lah_number_6.json", "field": "Math", …}``; on the hub ``Answer`` is text ("11760") and
there are neither ``id`` nor ``field``, so an id is the hash of question and answer, and items are
sorted by it.

Source: Chen et al. 2023 (arXiv 2305.12524), MIT. float 377, integer 216, bool 116, list of integer
61, option 18, list of float 12: each is graded as the type that it declares.
Oddities:
- 53 rows need a picture. They are kept, because published numbers are out of all 800, and their
  note says so. One question stands twice, with two pictures and two answers.
- Floats: the source's own scoring allows 4 % (within_eps of predict_accuracy.py). Here that holds
  for reference answers below three significant digits; the others are good to half a unit in the
  last place.
  JSON cannot tell 60.0 from 60, so trailing zeros do not count as digits. Seven questions ask to
  round to "the thousands decimal", whatever digits their gold has: 0.0005. Three reference answers
  are cut off instead of rounded (-0.166 for -1/6, 7.853 for 5 pi / 2): a whole unit.
- Lists compare in order (the source sorts them, which also accepts (x, y) for (y, x)); a list of
  floats has 4 % where one of them has less than three digits. Options "(b)" become letters.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below, and
" (True or False)" after the questions of type bool.
"""

import ast
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from harness.task import Source, Task
from harness.types import AnswerType, Item, Message, Tolerance, digest
from tasks._gold import decimal_tolerance

SOURCE = Source(
    file="theoremqa.jsonl",
    file_sha256="0cd57c45c9af462eeb2282d1383fd69cf70664367fa3fce10176c3d648272cbb",
    hub_id="TIGER-Lab/TheoremQA",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="MIT",
)
TYPES = {
    "float": AnswerType.NUMBER,
    "integer": AnswerType.INTEGER,
    "bool": AnswerType.BOOLEAN,
    "option": AnswerType.CHOICE,
    "list of integer": AnswerType.LIST,
    "list of float": AnswerType.LIST,
}
STATED_TOLERANCE = 0.04
CUT_OFF = (-0.166, 7.853)


def load() -> Iterator[Item]:
    items = [read(row) for row in SOURCE.rows()]
    yield from sorted(items, key=lambda item: item.id)


def read(row: dict[str, Any]) -> Item:
    answer, declared = row["Answer"], row["Answer_type"]
    if isinstance(answer, str) and declared != "option":
        answer = ast.literal_eval(answer)
    if declared == "option":
        gold = answer.strip("() ").upper()
    elif declared.startswith("list"):
        gold = "[" + ", ".join(map(text, answer)) + "]"
    else:
        gold = text(answer)
    return Item(
        digest([row["Question"], gold])[:12],
        row["Question"],
        gold,
        TYPES[declared],
        tolerance(declared, answer, row["Question"]),
        subject=row.get("field", ""),
        note="" if row["Picture"] is None else "needs a picture that it does not have",
    )


def text(value: float | bool) -> str:
    return str(value).removesuffix(".0")


def tolerance(declared: str, answer: Any, question: str) -> Tolerance | None:
    if declared == "float" and "the thousands decimal" in question:
        return Tolerance(absolute=0.0005)
    if declared == "float" and answer in CUT_OFF:
        return Tolerance(absolute=0.001)
    if declared == "float":
        return decimal_tolerance(str(Decimal(str(answer)).normalize()), STATED_TOLERANCE)
    if declared == "list of float":
        digits = [len(Decimal(str(value)).normalize().as_tuple().digits) for value in answer]
        return Tolerance(relative=STATED_TOLERANCE) if min(digits) < 3 else None
    return None


def prompt(item: Item) -> Sequence[Message]:
    hint = " (True or False)" if item.answer_type is AnswerType.BOOLEAN else ""
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": item.question + hint},
    ]


TASK = Task(
    "theoremqa",
    "1",
    load,
    prompt,
    data_sha256="62d3cf3151ff15058060d29a817d1e799d5716c4121b2160bf976860f9e96da0",
    source=SOURCE,
)

r"""Olympiad mathematics with open answers, text only, English (OlympiadBench, 675 items).

A row: ``{"id": 1664, "subfield": "Number Theory", "context": null, "question": "…", "solution":
["…"], "final_answer": ["$69$,$84$"], "is_multiple_answer": true, "unit": null, "answer_type":
"Numerical", "error": null}``; the reference is ``final_answer[0]`` without ``$``, the id is ``id``.

Source: He et al. 2024 (arXiv 2402.14008), Apache-2.0. Numerical 572, Expression 64, Tuple 33,
Interval 6.
Oddities:
- 675 rows in the authors' first release and in every published number of arXiv 2501.17703; the
  hub's copy of July 2024 has 674, and which one is gone is not known. 674 items are another
  benchmark, so they are refused.
- 94 rows have several answers in one comma string: an unordered set, as the source's own judge
  takes them. Commas get a space, so that 69,84 is not read as 6984.
- 8 rows have a unit, which the question names and the reference leaves out; the answer may have it.
- ``error`` is the absolute tolerance, in one row (2592); all others are exact.
- Nine rows are not what they are labelled (six are ordered, two are expressions, 1965 is one family
  of functions in words) and some reference answers are misspelt: see below. Row 2268 asks for
  minimum and maximum, and the reference has them the other way round: the set takes both.
- Thirteen of the rows with several answers ask for values by name ("the values of b and c"): the
  set takes them in any order, as the source does. The reference of 2498 is a product, written as
  two answers. Notes on the items say so.
- Four rows speak of a diagram that they do not have; they are asked as published, with a note.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below.
"""

import re
from collections.abc import Iterator, Sequence

from harness.errors import HarnessError
from harness.task import DATA_DIR_VARIABLE, Source, Task
from harness.types import AnswerType, Item, Message, Tolerance

ROWS = 675
SOURCE = Source(
    file="olympiadbench.jsonl",
    file_sha256="bb8c1e38a16ea9eacb77530315a674d883f267fbff79183effc53681b4fcc416",
    hub_id="Hothan/OlympiadBench",
    hub_config="OE_TO_maths_en_COMP",
    hub_split="train",
    hub_revision=None,
    licence="Apache-2.0",
)
TYPES = {
    "Numerical": AnswerType.NUMBER,
    "Expression": AnswerType.EXPRESSION,
    "Tuple": AnswerType.TUPLE,
    "Interval": AnswerType.INTERVAL,
}
# Labelled as several answers or as a number, but one tuple, or values the question asks in order.
ORDERED = dict.fromkeys((2349, 2356, 2469, 2472, 2639, 2891), AnswerType.TUPLE)
MISLABELLED = ORDERED | {
    1965: AnswerType.AUTO,
    2615: AnswerType.EXPRESSION,
    2626: AnswerType.EXPRESSION,
}
# Typing only, never the mathematics.
RESPELT = {
    1970: "(-\\infty, 0) \\cup\\{1\\}",
    2045: "(0, 4]",
    2349: "(221, 8)",
    2356: "(16, 3, 1, 1)",
    2472: "(19, 0, 1)",
    2891: "(2+\\sqrt{2}, 1+\\sqrt{2})",
}
NAMED = (2277, 2317, 2369, 2382, 2420, 2445, 2467, 2490, 2509, 2536, 2575, 2679, 2702)
NOTES = (
    dict.fromkeys((2614, 2615, 2625, 2626), "mentions a diagram that it does not have")
    | dict.fromkeys(NAMED, "asks for values by name, and takes them in any order")
    | {2498: "the gold is a product, written as two answers"}
)


def load() -> Iterator[Item]:
    rows = list(SOURCE.rows())
    if len(rows) != ROWS:
        raise HarnessError(
            f"OlympiadBench has {len(rows)} rows here, and the published benchmark {ROWS}.",
            f"Set {DATA_DIR_VARIABLE} to a folder with the {ROWS}-row {SOURCE.file}.",
        )
    for row in sorted(rows, key=lambda row: int(row["id"])):
        number = int(row["id"])
        gold = re.sub(r"(?<!\\),\s*", ", ", row["final_answer"][0].replace("$", "").strip())
        gold = RESPELT.get(number, gold)
        declared = AnswerType.SET if row["is_multiple_answer"] else TYPES[row["answer_type"]]
        if declared is AnswerType.NUMBER and re.fullmatch(r"-?\d+", gold):
            declared = AnswerType.INTEGER
        yield Item(
            str(number),
            row["question"],
            gold,
            MISLABELLED.get(number, declared),
            Tolerance(absolute=float(row["error"])) if row["error"] else None,
            subject=row["subfield"],
            note=NOTES.get(number, ""),
        )


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": item.question},
    ]


TASK = Task(
    "olympiadbench",
    "1",
    load,
    prompt,
    data_sha256="267edb12a31bc2851f07f75fdd978b7f964bb8d35126cc0922ed6d27821bf43f",
    source=SOURCE,
)

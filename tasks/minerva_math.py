r"""Undergraduate science and mathematics from MIT's OpenCourseWare (Minerva, 272 items).

A row: ``{"problem": "Each of the two Magellan telescopes has a diameter of $6.5 \\mathrm{~m}$. …",
"solution": "… =\\boxed{1.6} \\mathrm{~cm}\n\\]", "type": "Introduction to Astronomy (8.282J Spring
2006)", "idx": 0}``; on the hub ``{"question": "…", "answer": "1.6"}``. The reference is the last
balanced ``\boxed`` of ``solution``, or ``answer``; the id is the row's number.

Source: Lewkowycz et al. 2022 (arXiv 2206.14858). Licence not stated.
Oddities:
- Reference answers leave out their unit, which follows the box; the question names it. Kept so.
- 188 numbers, 28 of them below 0.05, many as 4.5e33. Decimals are rounded: an answer may differ by
  half a unit in the last place from three significant digits on, else by 1 %, the threshold in the
  public re-implementation of Minerva's scoring (numeric_equality). The 63 integers are exact.
- Three reference answers are Python; they are respelt below. Rows 245, 250 and 251 are equations in
  words, row 233 lacks its "± 5730", row 269 has two energies in one box; notes on the items say so.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below.
"""

import re
from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import AnswerType, Item, Message
from tasks._gold import decimal_tolerance, last_boxed

SOURCE = Source(
    file="minerva_math.jsonl",
    file_sha256="a3db82e325d03b23e788d93fd8291e518f45d2b03e1cff1636fea7c5eaa32c39",
    hub_id="math-ai/minervamath",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="not stated",
)
RESPELT = {"np.arcsin(10/13)": "\\arcsin(10/13)", "-1./3": "-1/3", "-3./2": "-3/2"}
STATED_TOLERANCE = 0.01
WORDS = "the gold is an equation between words"
NOTES = {
    233: "the gold leaves out its uncertainty",
    245: WORDS,
    250: WORDS,
    251: WORDS,
    269: "the gold is two things in one box",
}


def load() -> Iterator[Item]:
    for number, row in enumerate(SOURCE.rows()):
        gold = row["answer"] if "answer" in row else last_boxed(row["solution"])
        gold = RESPELT.get(gold.strip(), gold.strip())
        answer_type, tolerance = AnswerType.AUTO, None
        if re.fullmatch(r"[-+]?\d+", gold):
            answer_type = AnswerType.INTEGER
        elif re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", gold):
            answer_type = AnswerType.NUMBER
            tolerance = decimal_tolerance(gold, STATED_TOLERANCE)
        question = row["problem"] if "problem" in row else row["question"]
        note = NOTES.get(number, "")
        yield Item(
            f"{number:03d}", question, gold, answer_type, tolerance, row.get("type", ""), note=note
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
    "minerva_math",
    "1",
    load,
    prompt,
    data_sha256="3cfb68dc6148a5ec7771407ae2683b5f651a13ca1e4ec9d2c2c8b055715b800c",
    source=SOURCE,
)

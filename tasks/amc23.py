r"""American Mathematics Competitions 12A and 12B of 2023, whole-number answers (40 items).

A row: ``{"id": 0, "problem": "Cities $A$ and $B$ are $45$ miles apart. …", "answer": 27.0, "url":
"https://artofproblemsolving.com/wiki/index.php/2023_AMC_12A_Problems/Problem_1", "question": "(as
problem)"}``; the hub has ``question`` only. The id is exam and number, from ``url``: ``12A-01``.

Source: Mathematical Association of America, as collected in math-ai/amc23; licence not stated.
Oddities: answers are floats (27.0); all are whole and become integers. The options are left out.
Ten problems are missing: 9, 15, 18 of 12A and 15, 18-22, 25 of 12B. Numbers such as 30.1 or 57.8 in
the literature are from another set, 83 problems of 2022 and 2023.
Published protocols: arXiv 2501.17703 asks once, greedy, 2,048 tokens; its sequel (arXiv
2506.03295) takes the mean of 32 samples, as here, because one answer is 2.5 points. Why 2,048
tokens: see `aime24`.
"""

import re
from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import AnswerType, Item, Message
from tasks._gold import whole_number

SOURCE = Source(
    file="amc23.jsonl",
    file_sha256="5ed21b3a67cdca5ff9d248173c8817fd0f12a42667925f9bdd5f88906bfd699f",
    hub_id="math-ai/amc23",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="not stated",
)


def load() -> Iterator[Item]:
    for row in SOURCE.rows():
        exam, number = re.findall(r"AMC_(12[AB])_Problems/Problem_(\d+)", row["url"])[0]
        gold = whole_number(row["answer"])
        yield Item(
            f"{exam}-{int(number):02d}", row["question"], gold, AnswerType.INTEGER, subject=exam
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
    "amc23",
    "1",
    load,
    prompt,
    data_sha256="293b9f1f6aa863893731f08239918143f06918e739943e24fcd17b3857083075",
    source=SOURCE,
    samples=32,
    temperature=0.6,
)

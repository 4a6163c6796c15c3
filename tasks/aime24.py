r"""American Invitational Mathematics Examination 2024, I and II (30 items, 32 samples each).

A row: ``{"id": 60, "problem": "Every morning Aya goes for a $9$-kilometer-long walk …",
"solution": "…", "answer": "204", "url": "https://artofproblemsolving.com/wiki/index.php/
2024_AIME_I_Problems/Problem_1", "question": "(as problem)"}``; on the hub there is no ``answer``,
and ``solution`` is the boxed answer alone. The id is exam and number, from ``url``: ``I-01``.

Source: Mathematical Association of America, as collected in math-ai/aime24, Apache-2.0.
Oddities: seven answers carry leading zeros (025), which are dropped: an answer is an integer from 0
to 999. All 30 agree with the official keys.
Published protocols: arXiv 2501.17703 asks once, greedy, 2,048 tokens (``--n 1 --temperature
0``), which on 30 items says little; here, as in its sequel (arXiv 2506.03295), the mean of 32
samples is taken. The budget stays at 2,048 tokens, since the models of that protocol have room for
4,096 tokens in all; give a reasoning model more with ``--max-tokens``.
"""

import re
from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import AnswerType, Item, Message
from tasks._gold import last_boxed

SOURCE = Source(
    file="aime24.jsonl",
    file_sha256="187d08d68441a0bb0d0db8f6e7c5af53dbe0dc7efe9a769cd27f75d8d13f6318",
    hub_id="math-ai/aime24",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="Apache-2.0",
)


def load() -> Iterator[Item]:
    for row in SOURCE.rows():
        exam, number = re.findall(r"AIME_(II?)_Problems/Problem_(\d+)", row["url"])[0]
        gold = str(int(row["answer"] if "answer" in row else last_boxed(row["solution"])))
        yield Item(
            f"{exam}-{int(number):02d}", row["problem"], gold, AnswerType.INTEGER, subject=exam
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
    "aime24",
    "1",
    load,
    prompt,
    data_sha256="61c733a4c7a7192a2b3749503b06fe6888fb5603cd613a57916a1211700ad996",
    source=SOURCE,
    samples=32,
    temperature=0.6,
)

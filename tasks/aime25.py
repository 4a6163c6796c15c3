r"""American Invitational Mathematics Examination 2025, I and II (30 items, 32 samples each).

A row: ``{"id": "0", "problem": "Find the sum of all integer bases $b>9$ for which $17_b$ is a
divisor of $97_b.$", "answer": "70", "question": "(as problem)"}``; the hub has ``id``, ``problem``
and ``answer``. Rows 0-14 are exam I, 15-29 exam II; the id is exam and number: ``II-03``.

Source: Mathematical Association of America, as collected in math-ai/aime25, Apache-2.0. All 30
answers agree with the official keys. Oddities: none; leading zeros are dropped as for `aime24`.
Published protocol (arXiv 2506.03295): mean of 32 samples. Why 2,048 tokens: see `aime24`.
"""

from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import AnswerType, Item, Message

SOURCE = Source(
    file="aime25.jsonl",
    file_sha256="be65148dc065b5c61961eaab83506132bc78500b2d92b7236de5041d58bc9bc5",
    hub_id="math-ai/aime25",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="Apache-2.0",
)


def load() -> Iterator[Item]:
    for row in SOURCE.rows():
        later, number = divmod(int(row["id"]), 15)
        exam = "II" if later else "I"
        gold = str(int(row["answer"]))
        yield Item(
            f"{exam}-{number + 1:02d}", row["problem"], gold, AnswerType.INTEGER, subject=exam
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
    "aime25",
    "1",
    load,
    prompt,
    data_sha256="9de5e94a6e89f94b4036dffd510f447280ac7aec30d1ad75e07d8b0f45d2773a",
    source=SOURCE,
    samples=32,
    temperature=0.6,
)

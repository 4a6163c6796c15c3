r"""Grade-school word problems with integer answers (GSM8K test split, 1,319 items).

A row: ``{"question": "A robe takes 2 bolts of blue fiber and half that much white fiber. How many
bolts in total does it take?", "answer": "It takes 2/2=<<2/2=1>>1 bolt … \n#### 3"}``; the reference
is what stands after ``####``, thousands separators removed.

Source: Cobbe et al. 2021 (arXiv 2110.14168), https://github.com/openai/grade-school-math. MIT.
Ids are row numbers, which the hub's copy and the local file share.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below.
"""

from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import AnswerType, Item, Message
from tasks._gold import whole_number

SOURCE = Source(
    file="gsm8k.jsonl",
    file_sha256="ccbdbcb6ea139d22db9ccf5621994d5efab4277efe47618e5705363660b366db",
    hub_id="openai/gsm8k",
    hub_config="main",
    hub_split="test",
    hub_revision=None,
    licence="MIT",
)


def load() -> Iterator[Item]:
    for number, row in enumerate(SOURCE.rows()):
        gold = whole_number(row["answer"].rpartition("####")[2])
        yield Item(f"{number:04d}", row["question"], gold, AnswerType.INTEGER)


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": item.question},
    ]


TASK = Task(
    "gsm8k",
    "1",
    load,
    prompt,
    data_sha256="c06b33729d2c2b9ac5f68fbae4daf4081fc53343917462604cc93b9abe0386c3",
    source=SOURCE,
)

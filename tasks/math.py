r"""Competition mathematics in seven subjects, the whole MATH test split (5,000 items).

A row: ``{"problem": "When $6y^3+5y^2-16y+8$ is divided by $2y+3$ the quotient …", "level": "Level
2", "type": "Intermediate Algebra", "solution": "If the remainder is $r(x)$, … $\\boxed{23}$."}``;
the reference is the last balanced ``\boxed`` of ``solution``.

Source: Hendrycks et al. 2021 (arXiv 2103.03874), MIT. The hub has one configuration a subject:
Algebra 1,187, Counting & Probability 474, Geometry 479, Intermediate Algebra 903, Number Theory
540, Prealgebra 871, Precalculus 546. A local ``math.jsonl`` may hold the same rows in any order.

Oddities: rows carry no id on the hub, and problems are not known to be all different, so an id is
the hash of problem and gold (with "-2" for a second equal row); items are sorted by it, which makes
the order independent of the source's.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from harness.task import DATA_DIR_VARIABLE, Source, Task
from harness.types import Item, Message, digest
from tasks._gold import last_boxed

SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
SOURCE = Source(
    file="math.jsonl",
    file_sha256=None,  # No copy was at hand to be hashed.
    hub_id="EleutherAI/hendrycks_math",
    hub_config=SUBJECTS[0],
    hub_split="test",
    # The commit whose file list shows all seven subjects as parquet:
    # https://huggingface.co/datasets/EleutherAI/hendrycks_math/tree/0bd4da3ba883718272d0e821efdf10b63c2ed3bf
    hub_revision="0bd4da3ba883718272d0e821efdf10b63c2ed3bf",
    licence="MIT",
)


def rows() -> Iterator[dict[str, Any]]:
    if os.environ.get(DATA_DIR_VARIABLE):
        yield from SOURCE.rows()  # One file with all subjects.
    else:
        for subject in SUBJECTS:
            yield from replace(SOURCE, hub_config=subject).rows()


def load() -> Iterator[Item]:
    items: dict[str, Item] = {}
    copies: Counter[str] = Counter()
    for row in rows():
        gold = last_boxed(row["solution"])
        item_id = digest([row["problem"], gold])[:12]
        copies[item_id] += 1
        if copies[item_id] > 1:
            item_id += f"-{copies[item_id]}"
        items[item_id] = Item(
            item_id,
            row["problem"],
            gold,
            subject=row.get("type") or row.get("subject") or "",
            level=str(row["level"]).removeprefix("Level "),
        )
    for _, item in sorted(items.items()):
        yield item


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": item.question},
    ]


# data_sha256 is unknown: no copy was at hand. The first machine that has the data can record it.
TASK = Task("math", "1", load, prompt, source=SOURCE)

r"""Competition mathematics to choose checkpoints by, 500 MATH problems outside MATH-500.

A row: ``{"problem": "When $6y^3+5y^2-16y+8$ is divided by $2y+3$ …", "level": "Level 2",
"solution": "… $\\boxed{23}$", "subject": "Intermediate Algebra", "unique_id":
"test/intermediate_algebra/222.json", "answer": "23"}``; the reference is ``answer``, which equals
the last ``\boxed`` of ``solution`` in every row; the id is ``unique_id``.

Source: drawn at random (no seed is known) from the MATH test split without MATH-500 by the authors
of One-Shot CFT (arXiv 2506.03295), https://github.com/TIGER-AI-Lab/One-Shot-CFT, as
``eval/Math_Reasoning_Evaluation/data/math-500-validation/test.jsonl``; MATH is MIT. The drawn 500
are not on the hub, so a local file is needed.

Oddities: these are test problems of MATH, so a checkpoint chosen here is not independent of
`math`; it is of `math500`, with which it shares no problem. No duplicates.
Spaces around one gold are dropped (test/prealgebra/1511.json).
Published protocol: zero-shot, greedy, 2,048 tokens, instruction as below.
"""

from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import Item, Message

SOURCE = Source(
    file="math500_validation.jsonl",
    file_sha256="bd171c507af8adc79500857f79214bd767d45210ad88c8eb23bda98d921bdc38",
    licence="MIT",
)


def load() -> Iterator[Item]:
    for row in SOURCE.rows():
        yield Item(
            row["unique_id"],
            row["problem"],
            row["answer"].strip(),
            subject=row["subject"],
            level=row["level"].removeprefix("Level "),
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
    "math500_validation",
    "1",
    load,
    prompt,
    data_sha256="d32389a488103f8d9bb0db0b65f9ae91f8ea2e306605fe2c5c8320207a6aa321",
    source=SOURCE,
)

r"""Competition mathematics, 500 items of the MATH test split (MATH-500).

A row: ``{"problem": "Convert the point $(0,3)$ …", "solution": "…", "answer": "\\left( 3,
\\frac{\\pi}{2} \\right)", "subject": "Precalculus", "level": 2, "unique_id":
"test/precalculus/807.json"}``; the reference is ``answer``, the id is ``unique_id``.

Source: Hendrycks et al. 2021 (arXiv 2103.03874); the 500 of Lightman et al. 2023
(arXiv 2305.20050). MIT. Subjects: Algebra 124, Intermediate Algebra 97, Prealgebra 82, Number
Theory 62, Precalculus 56, Geometry 41, Counting & Probability 38.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below. The
paper chooses its checkpoint on these items, so a score here is not independent of that choice.
"""

from collections.abc import Iterator, Sequence

from harness.task import Source, Task
from harness.types import Item, Message

SOURCE = Source(
    file="math500.jsonl",
    file_sha256="35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
    hub_id="HuggingFaceH4/MATH-500",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="MIT",
)


def load() -> Iterator[Item]:
    for row in SOURCE.rows():
        yield Item(
            row["unique_id"],
            row["problem"],
            row["answer"],
            subject=row["subject"],
            level=str(row["level"]),
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
    "math500",
    "1",
    load,
    prompt,
    data_sha256="0a7389c2f2827aa8a29e82dd296afb85ce0ac0c3a02541ac975f00c3c57f0f5b",
    source=SOURCE,
)

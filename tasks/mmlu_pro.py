r"""Fourteen subjects at college level, up to ten options (MMLU-Pro test split, 12,032 items).

A row: ``{"question_id": 70, "question": "…", "options": ["…", "…", …], "answer": "I",
"answer_index": 8, "category": "business", "cot_content": "", "src": "…"}``; the reference is the
letter of ``answer_index``, the id is ``question_id``.

Source: Wang et al. 2024 (arXiv 2406.01574), MIT. On the hub only; ``mmlu_pro.jsonl`` may hold the
same rows.
Oddities: answers were corrected on the hub from 2024-07 to 2026-01 (on 2026-01-18 a leading space
that gave right options away), so two dates may be two benchmarks: the data hash, stored with each
run, tells them apart. Options are stripped for the leak's sake. Some questions come from TheoremQA.
Options keep the source's order; not all questions have ten.
Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, instruction as below.
"""

from collections.abc import Iterator, Sequence

from harness.errors import HarnessError
from harness.task import Source, Task
from harness.types import AnswerType, Item, Message

LETTERS = "ABCDEFGHIJ"
SOURCE = Source(
    file="mmlu_pro.jsonl",
    file_sha256=None,  # No copy was at hand to be hashed.
    hub_id="TIGER-Lab/MMLU-Pro",
    hub_config="default",
    hub_split="test",
    hub_revision=None,
    licence="MIT",
)


def load() -> Iterator[Item]:
    for row in SOURCE.rows():
        gold = LETTERS[int(row["answer_index"])]
        if row["answer"] != gold:
            raise HarnessError(f"MMLU-Pro {row['question_id']}: two different right answers.")
        options = zip(LETTERS, row["options"], strict=False)
        lines = [f"{letter}. {option.strip()}" for letter, option in options]
        yield Item(
            str(row["question_id"]),
            row["question"].strip() + "\nOptions:\n" + "\n".join(lines),
            gold,
            AnswerType.CHOICE,
            subject=row["category"],
        )


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "The following is a multiple choice question (with answers) about "
            f"{item.subject}. Think step by step and then finish your answer with "
            '"the answer is (X)" where X is the correct letter choice.',
        },
        {"role": "user", "content": item.question},
    ]


# data_sha256 is unknown: no copy was at hand. The first machine that has the data can record it.
TASK = Task("mmlu_pro", "1", load, prompt, source=SOURCE)

r"""What the three GPQA tasks share: the official zip, the gated hub set, the order of the options.

A row has some 70 columns; used are ``Record ID`` (``rec`` and 14 letters), ``Question``, ``Correct
Answer``, ``Incorrect Answer 1`` to ``3`` and ``High-level domain``. None is shown here: the authors
ask that no question appears in plain text on the web; errors and tests keep to that too.

Source: Rein et al. 2023 (arXiv 2311.12022), CC BY 4.0. Either the zip of
https://github.com/idavidrein/gpqa as ``gpqa_dataset.zip`` (``dataset/gpqa_<subset>.csv``, under a
password that its authors publish to keep crawlers out), or Idavidrein/gpqa, which is gated: accept
its terms there and log in.

Published protocol (arXiv 2501.17703): zero-shot, greedy, 2,048 tokens, options shuffled without a
seed, system text "You are a helpful assistant.". Here the order is a pure function of the Record
ID, and the instruction asks for the letter.
"""

import csv
import hashlib
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from harness.errors import HarnessError
from harness.task import Source, Task
from harness.types import AnswerType, Item, Message

FILE = "gpqa_dataset.zip"
PASSWORD = b"deserted-untie-orchid"
OPTIONS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
ORDERS = tuple(itertools.permutations(range(4)))


def gpqa(subset: str, data_sha256: str | None) -> Task:
    source = Source(
        file=FILE,
        file_sha256=None,  # Releases hold different subsets; the items' hash tells what counts.
        hub_id="Idavidrein/gpqa",
        hub_config=f"gpqa_{subset}",
        hub_split="train",
        hub_revision=None,
        licence="CC BY 4.0",
        read=partial(unzip, subset),
    )
    return Task(
        f"gpqa_{subset}",
        "1",
        partial(load, source),
        prompt,
        data_sha256=data_sha256,
        source=source,
        restricted=True,
    )


def unzip(subset: str, content: bytes) -> Iterator[dict[str, Any]]:
    member = f"dataset/gpqa_{subset}.csv"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            table = archive.read(member, pwd=PASSWORD).decode("utf-8-sig")
    except (KeyError, RuntimeError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        # "from None": the cause could carry text of the table.
        raise HarnessError(
            f"{FILE} has no readable {member} ({type(error).__name__}).",
            "Take the authors' own zip, which has all subsets, or load the gated set from the hub.",
        ) from None
    yield from csv.DictReader(io.StringIO(table, newline=""))


def load(source: Source) -> Iterator[Item]:
    for row in source.rows():
        # By place, not by text: two rows of the diamond set have two identical wrong options.
        options = [row[name].strip() for name in OPTIONS]
        order = option_order(row["Record ID"])
        lines = [f"({letter}) {options[i]}" for letter, i in zip("ABCD", order, strict=True)]
        yield Item(
            row["Record ID"],
            row["Question"].strip() + "\n\nAnswer Choices:\n" + "\n".join(lines),
            "ABCD"[order.index(0)],
            AnswerType.CHOICE,
            subject=row["High-level domain"] or "",
            option_order=order,
            note="" if len(set(options)) == 4 else "has two identical options",
        )


def option_order(record_id: str) -> tuple[int, ...]:
    """Return which of the source's options stand under A, B, C and D; 0 is the right one."""
    value = hashlib.sha256(f"gpqa option order: {record_id}".encode()).digest()
    return ORDERS[int.from_bytes(value[:8]) % len(ORDERS)]


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put the letter of your final answer "
            "within \\boxed{}.",
        },
        {"role": "user", "content": item.question},
    ]

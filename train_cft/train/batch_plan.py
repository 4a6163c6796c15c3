"""Order of all samples of a training, the same for one process or many.

Every sample is seen once an epoch. Which samples make one optimiser step is drawn by the seed; in a
step those of like length are computed together, which saves padding and changes no gradient. The
last step of an epoch that does not divide is filled with padding rows, which carry no loss, in
place of samples that would count twice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from train_cft.train.encoding import IGNORED, Encoded


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch: a sample, several packed ones, or padding.

    Attributes:
        ids: Tokens.
        labels: Targets of the loss, ``IGNORED`` elsewhere.
        lengths: Of each sample in it; empty for a padding row.
    """

    ids: Sequence[int]
    labels: Sequence[int]
    lengths: Sequence[int]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """All rows of a training in their order.

    Attributes:
        rows: As many as steps times the batch.
        batch: Rows of one step.
        micro_batch: Rows that one process computes together.
    """

    rows: Sequence[Row]
    batch: int
    micro_batch: int

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return len(self.rows) // self.batch

    def tokens_by_step(self) -> list[int]:
        """Return how many tokens of samples have been seen after each step, in order."""
        seen: list[int] = []
        for step in range(self.steps):
            rows = self.rows[step * self.batch : (step + 1) * self.batch]
            seen.append((seen[-1] if seen else 0) + sum(sum(row.lengths) for row in rows))
        return seen

    def computed_by_step(self) -> list[int]:
        """Return how many tokens have been computed after each step, padding included."""
        computed: list[int] = []
        for step in range(self.steps):
            rows = self.rows[step * self.batch : (step + 1) * self.batch]
            blocks = (
                rows[start : start + self.micro_batch]
                for start in range(0, self.batch, self.micro_batch)
            )
            of_this = sum(self.micro_batch * max(len(row.ids) for row in block) for block in blocks)
            computed.append((computed[-1] if computed else 0) + of_this)
        return computed


def arrange(
    rows: Sequence[Row],
    *,
    batch: int,
    micro_batch: int,
    epochs: int,
    seed: int,
    by_length: bool,
    blank: int,
) -> BatchPlan:
    """Put all rows of a training into their order.

    Args:
        rows: What there is to learn.
        batch: Rows of one step.
        micro_batch: Rows that one process computes together.
        epochs: How often each is seen.
        seed: Of the order.
        by_length: Compute rows of like length together.
        blank: A token to fill the last step of an epoch with.
    """
    draw = random.Random(seed)
    filler = Row((blank,), (IGNORED,), ())
    ordered: list[Row] = []
    for _ in range(epochs):
        shuffled = list(rows)
        draw.shuffle(shuffled)
        for start in range(0, len(shuffled), batch):
            step = shuffled[start : start + batch]
            step += [filler] * (batch - len(step))
            if by_length:  # the longest first, so that memory that does not suffice shows at once
                step.sort(key=lambda row: len(row.ids), reverse=True)
            ordered += step
    return BatchPlan(ordered, batch, micro_batch)


def as_rows(samples: Sequence[Encoded]) -> list[Row]:
    """Return one row for each sample."""
    return [Row(one.ids, one.labels, (len(one.ids),)) for one in samples]


def packed(samples: Sequence[Encoded], max_tokens: int) -> list[Row]:
    """Return rows of several samples each, packed by TRL so that none is cut."""
    import datasets
    from trl import pack_dataset

    made = datasets.Dataset.from_dict(
        {"input_ids": [one.ids for one in samples], "labels": [one.labels for one in samples]}
    )
    table = pack_dataset(made, max_tokens, "bfd").to_list()
    return [Row(row["input_ids"], row["labels"], row["seq_lengths"]) for row in table]

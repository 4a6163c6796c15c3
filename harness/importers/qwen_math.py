"""Outputs of the Qwen2.5-Math evaluator: ``question``, ``gt``, ``code`` (texts), ``score``."""

from __future__ import annotations

from collections.abc import Iterator

from harness.importers import ImportedSample, Row


def read(row: Row, number: int) -> Iterator[ImportedSample]:
    """Make one sample of each text in a row, with the evaluator's own judgement."""
    for index, (text, score) in enumerate(zip(row["code"], row["score"], strict=True)):
        yield ImportedSample(
            item_id=str(row.get("idx", number)),
            question=row["question"],
            gold=row["gt"],
            response=text,
            sample_index=index,
            correct=bool(score),
            subject=str(row.get("type", "")),
            level=str(row.get("level", "")).removeprefix("Level "),
        )

"""Outputs of the Qwen2.5-Math evaluator, ToRA's too: ``question``, ``gt``, ``code``, ``score``.

``code`` holds the texts of one question, ``score`` the evaluator's judgement of each; files written
before it judged (ToRA's own outputs) have no ``score`` and come without the source's grades.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.interop.imported import ImportedSample
from harness.interop.untrusted import Row, boolean


def read(row: Row, number: int) -> Iterator[ImportedSample]:
    """Make one sample of each text in a row, with the evaluator's own judgement."""
    texts = row["code"]
    scores = row.get("score") or [None] * len(texts)
    for index, (text, score) in enumerate(zip(texts, scores, strict=True)):
        yield ImportedSample(
            item_id=str(row.get("idx", number)),
            question=row["question"],
            gold=str(row["gt"]),
            response=text,
            sample_index=index,
            correct=boolean(score),
            subject=str(row.get("type", "")),
            level=str(row.get("level", "")).removeprefix("Level "),
        )

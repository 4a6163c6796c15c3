"""Detecting the text of a restricted benchmark, whatever a file or a task is called.

The authors of GPQA ask that no question of it appears in plain text. ``restricted.sha256`` holds
salted, truncated hashes of n-grams (runs of words) of its questions, from which no question can be
read. A text is taken for restricted where one of its n-grams has such a hash: also a prompt that
quotes a question between an instruction and its options.

``python bench/restricted_hashes.py gpqa_dataset.zip`` makes the file from the subsets in the
authors' zip.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from harness.task import Task
from harness.types import Item

HASHES = Path(__file__).with_name("restricted.sha256")

#: Words of an n-gram. A shorter question is recognised only where it is a whole text or line.
NGRAM_WORDS = 12
_SALT = "restricted benchmark text\n"
_LENGTH = 16
_LONG_LINE = 80
_WORD = re.compile(r"[^\W_]+")


def is_restricted(texts: Iterable[str]) -> bool:
    """Say whether one of these texts holds a question of a restricted benchmark."""
    known = _known()
    return any(not known.isdisjoint(_ngrams(part)) for part in _parts(texts))


def mark_restricted(task: Task, items: Sequence[Item]) -> Task:
    """Return a task that is restricted where one of its items or prompts is.

    Args:
        task: Any task, also one of a user's own folder.
        items: All its items.
    """
    if task.restricted:
        return task
    return replace(task, restricted=True) if _holds_restricted(task, tuple(items)) else task


@lru_cache(maxsize=64)  # asked for with each model of a sweep
def _holds_restricted(task: Task, items: tuple[Item, ...]) -> bool:
    return is_restricted(text for item in items for text in _asked(task, item))


def hashes_of(question: str) -> list[str]:
    """Return what ``restricted.sha256`` keeps of one question."""
    words = _words(question)
    starts = range(0, max(1, len(words) - NGRAM_WORDS + 1), NGRAM_WORDS)
    # The last words as well: a source may have cut or changed the first ones.
    return [_hash(words[start : start + NGRAM_WORDS]) for start in starts] + [
        _hash(words[-NGRAM_WORDS:])
    ]


def _asked(task: Task, item: Item) -> Iterator[str]:
    yield item.question
    for message in task.prompt(item):
        yield message["content"]


def _parts(texts: Iterable[str]) -> Iterator[str]:
    """Yield what the texts hold, long lines only once: prompts repeat their examples."""
    seen: set[str] = set()
    for text in texts:
        part: list[str] = []
        for line in text.split("\n"):
            if len(line) < _LONG_LINE:
                part.append(line)
            elif line in seen:
                yield "\n".join(part)
                part = []
            else:
                seen.add(line)
                part.append(line)
        yield "\n".join(part)


def _ngrams(text: str) -> Iterator[str]:
    words = _words(text)
    for start in range(len(words) - NGRAM_WORDS + 1):
        yield _hash(words[start : start + NGRAM_WORDS])
    for line in (text, *text.splitlines()) if len(words) >= NGRAM_WORDS else (text,):
        if 0 < len(short := _words(line)) < NGRAM_WORDS:
            yield _hash(short)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _hash(words: Sequence[str]) -> str:
    return hashlib.sha256((_SALT + " ".join(words)).encode()).hexdigest()[:_LENGTH]


@cache
def _known() -> frozenset[str]:
    return frozenset(HASHES.read_text(encoding="ascii").split())

"""N-gram overlap of examples with benchmark items, and near-duplicates among examples.

Texts are compared as tokens: words, numbers and signs of arithmetic in lower case, with LaTeX's
spellings of those signs made one and everything else dropped.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from harness.types import Item

NGRAM = 13
# An n-gram of more different questions than this is a phrase ("where m and n are
# relatively prime positive integers …"), not a trace of one of them.
MAX_QUESTIONS = 10
# Some tasks list the options after the question; a data set may have it without them.
_OPTIONS = re.compile(r"\s*\n(?:Answer Choices|Options):\n")

_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[+\-*/^=<>]")
_SIGNS = {"\\times": "*", "\\cdot": "*", "×": "*", "·": "*", "\\div": "/", "÷": "/", "−": "-"}
_SIGN = re.compile(r"\\(?:times|cdot|div)(?![a-zA-Z])|[×·÷−]")
_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|text|textbf|mathrm|mathbf|quad|qquad)(?![a-zA-Z])"
    r"|(?<=\d)(?:,|\{,\})(?=\d{3}(?!\d))"
)


def tokens(text: str) -> list[str]:
    """Return a text's tokens."""
    plain = _SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", unicodedata.normalize("NFKC", text))
    plain = _FRACTION.sub(r"\1 / \2", _LAYOUT.sub("", plain))
    return _TOKEN.findall(plain.casefold())


def normalised(text: str) -> str:
    """Return a text as its tokens; equal for texts that differ in layout only."""
    return " ".join(tokens(text))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark that examples are compared with.

    Attributes:
        name: Of the task.
        items: How many items it has.
        exact_only: It is made by a generator, whose items share their wording: only whole
            questions are compared.
    """

    name: str
    items: int
    exact_only: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A benchmark item that an example repeats.

    Attributes:
        task: The benchmark.
        item_id: Its item.
        question: The item's question, normalised.
        exact: The whole question, not only an n-gram of it.
    """

    task: str
    item_id: str
    question: str
    exact: bool


@dataclass(slots=True)
class BenchmarkIndex:
    """Questions of benchmarks, to be found in texts."""

    benchmarks: list[Benchmark] = field(default_factory=list)
    _items: list[tuple[str, str, str]] = field(default_factory=list)
    _exact: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _grams: dict[int, array[int]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, items: Collection[Item], *, exact_only: bool) -> None:
        """Take in a benchmark's questions."""
        self.benchmarks.append(Benchmark(name, len(items), exact_only))
        for item in items:
            number = len(self._items)
            whole = tokens(item.question)
            self._items.append((name, item.id, " ".join(whole)))
            stem = normalised(_OPTIONS.split(item.question)[0])
            for text in {" ".join(whole), stem} - {""}:
                self._exact[text].append(number)
            if exact_only:
                continue
            words = _words(whole)
            ids = [self._numbers.setdefault(word, len(self._numbers)) for word in words]
            for gram in set(_grams(ids)):
                self._grams.setdefault(gram, array("l")).append(number)

    def hits(self, question: str, texts: Sequence[str]) -> list[Hit]:
        """Return the items whose question is ``question``, or shares an n-gram with any text."""
        exact = set(self._exact.get(normalised(question), ()))
        found = set(exact)
        for text in (question, *texts):
            for run in self._known(_words(tokens(text))):
                for gram in _grams(run):
                    numbers = self._grams.get(gram, ())
                    if numbers and not self._is_phrase(numbers):
                        found.update(numbers)
        return [Hit(*self._items[number], exact=number in exact) for number in sorted(found)]

    @property
    def phrases(self) -> int:
        """How many n-grams are of too many questions to be a trace of one."""
        return sum(map(self._is_phrase, self._grams.values()))

    def _is_phrase(self, numbers: Sequence[int]) -> bool:
        if len(numbers) <= MAX_QUESTIONS:
            return False
        # The same question in several benchmarks is one question.
        return len({self._items[number][2] for number in numbers}) > MAX_QUESTIONS

    def _known(self, words: Sequence[str]) -> Iterator[list[int]]:
        """Yield the runs of consecutive words that all occur in some benchmark."""
        run: list[int] = []
        for word in words:
            number = self._numbers.get(word)
            if number is None:
                yield run
                run = []
            else:
                run.append(number)
        yield run


def _words(listed: Sequence[str]) -> list[str]:
    """Return words and numbers alone: thirteen signs and letters may be a common formula."""
    return [token for token in listed if token[0].isalnum()]


def _grams(ids: Sequence[int]) -> Iterator[int]:
    # Hashes of tuples of integers are the same in every process.
    for start in range(len(ids) - NGRAM + 1):
        yield hash(tuple(ids[start : start + NGRAM]))


_SHINGLE = 5


def near_duplicates(
    pairs: Sequence[tuple[str, str]], kinds: Sequence[object], threshold: float
) -> set[int]:
    """Return the pairs of question and response that nearly repeat an earlier one of their kind.

    Two are near where both the questions and the responses share at least ``threshold`` of their
    5-grams of tokens (Jaccard), or all of their tokens where they are shorter. Candidates
    come from an inverted index over each response's rarest 5-grams (prefix filtering, Bayardo et
    al. 2007), so that not every two are compared.

    Args:
        pairs: Question and response.
        kinds: Pairs of different kinds are never duplicates, for instance a right and a wrong
            response: their difference is the training signal.
        threshold: In (0, 1]; 1 removes only what has the same 5-grams.
    """
    responses = [_shingles(response) for _, response in pairs]
    questions = {question: _shingles(question) for question, _ in pairs}
    frequency = Counter(shingle for shingles in responses for shingle in shingles)
    index: dict[tuple[object, str], list[int]] = defaultdict(list)
    removed = set()
    for number, shingles in enumerate(responses):
        rarest = sorted(shingles, key=lambda shingle: (frequency[shingle], shingle))
        needed = -int(-threshold * len(rarest) // 1)  # rounded up
        prefix = rarest[: len(rarest) - needed + 1]
        keys = [(kinds[number], shingle) for shingle in prefix]
        asked = questions[pairs[number][0]]
        candidates = dict.fromkeys(other for key in keys for other in index.get(key, ()))
        if any(
            _jaccard(shingles, responses[other]) >= threshold
            and _jaccard(asked, questions[pairs[other][0]]) >= threshold
            for other in candidates
        ):
            removed.add(number)
            continue
        for key in keys:
            index[key].append(number)
    return removed


def _shingles(text: str) -> frozenset[str]:
    listed = tokens(text)
    if len(listed) <= _SHINGLE:
        return frozenset([" ".join(listed)])
    return frozenset(
        " ".join(listed[start : start + _SHINGLE]) for start in range(len(listed) - _SHINGLE + 1)
    )


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    common = len(left & right)
    return common / (len(left) + len(right) - common)

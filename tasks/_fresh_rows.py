"""Makes the rows of one reasoning-gym generator, as a program under a fixed hash seed.

Some generators walk through sets of strings or use SymPy, so that their items depend on Python's
hash seed, which differs from process to process. Rows are therefore made by this module as a
program of its own with ``PYTHONHASHSEED=0``: a run can be resumed and judged again.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from harness.errors import HarnessError

#: Generators with few different items are asked for this many times the items that are wanted.
_TRIES = 4


class Row(TypedDict):
    """One item: ``metadata`` is a Python literal, because its tuples and keys matter."""

    index: int
    question: str
    answer: str | None
    metadata: str
    category: str


def rows(generator: str, seed: int, count: int) -> list[Row]:
    """Make up to ``count`` different items, equal in every process.

    Raises:
        HarnessError: The generator fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, generator, str(seed), str(count)],
        capture_output=True,
        text=True,
        # The folder that it runs in is the one that this package is in.
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": ""},
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise HarnessError(f"The generator {generator} of reasoning-gym fails: {last}.")
    made: list[Row] = json.loads(done.stdout)
    return made


def make(generator: str, seed: int, count: int) -> Iterator[Row]:
    """Yield up to ``count`` items with different questions, in this process.

    Raises:
        HarnessError: The generator cannot be made or fails, for instance for want of a package.
    """
    import reasoning_gym

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Some print as they go.
            dataset = reasoning_gym.create_dataset(generator, seed=seed, size=_TRIES * count)
    except Exception as error:
        raise HarnessError(
            f"The generator {generator} of reasoning-gym cannot be made without settings of its "
            f"own ({type(error).__name__}: {error}).",
            "Choose another; `harness tasks` says where they are listed.",
        ) from error
    seen: set[str] = set()
    for index in range(_TRIES * count):
        with contextlib.redirect_stdout(io.StringIO()), _seeded(f"{seed}-{index}"):
            entry = dataset[index]
        if entry["question"] in seen or entry["answer"] == "":
            continue  # An empty gold could not be distinguished from no answer.
        seen.add(entry["question"])
        yield {
            "index": index,
            "question": entry["question"],
            "answer": entry["answer"],
            "metadata": repr({k: v for k, v in entry["metadata"].items() if _is_literal(v)}),
            "category": dataset.category,
        }
        if len(seen) == count:
            return


@contextlib.contextmanager
def _seeded(seed: str) -> Iterator[None]:
    """Seed the shared generators: list_functions draws from Python's, programs of codeio from both.

    NumPy is a dependency of reasoning-gym.
    """
    import numpy as np

    before, arrays_before = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(zlib.crc32(seed.encode()))
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(arrays_before)


def _is_literal(value: Any) -> bool:
    """Whether a value survives being written down; no scorer needs those that do not."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError):
        return False


if __name__ == "__main__":
    name, seed_text, count_text = sys.argv[1:]
    try:
        print(json.dumps(list(make(name, int(seed_text), int(count_text)))))
    except HarnessError as problem:
        sys.exit(problem.message)

"""What a task is made of, and where its data comes from.

A task is one Python file that defines ``TASK``. Everything a reader must know about a benchmark is
in that file: where the items come from, how an item becomes a prompt, how its answer is graded.

    TASK = Task(
        name="mine",
        version="1",
        load=load,          # () -> items
        prompt=prompt,      # (item) -> chat messages
    )
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.types import Item, Message, digest

DATA_DIR_VARIABLE = "HARNESS_DATA_DIR"


def json_lines(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield one object a line.

    Raises:
        ValueError: A line is no JSON; it is named by its number.
    """
    for number, line in enumerate(content.decode("utf-8").split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is no JSON: {error.msg}") from error


@dataclass(frozen=True, slots=True)
class Source:
    """Where a benchmark's rows are.

    Attributes:
        file: Name of the JSONL file in the folder that ``HARNESS_DATA_DIR`` names.
        file_sha256: What that file must hash to; ``None`` where no copy could be hashed, or where
            one file holds several benchmarks: then ``data_sha256`` of the task alone guards them.
        hub_id: Data set on the Hugging Face hub; empty where it is not there.
        hub_config: Its configuration.
        hub_split: Its split.
        hub_revision: Commit to load; ``None`` where none is known from a cited source, in which
            case ``data_sha256`` of the task alone guards the rows.
        licence: As the source states it.
        read: Makes rows of the local file's bytes; JSON lines unless said otherwise.
    """

    file: str
    file_sha256: str | None
    hub_id: str = ""
    hub_config: str = ""
    hub_split: str = ""
    hub_revision: str | None = None
    licence: str = "not stated"
    read: Callable[[bytes], Iterator[dict[str, Any]]] = field(default=json_lines)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the source's rows, from the local folder if there is one, else from the hub.

        Raises:
            HarnessError: The rows cannot be had, or the file is not the one that is meant.
        """
        folder = os.environ.get(DATA_DIR_VARIABLE)
        if folder:
            yield from self._local_rows(Path(folder) / self.file)
        elif self.hub_id:
            yield from self._hub_rows()
        else:
            raise HarnessError(
                f"{self.file} is not on the hub, and {DATA_DIR_VARIABLE} is not set.",
                f"Name a folder with {self.file}; the task's docstring says where it comes from.",
            )

    def _local_rows(self, path: Path) -> Iterator[dict[str, Any]]:
        try:
            content = path.read_bytes()
        except OSError as error:
            from_the_hub = f", or unset {DATA_DIR_VARIABLE} to load {self.hub_id} from the hub"
            raise HarnessError(
                f"{DATA_DIR_VARIABLE} is set, but {path} cannot be read: {error.strerror}.",
                f"Put {self.file} there{from_the_hub if self.hub_id else ''}.",
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if self.file_sha256 is not None and found != self.file_sha256:
            raise HarnessError(
                f"{path} is not the file that is meant: its sha256 is {found[:12]}…, expected "
                f"{self.file_sha256[:12]}….",
                "Fetch it again; a changed benchmark would make the numbers incomparable.",
            )
        yield from self.read(content)

    def _hub_rows(self) -> Iterator[dict[str, Any]]:
        try:
            import datasets
        except ImportError as error:
            raise HarnessError(
                f"Loading {self.hub_id} from the hub needs the package `datasets`.",
                f"pip install 'cft-harness[hub]', or set {DATA_DIR_VARIABLE} to a folder "
                f"with {self.file}.",
            ) from error
        try:
            rows = datasets.load_dataset(
                self.hub_id, self.hub_config, split=self.hub_split, revision=self.hub_revision
            )
        except Exception as error:  # noqa: BLE001 - the library raises whatever its transports do
            raise HarnessError(
                f"{self.hub_id} cannot be loaded from the hub ({type(error).__name__}).",
                f"Check the network, or set {DATA_DIR_VARIABLE} to a folder with {self.file}.",
            ) from error
        for row in rows:
            yield dict(row)


@dataclass(frozen=True, slots=True)
class Task:
    """One benchmark.

    Attributes:
        name: What ``--tasks`` calls it.
        version: Raised whenever the prompt or the reading of the data changes.
        load: Yields its items in a fixed order.
        prompt: Makes the chat messages of one item.
        data_sha256: What :func:`data_sha256` of its items must be; ``None`` where no copy could be
            hashed yet, and where the items come from a generator: runs keep the hash of what they
            saw, which distinguishes two of them.
        source: Where the rows are; ``None`` for generated items.
        max_tokens: Default budget of new tokens.
        samples: Default number of samples per item: many where the benchmark is small.
        temperature: Default temperature; above 0 wherever ``samples`` is above 1.
        stop: Stop strings; for prompts that are no chat, such as few-shot ones.
        restricted: Its text must appear in no log, export or screenshot.
        requires: Import name of a package that ``load`` needs, and the extra that brings it.
    """

    name: str
    version: str
    load: Callable[[], Iterator[Item]]
    prompt: Callable[[Item], Sequence[Message]]
    data_sha256: str | None = None
    source: Source | None = None
    max_tokens: int = 2048
    samples: int = 1
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    restricted: bool = False
    requires: tuple[str, str] | None = None

    def items(self) -> list[Item]:
        """Load all items and check that they are the ones that are meant.

        Raises:
            HarnessError: They cannot be loaded, there are none, or they are other ones.
        """
        items = self._loaded()
        if not items:
            raise HarnessError(f"{self.name} has no items.", "Check its data and its load().")
        found = data_sha256(items)
        if self.data_sha256 is not None and found != self.data_sha256:
            raise HarnessError(
                f"The rows of {self.name} are not the ones this harness knows: data hash "
                f"{found[:12]}…, expected {self.data_sha256[:12]}….",
                "The source has changed; pin its revision or update the harness.",
            )
        return items

    def _loaded(self) -> list[Item]:
        if self.requires and find_spec(self.requires[0]) is None:
            module, extra = self.requires
            raise HarnessError(
                f"The task {self.name} needs the package `{module}`.",
                f"pip install 'cft-harness[{extra}]'.",
            )
        items: list[Item] = []
        try:
            for item in self.load():
                items.append(item)
        except HarnessError:
            raise
        except Exception as error:
            # What it says may be a line of the data.
            said = "" if self.restricted else f": {error}"
            raise HarnessError(
                f"The rows of {self.name} are not what its file expects: {type(error).__name__}"
                f"{said}, after {len(items)} items.",
                "Fetch the data again, or fix the task's load().",
            ) from error
        return items


def data_sha256(items: Sequence[Item]) -> str:
    """Hash the canonical (id, question, gold) rows, equal for local files and the hub."""
    return digest([[item.id, item.question, item.gold] for item in items])


def scorers_of(items: Iterable[Item]) -> frozenset[str]:
    """Return the scorers that items of loaded tasks declare: what graders may call."""
    return frozenset(item.scorer for item in items if item.scorer)


@dataclass(frozen=True, slots=True)
class Family:
    """Tasks that are made when their name is asked for, as ``family:argument``.

    Attributes:
        make: Makes the task of one argument; raises HarnessError where there is none.
    """

    make: Callable[[str], Task]

"""What the tests of importing share: a small task, and what became of a log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from tests.conftest import Finished

Harness = Callable[..., Finished]

SUMS = '''
"""Sums."""
from harness.task import Task
from harness.types import AnswerType, Item

def load():
    asked = "How many apples are two apples and three apples?"
    yield Item("apples", asked, "5", AnswerType.INTEGER)
    asked = "How many pears are four pears and five pears?"
    yield Item("pears", asked, "9", AnswerType.INTEGER)

def prompt(item):
    return [{"role": "user", "content": item.question}]

TASK = Task("my_sums", "1", load, prompt)
'''
APPLES = "How many apples are two apples and three apples?"
PEARS = "How many pears are four pears and five pears?"
OTHER = "How many plums are left of none?"


def take_in(harness: Harness, tmp_path: Path, *arguments: object) -> Finished:
    """Import a log into ``r.duckdb`` of the folder."""
    return harness("import", *arguments, "--results", tmp_path / "r.duckdb", "--json")


def rows_of(tmp_path: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask ``r.duckdb`` of the folder."""
    with duckdb.connect(str(tmp_path / "r.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def protocol_of(tmp_path: Path) -> Any:
    """Return the protocol of the one run there."""
    ((protocol,),) = rows_of(tmp_path, "SELECT protocol FROM run")
    return json.loads(protocol)

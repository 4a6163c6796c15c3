"""A task on rows of one's own: shown, checked, and what is wrong with its data said by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished

ROWS_OF_A_FILE = """
from harness.task import Source, Task
from harness.types import Item
from tasks._gold import whole_number

SOURCE = Source("rows.jsonl", None)

def load():
    for row in SOURCE.rows():
        yield Item(row["id"], row["question"], whole_number(row["answer"]))

def prompt(item):
    return [{"role": "user", "content": f"Solve: {item.question}"}]

TASK = Task("mine", "1", load, prompt, source=SOURCE)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Write rows, and return what names the task that reads them."""
    (tmp_path / "mine.py").write_text(ROWS_OF_A_FILE)
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))

    def write(rows: str) -> list[str]:
        (tmp_path / "rows.jsonl").write_text(rows)
        return ["mine", "--tasks-dir", str(tmp_path)]

    return write


_ROW = '{"id": "a", "question": "6 times 7?", "answer": "42"}\n'


def test_a_task_is_shown_as_the_model_gets_it_with_the_hash_of_its_data(
    mine: Callable[[str], list[str]], harness: Callable[..., Finished]
) -> None:
    named = mine(_ROW)
    shown = harness("tasks", "show", *named)
    assert shown.code == 0, shown.err
    assert "[user] Solve: 6 times 7?" in shown.out and "reference answer: 42" in shown.out
    facts = harness("tasks", "show", *named, "--json").json
    checked = harness("tasks", "check", *named)
    assert checked.code == 0 and f'data_sha256="{facts["data_sha256"]}"' in checked.out


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (_ROW + '{"id": "b", "question": "?"}', "KeyError: 'answer', after 1 items"),
        (_ROW + "{oops", "line 2 is no JSON"),
        (_ROW + '{"id": "b", "question": "?", "answer": 7.5}', "7.5 is not a whole number"),
        ("", "mine has no items"),
    ],
)
def test_rows_that_cannot_be_read_are_named(
    mine: Callable[[str], list[str]], harness: Callable[..., Finished], rows: str, said: str
) -> None:
    refused = harness("tasks", "check", *mine(rows))
    assert refused.code == 2 and said in refused.err


def test_a_file_that_is_not_on_the_hub_is_asked_for(
    mine: Callable[[str], list[str]],
    harness: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = mine(_ROW)
    monkeypatch.delenv("HARNESS_DATA_DIR")
    refused = harness("tasks", "check", *named)
    assert refused.code == 2 and "rows.jsonl is not on the hub" in refused.err

"""Reading sources: every form, and every fault by row and column."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from harness.errors import HarnessError
from train_cft.data import sources
from train_cft.data.examples import INSTRUCTION, Example

ALPACA = {
    "instruction": INSTRUCTION,
    "input": "Question:\nWhat is 2 + 2?\n\nSolution:\nIt is 4.\n\nSolution:\nyes",
    "output": "It is.\n\nConclusion: right [END]",
}
PLAIN = {"question": "What is 2 + 2?", "response": "It is 4.", "critique": "Yes.", "gold": 4}


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def _load(path: Path, *, needs_critique: bool = True) -> list[Example]:
    return sources.load(str(path), revision=None, needs_critique=needs_critique).examples


@pytest.mark.parametrize("suffix", sources.SUFFIXES)
def test_files_of_every_form(tmp_path: Path, suffix: str) -> None:
    (example,) = _load(_write(tmp_path / f"d{suffix}", [ALPACA]))
    assert example.question == "What is 2 + 2?"
    assert example.input == ALPACA["input"] and example.critique == ALPACA["output"]
    (example,) = _load(_write(tmp_path / f"e{suffix}", [PLAIN]))
    assert (example.response, example.gold, example.critique) == ("It is 4.", "4", "Yes.")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (PLAIN | {"response": ""}, "Row 2 of d.jsonl is empty in the column 'response'"),
        (PLAIN | {"question": 7}, "Row 2 of d.jsonl has int in the column 'question'"),
        (PLAIN | {"critique": None}, "has nothing in the column 'critique'"),
        (PLAIN | {"gold": ["4"]}, "has list in the column 'gold'"),
        (PLAIN | {"answer_type": "numbre"}, "'numbre' in the column 'answer_type'. Did you mean"),
        ({"question": "What?"}, "Row 2 of d.jsonl has no column 'response'"),
        (ALPACA | {"input": "What?"}, "no question and solution in the column 'input'"),
        (ALPACA | {"output": " "}, "is empty in the column 'output'"),
    ],
)
def test_a_bad_row_is_named_with_its_column(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    path = _write(tmp_path / "d.jsonl", [PLAIN, row])
    with pytest.raises(HarnessError) as caught:
        _load(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.jsonl", '{"question": 1}\n{', "Line 2 of d.jsonl is no JSON"),
        ("d.json", "[1]", "Row 1 of d.json is no JSON object"),
        ("d.json", "[1", "is no JSON"),
        ("d.jsonl", "", "has no rows"),
        ("d.parquet", "PAR1", "is no Parquet file"),
        ("d.jsonl", "\udcff", "cannot be read"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(HarnessError) as caught:
        _load(path, needs_critique=False)
    assert said in str(caught.value)


def test_the_papers_data_set_from_a_local_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    _write(tmp_path / "webinstruct_cft_4k.jsonl", [ALPACA])
    loaded = sources.load("webinstruct-cft-4k", revision="abc", needs_critique=True)
    assert loaded.examples[0].question == "What is 2 + 2?"
    assert "WebInstruct-CFT-4K" in loaded.identity and "abc" in loaded.note
    with pytest.raises(HarnessError, match="webinstruct_cft_50k.jsonl"):
        sources.load("webinstruct-cft-50k", revision=None, needs_critique=True)


def test_an_unknown_source_is_answered_with_the_nearest() -> None:
    with pytest.raises(HarnessError, match="webinstruct-cft-50k"):
        sources.load("webinstruct-cft-50", revision=None, needs_critique=True)


def test_a_hub_that_cannot_be_reached_is_reported() -> None:
    program = (
        "from train_cft.data import sources\n"
        "from harness.errors import HarnessError\n"
        "try:\n    sources.load('webinstruct-cft-4k', revision=None, needs_critique=True)\n"
        "except HarnessError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    del environment["HARNESS_DATA_DIR"]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=120,
    )
    assert "TIGER-Lab/WebInstruct-CFT cannot be loaded from the hub" in done.stdout


def test_a_lone_surrogate_becomes_a_mark(tmp_path: Path) -> None:
    (example,) = _load(_write(tmp_path / "d.jsonl", [PLAIN | {"response": "before \ud800"}]))
    assert example.response == "before ?"

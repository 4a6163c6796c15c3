"""GPQA: both sources load, the options are shuffled by id, and no text of it ever shows.

A failing assertion prints what it compared and the arguments of every call in it, so assertions
here see hashes, letters, counts and booleans only, never an item or a row.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import chisquare

from harness.errors import HarnessError
from harness.registry import load_task
from harness.task import Source, data_sha256
from harness.types import AnswerType
from tasks._gpqa import FILE, OPTIONS, gpqa, option_order, unzip

SUBSETS = ("diamond", "main", "extended")


@pytest.fixture(autouse=True)
def _local_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))


@pytest.fixture
def diamond_rows(data_dir: Path) -> list[dict[str, Any]]:
    path = data_dir / FILE
    if not path.is_file():
        pytest.skip(f"{FILE} is not in the folder of benchmark files")
    return list(unzip("diamond", path.read_bytes()))


def made_up_row(number: int) -> dict[str, str]:
    answers = dict(zip(OPTIONS, (str(number), "-1", "-2", "-2"), strict=True))
    return answers | {
        "Record ID": f"rec{number:014d}",
        "Question": f" What is {number} + 0? ",
        "High-level domain": "Arithmetic",
    }


def test_diamond_is_the_one_that_is_meant(diamond_rows: list[dict[str, Any]]) -> None:
    task = load_task("gpqa_diamond")
    items = task.items()
    count, found = len(items), data_sha256(items)
    subjects = Counter(item.subject for item in items)
    types = {item.answer_type for item in items}
    assert task.restricted and (count, found) == (198, task.data_sha256)
    assert subjects == {"Chemistry": 93, "Physics": 86, "Biology": 19}
    assert types == {AnswerType.CHOICE}


def test_every_letter_stands_for_its_option(diamond_rows: list[dict[str, Any]]) -> None:
    for row, item in zip(diamond_rows, load_task("gpqa_diamond").items(), strict=True):
        sound = item.id == row["Record ID"] and sorted(item.option_order) == [0, 1, 2, 3]
        places = zip("ABCD", item.option_order, strict=True)
        sound &= all(f"\n({a}) {row[OPTIONS[i]].strip()}" in item.question for a, i in places)
        sound &= item.option_order["ABCD".index(item.gold)] == 0
        identity = item.id
        assert sound, identity


def test_only_two_items_have_identical_options_and_their_right_one_is_alone() -> None:
    noted = [item for item in load_task("gpqa_diamond").items() if item.note]
    ids = [item.id for item in noted]
    assert ids == ["recZSGUkn56v9kEp1", "recnGEpF1srQpaqWq"]
    for item in noted:
        lines = item.question.split("\n")[-4:]
        texts = Counter(line[4:] for line in lines)
        alone = texts[lines["ABCD".index(item.gold)][4:]] == 1
        assert alone


def test_right_letters_are_near_uniform() -> None:
    letters = Counter(item.gold for item in load_task("gpqa_diamond").items())
    assert float(chisquare([letters[a] for a in "ABCD"]).pvalue) > 0.01


def test_orders_of_many_ids_are_uniform_over_all_24() -> None:
    orders = Counter(option_order(f"rec{number}") for number in range(12_000))
    assert len(orders) == 24
    assert float(chisquare(list(orders.values())).pvalue) > 0.01


def test_the_order_depends_on_the_id_alone(
    diamond_rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task("gpqa_diamond")
    whole = {item.id: data_sha256([item]) for item in task.items()}
    monkeypatch.setattr(Source, "rows", lambda self: iter(diamond_rows[150:40:-7]))
    some = {item.id: data_sha256([item]) for item in task.load()}
    assert len(some) == 16
    assert all(whole[identity] == value for identity, value in some.items())


def test_the_gated_hub_set_gives_equal_items(
    diamond_rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []

    def hub_rows(self: Source) -> Any:
        asked.append((self.hub_id, self.hub_config, self.hub_split))
        # There, empty cells are missing values.
        return ({name: text or None for name, text in row.items()} for row in diamond_rows)

    monkeypatch.delenv("HARNESS_DATA_DIR")
    monkeypatch.setattr(Source, "_hub_rows", hub_rows)
    count = len(load_task("gpqa_diamond").items())
    assert count == 198
    assert asked == [("Idavidrein/gpqa", "gpqa_diamond", "train")]


@pytest.mark.parametrize("subset", SUBSETS)
def test_all_subsets_load_from_one_zip(
    subset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up zip: Python writes none with a password, and reads both."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, [*OPTIONS, "Record ID", "Question", "High-level domain"])
    writer.writeheader()
    writer.writerows(made_up_row(number) for number in range(5))
    with zipfile.ZipFile(tmp_path / FILE, "w") as archive:
        for name in SUBSETS:
            archive.writestr(f"dataset/gpqa_{name}.csv", table.getvalue())
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    task = gpqa(subset, data_sha256=None)
    items = task.items()
    assert (task.name, task.restricted, len(items)) == (f"gpqa_{subset}", True, 5)
    for number, item in enumerate(items):
        assert item.question.startswith(f"What is {number} + 0?\n\nAnswer Choices:\n(A) ")
        assert f"({item.gold}) {number}" in item.question


def test_an_unreadable_zip_is_refused_without_a_word_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    (tmp_path / FILE).write_bytes(b"Which secret question is this?")
    with pytest.raises(HarnessError) as refusal:
        load_task("gpqa_main").items()
    shown = f"{refusal.value.message} {refusal.value.remedy}"
    assert "gpqa_main.csv" in shown and "secret" not in shown
    assert refusal.value.__cause__ is None

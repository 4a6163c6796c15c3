"""The same data by each objective: what is asked, what is learnt, what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from tests.train_cft.tiny_training import data_folder, examples
from train_cft.train.objectives import TrainingData, collect, read_data


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return read_data(data_folder(tmp_path / "data", examples(12)))


def _one(data: TrainingData, objective: str, row: int) -> tuple[str, str]:
    samples = collect(data, {objective: 1.0}, seed=0).samples
    (sample,) = (one for one in samples if one.row == row)
    return sample.prompt, sample.completion


def test_critique_fine_tuning_asks_as_the_paper_does(data: TrainingData) -> None:
    prompt, completion = _one(data, "cft", 2)
    assert prompt == (
        "Please critique whether the following solution to the question is correct.\n"
        "Question:\nWhat is 1 + 4?\n\nSolution:\nLet us think it over once more. 1 + 4 = 7."
    )
    assert completion.endswith("Conclusion: wrong [END]")


def test_fine_tuning_learns_responses_right_ones_or_the_reference(data: TrainingData) -> None:
    assert _one(data, "sft", 2) == (
        "What is 1 + 4?",
        "Let us think it over once more. 1 + 4 = 7.",
    )
    verified = collect(data, {"sft-verified": 1.0}, seed=0)
    assert [one.row for one in verified.samples] == [1, 3, 5, 7, 9, 11]
    assert verified.left_out == Counter({"sft-verified: not known to be right": 6})
    assert _one(data, "sft-reference", 2) == ("What is 1 + 4?", "Add: 5.")
    assert collect(data, {"sft-reference": 1.0}, seed=0).left_out.total() == 4


def test_a_reference_solution_is_learnt_once_a_question(tmp_path: Path) -> None:
    rows = examples(3)[1:]
    rows += [replace(rows[0], response="Another one.")]
    found = collect(read_data(data_folder(tmp_path / "d", rows)), {"sft-reference": 1.0}, seed=0)
    assert len(found.samples) == 2
    assert found.left_out == Counter({"sft-reference: the same prompt and completion": 1})


def test_a_mixture_keeps_its_shares_and_takes_no_more_than_there_are_examples(
    data: TrainingData,
) -> None:
    mixed = collect(data, {"cft": 0.75, "sft-verified": 0.25}, seed=0)
    assert Counter(one.objective for one in mixed.samples) == {"cft": 9, "sft-verified": 3}
    assert mixed.left_out["cft: beyond its share"] == 3
    scarce = collect(data, {"cft": 0.2, "sft-verified": 0.8}, seed=0)
    assert Counter(one.objective for one in scarce.samples) == {"cft": 1, "sft-verified": 6}


def test_what_is_drawn_follows_from_the_seed(data: TrainingData) -> None:
    def rows(seed: int) -> list[int]:
        return [one.row for one in collect(data, {"cft": 1.0}, seed=seed, limit=5).samples]

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)


def test_an_objective_that_finds_nothing_is_refused(tmp_path: Path) -> None:
    wrong = [one for one in examples(6) if not one.right]
    data = read_data(data_folder(tmp_path / "wrong", wrong))
    with pytest.raises(HarnessError, match="No example can be used for sft-verified"):
        collect(data, {"sft-verified": 1.0}, seed=0)


def test_a_folder_that_is_no_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="is not a folder of `train-cft build`"):
        read_data(tmp_path)

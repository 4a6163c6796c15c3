"""Recipes: the shipped ones, and every slip of the pen refused with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.types import digest
from tests.train_cft.conftest import TrainCft
from train_cft.train.objectives import read_objective
from train_cft.train.recipe import read_recipe, shipped


def _file(folder: Path, text: str) -> str:
    file = folder / "own.toml"
    file.write_text(text)
    return str(file)


def test_the_shipped_recipes_are_sound() -> None:
    assert set(shipped()) == {"smollm2-cpu", "paper-7b", "paper-32b", "lora-7b"}
    for name in shipped():
        recipe = read_recipe(name)
        assert recipe.name == name
        assert recipe.accumulation_steps() >= 1


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = read_recipe("paper-7b")
    assert recipe.model.base == "Qwen/Qwen2.5-Math-7B"
    assert recipe.objective.name == "cft"
    assert (recipe.optimiser.learning_rate, recipe.schedule.kind) == (5e-6, "cosine")
    assert (recipe.schedule.warmup, recipe.schedule.epochs) == (0.1, 1)
    assert (recipe.batch.global_batch, recipe.batch.micro_batch, recipe.accumulation_steps()) == (
        512,
        8,
        8,
    )
    assert (recipe.length.max_tokens, recipe.save.checkpoint_every) == (2048, 2)
    assert recipe.parallelism.strategy == "fsdp" and recipe.lora.rank == 0


def test_changes_of_the_command_line_count_last(tmp_path: Path) -> None:
    file = _file(tmp_path, "[optimiser]\nlearning_rate = 1e-5\n")
    recipe = read_recipe(file, {"optimiser.learning_rate": 1, "batch.global_batch": 64})
    assert recipe.optimiser.learning_rate == 1.0 and recipe.batch.global_batch == 64
    assert recipe.name == "own"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimizer]\n", "no table 'optimizer'. Did you mean optimiser?"),
        ("[optimiser]\nlearning_rte = 1\n", "Did you mean learning_rate?"),
        ("[optimiser]\nlearning_rate = '1e-5'\n", "is not a number above 0"),
        ("[batch]\ntotal = true\n", "[batch]: total = True is not a whole number above 0"),
        ("[length]\non_long = 'cut'\n", '"drop" or "truncate" or "fail"'),
        ("[objective]\nmix = { cftt = 1.0 }\n", "Did you mean cft or sft?"),
        ("[objective]\nmix = { cft = 0.5, sft = 0.4 }\n", "add up to 1"),
        ("optimiser = 3\n", "is not a table"),
        (
            "[precision]\nweights = 'bfloat16'\ncompute = 'float32'\n",
            "not computed with in float32",
        ),
        ("[lora]\nrank = 4\n[parallelism]\nstrategy = 'fsdp'\n", "strategy ddp only"),
        ("[model\n", "is not TOML"),
    ],
)
def test_a_faulty_recipe_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as refused:
        read_recipe(_file(tmp_path, text))
    assert message in str(refused.value)


def test_keys_with_their_former_names_make_the_same_recipe(tmp_path: Path) -> None:
    former = _file(tmp_path, "[batch]\ntotal = 8\nper_device = 4\n[save]\nsnapshot_every = 3\n")
    recipe = read_recipe(former, {"batch.per_device": 2})
    assert (recipe.batch.global_batch, recipe.batch.micro_batch) == (8, 2)
    assert recipe.as_dict()["batch"] == {
        "total": 8,
        "per_device": 2,
        "by_length": True,
        "recompute": True,
    }
    assert recipe.save.checkpoint_every == recipe.as_dict()["save"]["snapshot_every"] == 3
    with pytest.raises(HarnessError, match="total, which is its former name"):
        read_recipe(_file(tmp_path, "[batch]\ntotal = 8\nglobal_batch = 4\n"))
    with pytest.raises(HarnessError, match="per_device = 0 is not a whole number above 0"):
        read_recipe("paper-7b", {"batch.per_device": 0})


@pytest.mark.parametrize(
    ("name", "bfloat16", "stored"),
    [
        ("paper-7b", True, "541c6bf57d07"),
        ("paper-32b", True, "1c9a3c58e7e0"),
        ("lora-7b", True, "1c403c065c7d"),
        ("smollm2-cpu", True, "385828de90cd"),
        ("smollm2-cpu", False, "2d90d966b57b"),
    ],
)
def test_a_shipped_recipe_is_stored_as_ever(
    name: str, bfloat16: bool, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training's id is a hash of its stored recipe: a folder begun earlier goes on."""
    monkeypatch.setattr("train_cft.train.recipe.has_bfloat16_units", lambda: bfloat16)
    monkeypatch.setattr("train_cft.train.recipe.gpus", lambda: [])
    assert digest(read_recipe(name).as_dict())[:12] == stored


def test_an_unknown_recipe_and_an_unknown_change_suggest_the_nearest() -> None:
    with pytest.raises(HarnessError, match="Did you mean paper-7b"):
        read_recipe("paper-7")
    with pytest.raises(HarnessError, match=r"Did you mean .*optimiser.learning_rate"):
        read_recipe("smollm2-cpu", {"learning_rate": 1})


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(HarnessError, match="A batch of 10 does not divide into 2"):
        read_recipe(
            "smollm2-cpu", {"batch.global_batch": 10, "parallelism.processes": 3}
        ).accumulation_steps()


def test_a_recipe_for_gpus_is_refused_where_there_are_none(
    tmp_path: Path, train_cft: TrainCft
) -> None:
    import torch

    if torch.cuda.device_count():
        pytest.skip("there are GPUs")
    done = train_cft("train", "--recipe", "paper-7b", "--data", tmp_path, "--out", tmp_path / "o")
    assert done.code == 2 and "takes GPUs" in done.err


def test_objectives_and_mixtures_are_read() -> None:
    assert read_objective("sft") == {"sft": 1.0}
    assert read_objective("cft=0.5,sft-verified=0.5") == {"cft": 0.5, "sft-verified": 0.5}
    with pytest.raises(HarnessError, match="Did you mean sft-verified"):
        read_objective("sft-verfied")
    with pytest.raises(HarnessError, match="neither an objective nor a mixture"):
        read_objective("cft=much")

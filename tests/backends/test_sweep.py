"""Several checkpoints in one engine: each must answer as it does in an engine of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.errors import HarnessError
from harness.models.resolve import expand
from tests.conftest import REPOSITORY

ITEMS, BUDGET = 8, 24


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> dict[str, Path]:
    """Five checkpoints that differ in one part each.

    The first three tie the output head to the embedding, and differ in the layers and in the
    embedding alone; the last two have a head of their own, and differ in that alone.
    """
    import torch
    from safetensors.torch import load_file, save_file

    root = tmp_path_factory.mktemp("checkpoints")
    weights = load_file(model_folder / "model.safetensors")
    torch.manual_seed(0)

    def disturbed(chosen: str) -> dict[str, Any]:
        return {
            name: value + 0.15 * value.std() * torch.randn_like(value) if chosen in name else value
            for name, value in weights.items()
        }

    embedding = "model.embed_tokens.weight"
    untied = weights | {"lm_head.weight": weights[embedding].clone()}
    other_head = untied | {"lm_head.weight": disturbed(embedding)[embedding]}
    made = {
        "step-1": weights,
        "step-2": disturbed(".layers."),
        "step-10": disturbed(embedding),
        "untied-1": untied,
        "untied-2": other_head,
    }
    folders = {}
    for name, tensors in made.items():
        folder = root / name
        shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        if "lm_head.weight" in tensors:
            config = json.loads((folder / "config.json").read_text())
            config["tie_word_embeddings"] = False
            (folder / "config.json").write_text(json.dumps(config))
        folders[name] = folder
    return folders


def test_a_sweep_says_token_for_token_what_new_engines_say(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    root = checkpoints["step-1"].parent
    results = tmp_path / "results.duckdb"
    command = ["eval", "--model", root / "step-*", "--model", root / "untied-*"]
    command += ["--tasks", "quick", "--limit", ITEMS, "--max-tokens", BUDGET]
    command += ["--results", results, "--json"]
    # One process for both, so that the engine's libraries are imported once.
    done = subprocess.run(
        [sys.executable, "-m", "tests.backends.sweep_fresh", *map(str, command), "--"]
        + [*map(str, checkpoints.values())],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd=REPOSITORY,
        env=os.environ | {"VLLM_LOGGING_LEVEL": "ERROR"},
    )
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    swept, expected = json.loads("\n".join(printed)), json.loads(last)

    # One engine for the tied ones, another for those with a head of their own, and it says so.
    names = [run["model"] for run in swept["runs"]]
    assert [name.rpartition("/")[2] for name in names] == list(checkpoints)
    assert names[0] == f"{root.name}/step-1", "a number alone would be any training's"
    usage = swept["models"][-1]["usage"]
    assert (usage["engine_starts"], usage["weight_exchanges"]) == (2, 3)
    assert "restarted for untied-1: config.json differs" in " ".join(done.stderr.split())
    with duckdb.connect(str(results), read_only=True) as connection:
        rows = connection.execute(
            "SELECT m.name, s.item_id, s.thought || s.answer FROM sample s"
            " JOIN model m ON m.fingerprint = s.model"
        ).fetchall()
    said: dict[str, dict[str, str]] = {name: {} for name in checkpoints}
    for name, item, text in rows:
        said[name.rpartition("/")[2]][item] = text
    for name, folder in checkpoints.items():
        assert said[name] == expected[str(folder)], name
    assert len({json.dumps(texts, sort_keys=True) for texts in said.values()}) == 5 - 1, (
        "every change shows in the answers; the untied copy of the first is the same model"
    )


def test_a_pattern_stands_for_its_folders_in_counting_order(checkpoints: dict[str, Path]) -> None:
    root = checkpoints["step-1"].parent
    assert [Path(found).name for found in expand([str(root / "step-*")])] == [
        "step-1",
        "step-2",
        "step-10",
    ]
    with pytest.raises(HarnessError, match="No folder matches"):
        expand([str(root / "nothing-*")])

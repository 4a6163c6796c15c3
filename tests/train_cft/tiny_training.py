"""A model too small to be good, with a real tokenizer and template, and data to train it on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.store import Store
from train_cft.data import dataset_folder
from train_cft.data.examples import Example

SAMPLES = 26  # of 4 a step: the last one of 7 is filled with blanks
# Most of a step of so thin a model goes into the logits, which are as many as its tokens.
_VOCABULARY = 8192

RECIPE = """
[model]
base = "{base}"
[optimiser]
learning_rate = 0.001
[batch]
total = 4
per_device = 2
recompute = false
[length]
max_tokens = 256
[precision]
weights = "float32"
compute = "float32"
saved = "float32"
[parallelism]
device = "cpu"
[save]
snapshot_every = 4
resume_every = 2
"""


def tiny_model(folder: Path, tokenizer_of: Path, *, layers: int = 2) -> Path:
    """Write a Llama of two thin layers, new-born, beside a part of SmolLM2's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for file in tokenizer_of.iterdir():
        if file.name.startswith(("tokenizer", "chat_template")):
            shutil.copyfile(file, folder / file.name)
    _cut_vocabulary(folder / "tokenizer.json")
    return folder


def _cut_vocabulary(file: Path) -> None:
    """Keep the tokens that byte-pair encoding merged first, and the merges that make them."""
    tokenizer = json.loads(file.read_text())
    model = tokenizer["model"]
    model["vocab"] = {
        text: number for text, number in model["vocab"].items() if number < _VOCABULARY
    }
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]]
    file.write_text(json.dumps(tokenizer))


def examples(number: int) -> list[Example]:
    """Sums, every second one wrong, of unlike lengths."""
    made = []
    for n in range(number):
        right = n % 2 == 0
        said = 2 * n + 3 if right else 2 * n + 5
        padding = " Let us think it over once more." * (n % 5)
        made.append(
            Example(
                question=f"What is {n} + {n + 3}?",
                response=f"{padding} {n} + {n + 3} = {said}.".strip(),
                source="sums",
                critique=f"{n} + {n + 3} is {2 * n + 3}.{padding} Conclusion: "
                f"{'right' if right else 'wrong'} [END]",
                critic="tests",
                gold=str(2 * n + 3),
                solution=f"Add: {2 * n + 3}." if n % 3 else "",
                right=right,
            )
        )
    return made


def data_folder(folder: Path, rows: Sequence[Example]) -> Path:
    """Write a build of these examples."""
    folder.mkdir(parents=True)
    dataset_folder.write_data(folder, rows)
    facts = {"data_sha256": dataset_folder.data_sha256(rows), "exempt": {"math500": ["a", "b"]}}
    (folder / "build.json").write_text(json.dumps(facts))
    dataset_folder.write_sums(folder)
    return folder


def recipe_file(folder: Path, base: Path, text: str = "") -> Path:
    """Write the recipe of the tests, with more tables after it."""
    file = folder / "tiny.toml"
    file.write_text(RECIPE.format(base=base) + text)
    return file


def steps_of(results: Path, training: str) -> list[tuple[int, float, float, float, int]]:
    """Return step, loss, learning rate, gradient norm and tokens, as the store has them."""
    with Store(results).read() as connection:
        rows: list[Any] = connection.execute(
            "SELECT step, loss, learning_rate, grad_norm, tokens FROM training_step"
            " WHERE training_id = ? ORDER BY step",
            [training],
        ).fetchall()
    return rows


def train_arguments(recipe: Path, data: Path, out: Path, *more: str) -> list[str]:
    """Return what the command line is called with."""
    fixed = ["train", "--recipe", str(recipe), "--data", str(data), "--out", str(out), "--json"]
    return [*fixed, *more]


def train_process(
    results: Path, *arguments: str, launcher: Sequence[str] = (sys.executable,)
) -> subprocess.Popen[str]:
    """Start the command line as a process of its own."""
    return subprocess.Popen(
        [*launcher, "-m", "train_cft.cli", *arguments, "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HARNESS_DEBUG": "", "OMP_NUM_THREADS": "1"},
    )

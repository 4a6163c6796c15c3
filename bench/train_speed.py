"""What makes training on a CPU faster, as ratios: precision, batching by length, packing.

    python bench/train_speed.py --data FOLDER [--samples 32] [--rounds 2] [--only NAME…]

FOLDER is one of `train-cft build`. Each way trains the built-in model for one epoch of the same
samples in a process of its own; rounds are interleaved, so that a busy machine slows all ways
alike, and the fastest round of each counts. The last loss is printed with the speed: a way that is
fast and learns less is no gain.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

_AS_SHIPPED = "as shipped"
_WAYS: dict[str, dict[str, object]] = {
    _AS_SHIPPED: {},
    "bfloat16 weights": {"precision.weights": "bfloat16"},
    "computing in float32": {"precision.compute": "float32"},
    "not by length": {"batch.by_length": False},
    "8 samples at once": {"batch.micro_batch": 8},
    "8 at once, not by length": {"batch.micro_batch": 8, "batch.by_length": False},
    "1 sample at once": {"batch.micro_batch": 1},
    "packed to 1,024 tokens": {
        "length.packing": True,
        "length.max_tokens": 1024,
        "batch.micro_batch": 1,
        "batch.global_batch": 4,
    },
    "recomputing activations": {"batch.recompute": True},
}


def _train(data: Path, samples: int, way: dict[str, object]) -> dict[str, float]:
    changes: dict[str, object] = {"data.limit": samples, "save.checkpoint_every": 1000, **way}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "train_cft.cli", "train", "--recipe", "smollm2-cpu"]
        command += ["--data", str(data), "--out", f"{folder}/out", "--json"]
        command += ["--results", f"{folder}/results.duckdb"]
        for key, value in changes.items():
            command += ["--set", f"{key}={json.dumps(value)}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        facts = json.loads(done.stdout)
        return {
            "speed": facts["tokens"] / facts["seconds"],
            "loss": facts["loss"],
            "padding": facts["estimate"]["padding"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(_WAYS), default=list(_WAYS))
    arguments = parser.parse_args()
    names = list(dict.fromkeys([_AS_SHIPPED, *arguments.only]))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            found[name].append(_train(arguments.data, arguments.samples, _WAYS[name]))
            print(f"{name}: {found[name][-1]}", file=sys.stderr, flush=True)
    best = {name: max(rounds, key=lambda one: one["speed"]) for name, rounds in found.items()}
    table = Table("way", "tokens/s", "ratio", "padding", "last loss")
    for name, one in best.items():
        table.add_row(
            name,
            f"{one['speed']:.0f}",
            f"{one['speed'] / best[_AS_SHIPPED]['speed']:.2f}",
            f"{one['padding']:.0%}",
            f"{one['loss']:.4f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

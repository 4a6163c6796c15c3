"""What a series of checkpoints costs in one engine beside its generation alone.

    python bench/sweep.py --checkpoints 8 --task quick --max-tokens 256 --repeats 3

The checkpoints are copies of the built-in model with a little noise, so that all are of one
architecture and each must be generated from again. The ratio is the wall clock of the whole process
over the time it spent generating, summed over the checkpoints; the budget is 1.15.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.models.resolve import resolve_model


def make_checkpoints(source: Path, folder: Path, count: int) -> None:
    """Write copies of a checkpoint whose layers are disturbed by a part in a hundred."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(source / "model.safetensors")
    for number in range(count):
        torch.manual_seed(number)
        target = folder / f"step-{number}"
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
        disturbed = {
            name: value + 0.01 * value.std() * torch.randn_like(value)
            if ".layers." in name
            else value
            for name, value in weights.items()
        }
        save_file(disturbed, target / "model.safetensors", {"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=int, default=8)
    parser.add_argument("--task", default="quick")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_checkpoints(resolve_model("smollm2-135m").path, folder, arguments.checkpoints)
        for turn in range(arguments.repeats):
            command = [sys.executable, "-m", "harness.cli.main", "eval", "--json"]
            command += ["--model", str(folder / "step-*"), "--tasks", arguments.task]
            command += ["--limit", str(arguments.limit), "--max-tokens", str(arguments.max_tokens)]
            command += ["--results", str(folder / f"{turn}.duckdb")]
            began = time.monotonic()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall = time.monotonic() - began
            models = json.loads(done.stdout)["models"]
            generating = sum(model["generate"] for model in models)
            exchanges = [model["start"] for model in models[1:]]
            ratios.append(wall / generating)
            print(
                f"wall {wall:6.1f} s   generating {generating:6.1f} s   ratio {ratios[-1]:.3f}   "
                f"first start {models[0]['start']:.1f} s, each further one "
                f"{statistics.median(exchanges):.2f} s   {models[-1]['usage']}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f} of {len(ratios)}")


if __name__ == "__main__":
    main()

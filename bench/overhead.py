"""Whole-process time of ``harness eval`` against a bare vLLM script, same prompts and settings.

    python bench/overhead.py --task quick --limit 64 --repeats 3

The two take turns, ours first, and every run of ours starts with an empty results file. The ratio
is printed pair by pair; the budget is 1.05.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.backends import BackendOptions
from harness.backends.vllm import VllmBackend
from harness.plan import Settings, plan_task
from harness.registry import load_task

BARE = Path(__file__).with_name("bare_vllm.py")


def write_job(arguments: argparse.Namespace, file: Path) -> None:
    """Write what the bare script needs, by the same plan that the harness follows."""
    backend = VllmBackend(BackendOptions())
    checkpoint = backend.open(arguments.model, None)
    settings = Settings(limit=arguments.limit, max_tokens=arguments.max_tokens)
    plan = plan_task(load_task(arguments.task), checkpoint, backend, settings)
    before = dict(os.environ)
    engine_settings = backend.settings(checkpoint, plan.requests, plan.longest)
    environment = {name: value for name, value in os.environ.items() if name not in before}
    os.environ.clear()
    os.environ.update(before)
    job = {
        "model": str(checkpoint.path),
        "settings": engine_settings,
        "environment": environment,
        "max_tokens": plan.requests[0].sampling.max_tokens,
        "prompts": [list(request.prompt.token_ids) for request in plan.requests],
    }
    file.write_text(json.dumps(job))


def timed(command: list[str], log: Path) -> float:
    """Run a command to its end; return its wall clock in seconds."""
    began = time.monotonic()
    with log.open("w") as output:
        subprocess.run(command, check=True, stdout=output, stderr=subprocess.STDOUT)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="quick")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_job(arguments, folder / "job.json")
        ratios = []
        for number in range(arguments.repeats):
            ours = [sys.executable, "-m", "harness.cli", "eval", "--model", arguments.model]
            ours += ["--tasks", arguments.task, "--results", str(folder / f"{number}.duckdb")]
            for name in ("limit", "max_tokens"):
                if getattr(arguments, name) is not None:
                    ours += ["--" + name.replace("_", "-"), str(getattr(arguments, name))]
            bare = [sys.executable, str(BARE), str(folder / "job.json"), str(folder / "out.jsonl")]
            our_seconds = timed(ours, folder / "ours.log")
            bare_seconds = timed(bare, folder / "bare.log")
            ratios.append(our_seconds / bare_seconds)
            print(
                f"harness eval {our_seconds:7.1f} s   bare vLLM {bare_seconds:7.1f} s   "
                f"ratio {ratios[-1]:.3f}",
                flush=True,
            )
            print((folder / "ours.log").read_text().strip().splitlines()[-2], flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} of {len(ratios)}")


if __name__ == "__main__":
    main()

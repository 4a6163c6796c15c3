"""What a busy neighbour costs an engine on a CPU, by how idle threads of OpenMP wait.

    python bench/busy.py [--limit 200] [--max-tokens 64] [--neighbours 0 1 2] [--spins 1000]

Each way of waiting has an engine of its own, which generates the same requests beside 0, 1 and 2
processes that do nothing but count. The fair share of an engine of T threads beside N such
processes on C cores is C × T / (T + N) cores; the table shows what it reached of the speed that it
would have with that share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from harness.backends.base import EngineOptions
from harness.environment import usable_cores
from harness.registry import load_backend, load_task
from harness.run.plan import Settings, plan_task

_SPINNING = [sys.executable, "-c", "while True: pass"]


def _generate(neighbours: list[int], limit: int, max_tokens: int) -> list[float]:
    """Return the new tokens a second beside each number of neighbours."""
    backend = load_backend("vllm")(EngineOptions())
    model = backend.open("smollm2-135m", None)
    settings = Settings(limit=limit, max_tokens=max_tokens)
    plan = plan_task(load_task("quick"), model, backend, settings)
    backend.start(model, plan.requests, longest=plan.longest)
    speeds = []
    for count in (0, *neighbours):  # the first one warms up
        others = [subprocess.Popen(_SPINNING) for _ in range(count)]
        began = time.monotonic()
        tokens = sum(len(done.token_ids) for done in backend.generate(list(plan.requests)))
        speeds.append(tokens / (time.monotonic() - began))
        for other in others:
            other.kill()
            other.wait()
        backend._engine.reset_prefix_cache()  # type: ignore[attr-defined]
    backend.close()
    return speeds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--neighbours", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--spins", nargs="*", default=["1000"])
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        print(json.dumps(_generate(arguments.neighbours, arguments.limit, arguments.max_tokens)))
        return
    ways = {
        "OpenMP's default": {"GOMP_SPINCOUNT": "300000"},
        "asleep": {"OMP_WAIT_POLICY": "passive"},
    }
    ways |= {f"{spins} spins": {"GOMP_SPINCOUNT": spins} for spins in arguments.spins}
    table = Table("idle threads", *(f"beside {n}" for n in arguments.neighbours))
    cores = usable_cores()
    best = 0.0
    for way, environment in ways.items():
        done = subprocess.run(
            [sys.executable, *sys.argv, "--inner"],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        speeds = json.loads(done.stdout.splitlines()[-1])
        best = best or speeds[0]
        shares = (cores / (cores + n) for n in arguments.neighbours)
        cells = (
            f"{speed:.0f} tokens/s, {speed / best / share:.2f}"
            for speed, share in zip(speeds, shares, strict=True)
        )
        table.add_row(way, *cells)
        print(way, speeds, file=sys.stderr, flush=True)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

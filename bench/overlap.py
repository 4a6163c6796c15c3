"""Does grading slow the engine down? Speed of generation with the graders on and off, in turns.

    HARNESS_DATA_DIR=… python bench/overlap.py --task gsm8k --limit 200 --max-tokens 256 --repeats 3

Off, every response is dropped before it reaches the pool, whose workers then sit idle. The
grading's share of the wall clock is what the run waited for after the last generation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def without_grading(arguments: list[str]) -> None:
    """Run the command line in this process, with every judgement dropped."""
    from harness.cli.main import main as command_line
    from harness.run.grader import RunGrader

    RunGrader.submit = lambda *_, **__: None  # type: ignore[method-assign]
    sys.argv = ["harness", *arguments]
    command_line()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    speeds: dict[str, list[float]] = {"on": [], "off": []}
    shares = []
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(arguments.repeats):
            for name, program in (("on", ["-m", "harness.cli.main"]), ("off", [__file__, "--off"])):
                command = [sys.executable, *program, "eval", "--model", "smollm2-135m", "--json"]
                command += ["--tasks", arguments.task, "--limit", str(arguments.limit)]
                command += ["--max-tokens", str(arguments.max_tokens)]
                command += ["--results", str(Path(scratch) / f"{name}{turn}.duckdb")]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                outcome = json.loads(done.stdout)
                seconds = outcome["seconds"]
                speeds[name].append(outcome["completion_tokens"] / seconds["generate"])
                print(f"grading {name:3} {speeds[name][-1]:7.1f} tokens/s", flush=True)
                if name == "on":
                    shares.append(seconds["grade"] / sum(seconds.values()))
    ratios = [on / off for on, off in zip(speeds["on"], speeds["off"], strict=True)]
    print(
        f"median speed with grading ÷ without {statistics.median(ratios):.3f}; "
        f"grading's share of the wall clock {100 * statistics.median(shares):.2f} %"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--off"]:
        without_grading(sys.argv[2:])
    else:
        main()

"""What `--stop-loops` saves on a benchmark, and what it changes.

    HARNESS_DATA_DIR=… python bench/loops.py --task gsm8k --max-tokens 512 --results loops.duckdb

The same prompts twice, without and with the switch. Printed are tokens, seconds, loop rates, and
every grade that changed, both ways.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.store import Store, samples


def evaluate(arguments: argparse.Namespace, *more: str) -> Any:
    command = [
        sys.executable,
        "-m",
        "harness.cli.main",
        "eval",
        "--model",
        arguments.model,
        "--json",
    ]
    command += ["--tasks", arguments.task, "--results", str(arguments.results), *more]
    command += ["--max-tokens", str(arguments.max_tokens)]
    if arguments.limit is not None:
        command += ["--limit", str(arguments.limit)]
    outcome = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    (run,) = outcome["runs"]
    seconds, score, truncated, loops = (
        outcome["seconds"],
        100 * run["score"]["value"],
        100 * run["truncated"],
        100 * run["loops"],
    )
    print(
        f"{' '.join(more) or 'as it is':14} {run['completion_tokens']:9,} tokens   "
        f"start {seconds['start']:.1f} s   generate {seconds['generate']:.1f} s   "
        f"score {score:.2f} %   truncated {truncated:.1f} %   loops {loops:.1f} %",
        flush=True,
    )
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    plain, stopped = evaluate(arguments), evaluate(arguments, "--stop-loops")
    saved = 1 - stopped["completion_tokens"] / plain["completion_tokens"]
    print(f"tokens saved {100 * saved:.1f} %")
    store = Store(arguments.results)
    before, after = (
        {
            (sample.item_id, sample.sample_index): sample
            for sample in samples.of_run(store, run["id"])
        }
        for run in (plain, stopped)
    )
    ended = [sample for sample in after.values() if sample.finish_reason == "repetition"]
    changed = [key for key in before if before[key].correct != after[key].correct]
    print(f"{len(ended)} of {len(after)} ended early; {len(changed)} grades changed")
    for key in changed:
        was, became = before[key], after[key]
        print(
            f"  {key[0]}: {was.correct} ({was.finish_reason}, {was.completion_tokens} tokens) -> "
            f"{became.correct} ({became.finish_reason}, {became.completion_tokens} tokens)"
        )


if __name__ == "__main__":
    main()

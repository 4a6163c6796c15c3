"""Whole-process time of ``harness eval`` beside its peers: same prompts, same budget, same engine.

    HARNESS_DATA_DIR=… python bench/peers.py --limit 64 --repeats 3
    HARNESS_DATA_DIR=… python bench/peers.py --limit 200 --repeats 3 --only ours,bare,lm-eval-tuned

The contenders take turns, so that whatever else the machine does meets all of them:

ours            `harness eval`, empty results file
bare            a bare vLLM script with our engine's settings
bare-defaults   the same script with vLLM's own settings
lm-eval-tuned   lm-eval with `--batch_size auto`, and on the CPU every core bound
lm-eval         lm-eval as it comes (one request at a time)

The last three run in eager mode, because compiling costs them a minute at this size, and with 4 GiB
of cache, because vLLM's default on the CPU asks for nearly all of a machine's memory.

Printed are the seconds of each turn and the medians of the ratios to ours, turn by turn. On a GPU
machine the script is the same; the environment variables for cores have no effect there.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.backends.base import EngineOptions
from harness.backends.vllm.backend import VllmBackend
from harness.environment import usable_cores
from harness.registry import load_task
from harness.run.plan import Settings, plan_task

HERE = Path(__file__).parent
CONTENDERS = ("ours", "bare", "bare-defaults", "lm-eval-tuned", "lm-eval")
CACHE = {"VLLM_CPU_KVCACHE_SPACE": "4"}
LM_EVAL_TASK = """\
task: same_prompts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{gold}}}}"
generation_kwargs: {{until: [], max_gen_toks: {budget}, do_sample: false, temperature: 0.0}}
metric_list: [{{metric: exact_match}}]
"""


def write_jobs(arguments: argparse.Namespace, folder: Path) -> Path:
    """Write the same prompts in the form that each contender reads; return the model's folder."""
    backend = VllmBackend(EngineOptions())
    checkpoint = backend.open(arguments.model, None)
    task = load_task(arguments.task)
    settings = Settings(limit=arguments.limit, max_tokens=arguments.max_tokens)
    plan = plan_task(task, checkpoint, backend, settings)
    before = dict(os.environ)
    tuned = backend.settings(checkpoint, plan.requests, plan.longest)
    environment = {name: value for name, value in os.environ.items() if name not in before}
    os.environ.clear()
    os.environ.update(before)
    job: dict[str, Any] = {
        "model": str(checkpoint.path),
        "max_tokens": arguments.max_tokens,
        "prompts": [list(request.prompt.token_ids) for request in plan.requests],
    }
    tuned_job = job | {"settings": tuned, "environment": environment}
    (folder / "bare.json").write_text(json.dumps(tuned_job))
    defaults_job = job | {"settings": {"enforce_eager": True}, "environment": CACHE}
    (folder / "bare-defaults.json").write_text(json.dumps(defaults_job))
    with (folder / "documents.jsonl").open("w") as file:
        for item in plan.items:
            *system, user = task.prompt(item)
            file.write(json.dumps({"prompt": user["content"], "gold": item.gold}) + "\n")
    (folder / "system.txt").write_text("".join(message["content"] for message in system))
    lm_eval = LM_EVAL_TASK.format(data=folder / "documents.jsonl", budget=arguments.max_tokens)
    (folder / "tasks").mkdir()
    (folder / "tasks" / "same_prompts.yaml").write_text(lm_eval)
    return checkpoint.path


def command(
    name: str, arguments: argparse.Namespace, folder: Path, model: Path, turn: int
) -> tuple[list[str], dict[str, str]]:
    """Return a contender's command line and its environment."""
    if name == "ours":
        ours = [sys.executable, "-m", "harness.cli.main", "eval", "--model", arguments.model]
        ours += ["--tasks", arguments.task, "--limit", str(arguments.limit)]
        ours += ["--max-tokens", str(arguments.max_tokens)]
        return [*ours, "--results", str(folder / f"{turn}.duckdb")], {}
    if name.startswith("bare"):
        job = [str(folder / f"{name}.json"), str(folder / f"{name}.out")]
        return [sys.executable, str(HERE / "bare_vllm.py"), *job], {}
    peer = [sys.executable, str(HERE / "lm_eval_vllm.py"), "run", "--model", "vllm"]
    peer += ["--model_args", f"pretrained={model},enforce_eager=True"]
    peer += ["--tasks", "same_prompts", "--include_path", str(folder / "tasks")]
    peer += ["--system_instruction", (folder / "system.txt").read_text()]
    peer += ["--apply_chat_template", "--log_samples", "--output_path", str(folder / name)]
    if name == "lm-eval":
        return peer, CACHE
    bound = CACHE | {"VLLM_CPU_OMP_THREADS_BIND": f"0-{usable_cores() - 1}"}
    return [*peer, "--batch_size", "auto"], bound


def timed(line: list[str], environment: dict[str, str], log: Path) -> float:
    """Run a command to its end; return its wall clock in seconds."""
    began = time.monotonic()
    with log.open("w") as output:
        subprocess.run(
            line, check=True, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment
        )
    return time.monotonic() - began


def check_prompts(folder: Path, model: Path) -> None:
    """Make sure that lm-eval asked with the very tokens that we did."""
    from transformers import AutoTokenizer

    encode: Callable[[str], list[int]] = AutoTokenizer.from_pretrained(model).encode
    ours = json.loads((folder / "bare.json").read_text())["prompts"]
    for file in folder.glob("lm-eval*/**/samples_*.jsonl"):
        rows = sorted(map(json.loads, file.open()), key=lambda row: int(row["doc_id"]))
        texts = [row["arguments"]["gen_args_0"]["arg_0"] for row in rows]
        same = sum(encode(text) == ids for text, ids in zip(texts, ours, strict=True))
        print(f"{file.relative_to(folder).parts[0]}: {same} of {len(ours)} prompts are ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(CONTENDERS), help="separated by commas")
    arguments = parser.parse_args()
    contenders = arguments.only.split(",")
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = write_jobs(arguments, folder)
        for turn in range(arguments.repeats):
            for name in contenders:
                line, environment = command(name, arguments, folder, model, turn)
                log = folder / f"{name}.log"
                try:
                    seconds[name].append(timed(line, environment, log))
                except subprocess.CalledProcessError:
                    sys.exit(f"{name} failed:\n{log.read_text()[-3000:]}")
                print(f"{name:14} {seconds[name][-1]:7.1f} s", flush=True)
                if name == "ours":
                    phases = [s for s in log.read_text().splitlines() if s.startswith("start ")]
                    print(f"{'':14} {phases[-1]}", flush=True)
        check_prompts(folder, model)
    for name in contenders:
        ratios = [other / ours for other, ours in zip(seconds[name], seconds["ours"], strict=True)]
        print(
            f"{name:14} median {statistics.median(seconds[name]):7.1f} s   "
            f"÷ ours {statistics.median(ratios):.3f}   ({', '.join(f'{r:.3f}' for r in ratios)})"
        )


if __name__ == "__main__":
    main()

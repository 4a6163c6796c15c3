"""Gives identical generations to lm-eval itself and to our path, and compares what both say.

    python bench/lm_eval_scores.py [--docs N] [--json] [--antlr FOLDER]

Five tasks, their data from the folder that HARNESS_DATA_DIR names. For every document both sides
make the prompt; then both judge the same text: right and wrong ones in several formats, empty ones,
ones cut off. lm-eval runs in a process of its own (``simple_evaluate``), reading its data from JSON
files through its own loader; our verdicts come from the grader pool. Compared are the scores, each
verdict, and each prompt. Nothing of a document is printed.

lm-eval refuses its minerva tasks unless ANTLR's runtime is 4.11, so that version is patched in, as
our path is. ``--antlr`` takes a folder with the real one for it instead:

    pip install --no-deps --target FOLDER antlr4-python3-runtime==4.11.0
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

TASKS = {
    "gsm8k": ("strict-match", "flexible-extract"),
    "gsm8k_cot": ("strict-match", "flexible-extract"),
    "gpqa_diamond_cot_zeroshot": ("strict-match", "flexible-extract"),
    "minerva_math_algebra": ("none",),
    "aime24": ("none",),
}
GPQA = "gpqa_diamond_cot_zeroshot"
TEMPLATES = (
    "{solution}\n#### {answer}",
    "{solution}\nThe answer is {answer}.",
    "{solution} Final Answer: The final answer is ${answer}$. I hope it is correct.",
    "{solution}\n#### {wrong}\nThe answer is {wrong}.",
    "",
    "{half}",
    "So we get \\boxed{{{answer}}}.",
    "Final Answer: The final answer is ${wrong}$. I hope it is correct.",
    "So the total is ${answer}, not {wrong}",
    "{answer}",
    "At first {wrong}. Let me check. The answer is {answer}, so I am done.",
    "Final Answer: The final answer is $x = {answer}.0$. I hope it is correct.",
    "I would choose {solution}",
    "The answer is \\boxed{{{wrong}}}. Therefore: {bare}",
)


def write_data(data: Path, folder: Path) -> None:
    """Write what both sides read: JSON lines for lm-eval, a mapping of the same rows for us."""
    from tasks._gpqa import unzip

    def lines(name: str) -> list[dict[str, Any]]:
        text = (data / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    algebra = [
        {**row, "type": row["subject"], "level": f"Level {row['level']}"}
        for row in lines("math500.jsonl")
        if row["subject"] == "Algebra"
    ]
    files = {
        "gsm8k.jsonl": lines("gsm8k.jsonl"),
        "algebra.jsonl": algebra,
        "aime24.jsonl": [
            {"Problem": row["problem"], "Solution": row["solution"], "Answer": row["answer"]}
            for row in lines("aime24.jsonl")
        ],
        "gpqa.jsonl": list(unzip("diamond", (data / "gpqa_dataset.zip").read_bytes())),
    }
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    both = {"train": "gsm8k.jsonl", "test": "gsm8k.jsonl"}
    mapping = {
        "gsm8k": {"files": both},
        "gsm8k_cot": {"files": both},
        GPQA: {"files": {"train": str(data / "gpqa_dataset.zip")}},
        "minerva_math_algebra": {"files": {"train": "algebra.jsonl", "test": "algebra.jsonl"}},
        "aime24": {
            "files": {"train": str(data / "aime24.jsonl")},
            "columns": {"problem": "Problem", "solution": "Solution", "answer": "Answer"},
        },
    }
    (folder / "mapping.json").write_text(json.dumps(mapping))


def texts_of(task: str, items: list[Any]) -> list[str]:
    """Make up one generation for each item, from what its document says is right."""
    made = []
    for number, item in enumerate(items):
        document = json.loads(item.reference)["document"]
        if task == GPQA:
            answer, wrong = document["answer"], f"({'ABCD'['BCDA'.index(document['answer'][1])]})"
            solution = document["choices"]["ABCD".index(document["answer"][1])]
        else:
            solution = document.get("solution") or document.get("Solution") or document["answer"]
            solution, _, answer = solution.partition("\n#### ")
            answer = answer or str(document.get("answer") or document.get("Answer"))
            wrong = re.sub(r"\d", lambda digit: str((int(digit.group()) + 1) % 10), answer) + "1"
        parts = {"solution": solution, "answer": answer, "wrong": wrong}
        parts |= {"half": solution[: len(solution) // 2], "bare": answer.strip("()")}
        made.append(TEMPLATES[number % len(TEMPLATES)].format(**parts))
    return made


def reference(folder: Path, docs: int | None) -> None:
    """Have lm-eval itself evaluate the texts; runs in a process of its own."""
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    from tasks._lm_eval_config import accepting_antlr, task_files

    texts = json.loads((folder / "texts.json").read_text())

    class Recorded(LM):  # type: ignore[misc]
        tokenizer_name = "recorded"

        def chat_template(self, chat_template: bool | str = False) -> str:
            return "recorded"

        def apply_chat_template(self, chat_history: Any, add_generation_prompt: bool = True) -> str:
            return json.dumps(chat_history)

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [texts[request.task_name][request.doc_id] for request in requests]

        def loglikelihood(self, requests: Any) -> Any:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: Any) -> Any:
            raise NotImplementedError

    files = {"gsm8k": "gsm8k", "gsm8k_cot": "gsm8k", "aime24": "aime24", GPQA: "gpqa"}
    paths = []
    for task in TASKS:
        rows = str(folder / f"{files.get(task, 'algebra')}.jsonl")
        splits = {"train": rows, "test": rows}
        override = {
            "include": str(task_files()[task]),
            "task": task,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": splits, "cache_dir": str(folder / "cache")},
        }
        paths.append(folder / f"{task}.yaml")
        paths[-1].write_text(json.dumps(override))  # JSON is YAML.
    is_real = version("antlr4-python3-runtime").startswith("4.11")
    with contextlib.nullcontext() if is_real else accepting_antlr():
        found = lm_eval.simple_evaluate(
            model=Recorded(),
            tasks=[str(path) for path in paths],
            task_manager=TaskManager(include_defaults=False),
            limit=docs,
            apply_chat_template=True,
            fewshot_as_multiturn=False,
            bootstrap_iters=0,
        )
    said = {
        f"{task}/{chosen}": {
            "score": found["results"][task][f"exact_match,{chosen}"],
            "correct": {
                sample["doc_id"]: float(sample["exact_match"])
                for sample in found["samples"][task]
                if sample["filter"] == chosen
            },
            "prompts": {
                sample["doc_id"]: sha256(sample["arguments"][0][0])
                for sample in found["samples"][task]
            },
        }
        for task, filters in TASKS.items()
        for chosen in filters
    }
    (folder / "reference.json").write_text(json.dumps(said))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ours(folder: Path, docs: int | None) -> dict[str, Any]:
    """Load, prompt and judge the same documents on our path, and write the texts for lm-eval."""
    from harness.grading import GraderPool
    from harness.registry import load_task
    from harness.task import scorers_of

    os.environ["HARNESS_LM_EVAL_DATA"] = str(folder / "mapping.json")
    texts: dict[str, list[str]] = {}
    said: dict[str, Any] = {}
    loaded = {
        (name, chosen): load_task(f"lm_eval:{name}/{chosen}")
        for name, filters in TASKS.items()
        for chosen in filters
    }
    asked = {key: task.items()[:docs] for key, task in loaded.items()}
    with GraderPool(scorers=scorers_of(chain.from_iterable(asked.values()))) as pool:
        for (name, chosen), task in loaded.items():
            items = asked[name, chosen]
            texts[name] = texts_of(name, items)
            futures: list[Future[Any]] = [
                pool.submit(
                    gold=item.gold,
                    response=text,
                    truncated=False,
                    answer_type=item.answer_type,
                    scorer=item.scorer,
                    reference=item.reference,
                )
                for item, text in zip(items, texts[name], strict=True)
            ]
            prompts = [sha256(json.dumps(task.prompt(item))) for item in items]
            verdicts = [future.result() for future in futures]
            said[f"{name}/{chosen}"] = {"verdicts": verdicts, "prompts": prompts}
    (folder / "texts.json").write_text(json.dumps(texts))
    return said


def compare(said: dict[str, Any], theirs: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, mine in said.items():
        verdicts, other = mine["verdicts"], theirs[name]
        infrastructure = {"timeout", "memory", "crash"}
        rows.append(
            {
                "task": name,
                "docs": len(verdicts),
                "ours": sum(verdict.correct for verdict in verdicts) / len(verdicts),
                "lm_eval": other["score"],
                "other_verdicts": [
                    number
                    for number, verdict in enumerate(verdicts)
                    if float(verdict.correct) != other["correct"][str(number)]
                ],
                "other_prompts": [
                    number
                    for number, prompt in enumerate(mine["prompts"])
                    if prompt != other["prompts"][str(number)]
                ],
                "failures": sum(verdict.status.value in infrastructure for verdict in verdicts),
                "worst_cpu_seconds": max(verdict.seconds for verdict in verdicts),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--docs", type=int, help="first documents of each task; all by default")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--antlr", type=Path, help="folder with the ANTLR runtime 4.11 for lm-eval")
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.reference:
        reference(asked.reference, asked.docs)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = Path(os.environ["HARNESS_DATA_DIR"]).resolve()
        write_data(data, folder)
        begun = time.perf_counter()
        said = ours(folder, asked.docs)
        our_seconds = time.perf_counter() - begun
        limit = ["--docs", str(asked.docs)] if asked.docs else []
        path = [str(asked.antlr.resolve())] if asked.antlr else []
        subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--reference", name, *limit],
            env=os.environ
            | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
            | ({"PYTHONPATH": os.pathsep.join(path)} if path else {}),
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("DEBUG") else subprocess.DEVNULL,
            check=True,
        )
        rows = compare(said, json.loads((folder / "reference.json").read_text()))
        lm_eval_seconds = time.perf_counter() - begun - our_seconds
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{'task/filter':45} {'docs':>5} {'ours':>8} {'lm-eval':>8}  differing prompts, verdicts")
    for row in rows:
        differing = f"{len(row['other_prompts'])}, {len(row['other_verdicts'])}"
        print(
            f"{row['task']:45} {row['docs']:5} {row['ours']:8.4f} {row['lm_eval']:8.4f}  "
            f"{differing}; {row['failures']} infrastructure failures; "
            f"{row['worst_cpu_seconds']:.2f} s CPU at worst"
        )
    print(f"ours {our_seconds:.0f} s, lm-eval {lm_eval_seconds:.0f} s")


if __name__ == "__main__":
    main()

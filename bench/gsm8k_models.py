"""Published outputs of real models on all of GSM8K: what each rule says of every two of them.

    HARNESS_DATA_DIR=… python -m bench.gsm8k_models --logs RECORDED/logs [--margin 3] [--all]

The files are imported and judged by this project (`harness import`, matched by question), so that
both models of a pair are judged alike on the same items. For every ordered pair the first model is
the baseline: what `harness compare` shows, what the gate says of the stored outcomes in its seeded
order (no guards) and how many items it reads, how often it says so in 100 other orders, and the
rules of ``bench/rivals.py``, which read all items.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.rivals import RULES
from bench.simulated import read_in_order
from harness.analysis.compare import compare
from harness.analysis.select import CompareRequest, runs_to_compare
from harness.gate.evidence import GateEvidence, TaskEvidence, order_of
from harness.grading import GRADER_VERSION
from harness.interop.untrusted import json_rows
from harness.registry import TaskRegistry
from harness.run.regrade import regrade_to_match
from harness.statistics.betting import Floats
from harness.statistics.sequential import Outcome, Rule
from harness.store import Store
from harness.store.item_results import ItemResult, SampleResult, item_results, sample_results
from harness.store.queries import runs

TASK, ITEMS, ORDERS, ALPHA = "gsm8k", 1319, 100, 0.05


@dataclass(frozen=True, slots=True)
class Source:
    """A file of one model's answers to all of GSM8K.

    Attributes:
        file: Below the folder of logs.
        question: The column in which the question stands, maybe with more around it.
        arguments: For `harness import`.
    """

    file: str
    question: str
    arguments: tuple[str, ...]


def _jsonl(columns: str) -> tuple[str, ...]:
    return ("jsonl", "--map", columns)


def _openai(model: str) -> Source:
    columns = f"gold=ground_truth,response={model}.solution,correct={model}.is_correct"
    return Source("gsm/example_model_solutions.jsonl", "question", _jsonl(columns))


def _qwen(file: str) -> Source:
    columns = "id=id,gold=ground_truth_answer,response=model_output"
    return Source(f"qwen06/{file}.jsonl", "question", _jsonl(columns))


ABEL = "question=prompt,response=response,gold=gold,correct=result"
MODELS = {
    "tora-70b": Source("tora/gsm8k_70b.jsonl", "question", ("qwen_math",)),
    "abel-7b": Source("abel/gsm8k_7b.jsonl", "prompt", _jsonl(ABEL)),
    "gpt3-175b": _openai("175b_verification"),
    "qwen3-0.6b": _qwen("cot_model_outputs"),
    "qwen3-0.6b-sft": _qwen("Qwen3-GSM8k-SFT-BF16-temp0"),
    "gpt3-6b": _openai("6b_verification"),
}
"""By name: GPT-3's answers are those that a verifier chose."""
MORE = {
    "gpt3-175b-tuned": _openai("175b_finetuning"),
    "gpt3-6b-tuned": _openai("6b_finetuning"),
    "qwen3-0.6b-short": _qwen("zero_shot_model_outputs"),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model's stored outcomes."""

    run: str
    items: dict[str, ItemResult]
    samples: list[SampleResult]

    def scores(self, order: list[str]) -> Floats:
        return np.array([self.items[item].score for item in order])


def import_all(sources: dict[str, Source], logs: Path, results: Path) -> None:
    harness = Path(sys.executable).with_name("harness")
    for name, source in sources.items():
        form, *more = source.arguments
        path = logs / source.file
        done = subprocess.run(
            [harness, "import", form, path, "--model", name, "--task", TASK, "--match",
             "--results", results, *more],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{path}: {done.stderr}")


def in_one_order(source: Source, logs: Path, questions: list[str]) -> int:
    """Count the lines of a file that ask the question of the same number of the task."""
    rows = [row for _, row in json_rows(logs / source.file)]
    asked = [" ".join(str(row[source.question]).split()).casefold() for row in rows]
    return sum(question in line for question, line in zip(questions, asked, strict=True))


def gate(baseline: Model, candidate: Model, name: str, rule: Rule) -> tuple[Outcome, int]:
    """Run the gate over stored outcomes; return its verdict and how many items it read."""
    order = order_of(list(baseline.items), 0, name)
    evidence = GateEvidence([TaskEvidence(TASK, order, 1, baseline.items, {})], {TASK: rule}, None)
    by_item = {sample.item_id: sample for sample in candidate.samples}
    for item in order:
        evidence.arrive(TASK, by_item[item])
        if evidence.decided:
            break
    return evidence.outcome, len(evidence.tasks[TASK].read)


def other_orders(baseline: Floats, candidate: Floats, rule: Rule) -> str:
    """Say how often the gate fails and passes in other orders of the items."""
    random = np.random.default_rng(0)
    drops = random.permuted(np.tile(baseline - candidate, (ORDERS, 1)), axis=1)
    ended = read_in_order(drops, rule)
    failed, passed = ended.failed.mean(), ended.passed.mean()
    return f"{100 * failed:.0f} / {100 * passed:.0f}, {ended.items.mean():.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--logs", type=Path, required=True, help="the folder of recorded logs")
    parser.add_argument("--margin", type=float, default=3.0, help="of the gate, in points")
    parser.add_argument("--all", action="store_true", help="three more models")
    arguments = parser.parse_args()
    sources = MODELS | (MORE if arguments.all else {})
    absent = {source.file for source in sources.values()} - {
        source.file for source in sources.values() if (arguments.logs / source.file).is_file()
    }
    if absent:
        print(f"skipped: {arguments.logs} has no {', '.join(sorted(absent))}")
        return
    registry = TaskRegistry()
    questions = [" ".join(item.question.split()).casefold() for item in registry.load(TASK).items()]
    console = Console(width=190)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.duckdb"
        import_all(sources, arguments.logs, results)
        store = Store(results)
        models = {
            run.model: Model(
                run.id,
                item_results(store, run.id),
                sample_results(store, [run.id], GRADER_VERSION),
            )
            for run in runs(store)
        }
        for name, source in sources.items():
            items = models[name].items
            score = 100 * models[name].scores(list(items)).mean()
            console.print(
                f"{name}: {len(items)} items matched by question, "
                f"{in_one_order(source, arguments.logs, questions)} of {ITEMS} lines stand in the "
                f"task's own order, score {score:.1f}"
            )
        show(console, store, registry, models, list(sources), arguments.margin / 100)


def show(
    console: Console,
    store: Store,
    registry: TaskRegistry,
    models: dict[str, Model],
    names: list[str],
    margin: float,
) -> None:
    rule = Rule(margin, ALPHA, ALPHA)
    table = Table(title=f"{TASK}, margin {100 * margin:g}; scores and differences in points")
    for heading in ("baseline", "candidate", "items", "compare: B − A", "p", "gate", "items read",
                    f"{ORDERS} orders: % fail / pass, read", *RULES):  # fmt: skip
        table.add_column(
            heading,
            justify="left" if heading in ("baseline", "candidate") else "right",
            no_wrap=heading.startswith("compare"),
        )
    verdicts: dict[str, Counter[str]] = {name: Counter() for name in ("gate", *RULES)}
    read = []
    for first in names:
        for second in names:
            if first == second:
                continue
            one, other = models[first], models[second]
            request = CompareRequest([one.run, other.run], allow_different=True)
            matched = runs_to_compare(store, request, None)
            regraded = regrade_to_match(
                store, matched.tasks, request.profile, registry, lambda *_: None
            )
            (task,) = compare(store, matched, regraded).tasks
            order = [item for item in one.items if item in other.items]
            before, after = one.scores(order), other.scores(order)
            assert abs((after - before).mean() - task.paired.effect) < 1e-9
            outcome, items = gate(one, other, second, rule)
            read.append(items)
            said = {name: _called(int(of(before, after, margin))) for name, of in RULES.items()}
            for name, verdict in {"gate": outcome.value, **said}.items():
                verdicts[name][verdict] += 1
            p = task.paired
            table.add_row(
                first, second, str(task.items),
                f"{100 * p.effect:+.1f} [{100 * p.low:+.1f}, {100 * p.high:+.1f}]", f"{p.p:.2g}",
                outcome.value, str(items), other_orders(before, after, rule), *said.values(),
                end_section=second == [name for name in names if name != first][-1],
            )  # fmt: skip
    console.print(table)
    for name, counts in verdicts.items():
        console.print(f"{name}: " + ", ".join(f"{count} {word}" for word, count in counts.items()))
    console.print(f"the gate read {100 * np.mean(read) / ITEMS:.0f} % of the items on average")


def _called(verdict: int) -> str:
    return {1: "pass", -1: "fail", 0: "undecided"}[verdict]


if __name__ == "__main__":
    main()

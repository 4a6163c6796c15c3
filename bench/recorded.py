"""The strict grader on published outputs of real models, beside the grades they came with.

    HARNESS_DATA_DIR=… python bench/recorded.py FOLDER [--only PART] [--list [--tail 300]]

The folder holds files as other projects publish them (see ``FILES``); those that are missing are
passed over. Each file is read by its importer and judged by its own reference answers, or our
task's where the table names one. What has no judgement is compared by a plain rule: the answer that
the source extracted, else the last number of the response, is the reference as text or as number.
``--list`` prints every disagreement, to be read by eye: neither side is always right.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.grading import GraderPool
from harness.interop.formats import load_importer
from harness.interop.import_run import generation_of
from harness.interop.imported import ImportedSample, short_gold
from harness.interop.match_items import match_items
from harness.interop.untrusted import json_rows
from harness.registry import TaskRegistry
from harness.types import Item, Verdict


@dataclass(frozen=True, slots=True)
class Recorded:
    """Files of one kind: where they are, their importer, and the task whose items they answer."""

    pattern: str
    form: str
    task: str = ""
    mapping: tuple[str, ...] = ()


_GSM_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
FILES = (
    Recorded("math100_qwen_8samples.jsonl", "qwen_math"),
    Recorded("theoremqa_*.jsonl", "theoremqa", "theoremqa"),
    Recorded("logs/skythought/*aime24.jsonl", "qwen_math", "aime24"),
    Recorded("logs/skythought/*amc23.jsonl", "qwen_math", "amc23"),
    Recorded("logs/skythought/*math500.jsonl", "qwen_math", "math500"),
    Recorded("logs/prime/*minerva_math.jsonl", "qwen_math", "minerva_math"),
    Recorded("logs/prime/*olympiadbench.jsonl", "qwen_math", "olympiadbench"),
    Recorded("logs/tora/*.jsonl", "qwen_math", "gsm8k"),
    Recorded("logs/qwen06/*.jsonl", "jsonl", "gsm8k", (
        "gold=ground_truth_answer", "response=model_output",
    )),
    Recorded("logs/abel/*.jsonl", "jsonl", "", ("correct=result", "question=prompt")),
    *(
        Recorded("logs/gsm/example_model_solutions.jsonl", "jsonl", "gsm8k", (
            "gold=ground_truth", f"response={model}.solution", f"correct={model}.is_correct",
        ))
        for model in _GSM_MODELS
    ),
    Recorded("logs/pyfade/samples_*.jsonl", "lm-eval", "gsm8k"),
    Recorded("logs/pyfade/mmlu/samples_*.jsonl", "lm-eval"),
    Recorded("logs/pmemoli/samples_*.jsonl", "lm-eval", "gsm8k"),
    Recorded("logs/nnz/samples_*.jsonl", "lm-eval", "aime25"),
    Recorded("logs/evalscope/*reviews*.jsonl", "evalscope", "gsm8k"),
)  # fmt: skip
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")


@dataclass(frozen=True, slots=True)
class Judged:
    """One response with both judgements."""

    item: Item
    sample: ImportedSample
    ours: Verdict
    source: bool


def plainly_right(gold: str, extracted: str, response: str) -> bool:
    """Judge where the source did not: by its extracted answer, else by the last number."""
    numbers = _NUMBER.findall(response)
    answer = extracted.strip() or (numbers[-1] if numbers else "")
    if answer.casefold() == gold.casefold():
        return True
    try:
        given, wanted = (float(text.replace(",", "").rstrip(".")) for text in (answer, gold))
    except ValueError:
        return False
    return given == wanted


def predictions(path: Path) -> dict[tuple[int, int], str]:
    """Return what the source extracted, by row and sample, where its rows say so."""
    found: dict[tuple[int, int], str] = {}
    for number, row in json_rows(path):
        listed = row.get("pred", [])
        for index, text in enumerate(listed if isinstance(listed, list) else [listed]):
            found[number - 1, index] = str(text)
    return found


def judge(path: Path, kind: Recorded, pool: GraderPool, registry: TaskRegistry) -> list[Judged]:
    samples = [
        sample
        for log in load_importer(kind.form, list(kind.mapping))(path, None, None)
        for sample in log.samples
    ]
    items, _ = match_items(samples, registry.load(kind.task) if kind.task else None)
    extracted = predictions(path) if any(s.correct is None for s in samples) else {}
    rows = {name: row for row, name in enumerate(dict.fromkeys(s.item_id for s in samples))}
    waiting = []
    for sample in samples:
        item = items.get(sample.item_id)
        if item is None:
            continue
        generation = generation_of("", sample)
        future = pool.submit(
            gold=item.gold,
            response=generation.answer,
            truncated=generation.truncated,
            answer_type=item.answer_type,
            tolerance=item.tolerance,
        )
        waiting.append((item, sample, future))
    judged = []
    for item, sample, future in waiting:
        source = sample.correct
        if source is None:
            pred = extracted.get((rows[sample.item_id], sample.sample_index), "")
            source = plainly_right(short_gold(sample.gold), pred, sample.response)
        judged.append(Judged(item, sample, future.result(), source))
    return judged


def disagreements(judged: list[Judged]) -> Iterator[Judged]:
    yield from (each for each in judged if each.ours.correct != each.source)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--list", action="store_true", help="print every disagreement")
    parser.add_argument("--tail", type=int, default=300, help="characters of a response shown")
    arguments = parser.parse_args()
    registry = TaskRegistry(None)
    print(f"{'file':60} {'n':>5} {'agree':>7} {'ours':>5} {'source':>6} {'undecided':>9}")
    with GraderPool() as pool:
        for kind in FILES:
            for path in sorted(arguments.folder.glob(kind.pattern)):
                name = str(path.relative_to(arguments.folder))
                if arguments.only not in name:
                    continue
                judged = judge(path, kind, pool, registry)
                apart = list(disagreements(judged))
                only_ours = sum(each.ours.correct for each in apart)
                undecided = sum(each.ours.status == "unparsed" for each in judged)
                which = next((m.partition("=")[2] for m in kind.mapping[1:2]), "")
                label = f"{name} {which}".strip()
                print(
                    f"{label[-60:]:60} {len(judged):5} "
                    f"{100 - 100 * len(apart) / max(1, len(judged)):6.2f}% "
                    f"{only_ours:5} {len(apart) - only_ours:6} {undecided:9}",
                    flush=True,
                )
                for each in apart if arguments.list else ():
                    side = "only ours " if each.ours.correct else "only source"
                    tail = each.sample.response[-arguments.tail :]
                    print(
                        f"  {side} {each.item.id} {each.item.answer_type}"
                        f" | gold {each.item.gold!r} | {each.ours.extracted[:200]!r}"
                        f" by {each.ours.extraction} {each.ours.method} {each.ours.status}"
                        f" | …{tail!r}"
                    )


if __name__ == "__main__":
    main()

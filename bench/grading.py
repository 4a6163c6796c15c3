"""Throughput of the strict grader against bare math-verify, one core, warm, side by side.

    python bench/grading.py PAIRS.jsonl [--rows 500] [--repeats 3]
    python bench/grading.py OUTPUTS.jsonl --responses      # Qwen2.5-Math evaluator's format

Pairs are judged in this process, memo off, math-verify with its own time limits on (they need the
main thread). With ``--responses`` whole responses with several samples per item are judged, ours
with the memo by (gold, extracted answer), as in a run. Before each repeat the caches of both sides
are emptied.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.grading import extract, grade, grade_response
from harness.interop.importers.qwen_math import read
from harness.types import AnswerType, Verdict

Pair = tuple[str, str, bool]


def strict(pair: Pair) -> bool:
    gold, text, is_response = pair
    if is_response:
        return grade_response(gold=gold, response=text, truncated=False).correct
    return grade(gold=gold, answer=text).correct


def remembering() -> Callable[[Pair], bool]:
    known: dict[tuple[str, str], Verdict] = {}

    def judge(pair: Pair) -> bool:
        gold, text, _ = pair
        answer = extract(text, answer_type=AnswerType.AUTO, gold=gold).answer
        if (gold, answer) not in known:
            known[gold, answer] = grade(gold=gold, answer=answer)
        return known[gold, answer].correct

    return judge


def math_verify(pair: Pair) -> bool:
    from math_verify import parse, verify

    gold, text, is_response = pair
    answer = text if is_response else f"$\\boxed{{{text}}}$"
    return bool(verify(parse(f"${gold}$"), parse(answer)))


def forget() -> None:
    """Empty every cache of both sides: a repeat must not profit from having seen these texts."""
    ours_and_theirs = ("harness.grading", "math_verify", "latex2sympy2_extended")
    for name, module in list(sys.modules.items()):
        if name.startswith(ours_and_theirs):
            for value in vars(module).values():
                # Unbounded ones hold tables of the module's own, not texts.
                if hasattr(value, "cache_clear") and value.cache_info().maxsize is not None:
                    value.cache_clear()


def seconds(judge: Callable[[Pair], bool], pairs: Sequence[Pair]) -> float:
    began = time.perf_counter()
    for pair in pairs:
        judge(pair)
    return time.perf_counter() - began


def load(path: Path, responses: bool, rows: int) -> list[Pair]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    if responses:
        samples = [sample for number, row in enumerate(found) for sample in read(row, number)]
        return [(sample.gold, sample.response, True) for sample in samples]
    chosen = random.Random(0).sample(found, min(rows, len(found)))
    return [(row["gold"], row["pred"], bool(row.get("pred_is_full_response"))) for row in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--responses", action="store_true")
    arguments = parser.parse_args()
    pairs = load(arguments.file, arguments.responses, arguments.rows)
    for judge in (strict, math_verify):
        seconds(judge, pairs[:100])  # everything that is imported on demand
    ratios = []
    for _ in range(arguments.repeats):
        forget()
        ours = seconds(remembering() if arguments.responses else strict, pairs)
        theirs = seconds(math_verify, pairs)
        ratios.append(theirs / ours)
        print(
            f"strict {len(pairs) / ours:8,.0f} pairs/s   math-verify {len(pairs) / theirs:8,.0f} "
            f"pairs/s   ratio {ratios[-1]:.1f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.1f}")


if __name__ == "__main__":
    main()

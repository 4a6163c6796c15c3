"""Does the strict grader accept wrong answers, or reject right ones? A test that needs no labels.

    HARNESS_DATA_DIR=… python -m bench.soundness [--kind wrong|right] [--count 70] [--share 1.0]

Wrong answers are mutations of every reference of every benchmark file and of the labelled pairs,
each with a value that surely differs; right ones are rewritings that surely agree. Prints a table
by kind and lists what was accepted, or rejected. Questions are never printed (GPQA).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from harness.types import Verdict
from tests.grading import mutations, rewritings
from tests.grading.grade_cases import described, judge, shown
from tests.grading.mutations.kinds import Case
from tests.grading.references import Gold, all_golds

COUNTS = {"wrong": 70, "right": 30}


def make(kind: str, count: int, numbered: tuple[int, Gold]) -> list[Case]:
    seed, gold = numbered
    module = mutations if kind == "wrong" else rewritings
    return module.cases(gold, seed, count)


def generate(kind: str, count: int, share: float, seed: int) -> list[Case]:
    data = Path(os.environ["HARNESS_DATA_DIR"]) if "HARNESS_DATA_DIR" in os.environ else None
    references = [
        (number + seed, gold)
        for number, gold in enumerate(all_golds(data))
        if random.Random(f"{seed} {number}").random() < share
    ]
    began = time.monotonic()
    with ProcessPoolExecutor() as workers:
        groups = list(workers.map(partial(make, kind, count), references, chunksize=20))
    found = [case for group in groups for case in group]
    print(
        f"{len(references):,} references, {len(found):,} {kind} answers, "
        f"at least {min(map(len, groups))} "
        f"for each, made in {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return found


def report(kind: str, judged: list[tuple[Case, Verdict]], show: int) -> None:
    bad = [(case, found) for case, found in judged if found.correct != (kind == "right")]
    share = len(bad) / len(judged)
    print(f"{'accepted' if kind == 'wrong' else 'rejected'}: {len(bad):,} ({share:.3%})")
    total = Counter(case.kind for case, _ in judged)
    examples: dict[str, list[tuple[Case, Verdict]]] = defaultdict(list)
    for case, found in bad:
        examples[case.kind].append((case, found))
    for name, count in sorted(total.items(), key=lambda entry: (-len(examples[entry[0]]), *entry)):
        print(f"{len(examples[name]):7,} of {count:8,}  {name}")
    for found in sorted(examples.values(), key=len, reverse=True):
        for case, verdict in random.Random(0).sample(found, min(show, len(found))):
            print("  ", described(case, verdict))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("wrong", "right"), default="wrong")
    parser.add_argument("--count", type=int, help="Answers for each gold (70 wrong, 30 right).")
    parser.add_argument("--share", type=float, default=1.0, help="Part of the references.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=1000, help="Examples of each kind.")
    parser.add_argument("--out", type=Path, help="Write what went wrong here, as JSON lines.")
    arguments = parser.parse_args()
    kind = arguments.kind
    cases = generate(kind, arguments.count or COUNTS[kind], arguments.share, arguments.seed)
    began = time.monotonic()
    judged = judge(cases)
    print(f"judged in {time.monotonic() - began:.0f} s", flush=True)
    report(kind, judged, arguments.show)
    if arguments.out:
        rows = [
            {"kind": case.kind, "gold": case.gold.text, "source": case.gold.source,
             "type": str(case.gold.answer_type), "text": shown(case), "is_answer": case.is_answer,
             "rule": found.extraction, "method": found.method, "status": str(found.status),
             "extracted": "" if "question" in case.kind else found.extracted}
            for case, found in judged if found.correct != (kind == "right")
        ]  # fmt: skip
        arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()

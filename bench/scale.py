"""How many completions a second the driver takes in, grades and writes, with simulated replicas.

    python bench/scale.py --replicas 1 10 100 1000 --completions 60000

Everything but the engine is the real thing: the Ray backend's queue and messages, the pipeline, the
journal, the results file, the grader pool. The replicas share 4 actors and offer more than the
driver can take. Each case runs in a process of its own. ``--profile FILE`` writes what the driver's
main thread did, for ``python -m pstats``.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.backends.base import EngineOptions
from harness.cli.progress import EvaluationProgress
from harness.run.evaluate import Evaluation, evaluate
from harness.run.plan import Settings
from harness.task import Task
from harness.types import (
    Chat,
    Completion,
    EngineIdentity,
    Item,
    Message,
    Model,
    Prompt,
    Request,
)

ACTORS = 4
AT_ONCE = 256
SAMPLES = 20
TEXT_BYTES = 2000
TOKENS = 512
_WORDS = "so the sum of both sides is then divided by what remains which gives us for each term a"


class SimulatedEngine:
    """Finishes requests at a steady pace. The prompt's two tokens say which answer is wanted."""

    def __init__(self, options: EngineOptions, **_: object) -> None:
        self._pace = float(options.engine_args.get("pace", 1.0))
        spell = random.Random(0)
        self._text = " ".join(spell.choices(_WORDS.split(), k=20_000))
        self._tokens = tuple(spell.randrange(100_000) for _ in range(20_000))

    def open(self, name: str, revision: str | None) -> Model:
        return Model(name=name, source="simulated", fingerprint="5" * 64)

    def identity(self, model: Model) -> EngineIdentity:
        return EngineIdentity("simulated", "1", "cpu")

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        kind, number = messages[0]["content"].split()
        return Prompt(token_ids=(int(kind), int(number), *range(200)))

    def count_tokens(self, model: Model, text: str) -> int:
        return len(text.split())

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        return {"max_num_seqs": AT_ONCE}

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = iter(requests)
        under_way: deque[Request] = deque()
        # Seldom, so that a thousand threads leave the cores to the driver.
        tick = max(0.05, 8 / self._pace)
        due = 0.0
        while True:
            while len(under_way) < AT_ONCE and (request := next(waiting, None)) is not None:
                under_way.append(request)
            if not under_way:
                return
            began = time.monotonic()
            time.sleep(tick)
            due = min(due + (time.monotonic() - began) * self._pace, AT_ONCE)
            while due >= 1 and under_way:
                due -= 1
                yield self._completion(under_way.popleft())

    def _completion(self, request: Request) -> Completion:
        answer = _answer(request)
        at = request.seed % 10_000
        text = f"{self._text[at : at + TEXT_BYTES - 40]}. So it is $\\boxed{{{answer}}}$."
        return Completion(request.key, text, self._tokens[at : at + TOKENS], "stop", 1.0)

    def usage(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None:
        pass


def _answer(request: Request) -> str:
    kind, number = request.prompt.token_ids[:2]
    again = request.sample_index + 1
    if kind:  # a fraction of its own for each sample, so that no verdict is remembered
        return f"\\frac{{{number**3 * again}}}{{{3 * again}}}"
    if request.seed % 10 < 3:
        return str(request.seed % 1_000_003)
    return (str(number), f"{number}.0", f"\\frac{{{2 * number}}}{{2}}")[again % 3]


def _items(count: int, symbolic: float) -> Iterator[Item]:
    for number in range(1, count + 1):
        if number % 10 < 10 * symbolic:
            yield Item(f"integral-{number}", f"1 {number}", f"\\int_0^{{{number}}} x^2 dx")
        else:
            yield Item(f"number-{number}", f"0 {number}", str(number))


class Watch(EvaluationProgress):
    """The usual progress, which also notes the driver's memory as it goes."""

    def __init__(self, results: Path) -> None:
        super().__init__()
        self._results = results
        self.count = 0
        self.began = 0.0
        self.ended = 0.0
        self.database_before = 0
        self.resident: list[tuple[int, float]] = []
        self.pace: list[tuple[int, float]] = []
        threading.Thread(target=self._note, daemon=True).start()

    def phase(self, text: str) -> None:
        super().phase(text)
        if text == "generating":
            self.began = time.monotonic()
            self.database_before = self._results.stat().st_size
        if text == "grading what is left":
            self.ended = time.monotonic()

    def generated(self, completion_tokens: int, status: str) -> None:
        super().generated(completion_tokens, status)
        self.count += 1

    def _note(self) -> None:
        while not self.ended:
            time.sleep(0.05)
            if self.count:
                self.resident.append((self.count, resident_mb()))
                self.pace.append((self.count, time.monotonic()))


def resident_mb() -> float:
    """Return this process's resident memory."""
    with open("/proc/self/statm", encoding="ascii") as stat:
        return int(stat.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def carry_out(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one case in this process."""
    import ray

    (replicas,) = arguments.replicas
    # As many cores as actors, or Ray would not start them all here.
    ray.init(
        address="local",  # never a cluster that is already there
        num_cpus=ACTORS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=500 << 20,
    )
    count = arguments.completions // SAMPLES
    task = Task(
        name="scale",
        version="1",
        load=lambda: _items(count, arguments.symbolic),
        prompt=lambda item: [{"role": "user", "content": item.question}],
        samples=SAMPLES,
        temperature=1.0,
        max_tokens=TOKENS,
    )
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch, "results.duckdb")
        watch = Watch(results)
        profile = cProfile.Profile()
        before = time.monotonic()
        if arguments.profile:
            profile.enable()
        outcome = evaluate(
            Evaluation(
                models=["simulated"],
                tasks=[task],
                results=results,
                settings=Settings(),
                engine=EngineOptions(
                    "ray",
                    engine_args={"pace": arguments.offered / replicas},
                    backend_options={
                        "engine": "scale:SimulatedEngine",
                        "engines_per_actor": -(-replicas // ACTORS),
                        "replicas": replicas,
                    },
                ),
            ),
            watch,
        )
        ended = time.monotonic()
        if arguments.profile:
            profile.disable()
            profile.dump_stats(arguments.profile)
        grown = results.stat().st_size - watch.database_before
    ray.shutdown()
    generated = outcome.total.generated
    return {
        "replicas": replicas,
        "symbolic": arguments.symbolic,
        "completions": generated,
        "before_generating_s": round(watch.began - before, 1),
        "sustained_per_s": round(_sustained(watch.pace)),
        "taken_in_per_s": round(generated / (watch.ended - watch.began)),
        "graded_and_stored_per_s": round(generated / (ended - watch.began)),
        **_memory(watch.resident),
        "database_kb_per_completion": round(grown / generated / 1000, 2),
    }


def _sustained(pace: Sequence[tuple[int, float]]) -> float:
    """Return completions a second between the first fifth and the last twentieth of a run.

    Before, messages fill; after, fewer and fewer replicas have anything left.
    """
    total = pace[-1][0]
    steady = [noted for noted in pace if 0.2 * total <= noted[0] <= 0.95 * total]
    return (steady[-1][0] - steady[0][0]) / (steady[-1][1] - steady[0][1])


def _memory(resident: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Say how the driver's memory went.

    While rows move into the results file, DuckDB takes some hundred megabytes and gives them back.
    What stays is the least of each twentieth of the run; the slope is that of the second half.
    """
    size = -(-len(resident) // 20)
    least = [
        min(resident[at : at + size], key=lambda noted: noted[1])
        for at in range(0, len(resident), size)
    ]
    second_half = least[len(least) // 2 :]
    slope = statistics.linear_regression(
        [count for count, _ in second_half], [megabytes for _, megabytes in second_half]
    ).slope
    return {
        "resident_mb_start": round(least[0][1]),
        "resident_mb_half": round(second_half[0][1]),
        "resident_mb_end": round(least[-1][1]),
        "resident_mb_peak": round(max(megabytes for _, megabytes in resident)),
        "mb_per_10k": round(slope * 10_000, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--completions", type=int, default=60_000)
    parser.add_argument("--offered", type=float, default=8000, help="by all replicas, a second")
    parser.add_argument("--symbolic", type=float, default=0.0, help="share that needs SymPy")
    parser.add_argument("--profile")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(carry_out(arguments)))
        return
    for replicas in arguments.replicas:
        command = [sys.executable, __file__, "--here", *sys.argv[1:], "--replicas", str(replicas)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()

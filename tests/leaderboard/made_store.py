"""Rows for the leaderboard's tests, written the way a run writes them; every value is made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.store import Journal
from harness.store.rows import item_row
from harness.types import Item, Protocol, Sampling, digest

_JUDGED_AT = "2030-01-02T03:04:06+00:00"

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\n"
    "**not bold** [not a link](http://hostile.invalid/) ![no](http://hostile.invalid/i.png) "
    "$\\frac{1}{2}$ :red[no]"
)
HOSTILE_NAME = "hostile <img src=x onerror='window.hacked=3'> ![x](http://hostile.invalid/n.png)"
SECRET = "never-to-be-seen"


@dataclass(frozen=True, slots=True)
class MadeSample:
    """What a made-up model wrote on one item, and the verdict on it."""

    question: str
    gold: str
    answer: str
    correct: bool
    thought: str = ""
    status: str = "ok"
    extracted: str = ""
    truncated: bool = False
    subject: str = "sums"


@dataclass(frozen=True, slots=True)
class MadeRun:
    """One run; samples beyond ``finished`` have not come back."""

    model: str
    task: str
    samples: Sequence[MadeSample]
    finished: int | None = None
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))
    restricted: bool = False
    created_at: str = "2030-01-02T03:04:05+00:00"
    parameters: int = 123_000_000

    @property
    def fingerprint(self) -> str:
        """Equal names are equal models here."""
        return digest(["made up for a test", self.model])

    @property
    def id(self) -> str:
        """A pure function of what the run is, as in the harness."""
        return digest([self.model, self.task, asdict(self.sampling), self.created_at])[:12]


def simple_samples(right: int, of: int) -> list[MadeSample]:
    """Return items of which the first ``right`` were solved."""
    return [
        MadeSample(
            question=f"What is {number} + {number}?",
            gold=str(2 * number),
            answer=f"The sum is {2 * number if number < right else 'seven'}.",
            correct=number < right,
            extracted=str(2 * number if number < right else 7),
        )
        for number in range(of)
    ]


def made_runs() -> list[MadeRun]:
    """Return the runs of the results file the tests look at."""
    greedy = Sampling(max_tokens=512)
    hostile = MadeSample(HOSTILE, "7", HOSTILE, True, thought=f"thinking {HOSTILE}", extracted="7")
    cut_off = MadeSample(
        "A long one?", "1", "so " * 3000, False, status="truncated", truncated=True
    )
    silent = MadeSample("A silent one?", "2", "", False, status="no_answer")
    secret = MadeSample(
        f"{SECRET} question", f"{SECRET} gold", f"{SECRET} answer", True, f"{SECRET} thought",
        extracted=f"{SECRET} extracted",
    )  # fmt: skip
    return [
        MadeRun("made-up-small", "gsm8k", simple_samples(15, 60), sampling=greedy),
        MadeRun("made-up-large", "gsm8k", simple_samples(57, 60), sampling=greedy),
        MadeRun("made-up-large", "gsm8k", simple_samples(54, 60), sampling=Sampling(0.7, 1.0, 512)),
        MadeRun("made-up-growing", "gsm8k", simple_samples(60, 60), finished=24),
        MadeRun("made-up-small", "math500", simple_samples(3, 30), sampling=greedy),
        MadeRun(HOSTILE_NAME, "quick", [hostile, cut_off, silent, *simple_samples(4, 9)]),
        MadeRun("made-up-large", "gpqa_diamond", [secret], restricted=True),
    ]


def run_id(model: str, task: str) -> str:
    """Return the id of the made-up run of this model on this task."""
    return next(run.id for run in made_runs() if (run.model, run.task) == (model, task))


def write(journal: Journal, run: MadeRun) -> None:
    """Append all rows of a run to a journal."""
    data = digest([run.task, [sample.question for sample in run.samples]])
    protocol = Protocol(run.task, "1", data, digest("made up messages"), run.sampling)
    journal.append(
        "model",
        {
            "fingerprint": run.fingerprint,
            "name": run.model,
            "source": "made up",
            "architecture": "MadeUpForCausalLM",
            "parameters": run.parameters,
            "added_at": run.created_at,
        },
    )
    journal.append("run", _run_row(run, protocol))
    finished = len(run.samples) if run.finished is None else run.finished
    for number, sample in enumerate(run.samples):
        for table, row in _sample_rows(run, data, number, sample, done=number < finished):
            journal.append(table, row)


def _run_row(run: MadeRun, protocol: Protocol) -> dict[str, Any]:
    return {
        "id": run.id,
        "model": run.fingerprint,
        "task": run.task,
        "data_sha256": protocol.data_sha256,
        "protocol_sha256": protocol.sha256,
        "protocol": asdict(protocol),
        "samples": 1,
        "seed": 0,
        "replicate": 0,
        "items": len(run.samples),
        "requests": len(run.samples),
        "backend": "made-up-engine",
        "engine_version": "0.0",
        "device": "cpu",
        "output_args": {"dtype": "auto", "resolved_dtype": "float32"},
        "libraries": {},
        "machine": {},
        "restricted": run.restricted,
        "created_at": run.created_at,
    }


def _sample_rows(
    run: MadeRun, data: str, number: int, sample: MadeSample, *, done: bool
) -> list[tuple[str, dict[str, Any]]]:
    item = Item(f"item-{number:03d}", sample.question, sample.gold, subject=sample.subject)
    key = digest([run.id, number])[:32]
    row = item_row(item, run.task, data, number)
    if run.restricted:
        del row["question"], row["gold"]
    request = {
        "run_id": run.id,
        "item_id": item.id,
        "gold_id": item.gold_id,
        "sample_index": 0,
        "key": key,
    }
    rows: list[tuple[str, dict[str, Any]]] = [("item", row), ("request", request)]
    if not done:
        return rows
    generation = {
        "key": key,
        "thought": sample.thought,
        "answer": sample.answer,
        "finish_reason": "length" if sample.truncated else "stop",
        "truncated": sample.truncated,
        "loop": False,
        "prompt_tokens": 11,
        "completion_tokens": 22,
        "seconds": 0.5,
        "restricted": run.restricted,
        "finished_at": _JUDGED_AT,
    }
    grade = {
        "key": key,
        "gold_id": item.gold_id,
        "profile": "strict",
        "grader_version": "0",
        "correct": sample.correct,
        "status": sample.status,
        "extracted": sample.extracted,
        "extraction": "phrase" if sample.extracted else "",
        "method": "text" if sample.status == "ok" else "",
        "seconds": 0.0,
        "graded_at": _JUDGED_AT,
    }
    return [*rows, ("generation", generation), ("grade", grade)]

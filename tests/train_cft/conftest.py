"""A command line, a benchmark of the tests' own, and runs in a real results file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.grading import GRADER_VERSION
from harness.store import Journal, Store
from harness.store.rows import item_row
from harness.types import AnswerType, Item
from tests.conftest import Finished, in_this_process
from tests.store import rows
from tests.train_cft.tiny_training import (
    SAMPLES,
    data_folder,
    examples,
    recipe_file,
    tiny_model,
    train_arguments,
    train_process,
)
from train_cft.train.objectives import read_objective
from train_cft.train.progress import TrainingProgress
from train_cft.train.recipe import read_recipe
from train_cft.train.run import Job, Report, run_training

TrainCft = Callable[..., Finished]
FinishedTraining = Callable[[str], tuple[Path, Report]]
RUN = "aaaaaaaaaaaa"

BENCHMARK = '''"""A benchmark of the tests' own."""
from harness.task import Source, Task
from harness.types import Item

SOURCE = Source("own.jsonl", None, "", "", "", None, "MIT")

def load():
    yield Item("a", "A farmer has seven red hens and eight blue geese in nine small green barns; "
               "how many birds has he?", "15")
    yield Item("b", "What is the capital number?", "4")

def prompt(item):
    return [{"role": "user", "content": item.question}]

TASK = Task("own", "1", load, prompt, source=SOURCE)
'''


@pytest.fixture(autouse=True)
def no_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the benchmarks' files be missing, so that none is looked for on the hub."""
    folder = tmp_path / "no-benchmarks"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_DATA_DIR", str(folder))


@pytest.fixture
def own_tasks(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "own.py").write_text(BENCHMARK)
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.duckdb"


@pytest.fixture
def train_cft(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], results: Path
) -> TrainCft:
    """Call the command line in this process, with a results file of its own."""
    from train_cft.cli.main import main

    monkeypatch.setenv("HARNESS_RESULTS", str(results))
    return in_this_process("train-cft", main, monkeypatch, capsys)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Path]:
    """A model so small that a second thread only waits for the first, here and in processes."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tiny_model(tmp_path_factory.mktemp("models") / "tiny", model_folder)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data") / "data", examples(SAMPLES))


@pytest.fixture(scope="session")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, tiny: Path, data: Path
) -> tuple[Path, Path, str]:
    """One whole training in a process of its own: its folder, its results file, its id."""
    folder = tmp_path_factory.mktemp("whole")
    results = folder / "results.duckdb"
    recipe = recipe_file(folder, tiny)
    epochs = ("--set", "schedule.epochs=3")
    done = train_process(results, *train_arguments(recipe, data, folder / "out", *epochs))
    out, err = done.communicate(timeout=900)
    assert done.returncode == 0, err
    return folder / "out", results, json.loads(out)["training"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: Path, data: Path) -> FinishedTraining:
    """Train once by each objective, with the results file beside the folder; leave both alone."""

    @cache
    def train(objective: str) -> tuple[Path, Report]:
        folder = tmp_path_factory.mktemp(objective)
        recipe = read_recipe(
            str(recipe_file(folder, tiny)), {"objective.mix": read_objective(objective)}
        )
        job = Job(recipe, data, folder / "out", folder / "results.duckdb")
        with TrainingProgress(silent=True) as progress:
            return job.out, run_training(job, progress)

    return train


def write_jsonl(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def sums(count: int) -> list[dict[str, str]]:
    """Make questions with right (even) and wrong (odd) responses, alike in nothing but form."""
    return [
        {
            "question": f"Adding {n * 37} to {n * 91} gives what?",
            "response": f"We add: {n * 37} + {n * 91} = {n * 128 + n % 2}. "
            f"The answer is \\boxed{{{n * 128 + n % 2}}}.",
            "gold": str(n * 128),
        }
        for n in range(1, count + 1)
    ]


@dataclass(frozen=True)
class Response:
    """One generation of a run that a test makes."""

    question: str
    answer: str
    correct: bool | None
    gold: str = "4"
    truncated: bool = False
    loop: bool = False
    status: str = "ok"


def write_run(
    results: Path,
    responses: Iterable[Response],
    *,
    task: str = "own",
    ids: Sequence[str] = (),
    restricted: bool = False,
) -> None:
    """Put a run with these generations into a results file; items may have given ids."""
    with Journal(Store(results)) as journal:
        journal.append("model", rows.model())
        listed = list(responses)
        questions = {response.question: response for response in listed}
        run = rows.run(items=len(questions), requests=len(listed))
        journal.append("run", run | {"task": task, "restricted": restricted})
        items = {}
        for ordinal, (question, response) in enumerate(questions.items()):
            name = ids[ordinal] if ids else f"item-{ordinal}"
            item = Item(name, question, response.gold, AnswerType.INTEGER)
            items[question] = item
            journal.append("item", item_row(item, task, rows.PROTOCOL.data_sha256, ordinal))
        for number, response in enumerate(listed):
            item = items[response.question]
            key = {"key": rows.key(number)}
            asked = {"item_id": item.id, "gold_id": item.gold_id, "sample_index": number}
            journal.append("request", rows.request(number) | asked | key)
            generation = rows.generation(number, answer=response.answer)
            cut = {"truncated": response.truncated, "loop": response.loop}
            journal.append("generation", generation | cut)
            if response.correct is not None:
                grade = rows.grade(number, correct=response.correct, status=response.status)
                judged = {"gold_id": item.gold_id, "grader_version": GRADER_VERSION}
                journal.append("grade", grade | judged | {"extracted": "5"})

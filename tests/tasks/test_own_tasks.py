"""Each task yields the items that are meant, and its gold answers hold under its own grading."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.grading import grade
from harness.registry import TaskRegistry, load_task, suites
from harness.task import Source, Task, data_sha256
from harness.types import AnswerType, Item, Status

EVERY_TASK = [entry.name for entry in TaskRegistry().entries() if not entry.is_family]


@pytest.fixture(autouse=True)
def _local_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))


def items_at_hand(task: Task) -> list[Item]:
    """Load a task's items; skip the test where no copy of its file was ever at hand."""
    try:
        return task.items()
    except HarnessError as error:
        if task.source is None or task.data_sha256 is not None:
            raise
        pytest.skip(f"{task.name} is not in the folder of benchmark files: {error.message}")


@pytest.mark.parametrize("name", EVERY_TASK)
def test_items_are_distinct_and_prompts_hold_the_question(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    items = items_at_hand(task)
    # A failing assertion prints what is in it, and GPQA's text must not be printed: booleans only.
    distinct = len({item.id for item in items}) == len(items)
    assert distinct
    for item in items:
        messages = task.prompt(item)
        asked = messages[-1]["role"] == "user" and item.question in messages[-1]["content"]
        bare = item.gold.strip() == item.gold != ""
        assert (asked, bare) == (True, True)


@pytest.mark.parametrize(("name", "count"), [("gsm8k", 1319), ("math500", 500), ("quick", 200)])
def test_the_whole_benchmark_is_there(name: str, count: int) -> None:
    assert len(load_task(name).items()) == count


@pytest.mark.parametrize("name", ["gsm8k", "quick"])
def test_every_gold_equals_itself_and_not_its_neighbour(name: str) -> None:
    items = load_task(name).items()
    for item, other in zip(items, items[1:], strict=False):
        same = grade(gold=item.gold, answer=item.gold, answer_type=item.answer_type)
        assert same.correct, item.id
        if float(item.gold) != float(other.gold):
            wrong = grade(gold=item.gold, answer=other.gold, answer_type=item.answer_type)
            assert (wrong.correct, wrong.status) == (False, Status.OK), item.id


def test_quick_is_the_same_every_time_and_even_over_its_generators() -> None:
    task = load_task("quick")
    items = task.items()
    assert data_sha256(items) == data_sha256(task.items())
    subjects = [item.subject for item in items]
    assert {subjects.count(subject) for subject in subjects} == {25}
    assert len({item.question for item in items}) == 200


def test_changed_rows_are_refused() -> None:
    task = Task(
        "mine",
        "1",
        lambda: iter([Item("0", "1 + 1?", "3", AnswerType.INTEGER)]),
        lambda item: [{"role": "user", "content": item.question}],
        data_sha256="0" * 64,
    )
    with pytest.raises(HarnessError, match="not the ones this harness knows"):
        task.items()


def test_rows_come_from_the_hub_where_no_folder_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Loaded by the same library call, from a repository that lies on disk."""
    datasets = pytest.importorskip("datasets")
    rows = [{"question": "1 + 1?", "answer": "2"}, {"question": "2 + 2?", "answer": "4"}]
    (tmp_path / "repository").mkdir()
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "repository" / "test.parquet"))
    monkeypatch.delenv("HARNESS_DATA_DIR")
    source = Source(
        file="unused.jsonl",
        file_sha256="",
        hub_id=str(tmp_path / "repository"),
        hub_config="default",
        hub_split="test",
        hub_revision=None,
        licence="MIT",
    )
    assert list(source.rows()) == rows


def test_a_suite_is_its_tasks_each_once() -> None:
    chosen = TaskRegistry().load_all(["gsm8k"], "core")
    assert [task.name for task in chosen] == suites()["core"]
    for tasks in suites().values():
        assert set(tasks) <= set(EVERY_TASK)

"""The examples of docs/python.md run as they stand, and the interface keeps what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.registry import load_task
from tests.backends.fake_server import Answer, FakeServer, completion
from tests.conftest import REPOSITORY, run_harness

_KEY = "sk-made-up-for-this-test"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Run every example in one folder against a real server; return folder and outputs."""
    folder = tmp_path_factory.mktemp("python")
    page = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    server = FakeServer()
    server.pages["/v1/models"] = Answer(body={"data": [{"id": "model-a"}, {"id": "model-b"}]})
    known = {item.question: item.gold for item in load_task("quick").items()}

    def answer(body: dict[str, Any], number: int) -> Answer:
        question = body["messages"][-1]["content"]
        gold = next((gold for asked, gold in known.items() if asked in question), "56")
        wrong = body["model"] == "model-a" and "7 times 8" not in question
        return completion("I do not know." if wrong else f"\\boxed{{{gold}}}", model=body["model"])

    server.answer = answer
    outputs = []
    with server.running():
        for number, example in enumerate(examples):
            file = folder / f"example_{number}.py"
            file.write_text(example, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, file],
                cwd=folder,
                env={"PATH": "", "HOME": str(folder), "OPENAI_API_KEY": _KEY}
                | {"OPENAI_BASE_URL": f"{server.url}/v1"},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{example}\n{done.stderr}"
            assert done.stderr == ""
            outputs.append(done.stdout)
    return folder, outputs


def test_the_examples_run_and_print_what_they_print_and_nothing_else(
    said: tuple[Path, list[str]],
) -> None:
    _, (evaluated, read, compared, graded, own) = said
    assert re.fullmatch(r"(\w{12,} model-[ab] quick True\n){2}", evaluated)
    assert re.match(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\] on 20 items\n", read)
    assert re.fullmatch(
        r"quick: \+(0\.[89]|1\.0)\d+ \[\+0\.\d{3}, \+1\.000\], p = 0\.000\n", compared
    )
    assert graded == "True 0.5\n[True, False, False]\n"
    assert own.splitlines()[-2:] == ["7x8 right", "1.0"]


def test_python_and_the_command_line_agree(said: tuple[Path, list[str]]) -> None:
    results = said[0] / "results.duckdb"
    printed = run_harness("runs", "--results", results, "--json").json
    found = harness.open(results).runs()
    assert [run["id"] for run in printed] == [run.id for run in found]
    score = harness.open(results).score("quick", model="model-b")
    (row,) = [run for run in printed if run["model"] == "model-b"]
    assert row["score"]["value"] == pytest.approx(score.value)


def test_what_is_not_one_complete_run_is_refused_with_a_remedy(
    said: tuple[Path, list[str]], tmp_path: Path
) -> None:
    opened = harness.open(said[0] / "results.duckdb")
    with pytest.raises(harness.HarnessError, match=r"2 runs are meant.*Name one"):
        opened.score("quick")
    with pytest.raises(harness.HarnessError, match="0 runs are meant"):
        opened.score("gsm8k", model="model-a")
    with pytest.raises(harness.HarnessError, match="no results file"):
        harness.open(tmp_path / "none.duckdb")
    with pytest.raises(harness.HarnessError, match="Nothing to evaluate on"):
        harness.evaluate("model-a")
    with pytest.raises(harness.HarnessError, match="no answer type 'numbr'"):
        harness.grade("7", "7", answer_type="numbr")
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        harness.evalute  # noqa: B018


def test_a_thought_is_no_answer() -> None:
    response = "<think>Is it \\boxed{8}? No.</think>It is \\boxed{7}."
    assert harness.grade("7", response).correct
    assert not harness.grade("8", response).correct
    assert not harness.grade("8", "<think>It may be \\boxed{8}").correct

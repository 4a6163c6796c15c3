"""The command line answers at once, and every mistake gets one sentence and its remedy."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest

from harness.cli import doctor
from harness.errors import EngineError, HarnessError
from harness.store import Store
from tests.conftest import REPOSITORY, Finished, held_by_another_process, in_this_process

Harness = Callable[..., Finished]
EVAL = ("eval", "--model", "smollm2-135m", "--tasks", "quick")
# Importing any of these takes longer than the whole of `harness --help` may.
HEAVY = "vllm torch transformers duckdb numpy scipy sympy math_verify streamlit datasets"


@pytest.mark.parametrize("arguments", [["--help"], ["tasks"], ["eval", "--help"]])
def test_nothing_heavy_is_imported_to_answer_a_simple_question(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom harness.cli.main import main\nsys.argv = ['harness', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}.split()) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_tasks_lists_each_task_with_its_first_line(harness: Harness) -> None:
    listed = harness("tasks", "--json").json
    names = {task["name"]: task["summary"] for task in listed["tasks"]}
    assert {"gsm8k", "math500", "quick"} <= names.keys()
    assert all(names.values())
    assert listed["suites"]["quick"] == ["quick"]


def _refused(done: Finished, *said: str) -> None:
    assert done.code == 2
    assert done.out == ""
    error = done.err.splitlines()[-1]
    assert error.startswith("error: ") and "Traceback" not in done.err
    for words in said:
        assert words in error


def test_an_unknown_task_gets_the_nearest_names(harness: Harness) -> None:
    _refused(harness("eval", "--model", "smollm2-135m", "--tasks", "gms8k"), "gms8k", "gsm8k")


@pytest.mark.parametrize(("asked", "meant"), [("AIME24", "aime24"), ("Math-500", "math500")])
def test_a_task_in_capitals_gets_its_name(harness: Harness, asked: str, meant: str) -> None:
    _refused(harness("eval", "--model", "smollm2-135m", "--tasks", asked), f"Did you mean {meant}")


def test_both_command_lines_say_their_version(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from train_cft.cli.main import main

    number = version("cft-harness")
    assert harness("--version").out == f"harness {number}\n"
    train_cft = in_this_process("train-cft", main, monkeypatch, capsys)
    assert train_cft("--version").out == f"train-cft {number}\n"


def test_own_tasks_are_checked_wherever_their_folder_is_named(
    harness: Harness, tmp_path: Path
) -> None:
    text = (REPOSITORY / "docs" / "tasks.md").read_text()
    (tmp_path / "products.py").write_text(text.split("```python\n")[1].split("```")[0])
    before = harness("tasks", "--tasks-dir", tmp_path, "--json", "check", "products")
    after = harness("tasks", "check", "products", "--tasks-dir", tmp_path, "--json")
    assert before.json == after.json and before.json[0]["items"] == 3
    assert harness("tasks", "check", "products").code == 2


def test_an_unknown_suite_gets_the_nearest_names(harness: Harness) -> None:
    _refused(harness("eval", "--model", "smollm2-135m", "--suite", "quikc"), "quick")


def test_no_task_at_all_says_what_to_give(harness: Harness) -> None:
    _refused(harness("eval", "--model", "smollm2-135m"), "--tasks", "--suite")


def test_an_unknown_model_gets_the_nearest_names(harness: Harness) -> None:
    _refused(harness("eval", "--model", "smollm2", "--tasks", "quick"), "smollm2-135m")


def test_a_folder_that_is_no_checkpoint_is_named(harness: Harness, tmp_path: Path) -> None:
    _refused(harness("eval", "--model", tmp_path, "--tasks", "quick"), "config.json")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--limit", "0", "--limit 0"),
        ("--limit", "-3", "--limit -3"),
        ("--n", "0", "--n 0"),
        ("--n", "4", "--temperature"),
        ("--top-p", "0", "--top-p 0"),
        ("--temperature", "-1", "negative"),
        ("--temperature", "nan", "not a number"),
        ("--seed", str(1 << 63), "63 bits"),
        ("--replicate", str(1 << 31), "31 bits"),
        ("--max-tokens", "0", "--max-tokens 0"),
        ("--replicate", "-1", "negative"),
        ("--backend", "vlm", "vllm"),
        ("--engine-arg", "dtype", "key=value"),
    ],
)
def test_a_senseless_option_is_refused(
    harness: Harness, option: str, value: str, said: str
) -> None:
    _refused(harness(*EVAL, option, value), said)


def test_no_prompt_is_cut_to_make_room(
    harness: Harness, model_folder: Path, tmp_path: Path
) -> None:
    done = harness(*EVAL, "--max-tokens", "8190", "--results", tmp_path / "r.duckdb")
    _refused(done, "8192 tokens", "products-00", "--max-tokens")


def test_a_results_file_that_is_none_is_left_alone(
    harness: Harness, model_folder: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results.duckdb"
    results.write_text("my thesis " * 500)
    _refused(harness(*EVAL, "--results", results), "not a DuckDB database", "--results")
    assert results.read_text() == "my thesis " * 500


def test_a_results_file_that_another_process_keeps_open_is_named_with_its_holder(
    harness: Harness, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.duckdb"
    monkeypatch.setattr("harness.store.store.WAIT_SECONDS", 0.2)
    with held_by_another_process(results) as holder:
        _refused(harness(*EVAL, "--results", results), f"process {holder.pid}", "same command")


def test_a_results_file_in_a_folder_that_cannot_be_made(
    harness: Harness, model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    _refused(harness(*EVAL, "--results", tmp_path / "file" / "r.duckdb"), "cannot be written")


@pytest.mark.parametrize("results", [".", "/"])
def test_a_folder_is_no_results_file(harness: Harness, model_folder: Path, results: str) -> None:
    _refused(harness(*EVAL, "--results", results), "is a folder")


def test_a_task_whose_package_is_missing_says_what_to_install(
    harness: Harness, model_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.task.find_spec", lambda name: None)
    done = harness(*EVAL, "--results", tmp_path / "r.duckdb")
    _refused(done, "reasoning_gym", "cft-harness[fresh]")


def test_an_engine_that_gave_up_on_a_request_has_generated_nothing() -> None:
    from types import SimpleNamespace

    from harness.backends.vllm.backend import _refuse_failed

    for reason in ("error", "abort"):
        with pytest.raises(EngineError, match=reason):
            _refuse_failed(SimpleNamespace(outputs=[SimpleNamespace(finish_reason=reason)]))
    _refuse_failed(SimpleNamespace(outputs=[SimpleNamespace(finish_reason="stop")]))


def test_a_context_too_short_for_the_budget_is_refused(model_folder: Path, tmp_path: Path) -> None:
    from harness.backends.base import EngineOptions
    from harness.backends.vllm.backend import VllmBackend
    from harness.models.resolve import resolve_model

    backend = VllmBackend(EngineOptions(engine_args={"max_model_len": 100}))
    with pytest.raises(HarnessError, match="no room"):
        backend.settings(resolve_model("smollm2-135m"), [], 200)


@pytest.mark.parametrize("budget", [0, 16, None])
def test_a_thinking_budget_tells_the_engine_what_ends_a_thought(
    model_folder: Path, budget: int | None
) -> None:
    from harness.backends.base import EngineOptions
    from harness.backends.vllm.backend import VllmBackend
    from harness.models.resolve import resolve_model
    from harness.types import Prompt, Request, Sampling

    sampling = Sampling(thinking_budget=budget)
    request = Request("0" * 32, "item", 0, Prompt((1,)), sampling, seed=0)
    settings = VllmBackend(EngineOptions()).settings(resolve_model("smollm2-135m"), [request], 99)
    assert ("reasoning_config" in settings) == (budget is not None)


def test_more_devices_than_there_are_is_refused(model_folder: Path) -> None:
    from harness.backends.base import EngineOptions
    from harness.backends.vllm.backend import VllmBackend
    from harness.models.resolve import resolve_model

    backend = VllmBackend(EngineOptions(backend_options={"tensor_parallel": 64}))
    with pytest.raises(HarnessError, match="64 devices; this machine has"):
        backend.settings(resolve_model("smollm2-135m"), [], 200)


def test_what_should_not_happen_is_one_sentence_too(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise KeyError("\x1b]0;owned")

    monkeypatch.setattr("harness.registry.suites", broken)
    done = harness("tasks")
    assert done.code == 1
    assert "--debug" in done.err and "Traceback" not in done.err and "\x1b" not in done.err


def test_missing_and_changed_benchmark_files_are_named(
    harness: Harness, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    command = ("eval", "--model", "smollm2-135m", "--tasks", "gsm8k")
    _refused(harness(*command), "gsm8k.jsonl", "HARNESS_DATA_DIR")
    (tmp_path / "gsm8k.jsonl").write_text('{"question": "1 + 1?", "answer": "#### 2"}\n')
    found = hashlib.sha256((tmp_path / "gsm8k.jsonl").read_bytes()).hexdigest()
    _refused(harness(*command), "sha256", found[:12])


def test_no_engine_installed_says_what_to_install(
    harness: Harness, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backends.vllm.backend.installed", lambda: None)
    _refused(harness(*EVAL), "No engine is installed", "pip install")


def test_an_engine_argument_that_vllm_does_not_know(
    harness: Harness, model_folder: Path, tmp_path: Path
) -> None:
    done = harness(*EVAL, "--engine-arg", "max_num_seq=8", "--results", tmp_path / "r.duckdb")
    _refused(done, "max_num_seqs")


def test_an_unknown_run_says_where_to_look(harness: Harness, tmp_path: Path) -> None:
    _refused(harness("show", "abc", "--results", tmp_path / "none.duckdb"), "harness eval")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    from tests.conftest import run_harness

    command = ("runs", "--results", tmp_path / "none.duckdb")
    assert "Traceback" not in run_harness(*command).err
    assert "Traceback" in run_harness("--debug", *command).err


def test_the_doctor_says_what_works_and_what_to_run(harness: Harness, tmp_path: Path) -> None:
    findings = _findings(harness("doctor", "--results", tmp_path / "new" / "r.duckdb", "--json"), 0)
    assert findings["engine"]["level"] == "fine"
    assert findings["results"]["level"] == findings["disk"]["level"] == "fine"


def _findings(done: Finished, code: int) -> dict[str, dict[str, str]]:
    assert done.code == code, done.out
    return {finding["what"]: finding for finding in done.json}


def test_the_doctor_calls_broken_only_what_is(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.doctor.installed", lambda: None)
    monkeypatch.delenv("HARNESS_DATA_DIR", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    has = doctor._has
    monkeypatch.setattr(doctor, "_has", lambda name: name not in ("datasets", "ray") and has(name))
    findings = _findings(harness("doctor", "--results", tmp_path / "r.duckdb", "--json"), 0)
    for what in ("engine", "package ray", "hub", "data of gsm8k", "data of math500_validation"):
        assert findings[what]["level"] == "missing" and findings[what]["remedy"], what
    assert "servers" in findings["engine"]["found"]
    assert "math500_validation.jsonl" in findings["data of math500_validation"]["remedy"]
    assert "datasets" in findings["data of gsm8k"]["found"]


def test_the_doctor_says_in_one_sentence_what_is_wrong_with_a_results_file(
    harness: Harness, tmp_path: Path
) -> None:
    text, foreign, damaged = (tmp_path / name for name in ("text", "foreign", "damaged"))
    text.write_text("no database " * 500)
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE run (id INTEGER)")
    with Store(damaged).write():
        pass
    with duckdb.connect(str(damaged)) as connection:
        connection.execute("CREATE TABLE filler AS SELECT range AS n FROM range(200000)")
    content = bytearray(damaged.read_bytes())
    content[12288:-4096] = b"\xff" * len(content[12288:-4096])
    damaged.write_bytes(content)
    for results in (text, foreign, damaged, tmp_path):
        finding = _findings(harness("doctor", "--results", results, "--json"), 1)["results"]
        assert finding["level"] == "broken" and finding["remedy"], results
        assert len(finding["found"].splitlines()) == 1


def test_model_text_cannot_send_escapes_to_the_terminal() -> None:
    from harness.text import clean

    assert "\x1b" not in clean("\x1b]0;owned\x07\x1b[2J") and clean("a\nb\tc") == "a\nb\tc"

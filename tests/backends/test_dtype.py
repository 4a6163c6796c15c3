"""The dtype follows the machine, is known before the engine starts, and keeps runs apart."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from harness import environment
from harness.analysis.protocol import differences
from harness.backends.base import EngineOptions
from harness.backends.vllm import dtype as _dtype
from harness.backends.vllm.backend import VllmBackend
from harness.backends.vllm.forecast import cpu_forecast
from harness.cli.progress import EvaluationProgress
from harness.environment import compute_capability
from harness.models.checkpoint import Checkpoint
from harness.models.resolve import resolve_model
from harness.registry import load_task
from harness.run.plan import Settings, TaskPlan, plan_task
from harness.types import Prompt, Request, Sampling, digest


@pytest.fixture(scope="module")
def checkpoint(model_folder: Path) -> Checkpoint:
    return resolve_model("smollm2-135m")


def planned(monkeypatch: pytest.MonkeyPatch, *, units: bool, **engine_args: object) -> TaskPlan:
    monkeypatch.setattr(_dtype, "has_bfloat16_units", lambda: units)
    backend = VllmBackend(EngineOptions(engine_args=engine_args))
    model = backend.open("smollm2-135m", None)
    return plan_task(load_task("quick"), model, backend, Settings(limit=2))


def test_runs_of_a_machine_with_bfloat16_units_and_one_without_are_two(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, slow = (planned(monkeypatch, units=units) for units in (True, False))
    assert [plan.run.engine.dtype for plan in (fast, slow)] == ["bfloat16", "float32"]
    assert fast.run.id != slow.run.id
    assert not {r.key for r in fast.requests} & {r.key for r in slow.requests}
    found = differences(fast, slow)
    assert [str(one) for one in found.shown] == ["dtype: bfloat16 against float32"]


def test_keys_of_runs_stored_before_the_dtype_was_resolved_stay_what_they_were(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(monkeypatch, units=True)
    engine = plan.run.engine
    then = {"backend": "vllm", "version": engine.version, "device": engine.device}
    of_the_run = [plan.model.fingerprint, then | {"output_args": {"dtype": "auto"}}]
    request = plan.requests[0]
    of_the_sample = [digest(request.prompt.identity), 0, 0, 0]
    assert request.key == digest([*of_the_run, asdict(request.sampling), *of_the_sample])[:32]
    # Where the dtype was given by hand, it stood in the key as it was given.
    given, chosen = (
        planned(monkeypatch, units=True, dtype="float32"),
        planned(monkeypatch, units=False),
    )
    assert given.run.id == chosen.run.id != plan.run.id


@pytest.mark.parametrize(
    ("config", "given", "units", "dtype"),
    [
        ({"dtype": "bfloat16"}, None, True, "bfloat16"),
        ({"dtype": "bfloat16"}, "auto", False, "bfloat16"),
        ({"torch_dtype": "float32"}, None, True, "bfloat16"),
        ({"torch_dtype": "bfloat16"}, None, False, "float32"),
        ({"text_config": {"dtype": "float16"}}, None, True, "float32"),
        (
            {"dtype": "float16", "quantization_config": {"bits": 4}},
            None,
            False,
            "float16",
        ),
        ({"dtype": "float16", "model_type": "gemma2"}, None, True, "bfloat16"),
        ({"dtype": "bfloat16"}, "half", False, "float16"),
        ({}, None, True, "bfloat16"),  # the stored weights tell
    ],
)
def test_the_dtype_follows_the_checkpoint_and_the_cpu(
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, object],
    given: str | None,
    units: bool,
    dtype: str,
) -> None:
    monkeypatch.setattr(_dtype, "has_bfloat16_units", lambda: units)
    asked = replace(checkpoint, config=config)
    assert _dtype.resolved_dtype(asked, given, on_cpu=True)[0] == dtype


def test_on_a_gpu_the_checkpoint_decides(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dtype, "has_bfloat16_units", lambda: False)
    half = replace(checkpoint, config={"dtype": "float16"})
    assert _dtype.resolved_dtype(half, None, on_cpu=False) == ("float16", "auto")


def test_a_capped_cpu_has_no_bfloat16_units(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.has_bfloat16_units.cache_clear()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    try:
        assert not environment.has_bfloat16_units()
    finally:
        environment.has_bfloat16_units.cache_clear()


@pytest.mark.skipif(os.nice(0) > 0, reason="a neighbour started from here would be a polite one")
def test_a_busy_neighbour_is_seen_and_makes_threads_sleep_while_they_wait() -> None:
    ask = (
        "import os; from harness import environment; environment.set_openmp_wait_policy();"
        "print(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('GOMP_SPINCOUNT'))"
    )
    spinning = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    neighbours = [subprocess.Popen(spinning, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for neighbour in neighbours:
            assert neighbour.stdout is not None and neighbour.stdout.readline()
        asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.communicate()
    assert asked.stdout.split()[0] == "passive", asked.stderr


def asking(count: int, max_tokens: int) -> list[Request]:
    sampling = Sampling(max_tokens=max_tokens)
    return [
        Request(str(n), str(n), 0, Prompt(token_ids=(1,) * 60), sampling, 0) for n in range(count)
    ]


@pytest.mark.parametrize(
    ("capabilities", "kind", "given", "chosen"),
    [
        ("8.0\n9.0", "llama", None, ("bfloat16", "auto")),
        ("8.6\n7.5", "llama", None, ("float16", "float16")),
        ("7.0", "gemma2", "auto", ("float32", "float32")),
        ("7.5", "llama", "bfloat16", ("bfloat16", "bfloat16")),
        ("[N/A]", "llama", None, ("bfloat16", "auto")),
    ],
)
def test_a_gpu_without_bfloat16_computes_in_what_it_has(
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: str,
    kind: str,
    given: str | None,
    chosen: tuple[str, str],
) -> None:
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text(f"#!/bin/sh\necho '{capabilities}'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{driver.parent}{os.pathsep}{os.environ['PATH']}")
    compute_capability.cache_clear()
    asked = replace(checkpoint, config={"dtype": "bfloat16", "model_type": kind})
    try:
        assert _dtype.resolved_dtype(asked, given, on_cpu=False) == chosen
    finally:
        compute_capability.cache_clear()


def test_a_long_evaluation_on_a_cpu_says_so_before_it_starts() -> None:
    assert cpu_forecast(135_000_000, asking(10, 64), "float32") == ""
    sentence = cpu_forecast(7_000_000_000, asking(1000, 2048), "float32")
    assert "days on this CPU: 60,000 tokens of prompts and at most 2,048,000 new" in sentence


def test_progress_is_shown_from_the_first_prompts_on(capsys: pytest.CaptureFixture[str]) -> None:
    progress = EvaluationProgress(every_seconds=0)
    progress.planned(requests=4, stored=0, runs={"one": "gsm8k", "two": "math500"})
    progress.phase("generating")
    progress.progressed(1024, 0)
    progress.graded("one", "item", True)
    progress.generated(100, "")
    printed = capsys.readouterr().err
    assert "0 of 4  1,024 prompt tokens read" in printed
    assert "tok/s  gsm8k 100.0" in printed


def test_tokens_that_the_engine_has_counted_are_not_counted_again_as_they_finish(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: 10.0)
    progress = EvaluationProgress(every_seconds=0)
    progress.planned(requests=8, stored=0, runs={"one": "gsm8k"})
    progress.phase("generating")
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: 12.0)
    progress.progressed(1024, 800)
    for _ in range(8):
        progress.generated(100, "")
    assert "8 of 8  400 tok/s" in capsys.readouterr().err
